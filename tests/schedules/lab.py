"""Schedules on a bench: a host that starts what it is told and ends what a test ends, a shelf that outlives processes,
and a wall clock that follows the simulated loop and is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Literal

from tenuto.errors import Conflict, NotFound, StoreUnavailable
from tenuto.ports.host import Started, StartRequest, Who
from tenuto.ports.schedules import ScheduleView
from tenuto.ports.store import TERMINAL, WorkflowVersion
from tenuto.runtime.schedules.local import LocalSchedules
from tenuto.runtime.schedules.shelf import Slip
from tenuto.wire.schedules import read_backfill, read_schedule

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def instant(text: str) -> int:
    """Milliseconds of an ISO time with its offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


START = instant("2026-06-01T00:00:00+00:00")


class Clock:
    """Follows the running loop; `offset` (ms) sets it forward and back."""

    def __init__(self) -> None:
        self.offset = 0

    def now(self) -> int:
        return START + self.offset + round(asyncio.get_running_loop().time() * 1000)


class Shelf:
    """Slips in memory. While `is_away` nothing can be written."""

    def __init__(self) -> None:
        self.slips: dict[tuple[str, str], bytes] = {}
        self.is_away = False
        self.writes = 0

    async def write(self, slips: Sequence[Slip]) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise StoreUnavailable("the store is away")
        self.writes += 1
        for kind, name, data in slips:
            if data is None:
                self.slips.pop((kind, name), None)
            else:
                self.slips[kind, name] = data

    async def read(self, kind: str) -> AsyncIterator[tuple[str, bytes]]:
        for (found, name), data in sorted(self.slips.items()):
            if found == kind:
                yield name, data


class Running:
    """An execution in the hands of a test: what a host's state shows of it."""

    def __init__(self, request: StartRequest, at: int) -> None:
        self.request = request
        self.at = at
        self.tags = request.tags
        self.status = "running"
        self.over = asyncio.Event()

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


class Host:
    """Starts executions; `refuses` is raised by starts. While `starts_under_way` is set, starts take effect
    and never answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.executions: dict[str, Running] = {}
        self.asked: list[tuple[str, str]] = []
        self.refuses: Exception | None = None
        self.ends_cancelled_at_once = True
        self.starts_under_way: asyncio.Event | None = None

    @property
    def ids(self) -> list[str]:
        return list(self.executions)

    async def start(self, request: StartRequest) -> Started:
        await asyncio.sleep(0)
        if self.refuses is not None:
            raise self.refuses
        name = request.execution_id
        assert name is not None
        before = self.executions.get(name)
        if before is not None and before.request != request:
            raise Conflict("another request used this id")
        if before is None:
            self.executions[name] = Running(request, self._clock.now())
        if self.starts_under_way is not None:
            self.starts_under_way.set()
            await asyncio.Event().wait()
        return Started(name, created=before is None)

    async def read(self, execution_id: str) -> Any:
        await asyncio.sleep(0)
        if execution_id not in self.executions:
            raise NotFound(f"there is no execution {execution_id!r}")
        return self.executions[execution_id]

    async def wait(self, execution_id: str, timeout_ms: int, until_step: str | None = None) -> Any:
        running = await self.read(execution_id)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await running.over.wait()
        except TimeoutError:
            pass
        return running

    async def cancel(self, execution_id: str, who: Who) -> Any:
        self.asked.append(("cancel", execution_id))
        if self.ends_cancelled_at_once:
            self.end(execution_id, "cancelled")
        return await self.read(execution_id)

    async def terminate(self, execution_id: str, who: Who) -> Any:
        self.asked.append(("terminate", execution_id))
        self.end(execution_id, "cancelled")
        return await self.read(execution_id)

    async def get_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion:
        if workflow_id != "w":
            raise NotFound(f"there is no workflow {workflow_id!r}")
        return WorkflowVersion(workflow_id="w", version=1, digest="", definition=b"{}", created_at=0)

    def end(
        self, execution_id: str, status: Literal["completed", "failed", "cancelled"] = "completed"
    ) -> None:
        """The execution ends."""
        running = self.executions[execution_id]
        running.status = status
        running.over.set()


class Lab:
    """One keeper of schedules after another on the same shelf and host."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.shelf = Shelf()
        self.host = Host(self.clock)
        self.schedules: LocalSchedules = None  # type: ignore[assignment]  # opened before use

    async def open(self) -> LocalSchedules:
        host: Any = self.host
        self.schedules = LocalSchedules(shelf=self.shelf, host=host, clock=self.clock)
        await self.schedules.open()
        return self.schedules

    async def __aenter__(self) -> Lab:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.schedules.close()

    async def crash(self) -> None:
        """The process is gone, and with it all its tasks and timers; what it had not written is forgotten."""
        await asyncio.sleep(0)
        self.schedules._alarm.close()
        me = asyncio.current_task()
        for _ in range(3):
            for task in asyncio.all_tasks() - {me}:
                task.cancel()
            await asyncio.sleep(0)
        self.host.starts_under_way = None

    async def put(self, schedule_id: str = "s", **fields: Any) -> ScheduleView:
        """Keep a schedule of workflow `w`."""
        given = {"workflowId": "w", **fields}
        return (await self.schedules.put(read_schedule(given, schedule_id))).view

    async def backfill(self, since: int, until: int, **fields: Any) -> str:
        """Begin a backfill of `s`, and answer its id."""
        body = read_backfill({"from": since, "until": until, **fields})
        return (await self.schedules.backfill("s", body)).id

    async def show(self, schedule_id: str = "s") -> ScheduleView:
        """The schedule now."""
        return await self.schedules.get(schedule_id)

    def started(self) -> list[int]:
        """When executions were started, in minutes since the start, in order."""
        return [round((running.at - START) / MINUTE) for running in self.host.executions.values()]


def times_of(states: dict[str, Running]) -> list[str]:
    """The fire times that the executions read, in the order in which they were started."""
    return [running.tags["scheduledFor"] for running in states.values()]
