"""Backfills: the times of a past range, so many at once, whatever happens to the process."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.errors import Conflict, Invalid, Overloaded
from tenuto.wire.schedules import read_backfill
from tests.runtime.lab import passed, simulated
from tests.schedules.lab import DAY, HOUR, MINUTE, START, Lab, times_of

YESTERDAY = START - DAY
NAMES = [f"s-20260531T{hour:02}0000Z" for hour in range(24)]


async def ready() -> Lab:
    """A schedule of every hour, which lets nothing overlap."""
    lab = Lab()
    await lab.open()
    await lab.put(cron="0 * * * *")
    return lab


async def progress(lab: Lab, name: str) -> Any:
    return await lab.schedules.get_backfill("s", name)


@simulated
async def test_times_are_started_oldest_first_one_at_a_time() -> None:
    async with await ready() as lab:
        name = await lab.backfill(YESTERDAY, YESTERDAY + 3 * HOUR)
        for count in (1, 2, 3):
            await passed(1)
            assert lab.host.ids == NAMES[:count]
            view = await progress(lab, name)
            assert (view.status, view.started, view.running) == ("running", count, (NAMES[count - 1],))
            lab.host.end(NAMES[count - 1], "completed" if count < 3 else "failed")
        await passed(1)
        view = await progress(lab, name)
        assert (view.status, view.total, view.completed, view.failed) == ("done", 3, 2, 1)


@simulated
async def test_so_many_are_under_way_at_once() -> None:
    async with await ready() as lab:
        await lab.backfill(YESTERDAY, START, concurrency=3)
        await passed(1)
        assert lab.host.ids == NAMES[:3]
        lab.host.end(NAMES[1])
        await passed(1)
        assert lab.host.ids == NAMES[:4]
        tags = lab.host.executions[NAMES[3]].tags
        assert tags["scheduledFor"] == "2026-05-31T03:00:00Z"
        assert tags["backfillId"] == "backfill-20260601T000000Z"


@simulated
async def test_the_schedule_goes_its_own_way_meanwhile() -> None:
    async with await ready() as lab:
        await lab.backfill(YESTERDAY, START)
        await passed(3600 + 1)
        assert lab.host.ids == [NAMES[0], "s-20260601T010000Z"]


@simulated
async def test_times_that_have_an_execution_are_left_alone() -> None:
    async with await ready() as lab:
        first = await lab.backfill(YESTERDAY + HOUR, YESTERDAY + 2 * HOUR)
        await passed(1)
        lab.host.end(NAMES[1])
        await passed(1)
        second = await lab.backfill(YESTERDAY, YESTERDAY + 3 * HOUR, concurrency=5)
        await passed(1)
        assert (await progress(lab, first)).status == "done"
        assert (await progress(lab, second)).existing == 1
        assert sorted(lab.host.ids) == NAMES[:3]


@simulated
async def test_a_restart_goes_on_where_it_was() -> None:
    async with await ready() as lab:
        name = await lab.backfill(YESTERDAY, YESTERDAY + 4 * HOUR, concurrency=2)
        await passed(1)
        lab.host.end(NAMES[0])
        await passed(1)
        await lab.crash()
        lab.host.end(NAMES[1])
        await lab.open()
        await passed(1)
        assert lab.host.ids == NAMES[:4]
        for running in NAMES[2:4]:
            lab.host.end(running)
        await passed(1)
        view = await progress(lab, name)
        assert (view.status, view.started, view.completed, view.existing) == ("done", 4, 4, 0)


@simulated
async def test_a_change_of_the_schedule_does_not_change_a_backfill_under_way() -> None:
    async with await ready() as lab:
        await lab.backfill(YESTERDAY, YESTERDAY + 2 * HOUR)
        await passed(1)
        await lab.put(cron="30 * * * *", context={"new": True})
        lab.host.end(NAMES[0])
        await passed(1)
        assert times_of(lab.host.executions) == ["2026-05-31T00:00:00Z", "2026-05-31T01:00:00Z"]
        assert lab.host.executions[NAMES[1]].request.context == {}


@simulated
async def test_what_is_refused_is_counted_and_what_is_too_much_waits() -> None:
    async with await ready() as lab:
        lab.host.refuses = Overloaded("too much")
        name = await lab.backfill(YESTERDAY, YESTERDAY + 2 * HOUR)
        await passed(30)
        lab.host.refuses = Invalid([], "no")
        await passed(30)
        view = await progress(lab, name)
        assert (view.status, view.refused, view.started) == ("done", 2, 0)


@simulated
async def test_a_cancelled_backfill_starts_no_more_even_after_a_restart() -> None:
    async with await ready() as lab:
        name = await lab.backfill(YESTERDAY, START)
        await passed(1)
        assert (await lab.schedules.cancel_backfill("s", name)).status == "cancelled"
        with pytest.raises(Conflict):
            await lab.schedules.cancel_backfill("s", name)
        await lab.crash()
        await lab.open()
        lab.host.end(NAMES[0])
        await passed(60)
        assert lab.host.ids == NAMES[:1]


@simulated
async def test_a_rehearsal_says_which_times_and_starts_nothing() -> None:
    async with await ready() as lab:
        answer = await lab.schedules.rehearse("s", read_backfill({"from": YESTERDAY, "until": START}))
        assert (answer.count, answer.times[0].local) == (24, "2026-05-31T00:00:00+00:00")
        assert lab.host.ids == []
        assert (await lab.show()).backfills == ()


@simulated
async def test_a_long_range_is_shown_in_part_and_a_longer_one_is_refused() -> None:
    async with await ready() as lab:
        await lab.put(cron="* * * * *")
        long = read_backfill({"from": START - 60_000 * MINUTE, "until": START})
        answer = await lab.schedules.rehearse("s", long)
        assert (answer.count, len(answer.times)) == (60_000, 1000)
        longer = read_backfill({"from": START - 100_001 * MINUTE, "until": START})
        with pytest.raises(Invalid):
            await lab.schedules.backfill("s", longer)


@simulated
async def test_a_range_that_is_not_over_is_refused() -> None:
    async with await ready() as lab:
        with pytest.raises(Invalid) as refused:
            await lab.backfill(YESTERDAY, START + HOUR)
        assert [problem.path for problem in refused.value.problems] == ["until"]


@simulated
async def test_only_so_many_backfills_go_on_at_once_and_the_last_ones_are_remembered() -> None:
    async with await ready() as lab:
        for _ in range(10):
            await lab.backfill(YESTERDAY, START)
        with pytest.raises(Conflict):
            await lab.backfill(YESTERDAY, START)
        for view in (await lab.show()).backfills:
            await lab.schedules.cancel_backfill("s", view.id)
        for _ in range(25):
            await lab.schedules.cancel_backfill("s", await lab.backfill(YESTERDAY, START))
        assert len((await lab.show()).backfills) == 20
