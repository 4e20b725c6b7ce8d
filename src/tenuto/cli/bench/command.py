"""`tenuto bench`: its options and its exit code. What measures is loaded when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How the figures are printed."""

    TABLE = "table"
    JSON = "json"


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A few seconds, for CI: rough figures.")] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Also with 1,000,000 finished executions in the store, and with 100,000 that wait (minutes).",
        ),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            show_default=False,
            help="Some figures, separated by commas: disk, throughput, alone, chain, fan, embedded, ready, idle, "
            "schedules, steps, map, nested, children, keys, timers, waiting, filled.",
        ),
    ] = None,
    repetitions: Annotated[
        int | None,
        typer.Option(min=1, show_default=False, help="How often each is taken (5; once when quick)."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            show_default=False,
            help="Where the data goes: the disk that is measured.",
        ),
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="A table, or JSON.")] = Output.TABLE,
    check: Annotated[
        bool, typer.Option("--check", help="End with code 1 when a goal is not reached.")
    ] = False,
) -> None:
    """Measure this machine, and hold the figures against the goals.

    Starts a server of its own on a fresh SQLite file, puts load on it over HTTP, and prints one table. Nothing of
    yours is touched. Let nothing else run meanwhile: client and server share this machine.
    """
    from tenuto.cli.bench.session import print_findings, run

    findings = run(quick=quick, full=full, only=only, repetitions=repetitions, within=folder)
    print_findings(findings, as_json=output is Output.JSON)
    if check and findings.are_short_of_goals:
        raise typer.Exit(1)
