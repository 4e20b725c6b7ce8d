"""Reading a journal, following it as it grows, waiting for an end, and lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tenuto.errors import NotFound, StoreUnavailable
from tenuto.ports.host import JournalEntry, Who
from tenuto.ports.store import ExecutionQuery
from tests.runtime.lab import Lab, hand, passed, simulated, waiting


async def collect(following: AsyncIterator[JournalEntry]) -> list[JournalEntry]:
    return [entry async for entry in following]


@simulated
async def test_a_follower_sees_every_decision_once_and_in_order_until_the_end() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        following = asyncio.create_task(collect(lab.node.follow(execution_id)))
        for step_id in ("a", "b"):
            attempt = await lab.hands.take(step_id)
            await passed(1)
            attempt.succeed(step_id)
        seen = await following
        assert seen == await lab.node.journal(execution_id)
        assert [entry.seq for entry in seen] == [1, 2, 3]
        assert seen[-1].events[-1]["type"] == "execution.completed"


@simulated
async def test_following_resumes_after_what_was_seen() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).succeed()
        await lab.ended(execution_id)
        everything = await collect(lab.node.follow(execution_id))
        assert await collect(lab.node.follow(execution_id, 1)) == everything[1:]
        assert await collect(lab.node.follow(execution_id, len(everything))) == []
        assert await collect(lab.node.follow(execution_id, 10**9)) == []


@simulated
async def test_following_what_has_ended_gives_all_of_a_long_journal() -> None:
    async with Lab() as lab:
        await lab.define(
            hand("a", retryPolicy={"maxAttempts": 600, "initialDelay": 1, "backoffMultiplier": 1})
        )
        execution_id = await lab.start()
        for _ in range(599):
            (await lab.hands.take("a")).fail()
        (await lab.hands.take("a")).succeed()
        await lab.ended(execution_id)
        seen = await collect(lab.node.follow(execution_id))
        assert len(seen) > 1_000
        assert [entry.seq for entry in seen] == list(range(1, len(seen) + 1))


@simulated
async def test_many_follow_one_execution_through_memory_and_out_of_it() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 3_600_000), hand("after", "nap"))
        execution_id = await lab.start()
        followers = [asyncio.create_task(collect(lab.node.follow(execution_id))) for _ in range(5)]
        await passed(60)
        assert not lab.is_in_memory(execution_id)
        (await lab.hands.take("after")).succeed()
        journal = None
        for follower in followers:
            seen = await follower
            journal = journal or await lab.node.journal(execution_id)
            assert seen == journal


@simulated
async def test_a_follower_after_a_crash_goes_on_where_it_was() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).succeed()
        await lab.hands.take("b")
        seen = await lab.node.journal(execution_id)
        await lab.reboot()
        following = asyncio.create_task(collect(lab.node.follow(execution_id, seen[-1].seq)))
        (await lab.hands.take("b")).succeed()
        seen += await following
        assert seen == await lab.node.journal(execution_id)
        assert "attempt.interrupted b" in await lab.kinds(execution_id)


@simulated
async def test_a_follower_goes_on_while_the_disk_is_full_and_sees_nothing_that_is_not_kept() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        following = asyncio.create_task(collect(lab.node.follow(execution_id)))
        lab.store.is_full = True
        (await lab.hands.take("a")).succeed(1)
        await passed(20)
        assert not following.done()
        assert len(await lab.node.journal(execution_id)) == 1
        lab.store.is_full = False
        assert await following == await lab.node.journal(execution_id)


@simulated
async def test_a_follower_that_leaves_leaves_nothing_behind() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        following = lab.node.follow(execution_id)
        assert (await anext(following)).seq == 1
        waiting_for_more = asyncio.ensure_future(anext(following))
        await passed(1)
        waiting_for_more.cancel()
        await asyncio.gather(waiting_for_more, return_exceptions=True)
        assert lab.node._followers == {}
        (await lab.hands.take("a")).succeed()


@simulated
async def test_a_stop_lets_followers_and_waiters_go() -> None:
    async with Lab(grace=0) as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        await lab.hands.take("a")
        following = asyncio.create_task(collect(lab.node.follow(execution_id)))
        waiter = asyncio.create_task(lab.node.wait(execution_id, 10**9))
        await passed(1)
        lab.node.stop_waiting()
        assert len(await following) == 1
        assert (await waiter).status == "running"


@simulated
async def test_the_journal_is_read_in_pages() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        for step_id in ("a", "b"):
            (await lab.hands.take(step_id)).succeed()
        await lab.ended(execution_id)
        everything = await lab.node.journal(execution_id)
        assert await lab.node.journal(execution_id, 0, 2) == everything[:2]
        assert await lab.node.journal(execution_id, 2, 2) == everything[2:]


@simulated
async def test_waiting_ends_when_the_time_is_up() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        before = asyncio.get_running_loop().time()
        assert (await lab.node.wait(execution_id, 3_000)).status == "running"
        assert asyncio.get_running_loop().time() - before == pytest.approx(3)
        assert (await lab.node.wait(execution_id, 0)).status == "running"
        (await lab.hands.take("a")).succeed()


@simulated
async def test_waiting_for_a_step_ends_with_that_step() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        waiter = asyncio.create_task(lab.node.wait(execution_id, 60_000, "a"))
        (await lab.hands.take("a")).succeed()
        state = await waiter
        assert state.step("a").status == "success"
        assert not state.is_terminal
        with pytest.raises(NotFound, match="workflow 'w' has no step 'c'"):
            await lab.node.wait(execution_id, 1, "c")
        (await lab.hands.take("b")).succeed()


@simulated
async def test_waiting_for_a_step_that_has_ended_ends_at_once() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).succeed()
        await lab.hands.take("b")
        before = asyncio.get_running_loop().time()
        await lab.node.wait(execution_id, 60_000, "a")
        assert asyncio.get_running_loop().time() == before
        lab.hands.of("b")[0].succeed()


@simulated
async def test_a_state_is_shown_only_when_it_is_on_disk() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.store.hold()
        attempt.succeed()
        await passed(1)
        reading = asyncio.create_task(lab.show(execution_id))
        waiting_for_it = asyncio.create_task(lab.ended(execution_id))
        await passed(1)
        assert not reading.done()
        assert not waiting_for_it.done()
        assert (await lab.node.list_executions(ExecutionQuery()))[0][0]["status"] == "running"
        lab.store.release()
        assert (await reading)["status"] == "completed"
        assert (await waiting_for_it)["status"] == "completed"


@simulated
async def test_what_could_not_be_written_is_not_shown() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        lab.store.is_full = True
        (await lab.hands.take("a")).succeed()
        await passed(5)
        assert (await lab.show(execution_id))["stepResults"]["a"]["status"] == "running"
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await lab.node.cancel(execution_id, Who())
        lab.store.is_full = False
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_lists_show_newest_first_in_pages_and_as_things_stand() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        ids = []
        for _ in range(5):
            ids.append(await lab.start())
            await passed(1)
        (await lab.hands.take("a")).succeed()
        await lab.ended(ids[0])
        page, after = await lab.node.list_executions(ExecutionQuery(limit=3))
        rest, end = await lab.node.list_executions(ExecutionQuery(limit=3, after=after))
        assert [shown["executionId"] for shown in page + rest] == ids[::-1]
        assert end is None
        assert [shown["status"] for shown in page + rest] == ["running"] * 4 + ["completed"]
        assert page[0]["currentSteps"] == ["a"]
        assert not {"context", "stepResults", "output"} & set(page[0])
        for attempt in lab.hands.attempts[1:]:
            attempt.succeed()
