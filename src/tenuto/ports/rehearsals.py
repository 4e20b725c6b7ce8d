"""Playing workflows with made-up outcomes, in virtual time; nothing is kept of it."""

from __future__ import annotations

from typing import Any, Protocol

from tenuto.wire.rehearsal import Case, SimulationBody


class Rehearsals(Protocol):
    """Rehearses workflows. What is answered is JSON data."""

    async def rehearse(
        self,
        case: Case,
        *,
        workflow_id: str | None = None,
        version: int | None = None,
        definition: Any = None,
    ) -> dict[str, Any]:
        """How the case goes: of the version (None: the newest), or of the `definition`, which need not be registered.
        Raises NotFound, DefinitionInvalid, Invalid (the case does not fit the workflow), Overloaded."""

    async def simulate(self, told: SimulationBody, definition: Any) -> dict[str, Any]:
        """What a crash, a failure and a timeout of each step do. Raises DefinitionInvalid, Invalid, Overloaded."""
