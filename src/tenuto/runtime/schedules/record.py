"""A schedule and a backfill as they are stored, and what can be said of them without asking anybody."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from tenuto.ports.schedules import (
    BackfillStatus,
    BackfillView,
    Counts,
    Happened,
    Outcome,
    ScheduleBrief,
    ScheduleView,
)
from tenuto.wire.schedules import ScheduleSpec

MOST_RECENT = 10


class Stored(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What is written as JSON; unknown fields are passed over."""


class Pending(Stored, frozen=True, kw_only=True):
    """An execution that is to be started: written before, so that a crash between the two forgets nothing."""

    at: int
    execution_id: str


class Record(Stored, frozen=True, kw_only=True):
    """A schedule as it stands. `after` is the last time that was dealt with; `starting` are being started, `running` had
    not ended when last looked at, `waiting` are held back by the overlap policy."""

    spec: ScheduleSpec
    created_at: int
    updated_at: int
    after: int
    paused: bool = False
    paused_at: int | None = None
    paused_by: str | None = None
    note: str | None = None
    starting: tuple[Pending, ...] = ()
    running: tuple[str, ...] = ()
    waiting: tuple[int, ...] = ()
    counts: Counts = Counts()
    recent: tuple[Happened, ...] = ()

    @property
    def is_busy(self) -> bool:
        """Whether the overlap policy sees an execution that may not have ended."""
        return self.spec.overlap != "allowAll" and bool(self.running or self.starting)


class BackfillRecord(Stored, frozen=True, kw_only=True):
    """A backfill as it stands, with the schedule's specification of when it was asked for."""

    id: str
    spec: ScheduleSpec
    since: int
    until: int
    concurrency: int
    total: int
    created_at: int
    after: int
    status: BackfillStatus = "running"
    running: tuple[Pending, ...] = ()
    existing: int = 0
    refused: int = 0
    completed: int = 0
    failed: int = 0
    by: str | None = None
    reason: str | None = None


encode = msgspec.json.Encoder().encode
decode_schedule = msgspec.json.Decoder(Record).decode
decode_backfill = msgspec.json.Decoder(BackfillRecord).decode


def counted(record: Record, **more: int) -> Record:
    """The record with these added to its counts."""
    counts = record.counts
    return replace(
        record, counts=replace(counts, **{name: getattr(counts, name) + n for name, n in more.items()})
    )


def noted(
    record: Record, at: int, outcome: Outcome, *, execution_id: str | None = None, message: str | None = None
) -> Record:
    """The record with the outcome of a time counted and among the recent ones."""
    happened = Happened(at=at, outcome=outcome, execution_id=execution_id or UNSET, message=message or UNSET)
    return replace(counted(record, **{outcome: 1}), recent=(happened, *record.recent[: MOST_RECENT - 1]))


def brief_of(record: Record, next_at: int | None) -> ScheduleBrief:
    """As lists show it."""
    return ScheduleBrief(**_facts(record, next_at))


def view_of(record: Record, next_at: int | None, backfills: tuple[BackfillView, ...]) -> ScheduleView:
    """In full."""
    spec = record.spec
    return ScheduleView(
        **_facts(record, next_at),
        context=spec.context,
        tags=spec.tags,
        priority=spec.priority,
        jitter=spec.jitter,
        catch_up_window=spec.catch_up_window,
        created_at=record.created_at,
        updated_at=record.updated_at,
        paused_at=_given(record.paused_at),
        paused_by=_given(record.paused_by),
        running=(*record.running, *(pending.execution_id for pending in record.starting)),
        waiting=record.waiting,
        recent=record.recent,
        backfills=backfills,
    )


def backfill_view(record: BackfillRecord) -> BackfillView:
    """With its progress."""
    return BackfillView(
        id=record.id,
        schedule_id=record.spec.id,
        status=record.status,
        since=record.since,
        until=record.until,
        concurrency=record.concurrency,
        total=record.total,
        started=len(record.running) + record.completed + record.failed,
        existing=record.existing,
        refused=record.refused,
        completed=record.completed,
        failed=record.failed,
        running=tuple(pending.execution_id for pending in record.running),
        at=record.after if record.after >= record.since else UNSET,
        created_at=record.created_at,
        by=_given(record.by),
        reason=_given(record.reason),
    )


def _facts(record: Record, next_at: int | None) -> dict[str, Any]:
    spec = record.spec
    is_interval = spec.interval is not None
    return {
        "id": spec.id,
        "workflow_id": spec.workflow_id,
        "version": _given(spec.version),
        "cron": UNSET if is_interval else spec.cron,
        "timezone": UNSET if is_interval else spec.timezone,
        "interval": _given(spec.interval),
        "anchor": spec.anchor if is_interval else UNSET,
        "start_at": _given(spec.start_at),
        "end_at": _given(spec.end_at),
        "overlap": spec.overlap,
        "paused": record.paused,
        "note": _given(record.note),
        "next_at": UNSET if record.paused else _given(next_at),
        "counts": record.counts,
    }


def _given(value: Any) -> Any:
    return UNSET if value is None else value
