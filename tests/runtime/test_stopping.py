"""A graceful stop keeps what attempts say within the grace period, gives the rest up without counting it against them,
and whoever starts next goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tenuto.core.inputs import Succeeded
from tenuto.ports.action import ActionRequest, Outcome
from tenuto.ports.host import Who
from tenuto.ports.script import Script
from tenuto.scripting.fake import FakeScriptEngine
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated, waiting


@simulated
async def test_an_attempt_that_ends_within_the_grace_period_is_recorded_and_what_follows_starts_next_time() -> (
    None
):
    async with Lab(grace=5_000) as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        stopping = asyncio.create_task(lab.node.close())
        await passed(3)
        attempt.succeed("kept")
        await stopping
        assert (await lab.kinds(execution_id))[-1] == "step.succeeded a"
        await lab.boot()
        (await lab.hands.take("b")).succeed()
        shown = await lab.ended(execution_id)
        assert shown["status"] == "completed"
        assert shown["context"]["a"] == "kept"
        assert len(lab.hands.of("a")) == 1


@simulated
async def test_a_last_step_that_ends_within_the_grace_period_ends_the_execution_next_time() -> None:
    async with Lab(grace=5_000) as lab:
        await lab.define(hand("a"), output="{{ context.a }}")
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        stopping = asyncio.create_task(lab.node.close())
        await passed(1)
        attempt.succeed(7)
        await stopping
        await lab.boot()
        assert (await lab.ended(execution_id))["output"] == 7


@simulated
async def test_an_attempt_that_fails_within_the_grace_period_is_tried_again_at_its_instant() -> None:
    async with Lab(grace=5_000) as lab:
        await lab.define(
            hand("a", retryPolicy={"maxAttempts": 2, "initialDelay": 60_000, "maxDelay": 60_000})
        )
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        stopping = asyncio.create_task(lab.node.close())
        await passed(1)
        attempt.fail()
        await stopping
        await lab.boot()
        again = await lab.hands.take("a")
        assert again.request.now == EPOCH + 61_000
        again.succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_an_attempt_beyond_the_grace_period_is_given_up_and_tried_again_however_often() -> None:
    async with Lab(grace=2_000) as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        for _ in range(6):
            attempt = await lab.hands.take("a")
            before = asyncio.get_running_loop().time()
            await lab.node.close()
            assert asyncio.get_running_loop().time() - before == pytest.approx(2, abs=0.1)
            assert attempt.was_given_up()
            await lab.boot()
        (await lab.hands.take("a")).succeed()
        shown = await lab.ended(execution_id)
        assert (shown["status"], shown["stepResults"]["a"]["attempts"]) == ("completed", 7)


@simulated
async def test_a_stop_does_not_wait_where_nothing_runs() -> None:
    async with Lab(grace=60_000) as lab:
        await lab.define(waiting("nap", 100_000))
        execution_id = await lab.start()
        before = asyncio.get_running_loop().time()
        await lab.node.close()
        assert asyncio.get_running_loop().time() - before < 1
        await lab.boot()
        assert (await lab.ended(execution_id))["endTime"] == EPOCH + 100_000


@simulated
async def test_a_start_during_a_stop_is_kept_and_begins_next_time() -> None:
    async with Lab(grace=5_000) as lab:
        await lab.define(hand("a"))
        first = await lab.start()
        await lab.hands.take("a")
        stopping = asyncio.create_task(lab.node.close())
        await passed(1)
        second = await lab.start()
        await stopping
        assert len(lab.hands.attempts) == 1
        await lab.boot()
        for _ in range(2):
            (await lab.hands.take("a")).succeed()
        for execution_id in (first, second):
            assert (await lab.ended(execution_id))["status"] == "completed"


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
@simulated
async def test_giving_up_during_a_stop_takes_effect(verb: str) -> None:
    async with Lab(grace=5_000) as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        stopping = asyncio.create_task(lab.node.close())
        await passed(1)
        await getattr(lab.node, verb)(execution_id, Who())
        await stopping
        assert attempt.was_given_up()
        await lab.boot()
        shown = await lab.ended(execution_id)
        assert (shown["status"], shown["cancelledSteps"], shown["skippedSteps"]) == (
            "cancelled",
            ["a"],
            ["b"],
        )
        assert len(lab.hands.attempts) == 1


@simulated
async def test_a_pause_and_its_end_during_a_stop_are_kept() -> None:
    async with Lab(grace=5_000) as lab:
        await lab.define(hand("a"), hand("b", "a"))
        ids = [await lab.start() for _ in range(2)]
        attempts = [await lab.hands.take("a") for _ in ids]
        stopping = asyncio.create_task(lab.node.close())
        await passed(1)
        for execution_id in ids:
            await lab.node.pause(execution_id, Who())
        await lab.node.resume(ids[1], Who())
        for attempt in attempts:
            attempt.succeed()
        await stopping
        await lab.boot()
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(ids[1]))["status"] == "completed"
        await passed(60)
        assert (await lab.show(ids[0]))["status"] == "paused"
        await lab.node.resume(ids[0], Who())
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(ids[0]))["status"] == "completed"


@simulated
async def test_an_instant_that_comes_during_a_stop_comes_next_time() -> None:
    async with Lab(grace=10_000) as lab:
        await lab.define(waiting("nap", 5_000), hand("a"))
        execution_id = await lab.start()
        await lab.hands.take("a")
        await lab.node.close()
        assert "step.succeeded nap" not in await lab.kinds(execution_id)
        await lab.boot()
        (await lab.hands.take("a")).succeed()
        shown = await lab.ended(execution_id)
        assert shown["stepResults"]["nap"]["attempts"] == 1
        assert EPOCH + 10_000 <= shown["stepResults"]["nap"]["endTime"] < EPOCH + 10_100


class Deaf:
    """An action that does not hear that it is given up, and answers late."""

    name = "deaf"
    scripts: frozenset[str] = frozenset()

    async def run(self, request: ActionRequest) -> Outcome:
        for _ in range(5):
            try:
                await asyncio.sleep(300)
            except asyncio.CancelledError:
                continue
        return Succeeded("a zombie's answer")


@simulated
async def test_an_attempt_that_does_not_hear_keeps_no_stop_waiting_and_its_answer_is_lost() -> None:
    async with Lab(grace=1_000, flush=3_000) as lab:
        lab.registry.register("deaf", Deaf())
        await lab.define({"id": "a", "action": "deaf", "timeout": 0})
        execution_id = await lab.start()
        before = asyncio.get_running_loop().time()
        await lab.node.close()
        assert asyncio.get_running_loop().time() - before < 10
        assert (await lab.kinds(execution_id))[-1] == "attempt.interrupted a"
        await lab.boot()
        await passed(2_000)
        shown = await lab.ended(execution_id)
        assert shown["stepResults"]["a"]["attempts"] == 2
        assert (await lab.kinds(execution_id)).count("step.succeeded a") == 1


class Slow(FakeScriptEngine):
    """Takes ten seconds for every expression."""

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        await asyncio.sleep(10)
        return await super().evaluate(script, scope)


@simulated
async def test_an_output_under_way_at_a_stop_is_computed_next_time() -> None:
    lab = Lab(grace=1_000)
    lab.scripts = Slow()
    async with lab:
        await lab.define({"id": "a", "params": {"result": 2}}, output="{{ context.a > 1 }}")
        execution_id = await lab.start()
        await passed(1)
        await lab.restart()
        shown = await lab.ended(execution_id)
        assert (shown["status"], shown["output"]) == ("completed", True)


@simulated
async def test_a_node_that_stops_lets_starts_under_way_have_their_answer() -> None:
    async with Lab(grace=1_000) as lab:
        await lab.define(hand("a"))
        lab.store.hold()
        starting = [asyncio.create_task(lab.start(execution_id=f"e-{n}")) for n in range(3)]
        await passed(1)
        stopping = asyncio.create_task(lab.node.close())
        await passed(1)
        lab.store.release()
        assert sorted(await asyncio.gather(*starting)) == ["e-0", "e-1", "e-2"]
        await stopping
        await lab.boot()
        for _ in range(3):
            (await lab.hands.take("a")).succeed()
        for n in range(3):
            assert (await lab.ended(f"e-{n}"))["status"] == "completed"
