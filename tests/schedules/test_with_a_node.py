"""Schedules over a real node and its store, in simulated time: what a fake host cannot get wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenuto.errors import Conflict
from tenuto.ports.store import ExecutionQuery
from tenuto.runtime.schedules.local import LocalSchedules
from tenuto.runtime.schedules.shelf import StoreShelf
from tenuto.wire.schedules import read_backfill, read_schedule
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated

MINUTE = 60_000


class Kept:
    """A node, its schedules, and both again after a crash."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.schedules: LocalSchedules = None  # type: ignore[assignment]  # opened before use

    async def open(self) -> None:
        shelf = StoreShelf(self.lab.store)
        self.schedules = LocalSchedules(shelf=shelf, host=self.lab.node, clock=self.lab.clock)
        await self.schedules.open()

    async def crash(self) -> None:
        await self.lab.reboot()
        await self.open()

    async def put(self, **fields: Any) -> None:
        wish = read_schedule({"workflowId": "w", "interval": MINUTE, "anchor": EPOCH, **fields}, "s")
        await self.schedules.put(wish)

    async def executions(self) -> list[dict[str, Any]]:
        found, _ = await self.lab.node.list_executions(ExecutionQuery())
        return found[::-1]

    async def times(self) -> list[str]:
        """The times that have an execution, in minutes after the hour."""
        return sorted(execution["tags"]["scheduledFor"][14:] for execution in await self.executions())


async def ready(*steps: dict[str, Any]) -> Kept:
    """A workflow `w` of these steps, and nothing scheduled."""
    lab = Lab()
    await lab.boot()
    await lab.define(*steps or ({"id": "a"},))
    kept = Kept(lab)
    await kept.open()
    return kept


async def close(kept: Kept) -> None:
    await kept.schedules.close()
    await kept.lab.close()


@simulated
async def test_executions_complete_and_tell_their_time() -> None:
    kept = await ready()
    await kept.put()
    await passed(150)
    (first, second) = await kept.executions()
    assert first["status"] == second["status"] == "completed"
    assert first["executionId"] == "s-20270115T080100Z"
    assert first["tags"] == {"scheduleId": "s", "scheduledFor": "2027-01-15T08:01:00Z"}
    await close(kept)


@simulated
async def test_steps_read_the_time_that_was_meant() -> None:
    kept = await ready({"id": "a", "params": {"result": "{{ execution.tags.scheduledFor }}"}})
    await kept.put(jitter=30_000)
    await passed(110)
    document = await kept.lab.show("s-20270115T080100Z")
    assert document["stepResults"]["a"]["result"] == "2027-01-15T08:01:00Z"
    assert document["startTime"] > EPOCH + MINUTE
    await close(kept)


@pytest.mark.parametrize("turns", range(0, 60, 2))
def test_a_crash_at_any_moment_around_a_fire_neither_repeats_nor_forgets_it(turns: int) -> None:
    @simulated
    async def crashed() -> None:
        kept = await ready()
        await kept.put()
        await passed(59.9995)
        await passed(0.0006)
        for _ in range(turns):
            await asyncio.sleep(0)
        await kept.crash()
        await passed(150)
        assert await kept.times() == ["01:00Z", "02:00Z", "03:00Z"]
        view = await kept.schedules.get("s")
        assert (view.counts.started, view.counts.failed, view.counts.missed) == (3, 0, 0)
        await close(kept)

    crashed()


@simulated
async def test_a_waiting_time_starts_when_the_node_says_that_the_execution_has_ended() -> None:
    kept = await ready(hand("a", timeout=600_000))
    await kept.put(overlap="bufferOne")
    first = await kept.lab.hands.take("a")
    await passed(61)
    assert len(await kept.executions()) == 1
    first.succeed()
    second = await kept.lab.hands.take("a")
    assert await kept.times() == ["01:00Z", "02:00Z"]
    second.succeed()
    await close(kept)


@simulated
async def test_cancel_other_cancels_the_execution_before() -> None:
    kept = await ready(hand("a", timeout=600_000))
    await kept.put(overlap="cancelOther")
    await passed(125)
    first, second = await kept.executions()
    assert (first["status"], second["status"]) == ("cancelled", "running")
    await close(kept)


@simulated
async def test_a_backfill_goes_on_over_crashes() -> None:
    kept = await ready({"id": "a", "action": "delay", "params": {"duration": 10_000}})
    await kept.put(paused=True)
    body = read_backfill({"from": EPOCH - 5 * MINUTE, "until": EPOCH, "concurrency": 2})
    name = (await kept.schedules.backfill("s", body)).id
    for _ in range(3):
        await passed(7)
        await kept.crash()
    await passed(40)
    view = await kept.schedules.get_backfill("s", name)
    assert (view.status, view.total, view.completed, view.existing) == ("done", 5, 5, 0)
    assert await kept.times() == ["55:00Z", "56:00Z", "57:00Z", "58:00Z", "59:00Z"]
    await close(kept)


@simulated
async def test_an_execution_id_that_somebody_else_has_used_is_a_conflict() -> None:
    kept = await ready()
    await kept.put()
    await kept.lab.start(execution_id="s-20270115T080100Z")
    await kept.lab.start(execution_id="mine")
    await passed(61)
    view = await kept.schedules.get("s")
    assert (view.counts.started, view.counts.failed) == (0, 1)
    with pytest.raises(Conflict):
        await kept.schedules.trigger("s", "mine")
    await close(kept)


@simulated
async def test_a_schedule_that_waits_writes_nothing() -> None:
    kept = await ready()
    await kept.put(interval=86_400_000)
    await passed(60)
    await passed(600)
    written = [item for batch in kept.lab.store.commits for item in batch.items if item.kind == "schedule"]
    assert len(written) == 1
    await close(kept)
