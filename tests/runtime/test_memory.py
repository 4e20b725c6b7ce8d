"""Executions with nothing running leave memory, and come back for their next instant or for somebody who asks."""

from __future__ import annotations

import asyncio

import pytest

from tenuto.errors import NotFound
from tenuto.ports.host import Who
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated, waiting

HOUR = 3_600_000


@simulated
async def test_an_execution_that_waits_beyond_the_horizon_leaves_memory_and_is_back_in_time() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR), hand("after", "nap"))
        execution_id = await lab.start()
        await passed(60)
        assert not lab.is_in_memory(execution_id)
        assert (await lab.show(execution_id))["stepResults"]["nap"]["status"] == "waiting"
        attempt = await lab.hands.take("after")
        assert 0 <= attempt.request.now - (EPOCH + HOUR) < 100
        attempt.succeed()
        assert (await lab.ended(execution_id))["context"]["nap"] == {"delayed": HOUR}


@simulated
async def test_an_execution_whose_instant_is_near_stays_in_memory() -> None:
    async with Lab(horizon=10_000) as lab:
        await lab.define(waiting("nap", 14_000))
        execution_id = await lab.start()
        await passed(13)
        assert lab.is_in_memory(execution_id)
        assert (await lab.ended(execution_id))["duration"] == 14_000


@simulated
async def test_a_running_attempt_keeps_its_execution_in_memory() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", timeout=0))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        await passed(600)
        assert lab.is_in_memory(execution_id)
        attempt.succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_an_execution_that_has_ended_leaves_memory_at_once_and_is_still_read() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        execution_id = await lab.start()
        assert (await lab.ended(execution_id))["status"] == "completed"
        assert not lab.is_in_memory(execution_id)
        assert (await lab.show(execution_id))["status"] == "completed"


@simulated
async def test_many_that_wait_leave_memory_and_all_come_back() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR))
        ids = [await lab.start() for _ in range(200)]
        await passed(60)
        assert not any(lab.is_in_memory(execution_id) for execution_id in ids)
        await passed(HOUR / 1000)
        documents = [await lab.show(execution_id) for execution_id in ids]
        assert {shown["status"] for shown in documents} == {"completed"}
        assert all(HOUR <= shown["duration"] <= HOUR + 1_000 for shown in documents)


@simulated
async def test_reading_an_execution_does_not_bring_it_back() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR))
        execution_id = await lab.start()
        await passed(60)
        assert (await lab.show(execution_id))["status"] == "running"
        assert not lab.is_in_memory(execution_id)


@simulated
async def test_waiting_for_an_execution_brings_it_back_and_a_waiter_keeps_it() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR))
        execution_id = await lab.start()
        await passed(60)
        waiter = asyncio.create_task(lab.ended(execution_id))
        await passed(60)
        assert lab.is_in_memory(execution_id)
        waiter.cancel()
        await passed(60)
        assert not lab.is_in_memory(execution_id)


@simulated
async def test_a_paused_execution_leaves_memory_and_only_a_person_brings_it_back() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 20_000), hand("after", "nap"))
        execution_id = await lab.start()
        await lab.node.pause(execution_id, Who())
        await passed(60)
        assert not lab.is_in_memory(execution_id)
        await passed(HOUR / 1000)
        assert (await lab.show(execution_id))["status"] == "paused"
        await lab.node.resume(execution_id, Who())
        (await lab.hands.take("after")).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_a_verb_brings_an_execution_back() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR))
        execution_id = await lab.start()
        await passed(60)
        state = await lab.node.cancel(execution_id, Who("ada"))
        assert state.status == "cancelled"
        await passed(2 * HOUR / 1000)
        assert (await lab.show(execution_id))["status"] == "cancelled"


@simulated
async def test_verbs_that_come_together_bring_it_back_once() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR))
        execution_id = await lab.start()
        await passed(60)
        asked = [lab.node.pause(execution_id, Who()), lab.ended(execution_id, 1_000), lab.show(execution_id)]
        await asyncio.gather(*asked)
        assert await lab.kinds(execution_id) == [
            "execution.started", "step.started nap", "step.waiting nap", "execution.paused",
        ]  # fmt: skip


@simulated
async def test_the_store_is_asked_for_due_executions_rarely() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR))
        await lab.start()
        await passed(60)
        before, lab.store.reads = lab.store.reads, 0
        assert before
        await passed(900)
        assert lab.store.reads <= 2 * 900 / 30 + 2


@simulated
async def test_nothing_of_what_ended_stays_behind() -> None:
    async with Lab(remembered=5) as lab:
        await lab.define(hand("a"))
        for _ in range(20):
            execution_id = await lab.start(idempotency_key=f"k-{_}")
            (await lab.hands.take("a")).succeed()
            await lab.ended(execution_id)
        driver = lab.node._driver
        assert driver.live == {}
        assert len(lab.node._residents.remembered) == 5
        assert lab.node._starting == {}
        assert lab.node._followers == {}
        assert lab.node._residents.loading == {}


@simulated
async def test_what_was_never_started_is_not_found() -> None:
    async with Lab() as lab:
        node = lab.node
        verbs = (node.cancel, node.terminate, node.pause, node.resume, node.retry)
        for asked in (
            node.read("x"),
            node.wait("x", 1),
            node.journal("x"),
            *(verb("x", Who()) for verb in verbs),
        ):
            with pytest.raises(NotFound, match="there is no execution 'x'"):
                await asked
        with pytest.raises(NotFound, match="there is no execution 'x'"):
            await anext(node.follow("x"))


@simulated
async def test_what_ended_with_large_results_is_not_remembered_but_still_read() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        for n in range(5):
            execution_id = await lab.start()
            (await lab.hands.take("a")).succeed("x" * (100_000 if n % 2 else 10))
            await lab.ended(execution_id)
            await lab.show(execution_id)
        assert list(lab.node._residents.remembered) == ["exec-1", "exec-3", "exec-5"]
        assert len((await lab.show("exec-2"))["context"]["a"]) == 100_000
        await lab.reboot()
        for n in range(1, 6):
            await lab.show(f"exec-{n}")
        assert list(lab.node._residents.remembered) == ["exec-1", "exec-3", "exec-5"]
