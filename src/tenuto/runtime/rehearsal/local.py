"""Rehearsals in this process, of the workflows that it knows and of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tenuto.core.definition import Definition
from tenuto.core.view import document
from tenuto.errors import Overloaded
from tenuto.ports.script import ScriptEngine
from tenuto.runtime.catalog import Catalog
from tenuto.runtime.rehearsal.disturbed import simulate
from tenuto.runtime.rehearsal.expectations import check
from tenuto.runtime.rehearsal.play import Play
from tenuto.runtime.rehearsal.stage import Stage
from tenuto.runtime.workflow import FindAction
from tenuto.wire.rehearsal import Case, SimulationBody

AT_ONCE = 2
"""So many are played at a time; others wait."""

LONGEST_S = 60.0
"""A rehearsal that takes longer is given up, in seconds of the clock on the wall."""

LARGE = 300
"""Workflows of more steps are compiled in a thread."""


class LocalRehearsals:
    """Rehearses what `catalog` has and checks. `variables` are those that all executions share. `longest_s` bounds a
    rehearsal (None: not at all)."""

    def __init__(
        self,
        catalog: Catalog,
        scripts: ScriptEngine,
        find_action: FindAction,
        variables: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._catalog = catalog
        self._scripts = scripts
        self._find_action = find_action
        self._variables = variables
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def rehearse(
        self,
        case: Case,
        *,
        workflow_id: str | None = None,
        version: int | None = None,
        definition: Any = None,
    ) -> dict[str, Any]:
        """See `Rehearsals`."""
        async with self._my_turn(LONGEST_S):
            if definition is not None:
                stage = await self._stage((await self._catalog.check(definition)).definition, 0)
            else:
                assert workflow_id is not None, "either is given"
                known = await self._catalog.get(workflow_id, version)
                stage = await self._stage(known.definition, known.graph.version)
            stage.check(case)
            return told(case, await stage.play(case))

    async def simulate(self, told: SimulationBody, definition: Any) -> dict[str, Any]:
        """See `Rehearsals`."""
        async with self._my_turn(None):
            stage = await self._stage((await self._catalog.check(definition)).definition, 0)
            stage.check(told)
            return await simulate(stage, told)

    async def _stage(self, definition: Definition, version: int) -> Stage:
        given = (definition, version, self._scripts, self._find_action, self._variables())
        if len(definition.steps) > LARGE:
            return await asyncio.to_thread(Stage, *given)
        return Stage(*given)

    @asynccontextmanager
    async def _my_turn(self, longest_s: float | None) -> AsyncIterator[None]:
        async with self._turn:
            try:
                async with asyncio.timeout(longest_s):
                    yield
            except TimeoutError:
                raise Overloaded(
                    f"the rehearsal took longer than {LONGEST_S:.0f} s, the most one may take"
                ) from None


def told(case: Case, play: Play) -> dict[str, Any]:
    """What there is to say of a play, as JSON data."""
    state = play.state
    expectations = check(case, play)
    said: dict[str, Any] = {
        "workflowId": state.workflow_id,
        "workflowVersion": state.version,
        "status": state.status,
        "duration": play.duration,
    }
    if play.stopped is not None:
        said["stopped"] = play.stopped
    said |= {
        "ok": all(expectation.ok for expectation in expectations),
        "document": document(state, play.now),
        "timeline": play.record.moments,
        "calls": play.performed,
        "unmocked": list(play.unmocked),
        "expectations": expectations,
    }
    plain: dict[str, Any] = msgspec.to_builtins(said)
    return plain
