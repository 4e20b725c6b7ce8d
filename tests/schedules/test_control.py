"""What people do to schedules."""

from __future__ import annotations

import pytest

from tenuto.errors import Conflict, Invalid, NotFound
from tenuto.wire.schedules import read_schedule
from tests.runtime.lab import passed, simulated
from tests.schedules.lab import DAY, HOUR, START, Lab


def wish(**fields: object) -> dict[str, object]:
    return {"id": "s", "workflowId": "w", "cron": "0 * * * *", **fields}


@simulated
async def test_creating_the_same_again_changes_nothing_and_another_is_refused() -> None:
    async with Lab() as lab:
        assert (await lab.schedules.create(read_schedule(wish()))).created
        assert not (await lab.schedules.create(read_schedule(wish()))).created
        with pytest.raises(Conflict):
            await lab.schedules.create(read_schedule(wish(priority=1)))


@simulated
async def test_a_schedule_that_could_never_start_anything_is_refused_with_all_reasons() -> None:
    async with Lab() as lab:
        with pytest.raises(Invalid) as refused:
            await lab.put(cron="0 0 1 1 *", endAt=START - DAY, workflowId="x")
        assert {problem.path: problem.code for problem in refused.value.problems} == {
            "endAt": "never",
            "workflowId": "unknown_workflow",
        }
        assert await lab.schedules.list_schedules() == []


@simulated
async def test_new_times_count_from_the_change_on() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *")
        await passed(1800)
        await lab.put(cron="15 * * * *")
        await passed(3600)
        assert lab.host.ids == ["s-20260601T011500Z"]


@simulated
async def test_a_change_leaves_a_pause_and_its_note_as_they_are() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *")
        await lab.schedules.pause("s", "broken", "ann")
        view = await lab.put(cron="30 * * * *")
        assert (view.paused, view.note, view.paused_by) == (True, "broken", "ann")
        assert not (await lab.put(cron="30 * * * *", paused=False)).paused


@simulated
async def test_times_that_pass_in_a_pause_are_not_made_up() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *", overlap="allowAll")
        await lab.schedules.pause("s", None, None)
        await passed(3 * 3600)
        await lab.schedules.resume("s", "again", None)
        await passed(3600 + 1)
        view = await lab.show()
        assert lab.host.ids == ["s-20260601T040000Z"]
        assert (view.counts.missed, view.note) == (0, "again")


@simulated
async def test_a_pause_outlives_a_restart() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *", paused=True)
        await lab.crash()
        await lab.open()
        await passed(2 * 3600)
        assert lab.host.ids == []


@simulated
async def test_a_pause_drops_what_waits() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *", overlap="bufferOne")
        await passed(2 * 3600 + 1)
        view = await lab.schedules.pause("s", None, None)
        assert (view.waiting, view.counts.skipped) == ((), 1)
        lab.host.end("s-20260601T010000Z")
        await passed(1)
        assert lab.host.ids == ["s-20260601T010000Z"]


@simulated
async def test_a_paused_schedule_is_triggered_all_the_same() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *", paused=True)
        first = await lab.schedules.trigger("s")
        second = await lab.schedules.trigger("s")
        assert lab.host.ids == [first.execution_id, second.execution_id]
        assert first.execution_id == "s-trigger-20260601T000000Z"
        assert (await lab.show()).counts.triggered == 2


@simulated
async def test_a_trigger_with_an_id_of_ones_own_can_be_repeated() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *")
        assert (await lab.schedules.trigger("s", "mine")).created
        await passed(5)
        assert not (await lab.schedules.trigger("s", "mine")).created
        assert lab.host.ids == ["mine"]


@simulated
async def test_a_deleted_schedule_starts_nothing_and_is_gone_after_a_restart() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *")
        await lab.backfill(START - 5 * HOUR, START)
        await passed(1)
        await lab.schedules.delete("s")
        before = lab.host.ids
        await lab.crash()
        await lab.open()
        await passed(3 * 3600)
        assert lab.host.ids == before
        assert lab.shelf.slips == {}
        with pytest.raises(NotFound):
            await lab.show()


@simulated
async def test_the_next_times_are_shown_on_the_wall_clock_even_while_paused() -> None:
    async with Lab() as lab:
        await lab.put(cron="30 9 * * *", timezone="Europe/Berlin", paused=True)
        times = await lab.schedules.next_times("s", 2)
        assert [time.local for time in times] == ["2026-06-01T09:30:00+02:00", "2026-06-02T09:30:00+02:00"]
        (later,) = await lab.schedules.next_times("s", 1, START + 30 * DAY)
        assert later.local == "2026-07-01T09:30:00+02:00"


@simulated
async def test_schedules_are_listed_by_id_in_pages() -> None:
    async with Lab() as lab:
        for name in ("b", "a", "c"):
            await lab.put(name, cron="0 * * * *")
        assert [brief.id for brief in await lab.schedules.list_schedules(limit=2)] == ["a", "b"]
        assert [brief.id for brief in await lab.schedules.list_schedules(after="b")] == ["c"]
        assert await lab.schedules.list_schedules("other") == []


@simulated
async def test_what_is_not_there_is_not_found() -> None:
    async with Lab() as lab:
        for asked in (
            lab.show(),
            lab.schedules.delete("s"),
            lab.schedules.trigger("s"),
            lab.schedules.pause("s", None, None),
            lab.schedules.next_times("s", 1),
            lab.schedules.get_backfill("s", "b"),
        ):
            with pytest.raises(NotFound):
                await asked
