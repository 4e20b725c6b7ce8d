"""Commands about schedules: `tenuto schedule list`, `create`, `pause`, `backfill` and the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli.options import DEFAULT_URL, Format, Output, Url

if TYPE_CHECKING:
    from tenuto.client import SyncClient

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Start workflows as time passes: cron lines with time zones, or intervals.",
)


def _complete_schedule(incomplete: str) -> list[str]:
    from tenuto.cli.connection import known_schedules

    return [name for name in known_schedules() if name.startswith(incomplete)]


Schedule = Annotated[
    str,
    typer.Argument(
        metavar="SCHEDULE", help="Schedule id.", autocompletion=_complete_schedule, show_default=False
    ),
]
Note = Annotated[str | None, typer.Option("--note", help="Why; shown with the schedule.", show_default=False)]


@app.command("list")
def list_schedules(
    workflow: Annotated[
        str | None, typer.Option("--workflow", help="Only of this workflow.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """List schedules and when each is due next."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import chosen, remark, write_json, write_rows

    with connect(url) as client:
        found = list(client.list_schedules(workflow, page_size=1000))
    form = chosen(output)
    if form is Format.JSON:
        write_json([schedule.raw for schedule in found])
        return
    if not found:
        remark(
            "No schedules." if workflow else "No schedules yet. Create one: tenuto schedule create -f FILE"
        )
        return
    from tenuto.cli.schedule_tables import schedule_rows

    write_rows(form, ("schedule", "workflow", "when", "next", "started", "note"), schedule_rows(found, form))


@app.command()
def show(schedule: Schedule, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Show a schedule: what it starts and when, what it has done, its backfills."""
    with _schedule_on(url, schedule) as client:
        found = client.get_schedule(schedule)
    _told(found, output)


@app.command()
def create(
    schedule: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCHEDULE]", help="Schedule id, unless the file names it.", show_default=False
        ),
    ] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="The schedule in JSON; - is standard input.",
            show_default=False,
        ),
    ] = None,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", help="What to start; id@2 names a version.", show_default=False),
    ] = None,
    cron: Annotated[
        list[str] | None,
        typer.Option("--cron", metavar="LINE", help="A cron line; may be given again.", show_default=False),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", help="Of the cron lines, as Europe/Berlin.", show_default=False),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            "--every", metavar="DURATION", help="An interval instead: 30s, 5m, 1h30m.", show_default=False
        ),
    ] = None,
    overlap: Annotated[
        str | None,
        typer.Option(
            help="When the one before goes on: skip, bufferOne, bufferAll, cancelOther, terminateOther, allowAll.",
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "--context",
            "-c",
            metavar="JSON|@FILE|-",
            help="Start context, a JSON object.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In place of any that has the id.")] = False,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Create a schedule, from a file or from options.

    [dim]Examples:[/dim]

      tenuto schedule create -f nightly.json --replace

      tenuto schedule create nightly --workflow etl-pipeline --cron "30 2 * * *" --timezone Europe/Berlin
    """
    from tenuto.cli.connection import connect
    from tenuto.cli.inputs import read_context, read_document, read_duration

    document = read_document(file) if file is not None else {}
    if not isinstance(document, dict):
        raise typer.BadParameter("a schedule is a JSON object")
    given = {
        "id": schedule,
        "workflowId": workflow,
        "cron": cron or None,
        "timezone": timezone,
        "interval": None if every is None else read_duration(every),
        "overlap": overlap,
        "context": None if context is None else read_context(context),
    }
    wanted = document | {name: value for name, value in given.items() if value is not None}
    with connect(url) as client:
        if replace and isinstance(wanted.get("id"), str) and wanted["id"]:
            kept = client.put_schedule(wanted["id"], wanted)
        else:
            kept = client.create_schedule(wanted)
    _told(kept, output)


@app.command()
def delete(schedule: Schedule, url: Url = DEFAULT_URL) -> None:
    """Delete a schedule and its backfills. Executions that it has started go on."""
    from tenuto.cli.output import remark

    with _schedule_on(url, schedule) as client:
        client.delete_schedule(schedule)
    remark(f"{schedule} deleted")


@app.command()
def pause(schedule: Schedule, note: Note = None, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Pause a schedule: times pass and are not made up."""
    with _schedule_on(url, schedule) as client:
        found = client.pause_schedule(schedule, note=note)
    _told(found, output)


@app.command()
def resume(schedule: Schedule, note: Note = None, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Resume a paused schedule: times from now on count."""
    with _schedule_on(url, schedule) as client:
        found = client.resume_schedule(schedule, note=note)
    _told(found, output)


@app.command()
def trigger(
    schedule: Schedule,
    execution_id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Own execution id; the same call again changes nothing.", show_default=False
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Start an execution of a schedule now, whatever pause and overlap policy say. Prints its id."""
    from tenuto.cli.output import chosen, write, write_json

    with _schedule_on(url, schedule) as client:
        started = client.trigger_schedule(schedule, execution_id=execution_id)
    if chosen(output) is Format.JSON:
        write_json(started.raw)
    else:
        write(started.execution_id)


@app.command("next")
def next_times(
    schedule: Schedule,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many.")] = 10,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Show the times to come, on the wall clock of the schedule's zone."""
    from tenuto.cli.output import chosen, remark, write, write_json

    with _schedule_on(url, schedule) as client:
        times = client.next_times(schedule, count)
    if chosen(output) is Format.JSON:
        write_json([time.raw for time in times])
        return
    if not times:
        remark("No more times.")
    for time in times:
        write(time.local)


@app.command()
def backfill(
    schedule: Schedule,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="First instant of the range, ISO 8601.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="End of the range, itself not in it.", show_default=False
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="So many under way at once.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which times these are, start nothing.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; it is kept.", show_default=False)
    ] = None,
    cancel: Annotated[
        str | None,
        typer.Option(
            "--cancel", metavar="BACKFILL", help="Start no more of this backfill instead.", show_default=False
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Start the times of a past range, oldest first, or cancel that.

    Times that have an execution are left alone. How far it is: tenuto schedule show.

    [dim]Examples:[/dim]

      tenuto schedule backfill nightly --from 2026-10-01 --until 2026-11-01 --dry-run

      tenuto schedule backfill nightly --from 2026-10-01 --until 2026-11-01 --concurrency 4
    """
    from tenuto.cli.inputs import read_instant

    if cancel is not None:
        with _schedule_on(url, schedule) as client:
            _told_backfill(client.cancel_backfill(schedule, cancel), output)
        return
    if since is None or until is None:
        raise typer.BadParameter("say which range: --from TIME --until TIME")
    start, end = read_instant(since), read_instant(until)
    with _schedule_on(url, schedule) as client:
        if dry_run:
            _told_rehearsal(client.rehearse_backfill(schedule, start, end), output)
        else:
            begun = client.backfill_schedule(schedule, start, end, concurrency=concurrency, reason=reason)
            _told_backfill(begun, output)


@contextmanager
def _schedule_on(url: str, typed: str) -> Iterator[SyncClient]:
    """A client; an id that is not there is answered with those like it."""
    from difflib import get_close_matches

    from tenuto.cli.connection import connect
    from tenuto.client import ApiError
    from tenuto.errors import NotFound

    with connect(url) as client:
        try:
            yield client
        except ApiError as error:
            if error.status != 404:
                raise
            names = [schedule.id for schedule in client.list_schedules(page_size=1000)]
            if typed in names:  # the schedule is there, the backfill is not
                raise NotFound(str(error)) from error
            like = get_close_matches(typed, names, 3, 0.5)
            meant = f" Did you mean {' or '.join(like)}?" if like else ""
            raise NotFound(
                f"No schedule {typed!r}.{meant} `tenuto schedule list` lists what there is."
            ) from error


def _told(schedule: Any, output: Format | None) -> None:
    from tenuto.cli.output import chosen, show, write_json
    from tenuto.cli.schedule_tables import schedule_view

    form = chosen(output)
    if form is Format.JSON:
        write_json(schedule.raw)
    else:
        show(form, *schedule_view(schedule, form))


def _told_backfill(backfill: Any, output: Format | None) -> None:
    from tenuto.cli.output import chosen, write, write_json
    from tenuto.cli.schedule_tables import backfill_sentence

    if chosen(output) is Format.JSON:
        write_json(backfill.raw)
    else:
        write(backfill_sentence(backfill.raw))


def _told_rehearsal(rehearsal: Any, output: Format | None) -> None:
    from tenuto.cli.output import chosen, remark, write, write_json

    if chosen(output) is Format.JSON:
        write_json(rehearsal.raw)
        return
    for time in rehearsal.times:
        write(time["local"])
    shown = len(rehearsal.times)
    remark(
        f"{rehearsal.count:,} times"
        + (f", of which the first {shown:,} are shown" if shown < rehearsal.count else "")
    )
