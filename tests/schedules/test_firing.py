"""What starts when: the clock, jumps of it, crashes, and starts that cannot be."""

from __future__ import annotations

import asyncio
from itertools import islice

from tenuto.errors import Invalid, Overloaded
from tenuto.runtime.schedules.times import first_times
from tests.runtime.lab import passed, simulated
from tests.schedules.lab import DAY, HOUR, MINUTE, START, Lab, instant, times_of

HOURLY = {"cron": "0 * * * *", "overlap": "allowAll"}


@simulated
async def test_each_time_starts_one_execution_named_after_it_never_early() -> None:
    async with Lab() as lab:
        await lab.put(
            "hourly", cron="0 * * * *", overlap="allowAll", context={"n": 1}, tags={"team": "x"}, priority=3
        )
        await passed(2 * 3600 + 1)
        assert lab.host.ids == ["hourly-20260601T010000Z", "hourly-20260601T020000Z"]
        first = lab.host.executions["hourly-20260601T010000Z"]
        assert first.at >= START + HOUR
        assert first.at < START + HOUR + 100
        assert (first.request.workflow_id, first.request.version, first.request.priority) == ("w", None, 3)
        assert first.request.context == {"n": 1}
        assert first.tags == {"team": "x", "scheduleId": "hourly", "scheduledFor": "2026-06-01T01:00:00Z"}


@simulated
async def test_a_schedule_shows_what_it_has_done_and_what_is_next() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY)
        await passed(2 * 3600 + 1)
        view = await lab.show()
        assert view.counts.started == 2
        assert view.next_at == START + 3 * HOUR
        assert [(happened.at, happened.outcome) for happened in view.recent] == [
            (START + 2 * HOUR, "started"),
            (START + HOUR, "started"),
        ]


@simulated
async def test_an_execution_starts_late_by_its_jitter() -> None:
    async with Lab() as lab:
        view = await lab.put(interval=HOUR, jitter=HOUR // 2, overlap="allowAll")
        await passed(4 * 3600)
        (spec,) = (schedule.record.spec for schedule in lab.schedules._schedules.values())
        expected = [fire.due_at for fire in first_times(spec, view.created_at, 3)]
        assert [running.at for running in islice(lab.host.executions.values(), 3)] == expected
        assert times_of(lab.host.executions)[0] == "2026-06-01T01:00:00Z"


@simulated
async def test_times_missed_in_a_downtime_are_made_up_oldest_first() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY)
        await lab.schedules.close()
        lab.clock.offset += 3 * HOUR + MINUTE
        await lab.open()
        await passed(1)
        assert times_of(lab.host.executions) == [f"2026-06-01T0{hour}:00:00Z" for hour in (1, 2, 3)]
        assert (await lab.show()).counts.missed == 0


@simulated
async def test_times_older_than_the_catch_up_window_are_counted_as_missed() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY, catchUpWindow=90 * MINUTE)
        await lab.schedules.close()
        lab.clock.offset += 3 * HOUR + MINUTE
        await lab.open()
        await passed(1)
        assert times_of(lab.host.executions) == ["2026-06-01T02:00:00Z", "2026-06-01T03:00:00Z"]
        assert (await lab.show()).counts.missed == 1


@simulated
async def test_without_a_catch_up_window_only_times_in_time_start() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY, catchUpWindow=0)
        await lab.schedules.close()
        lab.clock.offset += 30 * HOUR + MINUTE
        await lab.open()
        await passed(3600)
        assert times_of(lab.host.executions) == ["2026-06-02T07:00:00Z"]
        assert (await lab.show()).counts.missed == 30


@simulated
async def test_a_long_downtime_of_a_busy_schedule_is_passed_over_without_a_commit_for_each_time() -> None:
    async with Lab() as lab:
        await lab.put(cron="* * * * * *", catchUpWindow=0)
        await lab.schedules.close()
        lab.clock.offset += DAY
        before = lab.shelf.writes
        await lab.open()
        await passed(0.01)
        assert (await lab.show()).counts.missed >= DAY // 1000 - 1
        assert lab.shelf.writes <= before + 2


@simulated
async def test_a_clock_set_forward_brings_what_is_due_within_seconds() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY)
        await passed(60)
        lab.clock.offset += 59 * MINUTE
        await passed(11)
        assert lab.host.ids == ["s-20260601T010000Z"]


@simulated
async def test_a_clock_set_back_brings_nothing_twice() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY)
        await passed(3600 + 1)
        lab.clock.offset -= HOUR
        await passed(3600 - 60)
        assert lab.host.ids == ["s-20260601T010000Z"]
        await passed(3600 + 120)
        assert lab.host.ids == ["s-20260601T010000Z", "s-20260601T020000Z"]


@simulated
async def test_a_crash_right_after_a_start_neither_repeats_nor_forgets_it() -> None:
    lab = Lab()
    await lab.open()
    await lab.put(cron="0 * * * *", overlap="skip")
    lab.host.starts_under_way = asyncio.Event()
    await lab.host.starts_under_way.wait()
    await lab.crash()
    async with lab:
        await passed(1)
        view = await lab.show()
        assert lab.host.ids == ["s-20260601T010000Z"]
        assert (view.counts.started, view.running) == (1, ("s-20260601T010000Z",))


@simulated
async def test_a_crash_right_before_a_start_does_it_after_all() -> None:
    lab = Lab()
    await lab.open()
    await lab.put(cron="0 * * * *")
    lab.host.starts_under_way = asyncio.Event()
    await lab.host.starts_under_way.wait()
    lab.host.executions.clear()
    await lab.crash()
    async with lab:
        await passed(1)
        assert lab.host.ids == ["s-20260601T010000Z"]


@simulated
async def test_an_execution_that_was_started_before_the_schedule_was_changed_is_still_its_own() -> None:
    lab = Lab()
    await lab.open()
    await lab.put(cron="0 * * * *")
    lab.host.starts_under_way = asyncio.Event()
    await lab.host.starts_under_way.wait()
    await lab.crash()
    async with lab:
        await lab.put(cron="0 * * * *", context={"new": True})
        await passed(1)
        assert lab.host.ids == ["s-20260601T010000Z"]
        counts = (await lab.show()).counts
        assert (counts.started, counts.failed) == (1, 0)


@simulated
async def test_a_start_that_is_refused_is_told_and_the_next_time_comes_all_the_same() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY)
        lab.host.refuses = Invalid([], "the context does not fit")
        await passed(3600 + 1)
        view = await lab.show()
        assert view.counts.failed == 1
        assert view.recent[0].message == "the context does not fit"
        lab.host.refuses = None
        await passed(3600)
        assert lab.host.ids == ["s-20260601T020000Z"]


@simulated
async def test_a_host_with_too_much_to_do_is_asked_again() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY)
        lab.host.refuses = Overloaded("too much")
        await passed(3600 + 30)
        lab.host.refuses = None
        await passed(60)
        assert lab.host.ids == ["s-20260601T010000Z"]
        assert (await lab.show()).counts.started == 1


@simulated
async def test_nothing_is_started_that_could_not_be_written_first() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY)
        lab.shelf.is_away = True
        await passed(3600 + 30)
        assert lab.host.ids == []
        lab.shelf.is_away = False
        await passed(60)
        assert lab.host.ids == ["s-20260601T010000Z"]


@simulated
async def test_a_thousand_schedules_of_one_minute_all_start_in_it() -> None:
    async with Lab() as lab:
        for number in range(1000):
            await lab.put(f"s{number}", cron="*/5 * * * *")
        await passed(301)
        assert len(lab.host.ids) == 1000
        assert max(running.at for running in lab.host.executions.values()) < START + 5 * MINUTE + 1000


@simulated
async def test_a_schedule_ends_and_stays_readable() -> None:
    async with Lab() as lab:
        await lab.put(**HOURLY, endAt=START + 2 * HOUR)
        await passed(5 * 3600)
        assert lab.host.ids == ["s-20260601T010000Z"]
        assert not isinstance((await lab.show()).next_at, int)


@simulated
async def test_the_hour_that_clocks_show_twice_fires_once_for_a_named_time() -> None:
    async with Lab() as lab:
        lab.clock.offset = instant("2026-11-01T00:00-04:00") - START
        await lab.put(cron="30 1 * * *", timezone="America/New_York", overlap="allowAll")
        await passed(4 * 3600)
        assert lab.host.ids == ["s-20261101T053000Z"]


@simulated
async def test_a_schedule_that_cannot_be_read_keeps_no_other_from_its_work() -> None:
    async with Lab() as lab:
        await lab.put("a", cron="0 * * * *")
        await lab.put("b", cron="0 * * * *")
        await lab.put("c", cron="0 * * * *", timezone="Europe/Berlin")
        await lab.schedules.close()
        lab.shelf.slips["schedule", "a"] = b"{"
        lab.shelf.slips["schedule", "c"] = lab.shelf.slips["schedule", "c"].replace(
            b"Europe/Berlin", b"Europe/Nowhere"
        )
        await lab.open()
        await passed(3600 + 1)
        assert lab.host.ids == ["b-20260601T010000Z"]
        assert [brief.id for brief in await lab.schedules.list_schedules()] == ["b", "c"]
