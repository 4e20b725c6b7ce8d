"""`tenuto test`: the cases of files, played in virtual time without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenuto.cli.exits import Exit
from tenuto.cli.options import DEFAULT_URL, Format, Output, Url

if TYPE_CHECKING:
    from tenuto.cli.rehearsing import Rehearsed


def run_cases(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Cases in YAML or JSON; - is standard input.", show_default=False
        ),
    ],
    case: Annotated[
        str | None, typer.Option("--case", "-c", metavar="TEXT", help="Only cases with this in their name.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write a report in JUnit's XML as well.")
    ] = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Test workflows with made-up outcomes.

    Each case is played in virtual time: what steps come to is written in the file, nothing is sent and nothing is kept. A
    server is asked only for workflows that a file names by id. Exits 1 if a case does not come to what it expects.

    [dim]Example:[/dim]  tenuto test tests/*.test.yaml
    """
    from tenuto.cli.output import chosen, write, write_json
    from tenuto.cli.rehearsing import read_scripts, rehearse_all

    scripts = read_scripts(files, url)
    played = rehearse_all(scripts, case)
    if not played:
        raise typer.BadParameter(f"no case has {case!r} in its name", param_hint="--case")
    if junit is not None:
        _write_report(junit, played)
    failed = sum(not rehearsed.is_ok for rehearsed in played)
    if chosen(output) is Format.JSON:
        write_json([rehearsed.as_data() for rehearsed in played])
    else:
        for rehearsed in played:
            _show(rehearsed)
        many = f"{len(played)} case{'' if len(played) == 1 else 's'}"
        write(f"{failed} of {many} failed" if failed else f"{many} passed")
    if failed:
        raise typer.Exit(Exit.FAILED)


def _show(rehearsed: Rehearsed) -> None:
    """One line for the case, and below it what is not as expected."""
    from tenuto.cli.output import one_line, write
    from tenuto.cli.rehearsing import difference
    from tenuto.cli.signs import sign
    from tenuto.cli.times import duration

    mark = sign("success" if rehearsed.is_ok else "failed")
    head = f"{mark} {one_line(rehearsed.file)}: {one_line(rehearsed.case)}"
    told = rehearsed.told
    if told is None:
        write(head)
        for problem in rehearsed.problems:
            write(f"    {problem.path}: {problem.message}")
        return
    write(f"{head} ({told['status']}, {duration(told['duration'])})")
    if rehearsed.is_ok:
        return
    for expectation in told["expectations"]:
        if not expectation["ok"]:
            for line in difference(expectation):
                write(f"    {one_line(line) if line.strip() == line else '  ' + one_line(line)}")
    error = told["document"].get("error")
    if error is not None:
        by = f" by {error['stepId']}" if error["stepId"] else ""
        write(f"    it failed{by}: {error['type']}: {one_line(error['message'])}")
    if "stopped" in told:
        write(f"    it stands still: {one_line(told['stopped'])}")
    if told["unmocked"]:
        write(f"    nothing was said of {', '.join(told['unmocked'])}")


def _write_report(file: Path, played: list[Rehearsed]) -> None:
    from tenuto.cli.junit import report

    try:
        file.write_bytes(report(played))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise typer.BadParameter(f"cannot write {file}: {why}", param_hint="--junit") from None
