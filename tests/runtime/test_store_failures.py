"""A store that refuses, goes away or loses its answers for a while: callers are told, running steps keep their
outcomes, and everything goes on by itself when the store does."""

from __future__ import annotations

import asyncio

import pytest

from tenuto.errors import NotFound, StoreUnavailable
from tenuto.ports.host import StartRequest, Who
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated, waiting


@simulated
async def test_a_start_that_cannot_be_written_is_refused_and_leaves_nothing() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        lab.store.is_full = True
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await lab.start(execution_id="mine")
        await passed(20)
        with pytest.raises(NotFound):
            await lab.node.read("mine")
        assert lab.node._driver.live == {}
        lab.store.is_full = False
        assert await lab.start(execution_id="mine") == "mine"
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended("mine"))["status"] == "completed"


@simulated
async def test_a_start_whose_answer_was_lost_is_the_same_execution_when_it_is_asked_for_again() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        lab.store.loses_answers = True
        with pytest.raises(StoreUnavailable, match="the answer was lost"):
            await lab.start(execution_id="mine")
        lab.store.loses_answers = False
        assert not (await lab.node.start(StartRequest(workflow_id="w", execution_id="mine"))).created
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended("mine"))["status"] == "completed"
        assert len(lab.hands.attempts) == 1


@simulated
async def test_outcomes_of_running_steps_wait_for_the_disk() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b"), hand("c", "a", "b"))
        execution_id = await lab.start()
        a, b = await lab.hands.take("a"), await lab.hands.take("b")
        lab.store.is_full = True
        a.succeed("from a")
        await passed(7)
        b.succeed("from b")
        await passed(30)
        assert (await lab.kinds(execution_id)) == ["execution.started", "step.started a", "step.started b"]
        assert not lab.hands.of("c")
        lab.store.is_full = False
        (await lab.hands.take("c")).succeed()
        shown = await lab.ended(execution_id)
        assert shown["context"] == {"a": "from a", "b": "from b", "c": None}
        assert [step["attempts"] for step in shown["stepResults"].values()] == [1, 1, 1]


@simulated
async def test_a_store_that_is_away_delays_and_loses_nothing() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), waiting("nap", 5_000), hand("c", "a", "nap"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.store.is_away = True
        attempt.succeed(1)
        await passed(60)
        lab.store.is_away = False
        (await lab.hands.take("c")).succeed()
        shown = await lab.ended(execution_id)
        assert shown["status"] == "completed"
        assert shown["stepResults"]["nap"]["endTime"] >= EPOCH + 60_000
        assert [step["attempts"] for step in shown["stepResults"].values()] == [1, 1, 1]


@simulated
async def test_no_step_starts_whose_start_is_not_on_disk() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.store.is_full = True
        attempt.succeed()
        await passed(30)
        await lab.reboot()
        assert not lab.hands.of("b")
        lab.store.is_full = False
        (await lab.hands.take("a")).succeed()
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(execution_id))["stepResults"]["a"]["attempts"] == 2


@simulated
async def test_an_answer_that_was_lost_makes_no_step_run_twice() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.store.loses_answers = True
        attempt.succeed()
        await passed(0.001)
        lab.store.loses_answers = False
        (await lab.hands.take("b")).succeed()
        shown = await lab.ended(execution_id)
        assert [step["attempts"] for step in shown["stepResults"].values()] == [1, 1]
        assert len(lab.hands.attempts) == 2


@simulated
async def test_callers_of_verbs_are_told_and_nothing_of_the_verb_happens() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.store.is_full = True
        for verb in (lab.node.pause, lab.node.cancel, lab.node.terminate):
            with pytest.raises(StoreUnavailable, match="the disk is full"):
                await verb(execution_id, Who())
            await passed(3)
        assert not attempt.was_given_up()
        lab.store.is_full = False
        await passed(10)
        attempt.succeed()
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_a_failed_execution_whose_retry_could_not_be_written_is_as_it_was() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).fail()
        before = await lab.ended(execution_id)
        lab.store.is_full = True
        with pytest.raises(StoreUnavailable):
            await lab.node.retry(execution_id, Who())
        lab.store.is_full = False
        await passed(10)
        assert await lab.show(execution_id) == before
        await lab.node.retry(execution_id, Who())
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_executions_do_not_leave_memory_while_that_cannot_be_written() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 100_000))
        execution_id = await lab.start()
        lab.store.is_full = True
        await passed(40)
        assert lab.is_in_memory(execution_id)
        lab.store.is_full = False
        await passed(40)
        assert not lab.is_in_memory(execution_id)
        assert (await lab.ended(execution_id))["endTime"] == EPOCH + 100_000


@simulated
async def test_many_in_one_commit_that_failed_all_go_on() -> None:
    async with Lab(batch=50) as lab:
        await lab.define(hand("a"), hand("b", "a"))
        ids = await asyncio.gather(*(lab.start() for _ in range(120)))
        await passed(1)
        lab.store.is_full = True
        for attempt in lab.hands.of("a"):
            attempt.succeed(attempt.request.execution_id)
        await passed(10)
        lab.store.is_full = False
        await passed(10)
        for attempt in lab.hands.of("b"):
            attempt.succeed()
        for execution_id in ids:
            shown = await lab.ended(execution_id)
            assert shown["context"]["a"] == execution_id
            assert shown["stepResults"]["a"]["attempts"] == 1


@simulated
async def test_a_stop_while_nothing_can_be_written_ends_all_the_same() -> None:
    async with Lab(grace=1_000, flush=2_000) as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).succeed("unheard")
        lab.store.is_full = True
        before = asyncio.get_running_loop().time()
        await lab.node.close()
        assert asyncio.get_running_loop().time() - before < 6
        lab.store.is_full = False
        await lab.boot()
        (await lab.hands.take("a")).succeed("again")
        assert (await lab.ended(execution_id))["context"]["a"] == "again"


@simulated
async def test_a_store_that_breaks_as_no_store_should_ends_no_task_that_all_depend_on() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 100_000), hand("after", "nap"))
        early, late = await lab.start(), await lab.start()
        await passed(40)
        assert not lab.is_in_memory(early)
        lab.store.breaks_with = ZeroDivisionError("a mistake in an adapter")
        await passed(30)
        lab.store.breaks_with = None
        for _ in range(2):
            (await lab.hands.take("after")).succeed()
        for execution_id in (early, late):
            assert (await lab.ended(execution_id))["endTime"] < EPOCH + 101_000
        again = await lab.start()
        await passed(40)
        assert not lab.is_in_memory(again)
