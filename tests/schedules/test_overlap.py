"""What becomes of a time while the execution before goes on, by policy."""

from __future__ import annotations

from tests.runtime.lab import passed, simulated
from tests.schedules.lab import HOUR, START, Lab

FIRST, SECOND, THIRD = (f"s-20260601T0{hour}0000Z" for hour in (1, 2, 3))


async def ready(lab: Lab, overlap: str) -> None:
    """A schedule of every hour whose first execution goes on."""
    await lab.put(cron="0 * * * *", overlap=overlap)
    await passed(3600 + 1)
    assert lab.host.ids == [FIRST]


@simulated
async def test_skip_leaves_times_out_until_the_execution_has_ended() -> None:
    async with Lab() as lab:
        await ready(lab, "skip")
        await passed(3600)
        assert (await lab.show()).counts.skipped == 1
        lab.host.end(FIRST)
        await passed(3600)
        assert lab.host.ids == [FIRST, THIRD]


@simulated
async def test_buffer_one_starts_the_first_of_the_times_that_came_meanwhile_at_the_end() -> None:
    async with Lab() as lab:
        await ready(lab, "bufferOne")
        await passed(2 * 3600)
        view = await lab.show()
        assert (view.waiting, view.counts.skipped) == ((START + 2 * HOUR,), 1)
        lab.host.end(FIRST)
        await passed(1)
        assert lab.host.ids == [FIRST, SECOND]
        assert (await lab.show()).running == (SECOND,)


@simulated
async def test_buffer_all_starts_them_one_after_the_other() -> None:
    async with Lab() as lab:
        await ready(lab, "bufferAll")
        await passed(2 * 3600)
        lab.host.end(FIRST)
        await passed(1)
        assert lab.host.ids == [FIRST, SECOND]
        lab.host.end(SECOND)
        await passed(1)
        assert lab.host.ids == [FIRST, SECOND, THIRD]


@simulated
async def test_buffer_all_keeps_a_thousand_and_tells_of_the_others() -> None:
    async with Lab() as lab:
        await lab.put(interval=1000, overlap="bufferAll")
        await passed(1010.5)
        view = await lab.show()
        assert (len(view.waiting), view.counts.skipped) == (1000, 9)
        assert view.recent[0].message == "1,000 times wait already"


@simulated
async def test_cancel_other_starts_when_the_cancelled_one_has_ended() -> None:
    async with Lab() as lab:
        lab.host.ends_cancelled_at_once = False
        await ready(lab, "cancelOther")
        await passed(3600)
        assert lab.host.asked == [("cancel", FIRST)]
        assert lab.host.ids == [FIRST]
        lab.host.end(FIRST, "cancelled")
        await passed(1)
        assert lab.host.ids == [FIRST, SECOND]


@simulated
async def test_cancel_other_asks_once_and_keeps_the_newest_time() -> None:
    async with Lab() as lab:
        lab.host.ends_cancelled_at_once = False
        await ready(lab, "cancelOther")
        await passed(2 * 3600)
        assert lab.host.asked == [("cancel", FIRST)]
        assert (await lab.show()).waiting == (START + 3 * HOUR,)
        lab.host.end(FIRST, "cancelled")
        await passed(1)
        assert lab.host.ids == [FIRST, THIRD]


@simulated
async def test_terminate_other_starts_at_once() -> None:
    async with Lab() as lab:
        await ready(lab, "terminateOther")
        await passed(3600)
        assert lab.host.asked == [("terminate", FIRST)]
        assert lab.host.ids == [FIRST, SECOND]


@simulated
async def test_allow_all_lets_them_go_on_side_by_side() -> None:
    async with Lab() as lab:
        await ready(lab, "allowAll")
        await passed(2 * 3600)
        assert lab.host.ids == [FIRST, SECOND, THIRD]


@simulated
async def test_what_waits_is_started_after_a_restart_too() -> None:
    async with Lab() as lab:
        await ready(lab, "bufferOne")
        await passed(3600)
        await lab.crash()
        await lab.open()
        await passed(1)
        assert lab.host.ids == [FIRST]
        lab.host.end(FIRST)
        await passed(1)
        assert lab.host.ids == [FIRST, SECOND]


@simulated
async def test_an_end_during_a_downtime_lets_the_waiting_one_go() -> None:
    async with Lab() as lab:
        await ready(lab, "bufferOne")
        await passed(3600)
        await lab.crash()
        lab.host.end(FIRST, "failed")
        await lab.open()
        await passed(1)
        assert lab.host.ids == [FIRST, SECOND]


@simulated
async def test_an_execution_triggered_by_hand_counts_for_the_policy() -> None:
    async with Lab() as lab:
        await lab.put(cron="0 * * * *", overlap="skip")
        triggered = await lab.schedules.trigger("s")
        await passed(3600 + 1)
        assert lab.host.ids == [triggered.execution_id]
        assert (await lab.show()).counts.skipped == 1


@simulated
async def test_a_change_of_the_policy_to_skip_drops_what_waits() -> None:
    async with Lab() as lab:
        await ready(lab, "bufferAll")
        await passed(3600)
        view = await lab.put(cron="0 * * * *", overlap="skip")
        assert (view.waiting, view.counts.skipped) == ((), 1)
        lab.host.end(FIRST)
        await passed(1)
        assert lab.host.ids == [FIRST]
