"""One bad execution, step or action never stops or slows the others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tenuto.core import decide as core
from tenuto.core import inputs as inp
from tenuto.core.decide import Decision
from tenuto.core.state import State
from tenuto.errors import UnreadableRecord
from tenuto.ports.action import ActionRequest, Outcome
from tenuto.ports.host import Who
from tenuto.ports.script import Script
from tenuto.runtime import driver
from tenuto.scripting.fake import FakeScriptEngine
from tests.runtime.lab import Lab, hand, passed, simulated, waiting


class Fault:
    """The core, with a mistake: it cannot decide about executions whose start context says `bad`, once they are told
    of the end of an attempt (or at all, while `always`)."""

    def __init__(self) -> None:
        self.always = False
        self.is_mended = False
        self.met = 0

    def decide(self, state: State, inputs: Sequence[inp.Input], now: int, *, hold: bool = False) -> Decision:
        decision = core.decide(state, inputs, now, hold=hold)
        ended = any(isinstance(given, inp.AttemptEnded) for given in inputs)
        if state.input.get("bad") and (ended or self.always) and not self.is_mended:
            self.met += 1
            raise ZeroDivisionError("a mistake of ours")
        return decision


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    fault = Fault()
    monkeypatch.setattr(driver, "decide", fault.decide)
    return fault


@simulated
async def test_an_execution_that_cannot_be_decided_stops_no_other(fault: Fault) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        bad, good = await lab.start({"bad": True}), await lab.start()
        for _ in range(2):
            (await lab.hands.take("a")).succeed()
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(good))["status"] == "completed"
        assert fault.met
        assert (await lab.show(bad))["status"] == "running"


@simulated
async def test_an_execution_that_cannot_be_decided_can_be_terminated(fault: Fault) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        bad = await lab.start({"bad": True})
        (await lab.hands.take("a")).succeed()
        await passed(1)
        state = await lab.node.terminate(bad, Who())
        assert state.status == "cancelled"
        assert (await lab.ended(bad))["error"]["type"] == "terminated"


@simulated
async def test_whoever_asks_something_of_an_execution_that_cannot_be_decided_is_told(fault: Fault) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b"))
        bad = await lab.start({"bad": True})
        fault.always = True
        for verb in (lab.node.pause, lab.node.cancel, lab.node.terminate):
            with pytest.raises(RuntimeError, match="could not be decided"):
                await verb(bad, Who())
        await passed(10)
        assert (await lab.node.wait(bad, 1_000)).status == "running"
        with pytest.raises(RuntimeError, match="could not be decided"):
            await lab.start({"bad": True})


@simulated
async def test_a_fault_that_was_mended_leaves_an_execution_that_goes_on(fault: Fault) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        bad = await lab.start({"bad": True})
        (await lab.hands.take("a")).succeed()
        await passed(1)
        fault.is_mended = True
        await lab.reboot()
        for step_id in ("a", "b"):
            (await lab.hands.take(step_id)).succeed()
        assert (await lab.ended(bad))["status"] == "completed"


@simulated
async def test_attempts_of_an_execution_that_cannot_be_decided_are_given_up(fault: Fault) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b"))
        bad = await lab.start({"bad": True})
        other = await lab.hands.take("b")
        (await lab.hands.take("a")).succeed()
        await passed(1)
        assert other.was_given_up()
        assert not lab.is_in_memory(bad)
        assert lab.node._driver.live == {}


@simulated
async def test_a_journal_that_is_unreadable_after_a_failed_commit_stops_no_other() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        bad, good = await lab.start(), await lab.start()
        attempts = [await lab.hands.take("a") for _ in range(2)]
        lab.store.is_full = True
        attempts[0].succeed()
        attempts[1].succeed()
        waiter = asyncio.create_task(lab.node.wait(bad, 10**9))
        await passed(1)
        lab.store.damage(bad, b"[1,5,[{")
        lab.store.is_full = False
        assert (await lab.ended(good))["status"] == "completed"
        with pytest.raises(RuntimeError, match="could not be decided"):
            await waiter
        with pytest.raises(UnreadableRecord, match="does not decode"):
            await lab.node.terminate(bad, Who())


class Broken:
    """An action that is itself broken, in the way that the step's params name."""

    name = "broken"
    scripts: frozenset[str] = frozenset()

    def run(self, request: ActionRequest) -> Outcome | Any:
        way = request.params["way"]
        if way == "raises":
            raise ZeroDivisionError("no")
        if way == "never ends":
            return asyncio.Event().wait()
        if way == "leaves":
            raise SystemExit(3)
        return self._raise(ERRORS[way])

    async def _raise(self, error: BaseException) -> Any:
        await asyncio.sleep(1)
        raise error


ERRORS: dict[str, BaseException] = {
    "raises later": ZeroDivisionError("no"),
    "leaves later": SystemExit(3),
    "is late by itself": TimeoutError("its own"),
    "gives itself up": asyncio.CancelledError("its own"),
}


WAYS = {
    "raises": ("internal", "the action 'broken' broke: ZeroDivisionError: no"),
    "raises later": ("internal", "the action 'broken' broke: ZeroDivisionError: no"),
    "never ends": ("timeout", "the attempt took longer than its timeout of 3000 ms"),
    "leaves": ("internal", "the action 'broken' broke: SystemExit: 3"),
    "leaves later": ("internal", "the action 'broken' broke: SystemExit: 3"),
    "is late by itself": ("internal", "the action 'broken' broke: TimeoutError: its own"),
    "gives itself up": ("internal", "the action 'broken' broke: CancelledError: its own"),
}


@pytest.mark.parametrize("with_engine", [False, True], ids=["plain params", "params for the engine"])
@pytest.mark.parametrize("way", WAYS)
@simulated
async def test_an_action_that_breaks_fails_its_step_and_nothing_else(way: str, with_engine: bool) -> None:
    async with Lab() as lab:
        lab.registry.register("broken", Broken())
        await lab.define(
            {
                "id": "a",
                "action": "broken",
                "timeout": 3_000,
                "params": {"way": way} | ({"more": "{{ 1 > 0 }}"} if with_engine else {}),
            },
            {"id": "b"},
        )
        shown = await lab.ended(await lab.start())
        error = shown["stepResults"]["a"]["error"]
        assert (error["type"], error["message"]) == WAYS[way]
        assert shown["completedSteps"] == ["b"]


class BrokenEngine(FakeScriptEngine):
    """A script engine that is itself broken."""

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        raise LookupError("a mistake of ours")


@simulated
async def test_a_script_engine_that_breaks_fails_the_step_or_the_output() -> None:
    lab = Lab()
    lab.scripts = BrokenEngine()
    async with lab:
        await lab.define({"id": "a", "when": "1 > 0"})
        await lab.define({"id": "a"}, output="{{ 1 > 0 }}", id="v")
        for workflow_id in ("w", "v"):
            shown = await lab.ended(await lab.start(workflow_id=workflow_id))
            assert shown["error"]["type"] == "internal"
            assert "LookupError" in shown["error"]["message"]


@simulated
async def test_an_action_that_nobody_serves_fails_its_step() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a", "action": "telepathy"})
        shown = await lab.ended(await lab.start())
        assert shown["error"]["type"] == "unknown-action"
        assert "'telepathy'" in shown["error"]["message"]


@simulated
async def test_two_hundred_executions_at_once_all_end_and_share_commits() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), waiting("nap", 1_000, "a"), hand("b", "nap"))
        ids = await asyncio.gather(*(lab.start({"n": n}) for n in range(200)))
        await passed(0.5)
        for attempt in lab.hands.of("a"):
            attempt.succeed(attempt.request.context["n"])
        await passed(2)
        for attempt in lab.hands.of("b"):
            attempt.succeed(attempt.request.context["a"])
        documents = [await lab.ended(execution_id) for execution_id in ids]
        assert [shown["context"]["b"] for shown in documents] == list(range(200))
        assert len(lab.store.commits) < 60


@simulated
async def test_a_fan_of_thousands_leaves_others_their_turns() -> None:
    async with Lab() as lab:
        await lab.define(*({"id": f"s{i}"} for i in range(5_000)), id="fan")
        await lab.define({"id": "a"})
        fan = asyncio.create_task(lab.ended(await lab.start(workflow_id="fan")))
        commits = len(lab.store.commits)
        assert (await lab.ended(await lab.start()))["status"] == "completed"
        assert not fan.done()
        assert len(lab.store.commits) - commits < 20
        assert len((await fan)["completedSteps"]) == 5_000


@simulated
async def test_an_execution_that_never_rests_leaves_others_their_turns() -> None:
    async with Lab() as lab:
        busy = {"maxAttempts": 1_000, "initialDelay": 0}
        await lab.define({"id": "a", "action": "telepathy", "retryPolicy": busy}, id="busy")
        await lab.define(*({"id": f"s{i}", "dependencies": [f"s{i - 1}"] if i else []} for i in range(10)))
        restless = await lab.start(workflow_id="busy")
        assert (await lab.ended(await lab.start()))["status"] == "completed"
        assert (await lab.show(restless))["status"] == "running"
        assert (await lab.ended(restless))["stepResults"]["a"]["attempts"] == 1_000


@simulated
async def test_a_fan_whose_start_is_interrupted_by_a_failed_commit_starts_each_step_once() -> None:
    async with Lab(first_backoff=0, max_backoff=0) as lab:
        await lab.define(*(hand(f"s{i}") for i in range(5_000)))
        starting = asyncio.create_task(lab.start())
        first = await lab.hands.take("s0")
        lab.store.is_full = True
        first.succeed()
        await lab.store.refused.wait()
        lab.store.is_full = False
        assert len(lab.hands.attempts) < 5_000, "the fan was still being started"
        execution_id = await starting
        await passed(1)
        assert len(lab.hands.attempts) == 5_000
        for attempt in lab.hands.attempts[1:]:
            attempt.succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"
