"""Schedules from a program: the part of the client about what starts workflows as time passes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from msgspec import Struct, field

from tenuto.client.calls import Calls
from tenuto.client.results import Answer, Started
from tenuto.client.transport import path


class ScheduleCounts(Struct, kw_only=True, rename="camel"):
    """What became of a schedule's times."""

    started: int = 0
    triggered: int = 0
    skipped: int = 0
    missed: int = 0
    failed: int = 0


class ScheduledTime(Struct, kw_only=True, rename="camel"):
    """What became of one time."""

    at: int
    outcome: str
    execution_id: str | None = None
    message: str | None = None


class NextTime(Answer, kw_only=True):
    """A time to come; `local` on the wall clock of the schedule's zone, `due_at` with jitter."""

    at: int
    local: str
    due_at: int


class Backfill(Answer, kw_only=True):
    """A backfill and how far it is; `status` is running, done or cancelled."""

    id: str
    schedule_id: str
    status: str
    since: int = field(name="from")
    until: int
    concurrency: int = 1
    total: int = 0
    started: int = 0
    existing: int = 0
    refused: int = 0
    completed: int = 0
    failed: int = 0
    running: list[str] = field(default_factory=list)
    at: int | None = None


class Rehearsal(Answer, kw_only=True):
    """What a backfill would start: how many times, and the first of them."""

    count: int
    times: list[dict[str, Any]] = field(default_factory=list)


class Schedule(Answer, kw_only=True):
    """A schedule as it stands. In lists, what it has done is left out."""

    id: str
    workflow_id: str
    version: int | None = None
    cron: list[str] = field(default_factory=list)
    timezone: str | None = None
    interval: int | None = None
    overlap: str = "skip"
    paused: bool = False
    note: str | None = None
    next_at: int | None = None
    counts: ScheduleCounts = field(default_factory=ScheduleCounts)
    running: list[str] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    recent: list[ScheduledTime] = field(default_factory=list)
    backfills: list[dict[str, Any]] = field(default_factory=list)
    created: bool = False


class ScheduleCalls(Calls):
    """The calls about schedules."""

    async def create_schedule(self, schedule: Mapping[str, Any]) -> Schedule:
        """Keep a new schedule. The same one again changes nothing (`created` is False). Raises ApiError: 400 with every
        problem, 409 when another has the id."""
        page = await self._page("POST", path("schedules"), body=schedule)
        return self._answer(Schedule, page.data, created=page.status == 201)

    async def put_schedule(self, schedule_id: str, schedule: Mapping[str, Any]) -> Schedule:
        """Keep a schedule in place of any that has the id. Raises ApiError (400) with every problem."""
        page = await self._page("PUT", path("schedules", schedule_id), body=schedule)
        return self._answer(Schedule, page.data, created=page.status == 201)

    async def list_schedules(
        self, workflow_id: str | None = None, *, page_size: int = 100
    ) -> AsyncGenerator[Schedule, None]:
        """Schedules by id, fetched `page_size` at a time as far as it is iterated."""
        query = {"workflowId": workflow_id, "limit": page_size}
        async with aclosing(self._items(path("schedules"), query)) as items:
            async for raw in items:
                yield self._answer(Schedule, raw)

    async def get_schedule(self, schedule_id: str) -> Schedule:
        """One schedule, with what it does and has done. Raises ApiError (404)."""
        return self._answer(Schedule, await self._get(path("schedules", schedule_id)))

    async def delete_schedule(self, schedule_id: str) -> None:
        """Forget a schedule; what it has started goes on. Raises ApiError (404)."""
        await self._page("DELETE", path("schedules", schedule_id))

    async def trigger_schedule(self, schedule_id: str, *, execution_id: str | None = None) -> Started:
        """Start an execution now. With an id of your own the call can be repeated. Raises ApiError (404, 409)."""
        body = {} if execution_id is None else {"executionId": execution_id}
        page = await self._page("POST", path("schedules", schedule_id, "trigger"), body=body)
        return self._answer(Started, page.data, created=page.status == 201)

    async def pause_schedule(
        self, schedule_id: str, *, note: str | None = None, by: str | None = None
    ) -> Schedule:
        """Let times pass without starting anything. Raises ApiError (404)."""
        return await self._turn(schedule_id, "pause", note, by)

    async def resume_schedule(
        self, schedule_id: str, *, note: str | None = None, by: str | None = None
    ) -> Schedule:
        """Start executions again, for times from now on. Raises ApiError (404)."""
        return await self._turn(schedule_id, "resume", note, by)

    async def next_times(
        self, schedule_id: str, count: int = 10, *, after: int | None = None
    ) -> list[NextTime]:
        """The times to come, after that instant (ms) or now. Raises ApiError (404)."""
        times = await self._get(path("schedules", schedule_id, "next"), count=count, after=after)
        return [self._answer(NextTime, raw) for raw in self._list(times)]

    async def backfill_schedule(
        self, schedule_id: str, since: int, until: int, *, concurrency: int = 1, reason: str | None = None
    ) -> Backfill:
        """Begin to start the times from `since` to before `until` (ms). Raises ApiError (400, 404, 409)."""
        body = {"from": since, "until": until, "concurrency": concurrency, "reason": reason}
        page = await self._page("POST", path("schedules", schedule_id, "backfill"), body=body)
        return self._answer(Backfill, page.data)

    async def rehearse_backfill(self, schedule_id: str, since: int, until: int) -> Rehearsal:
        """Which times such a backfill would start. Raises ApiError (400, 404)."""
        body = {"from": since, "until": until, "dryRun": True}
        page = await self._page("POST", path("schedules", schedule_id, "backfill"), body=body)
        return self._answer(Rehearsal, page.data)

    async def get_backfill(self, schedule_id: str, backfill_id: str) -> Backfill:
        """How far a backfill is. Raises ApiError (404)."""
        return self._answer(
            Backfill, await self._get(path("schedules", schedule_id, "backfills", backfill_id))
        )

    async def cancel_backfill(self, schedule_id: str, backfill_id: str) -> Backfill:
        """Start no more of a backfill; what it has started goes on. Raises ApiError (404, 409)."""
        page = await self._page("DELETE", path("schedules", schedule_id, "backfills", backfill_id))
        return self._answer(Backfill, page.data)

    async def _turn(self, schedule_id: str, verb: str, note: str | None, by: str | None) -> Schedule:
        body = {name: value for name, value in (("note", note), ("by", by)) if value is not None}
        return self._answer(
            Schedule, (await self._page("POST", path("schedules", schedule_id, verb), body=body)).data
        )
