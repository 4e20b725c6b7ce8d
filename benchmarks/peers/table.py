"""The comparison as one table: medians with their spread, and how many times Tenuto's figure is better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.peers.figures import Figures
from benchmarks.peers.rounds import Row


class Column(NamedTuple):
    """One figure of the table. Of two engines the one with `more` is better, or with less."""

    key: str
    title: str
    of: Callable[[Figures], float]
    more: bool = False


COLUMNS = (
    Column("executionsPerSecond", "executions/s\n64 at once", lambda figures: figures.per_second, more=True),
    Column("aloneMs", "one alone\np50 ms", lambda figures: figures.alone_ms),
    Column("longChainMs", "100-step\nchain ms", lambda figures: figures.long_chain_ms),
    Column("fanMs", "fan of\n100 ms", lambda figures: figures.fan_ms),
    Column("serverMb", "server\nMB", lambda figures: figures.server_mb),
    Column("workerMb", "+ worker\nMB", lambda figures: figures.worker_mb),
)


def number(value: float) -> str:
    """Three significant figures are more than these measurements hold."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _cell(row: Row, own: Row, column: Column) -> str:
    values = [column.of(each) for each in row.repetitions]
    middle = median(values)
    if middle == 0:
        return "–"
    text = number(middle)
    if len(values) > 1:
        text += f"\n{number(min(values))}–{number(max(values))}"
    ratio = _ratio(row, own, column)
    if row is not own and ratio is not None:
        text += f"\n[dim]{number(ratio)}×[/dim]"
    return text


def _ratio(row: Row, own: Row, column: Column) -> float | None:
    """How many times better Tenuto's median is: 2.0 is twice the executions, or half the time or memory. None where
    Tenuto has no such figure."""
    theirs = median(column.of(each) for each in row.repetitions)
    ours = median([column.of(each) for each in own.repetitions] or [0.0])
    better, worse = (ours, theirs) if column.more else (theirs, ours)
    return better / worse if ours and worse else None


def print_table(console: Console, rows: Sequence[Row], own: Row, disk: str) -> None:
    table = Table(
        title="Durable workflows of no-op steps, on this machine, in turns",
        caption=f"Median, lowest–highest, and how many times better Tenuto is.\n{disk}",
    )
    table.add_column("engine", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column.title, justify="right", no_wrap=True)
    for row in rows:
        name = row.engine.title + (f"\n[dim]{row.engine.remark}[/dim]" if row.engine.remark else "")
        if row.repetitions:
            table.add_row(name, *(_cell(row, own, column) for column in COLUMNS), end_section=True)
        if row.problem is not None:
            when = "a later repetition" if row.repetitions else row.engine.title
            table.add_row(f"[bold red]{when}[/bold red]", "[red]FAILED", end_section=True)
    console.print(table)
    console.print("; ".join(dict.fromkeys(row.versions for row in rows if row.versions)), highlight=False)
    for row in rows:
        if row.problem is not None:
            console.print(f"[bold red]{row.engine.title}:[/bold red] {row.problem}", highlight=False)


def as_data(rows: Sequence[Row], own: Row, disk: str) -> dict[str, Any]:
    """The same as JSON data."""
    return {
        "disk": disk,
        "engines": [
            {
                "name": row.engine.name,
                "title": row.engine.title,
                "versions": row.versions,
                "problem": row.problem,
                "figures": {
                    column.key: {
                        "median": median(values),
                        "values": values,
                        "tenutoTimesBetter": _ratio(row, own, column),
                    }
                    for column in COLUMNS
                    if (values := [column.of(each) for each in row.repetitions])
                },
            }
            for row in rows
        ],
    }
