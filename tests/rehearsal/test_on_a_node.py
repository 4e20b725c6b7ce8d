"""Rehearsals on a node, whose scripts may be slow and whose time is everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import tenuto
from tenuto.errors import NotFound, Overloaded
from tenuto.ports.script import Script, ScriptEngine
from tenuto.wire.rehearsal import read_rehearsal
from tests.patterns.scripts import InlineScripts
from tests.simulation import loop as simulated_loop


class SlowScripts(InlineScripts):
    """Every script takes as many seconds as it is told to."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        await asyncio.sleep(self._seconds)
        return await super().evaluate(script, scope)


class SlowEngine(tenuto.Engine):
    """An engine with such scripts."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__("memory:")

    def _new_scripts(self) -> ScriptEngine:
        return SlowScripts(self._seconds)


DEFINITION = {"id": "w", "steps": [{"id": "a", "timeout": 50, "params": {"result": "{{ context.n + 1 }}"}}]}
CASE = read_rehearsal({"context": {"n": 1}})


def on_a_node(seconds: float, play: Callable[[tenuto.Engine], Any]) -> Any:
    async def main() -> Any:
        async with SlowEngine(seconds) as engine:
            return await play(engine)

    return simulated_loop.run(main)


def test_scripts_that_are_slow_today_change_nothing() -> None:
    told = on_a_node(3, lambda engine: engine.node.rehearsals.rehearse(CASE, definition=DEFINITION))
    assert (told["status"], told["duration"], told["document"]["output"]) == ("completed", 0, {"a": 2})


def test_a_rehearsal_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(Overloaded, match="longer than 60 s"):
        on_a_node(100, lambda engine: engine.node.rehearsals.rehearse(CASE, definition=DEFINITION))


def test_others_wait_for_their_turn() -> None:
    async def play(engine: tenuto.Engine) -> list[Any]:
        begun = asyncio.get_running_loop().time()

        async def one() -> float:
            await engine.node.rehearsals.rehearse(CASE, definition=DEFINITION)
            return asyncio.get_running_loop().time() - begun

        return list(await asyncio.gather(one(), one(), one()))

    assert [round(took) for took in on_a_node(3, play)] == [3, 3, 6]


def test_versions_and_variables_are_those_of_the_node() -> None:
    async def play(engine: tenuto.Engine) -> list[Any]:
        rehearsals = engine.node.rehearsals
        await engine.node.variables.put("tenant", "acme")
        for result in ("{{ vars.tenant }}", "{{ vars.own }}"):
            await engine.register_workflow({"id": "w", "steps": [{"id": "a", "params": {"result": result}}]})
        case = read_rehearsal({"vars": {"own": 1}})
        told = [await rehearsals.rehearse(case, workflow_id="w", version=version) for version in (1, None)]
        with pytest.raises(NotFound):
            await rehearsals.rehearse(case, workflow_id="other")
        assert await engine.list() == []
        return [(one["workflowVersion"], one["document"]["output"]) for one in told]

    assert on_a_node(0, play) == [(1, {"a": "acme"}), (2, {"a": 1})]
