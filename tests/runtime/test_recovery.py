"""What a node takes up when it opens, and what it does with what it cannot take up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tenuto.errors import StoreUnavailable, UnreadableRecord
from tenuto.ports.host import Who
from tenuto.ports.script import Script
from tenuto.scripting.fake import FakeScriptEngine
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated, waiting

DAMAGE = {
    "damaged": b"[1,5,[{",
    "of a later format": b'[2,5,[{"type":"step.dreamt"}]]',
    "about a step that is not there": b'[1,5,[{"type":"step.started","step":"z","attempt":1}]]',
    "that cannot follow": b'[1,5,[{"type":"execution.resumed"}]]',
}


@simulated
async def test_what_ran_runs_again_with_the_next_attempt_and_the_same_key() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).succeed(1)
        first = await lab.hands.take("b")
        await lab.reboot()
        second = await lab.hands.take("b")
        assert (first.request.attempt, second.request.attempt) == (1, 2)
        assert first.request.step_key == second.request.step_key == f"{execution_id}/b/0"
        second.succeed()
        shown = await lab.ended(execution_id)
        assert shown["stepResults"]["b"]["attempts"] == 2
        assert len(lab.hands.of("a")) == 1


@simulated
async def test_attempts_lost_to_crashes_are_not_counted_but_there_are_not_many_of_them() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        await lab.hands.take("a")
        for _ in range(3):
            await lab.reboot()
            await lab.hands.take("a")
        await lab.reboot()
        shown = await lab.ended(execution_id)
        assert shown["stepResults"]["a"]["attempts"] == 4
        assert shown["error"]["type"] == "infra"
        assert "lost with its process, 4 times in all" in shown["error"]["message"]


@simulated
async def test_a_step_that_was_to_be_tried_again_is_tried_at_its_instant() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", retryPolicy={"maxAttempts": 2, "initialDelay": 30_000}))
        execution_id = await lab.start()
        (await lab.hands.take("a")).fail()
        await passed(10)
        await lab.reboot()
        again = await lab.hands.take("a")
        assert again.request.now == EPOCH + 30_000
        again.succeed()
        assert (await lab.ended(execution_id))["stepResults"]["a"]["attempts"] == 2


@simulated
async def test_a_wait_goes_on_and_does_not_start_over() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 100_000))
        execution_id = await lab.start()
        for _ in range(3):
            await passed(20)
            await lab.reboot()
        assert (await lab.ended(execution_id))["endTime"] == EPOCH + 100_000


@simulated
async def test_an_instant_that_passed_while_no_node_ran_comes_at_once() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 60_000))
        execution_id = await lab.start()
        await passed(1)
        await lab.crash()
        await passed(3_600)
        await lab.boot()
        assert (await lab.ended(execution_id))["endTime"] == EPOCH + 3_601_000


@simulated
async def test_the_time_of_the_whole_execution_runs_on_while_no_node_does() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), timeout=60_000)
        execution_id = await lab.start()
        await lab.hands.take("a")
        await lab.crash()
        await passed(100)
        await lab.boot()
        shown = await lab.ended(execution_id)
        assert shown["error"]["type"] == "timeout"
        assert len(lab.hands.attempts) == 1


@simulated
async def test_a_paused_execution_stays_paused() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        await lab.hands.take("a")
        await lab.node.pause(execution_id, Who())
        await lab.reboot()
        await passed(60)
        assert (await lab.show(execution_id))["status"] == "paused"
        assert len(lab.hands.attempts) == 1
        await lab.node.resume(execution_id, Who())
        for step_id in ("a", "b"):
            (await lab.hands.take(step_id)).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_an_output_that_was_being_computed_is_computed_after_all() -> None:
    async with Lab() as lab:
        whole, stuck = lab.scripts, Stuck()
        lab.scripts = stuck
        await lab.restart()
        await lab.define({"id": "a", "params": {"result": 2}}, output="{{ context.a > 1 }}")
        execution_id = await lab.start()
        await stuck.entered.wait()
        lab.scripts = whole
        await lab.reboot()
        shown = await lab.ended(execution_id)
        assert shown["output"] is True
        assert (await lab.kinds(execution_id)).count("execution.output-requested") == 1


@simulated
async def test_more_than_a_page_of_executions_is_taken_up() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        await asyncio.gather(*(lab.start() for _ in range(1_100)))
        await passed(1)
        assert len(lab.hands.attempts) == 1_100
        await lab.reboot()
        await passed(1)
        again = lab.hands.attempts[1_100:]
        assert len({attempt.request.execution_id for attempt in again}) == 1_100
        for attempt in again:
            attempt.succeed()
        await passed(1)
        assert lab.node._driver.live == {}


@pytest.mark.parametrize("how", DAMAGE)
@simulated
async def test_one_journal_that_cannot_be_read_keeps_no_other_from_going_on(how: str) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        bad, good = await lab.start(), await lab.start()
        for _ in range(2):
            await lab.hands.take("a")
        await lab.crash()
        lab.store.damage(bad, DAMAGE[how])
        await lab.boot()
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(good))["status"] == "completed"
        assert not lab.is_in_memory(bad)
        with pytest.raises(UnreadableRecord):
            await lab.node.read(bad)
        with pytest.raises(UnreadableRecord):
            await lab.node.terminate(bad, Who())
        assert (await lab.ended(await started_and_done(lab)))["status"] == "completed"


@pytest.mark.parametrize("how", DAMAGE)
@simulated
async def test_one_journal_that_cannot_be_read_keeps_no_other_asleep(how: str) -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 600_000), hand("after", "nap"))
        bad, good = await lab.start(), await lab.start()
        await passed(60)
        assert not lab.is_in_memory(bad)
        lab.store.damage(bad, DAMAGE[how])
        attempt = await lab.hands.take("after")
        assert attempt.request.execution_id == good
        assert attempt.request.now - EPOCH < 600_100
        attempt.succeed()
        assert (await lab.ended(good))["status"] == "completed"


@simulated
async def test_what_could_not_be_read_at_the_start_is_taken_up_when_it_can_be() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        await lab.hands.take("a")
        await lab.crash()
        lab.store.is_away = True
        await lab.boot()
        await passed(5)
        lab.store.is_away = False
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_what_cannot_be_read_while_it_is_away_says_so() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 600_000))
        execution_id = await lab.start()
        await passed(60)
        lab.store.is_away = True
        for asked in (
            lab.node.read(execution_id),
            lab.node.cancel(execution_id, Who()),
            lab.start(execution_id="x"),
        ):
            with pytest.raises(StoreUnavailable, match="the store is away"):
                await asked
        await passed(1_000)
        lab.store.is_away = False
        assert (await lab.ended(execution_id))["status"] == "completed"


class Stuck(FakeScriptEngine):
    """Evaluates for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        self.entered.set()
        await asyncio.Event().wait()


async def started_and_done(lab: Lab) -> str:
    execution_id = await lab.start()
    (await lab.hands.take("a")).succeed()
    return execution_id
