"""One benchmark from beginning to end: a folder on disk, a server, all repetitions in turns, the figures."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop
from rich.console import Console

from tenuto.cli.bench.constructs import CONSTRUCTS
from tenuto.cli.bench.disk import Disk, describe_disk, folder_on_disk
from tenuto.cli.bench.figures import Figure
from tenuto.cli.bench.filled import FILLED
from tenuto.cli.bench.footprint import busy_share
from tenuto.cli.bench.measures import MEASURES, QUICK, Bench, Measure, Pace, Sample, figures_of
from tenuto.cli.bench.report import as_data, machine_sentence, print_table
from tenuto.cli.bench.server import serving
from tenuto.cli.bench.waiting import PATIENCE
from tenuto.errors import ConfigurationError

ALWAYS = (*MEASURES, *CONSTRUCTS, *PATIENCE)
NAMES = tuple(measure.name for measure in (*ALWAYS, FILLED))
MOST_WAITING = 100_000


class Findings(NamedTuple):
    """The figures, the disk they were taken on, and a few words on the machine."""

    figures: list[Figure]
    disk: Disk
    machine: str

    @property
    def are_short_of_goals(self) -> bool:
        return any(figure.verdict == "short" for figure in self.figures)


def run(
    *, quick: bool, full: bool, only: str | None, repetitions: int | None, within: Path | None
) -> Findings:
    """Take the figures, telling how far it is on stderr. Raises ConfigurationError, BenchFailed."""
    pace = QUICK if quick else Pace()
    if repetitions is not None:
        pace = replace(pace, repetitions=repetitions)
    if full:
        pace = replace(pace, waiting=MOST_WAITING)
    progress = Console(stderr=True)
    machine = machine_sentence(len(os.sched_getaffinity(0)), busy_share(1.0))

    def say(text: str) -> None:
        progress.print(text, style="dim", highlight=False)

    try:
        disk, figures = uvloop.run(measure(chosen(only, full), pace, within, say))
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error
    return Findings(figures, disk, machine)


def print_findings(findings: Findings, *, as_json: bool) -> None:
    """On stdout, as a table or as JSON."""
    if as_json:
        data = msgspec.json.encode(as_data(*findings))
        sys.stdout.write(msgspec.json.format(data).decode() + "\n")
    else:
        print_table(Console(width=None if sys.stdout.isatty() else 120), *findings)


def chosen(only: str | None, full: bool) -> list[Measure]:
    """The measurements that were asked for by name; else all, that on a filled store only with `full`. Raises
    ConfigurationError for a name that is none."""
    if only is None:
        return [*ALWAYS, *([FILLED] if full else [])]
    names = [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ConfigurationError(f"no such figure: {', '.join(unknown)}. There are {', '.join(NAMES)}.")
    return [measure for measure in (*ALWAYS, FILLED) if measure.name in names]


async def measure(
    measures: Sequence[Measure], pace: Pace, within: Path | None, say: Callable[[str], None]
) -> tuple[Disk, list[Figure]]:
    """The figures, in the order of the measurements, and the disk they were taken on. Raises BenchFailed; and
    CancelledError on SIGTERM, for a server must not outlive the benchmark."""
    task = asyncio.current_task()
    assert task is not None, "this runs as a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with folder_on_disk(within) as folder:
        disk = describe_disk(folder.parent)
        say(disk.sentence())
        shared = folder / "shared"
        shared.mkdir()
        async with serving(shared) as server:
            samples = await _rounds(measures, Bench(folder, pace, server, say))
    return disk, [figure for each in measures for figure in figures_of(each, samples[each.name])]


async def _rounds(measures: Sequence[Measure], bench: Bench) -> dict[str, list[Sample]]:
    """The first repetition of each measurement, then the second of each."""
    samples: dict[str, list[Sample]] = {each.name: [] for each in measures}
    for number in range(bench.pace.repetitions):
        for each in measures:
            if number < each.at_most:
                samples[each.name].append(await each.take(bench))
        bench.say(f"repetition {number + 1} of {bench.pace.repetitions} done")
    return samples
