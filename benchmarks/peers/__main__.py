"""`python -m benchmarks.peers`: install the engines, measure them in turns with Tenuto, print the table."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from benchmarks.peers import rounds, table
from benchmarks.peers.catalogue import PEERS, TENUTO
from tenuto.cli.bench.disk import describe_disk
from tenuto.cli.bench.footprint import busy_share
from tenuto.cli.bench.report import machine_sentence


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    progress = Console(stderr=True)

    def say(text: str) -> None:
        progress.print(text, style="dim", highlight=False)

    wanted = set(options.only.split(",")) if options.only else {peer.name for peer in PEERS}
    unknown = wanted - {peer.name for peer in PEERS}
    if unknown:
        print(f"no such engine: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    engines = [TENUTO, *(peer for peer in PEERS if peer.name in wanted)]
    rows = rounds.install(engines, say)
    machine = machine_sentence(len(os.sched_getaffinity(0)), busy_share(1.0))
    disk = f"{machine}; {describe_disk(Path(tempfile.gettempdir())).sentence()}"
    rounds.measure(rows, options.repetitions, say)
    if options.output == "json":
        print(json.dumps(table.as_data(rows, rows[0], disk), indent=2))
    else:
        table.print_table(Console(width=None if sys.stdout.isatty() else 120), rows, rows[0], disk)
    return 1 if rows[0].problem else 0


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Being told to end is the same as Ctrl-C: servers must not outlive us, so everything cleans up."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    names = ", ".join(peer.name for peer in PEERS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help=f"engines, separated by commas: {names}")
    parser.add_argument("--repetitions", type=int, default=3, help="how often each engine is measured (3)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
