"""Schedules, as the API, the command line and `Engine` see them: what starts workflows as time passes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType, field

from tenuto.wire.schedules import BackfillBody, Wish

Instant = Annotated[int, Meta(description="milliseconds since the epoch")]
Outcome = Literal["started", "skipped", "failed"]
BackfillStatus = Literal["running", "done", "cancelled"]


class Shown(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is shown of schedules: camelCase keys, and no others."""


class Counts(Shown, frozen=True, kw_only=True):
    """What became of the times of a schedule since it was created. `missed`: older than the catch-up window when the
    server came to them; `skipped`: left out by the overlap policy or a pause; `failed`: could not be started."""

    started: int = 0
    triggered: int = 0
    skipped: int = 0
    missed: int = 0
    failed: int = 0


class Happened(Shown, frozen=True, kw_only=True):
    """What became of one time: its execution, or why there is none."""

    at: Instant
    outcome: Outcome
    execution_id: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class ScheduleBrief(Shown, frozen=True, kw_only=True):
    """A schedule as lists show it. `nextAt` is absent while it is paused, and when it has no more times."""

    id: str
    workflow_id: str
    version: int | UnsetType = UNSET
    cron: tuple[str, ...] | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    interval: int | UnsetType = UNSET
    anchor: Instant | UnsetType = UNSET
    start_at: Instant | UnsetType = UNSET
    end_at: Instant | UnsetType = UNSET
    overlap: str
    paused: bool
    note: str | UnsetType = UNSET
    next_at: Instant | UnsetType = UNSET
    counts: Counts


class BackfillView(Shown, frozen=True, kw_only=True):
    """A backfill and how far it is: `at` is the last time it has come to. `existing` times had an execution already;
    `refused` ones could not be started; `completed` and `failed` count those that have ended."""

    id: str
    schedule_id: str
    status: BackfillStatus
    since: Instant = field(name="from")
    until: Instant
    concurrency: int
    total: int
    started: int
    existing: int
    refused: int
    completed: int
    failed: int
    running: tuple[str, ...]
    at: Instant | UnsetType = UNSET
    created_at: Instant
    by: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class ScheduleView(ScheduleBrief, frozen=True, kw_only=True):
    """A schedule in full. `running` are executions of it that the overlap policy sees, `waiting` the times whose start
    it holds back, `recent` what became of the last times, the newest first."""

    context: dict[str, Any]
    tags: dict[str, str]
    priority: int
    jitter: int
    catch_up_window: int
    created_at: Instant
    updated_at: Instant
    paused_at: Instant | UnsetType = UNSET
    paused_by: str | UnsetType = UNSET
    running: tuple[str, ...]
    waiting: tuple[Instant, ...]
    recent: tuple[Happened, ...]
    backfills: tuple[BackfillView, ...]


class NextTime(Shown, frozen=True, kw_only=True):
    """A time to come: on the wall clock of the schedule's zone, and when its execution starts, jitter included."""

    at: Instant
    local: Annotated[str, Meta(description="ISO 8601 with the zone's offset")]
    due_at: Instant


class DryRun(Shown, frozen=True, kw_only=True):
    """What a backfill would start: how many times, and the first thousand of them."""

    count: int
    times: tuple[NextTime, ...]


class Put(NamedTuple):
    """A schedule that was put, and whether it was not there before."""

    view: ScheduleView
    created: bool


class Triggered(NamedTuple):
    """An execution started by hand; `created` is False when the same call had been made before."""

    execution_id: str
    created: bool


class Schedules(Protocol):
    """Keeps schedules and starts their executions. Raises NotFound for a schedule or backfill that is not there, and
    StoreUnavailable; a change is on disk when its call returns."""

    async def create(self, wish: Wish) -> Put:
        """Keep a new schedule; the same one again changes nothing. Raises Invalid, and Conflict for an id that has
        another."""

    async def put(self, wish: Wish) -> Put:
        """Keep a schedule in place of any that has the id. Its times count from now on. Raises Invalid."""

    async def list_schedules(
        self, workflow_id: str | None = None, after: str = "", limit: int = 1000
    ) -> list[ScheduleBrief]:
        """Schedules by id, from after that id on."""

    async def get(self, schedule_id: str) -> ScheduleView: ...

    async def delete(self, schedule_id: str) -> None:
        """Forget it and its backfills. Executions under way go on."""

    async def trigger(self, schedule_id: str, execution_id: str | None = None) -> Triggered:
        """Start an execution now, whatever pause and overlap policy say. Raises Conflict, Invalid, Overloaded."""

    async def pause(self, schedule_id: str, note: str | None, by: str | None) -> ScheduleView:
        """Let times pass without starting anything. One that is paused gets the new note."""

    async def resume(self, schedule_id: str, note: str | None, by: str | None) -> ScheduleView:
        """Start executions again, for times from now on."""

    async def next_times(self, schedule_id: str, count: int, after: int | None = None) -> list[NextTime]:
        """Times after that instant (now), paused or not."""

    async def rehearse(self, schedule_id: str, body: BackfillBody) -> DryRun:
        """What that backfill would start."""

    async def backfill(self, schedule_id: str, body: BackfillBody) -> BackfillView:
        """Begin to start the times of a past range. Raises Invalid, and Conflict when too many are under way."""

    async def get_backfill(self, schedule_id: str, backfill_id: str) -> BackfillView: ...

    async def cancel_backfill(self, schedule_id: str, backfill_id: str) -> BackfillView:
        """Start no more of it; what it has started goes on. Raises Conflict when it is over."""
