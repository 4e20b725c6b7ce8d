"""Live progress: a table that redraws itself on a terminal, a line per fact anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tenuto.cli.anatomy import Anatomy
from tenuto.cli.output import aligned, one_line
from tenuto.cli.progress import ENDED, Progress, Row
from tenuto.cli.signs import look, sign
from tenuto.cli.times import duration
from tenuto.client import ApiError, JournalEntry, SyncClient

Meanwhile = Callable[[Progress, JournalEntry], None]

MOST_LIVE = 5
"""So many steps of items and rounds are shown at a map or loop."""

_MORE = {
    "queued": "waits for its slots",
    "began": "begins",
    "compensation-started": "undoes what had succeeded",
}

ROOM = 6
"""Lines of the terminal that are not for steps: headline, totals and what stood there before."""


def load(client: SyncClient, execution_id: str) -> Progress:
    """Progress of an execution with all its steps and none of its facts. Handlers, and what undoes steps, come with
    their first."""
    picture = client.visualize(execution_id)
    steps = [
        (str(step["id"]), str(step.get("name", "")))
        for step in picture["steps"]
        if "handlers" not in step and "undoes" not in step
    ]
    anatomy = _anatomy(client, picture)
    return Progress(execution_id, str(picture.get("workflowName", "")), steps, anatomy)


def _anatomy(client: SyncClient, picture: dict[str, Any]) -> Anatomy:
    """What is inside what; nothing where the server does not say which workflow it is, or has it no more."""
    if "workflowId" not in picture:
        return Anatomy({})
    try:
        return Anatomy(client.get_workflow(picture["workflowId"], picture.get("workflowVersion")).raw)
    except ApiError:
        return Anatomy({})


def watch(
    client: SyncClient, execution_id: str, console: Console, meanwhile: Meanwhile | None = None
) -> Progress:
    """Show the execution until it has ended; returns how it then stands. Goes on when the server restarts.
    `meanwhile` is called after every decision."""
    progress = load(client, execution_id)
    with _screen(progress, console) as show, closing(client.follow(execution_id)) as entries:
        for entry in entries:
            for event in entry.events:
                show(event, progress.fold(entry.at, event))
            if meanwhile is not None:
                meanwhile(progress, entry)
    return progress


@contextmanager
def _screen(progress: Progress, console: Console) -> Iterator[Callable[[dict[str, Any], Row | None], None]]:
    """Shows each fact once it is folded: as a line, or (on a terminal) by the table that redraws itself anyway."""
    if not console.is_terminal:
        yield lambda event, row: console.print(line(progress, event, row), markup=False, end="")
        return
    with Live(console=console, get_renderable=lambda: draw(progress, console.height), refresh_per_second=8):
        yield lambda event, row: None


def line(progress: Progress, event: dict[str, Any], row: Row | None) -> str:
    """The fact that was just folded, in a line with the time since the start; nothing where it says nothing."""
    if event.get("type") == "bodies.started" and row is not None and row.total is not None:
        return ""  # the items say that they have begun
    text = _row_line(row) if row else _execution_line(progress, event)
    since = progress.at - (progress.started or progress.at)
    return f"{since / 1000:9.3f}s  {text}\n" if text else ""


def draw(progress: Progress, height: int) -> RenderableType:
    """The whole picture: headline, as many steps as there is room for, totals."""
    now = now_ms()
    rows = [row for static in progress.rows.values() for row in (static, *_under_way(progress, static))]
    shown = choose(rows, max(3, height - ROOM))
    parts: list[RenderableType] = [headline(progress, now), steps_table(shown, now)]
    if len(shown) < len(rows):
        left = len(rows) - len(shown)
        parts.append(Text(f"    … and {left:,} more; of all, {totals(progress)}", style="dim"))
    return Group(*parts)


def _under_way(progress: Progress, row: Row) -> list[Row]:
    """A few of its items and rounds under way, those that are held up first."""
    live = progress.live.get(row.step)
    return sorted(live.values(), key=lambda row: row.status == "running")[:MOST_LIVE] if live else []


def headline(progress: Progress, now: int) -> Text:
    """Sign, workflow, status, time and id in one line."""
    mark = look(progress.status)
    took = duration(progress.took(now))
    line = Text.assemble(
        (f"  {sign(progress.status)} ", mark.style),
        (progress.workflow, "bold"),
        "  ",
        (progress.status, mark.style),
        (f" ({progress.phase})" if progress.phase else "", "dim"),
        (f"  {took}  {progress.execution_id}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
    return line.append(f"\n    {one_line(progress.error)}", "red") if progress.error else line


def steps_table(rows: list[Row], now: int) -> Text:
    """A line per step: sign, id, status, time, attempt, note."""
    return aligned(
        [
            [
                Text(f"    {sign(row.status)}", look(row.status).style),
                Text("  " * row.level + row.step, "dim" if row.status in ("pending", "skipped") else ""),
                Text(row.status, look(row.status).style),
                "" if row.status == "skipped" else f"{duration(row.took(now)):>8}",
                Text(_tried(row), "yellow"),
                Text(one_line(row.told()), "dim"),
            ]
            for row in rows
        ]
    )


def choose(rows: list[Row], most: int) -> list[Row]:
    """The rows worth the room there is, in the order of the definition: what moves, what failed, what ended last,
    what comes next."""
    if len(rows) <= most:
        return rows

    def rank(row: Row) -> tuple[int, int]:
        if row.status == "failed":
            return 0, 0
        if row.status not in ENDED and row.status != "pending":
            return 1, 0
        return (3, 0) if row.status == "pending" else (2, -(row.ended or 0))

    kept = {row.step for row in sorted(rows, key=rank)[:most]}
    return [row for row in rows if row.step in kept]


def totals(progress: Progress) -> str:
    """How many steps stand where, in words."""
    return ", ".join(f"{count:,} {status}" for status, count in progress.counts().most_common())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _tried(row: Row) -> str:
    """The attempt, where it is not the first; a loop's say no more than its rounds."""
    return f"attempt {row.attempt}" if row.attempt > 1 and row.round is None else ""


def _row_line(row: Row) -> str:
    took = duration(row.took(row.ended)) if row.ended is not None and row.status != "skipped" else ""
    told = "  ".join(part for part in (took, _tried(row), one_line(row.told())) if part)
    return f"{sign(row.status)} {row.step:<24} {row.status:<9} {told}".rstrip()


def _execution_line(progress: Progress, event: dict[str, Any]) -> str:
    kind = str(event.get("type", "")).removeprefix("execution.")
    if kind in ("cancel-requested", "output-requested"):
        return ""
    told = f"{progress.workflow} {_MORE.get(kind, kind)}"
    if kind == "signal.received":
        told = f"{progress.workflow} got the signal {one_line(str(event.get('name')))}"
    if kind == "handlers-started":
        told = f"{progress.workflow} runs its {event.get('handlers')} handlers"
    if progress.is_final:
        told += f" in {duration(progress.took(progress.at))}"
    return f"{sign(progress.status)} {told}" + (f": {one_line(progress.error)}" if progress.error else "")
