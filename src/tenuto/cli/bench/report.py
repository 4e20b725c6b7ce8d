"""Prints the figures as one table, or as JSON."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tenuto import __version__
from tenuto.cli.bench.disk import Disk
from tenuto.cli.bench.figures import Figure

BUSY = 0.15
VERDICTS = {"pass": "[green]pass[/green]", "short": "[bold red]short of it[/bold red]", "": ""}


def number(value: float) -> str:
    """As many digits as the measurement can carry."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def print_table(console: Console, figures: Sequence[Figure], disk: Disk, machine: str) -> None:
    """Each figure with its median, spread and goal."""
    table = Table(title=f"Tenuto {__version__} on {machine}", caption=disk.sentence(), caption_justify="left")
    for heading in ("figure", "median", "unit", "min–max", "goal", ""):
        right = heading in ("median", "min–max", "goal")
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "figure")
    for figure in figures:
        table.add_row(
            figure.title + (f" [dim]{figure.note}[/dim]" if figure.note else ""),
            number(figure.median),
            figure.unit,
            _spread(figure),
            _goal(figure),
            VERDICTS[figure.verdict],
        )
    console.print(table)


def _spread(figure: Figure) -> str:
    if len(figure.samples) < 2:
        return ""
    return f"{number(min(figure.samples))}–{number(max(figure.samples))}"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.goal.at_least else '≤'} {figure.goal.bound:,g}"


def as_data(figures: Sequence[Figure], disk: Disk, machine: str) -> dict[str, Any]:
    """The same as JSON data, every repetition included."""
    return {
        "version": __version__,
        "machine": machine,
        "disk": {
            "folder": str(disk.folder),
            "fileSystem": disk.file_system,
            "fsyncMs": round(disk.fsync_ms, 3),
        },
        "figures": {
            figure.key: {
                "title": figure.title,
                "unit": figure.unit,
                "median": figure.median,
                "samples": list(figure.samples),
                "goal": figure.goal.bound if figure.goal else None,
                "verdict": figure.verdict or None,
            }
            for figure in figures
        },
    }


def machine_sentence(cores: int, busy: float) -> str:
    """Processor cores at hand, Python and system, in a few words; and a warning when others were at work: `busy` is
    the share of the processors in use before anything was measured."""
    text = f"{cores} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"{text}, BUSY WITH OTHER WORK ({busy:.0%})" if busy > BUSY else text
