"""Schedules as people read them: lists in columns, one in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tenuto.cli.live import now_ms
from tenuto.cli.options import Format
from tenuto.cli.output import one_line, table
from tenuto.cli.times import duration, instant
from tenuto.client import Schedule


def schedule_rows(schedules: Sequence[Schedule], output: Format) -> list[list[Text | str]]:
    """Id, workflow, when, the next time, how many were started, the note."""
    return [
        [
            schedule.id,
            _workflow(schedule),
            _when(schedule),
            _next(schedule, output),
            str(schedule.counts.started + schedule.counts.triggered),
            one_line(schedule.note or ""),
        ]
        for schedule in schedules
    ]


def schedule_view(schedule: Schedule, output: Format) -> list[RenderableType]:
    """One schedule: what it does, and what became of its last times."""
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("schedule", schedule.id)
    facts.add_row("workflow", _workflow(schedule))
    facts.add_row("when", _when(schedule))
    facts.add_row("next", _next(schedule, output))
    if schedule.note:
        facts.add_row("note", one_line(schedule.note))
    facts.add_row("overlap", schedule.overlap)
    facts.add_row("times", _counts(schedule))
    if schedule.running:
        facts.add_row("running", ", ".join(schedule.running))
    if schedule.waiting:
        facts.add_row("waiting", ", ".join(map(instant, schedule.waiting[:5])))
    for backfill in schedule.backfills:
        facts.add_row("backfill", backfill_sentence(backfill))
    view: list[RenderableType] = [facts]
    if schedule.recent:
        rows = [
            [instant(time.at), time.outcome, one_line(time.execution_id or time.message or "")]
            for time in schedule.recent
        ]
        view += ["", table(("time", "outcome", ""), rows)]
    return view


def backfill_sentence(backfill: Mapping[str, Any]) -> str:
    """How far a backfill is."""
    done = backfill["started"] + backfill["existing"] + backfill["refused"]
    parts = [f"{backfill['id']} {backfill['status']}: {done:,} of {backfill['total']:,} times"]
    parts += [
        f"{backfill[name]:,} {name}"
        for name in ("completed", "failed", "existing", "refused")
        if backfill[name]
    ]
    return ", ".join(parts)


def _workflow(schedule: Schedule) -> str:
    return schedule.workflow_id if schedule.version is None else f"{schedule.workflow_id}@{schedule.version}"


def _when(schedule: Schedule) -> str:
    if schedule.interval is not None:
        return f"every {duration(schedule.interval)}"
    return f"{' | '.join(schedule.cron)} ({schedule.timezone})"


def _next(schedule: Schedule, output: Format) -> Text:
    if schedule.paused:
        return Text("paused", "yellow")
    if schedule.next_at is None:
        return Text("no more", "dim")
    ahead = duration(max(0, schedule.next_at - now_ms()))
    return Text(instant(schedule.next_at) if output is Format.PLAIN else f"in {ahead}")


def _counts(schedule: Schedule) -> str:
    counts = schedule.counts
    others = ("triggered", "skipped", "missed", "failed")
    parts = [f"{getattr(counts, name):,} {name}" for name in others if getattr(counts, name)]
    return ", ".join([f"{counts.started:,} started", *parts])
