"""Executions that steps of other executions start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from tenuto.core.events import ParentLink, StepError


class ChildEnd(NamedTuple):
    """How a child ended: its output, or (`error`) why there is none."""

    result: Any = None
    error: StepError | None = None


class Children(Protocol):
    """Starts executions as children."""

    async def start_child(
        self,
        parent: ParentLink,
        workflow_id: str,
        version: int | None,
        context: Mapping[str, Any],
        execution_id: str,
    ) -> ChildEnd | None:
        """Have an execution of that id, started by that step; it is on disk when this returns. A repeated start of the
        same changes nothing, and answers how it ended where it has; else the end is reported to the parent. `version`
        None: the newest. Raises NotFound (no such workflow), Invalid (the context does not fit), Conflict (the id is
        something else's), StoreUnavailable and Overloaded."""
