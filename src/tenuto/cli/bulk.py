"""Commands about many executions at once: `tenuto bulk cancel`, `retry`, `signal` and the others, and their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli.options import DEFAULT_URL, By, Format, Output, Reason, Url

if TYPE_CHECKING:
    from tenuto.client import BulkJob, SyncClient

WATCH_MS = 500
SHOWN_ERRORS = 10

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Do a verb to every execution that fits, in a job that goes on by itself.",
)

Workflow = Annotated[
    str | None, typer.Option("--workflow", help="Only of this workflow.", show_default=False)
]
Status = Annotated[
    str | None,
    typer.Option(
        "--status",
        help="Only with these: pending, running, paused, completed, failed, cancelled; several with commas.",
        show_default=False,
    ),
]
Tag = Annotated[
    str | None,
    typer.Option("--tag", metavar="KEY[=VALUE]", help="Only with this tag.", show_default=False),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only started at or after that.", show_default=False),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Only started before that.", show_default=False)
]
Search = Annotated[str | None, typer.Option("--q", help="Only with this text in an id.", show_default=False)]
Everything = Annotated[bool, typer.Option("--all", help="Every execution there is.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many and which, do nothing.")]
Watch = Annotated[bool, typer.Option("--watch", help="Wait until it is done; exit 1 if some failed.")]
Job = Annotated[str, typer.Argument(metavar="JOB", help="Job id.", show_default=False)]


def _add(action: str, help_text: str) -> None:
    """A command that does the action to all that fit."""

    def command(
        *,
        workflow: Workflow = None,
        status: Status = None,
        tag: Tag = None,
        since: Since = None,
        until: Until = None,
        q: Search = None,
        everything: Everything = False,
        dry_run: DryRun = False,
        watch: Watch = False,
        by: By = None,
        reason: Reason = None,
        url: Url = DEFAULT_URL,
        output: Output = None,
    ) -> None:
        wanted = _filter(
            workflow=workflow, status=status, tag=tag, since=since, until=until, q=q, everything=everything
        )
        _do(action, wanted, url, output, dry_run=dry_run, watch=watch, by=by, reason=reason)

    app.command(action, help=help_text)(command)


_add("cancel", "Cancel all that fit: steps in progress are given up, nothing else starts.")
_add("terminate", "End all that fit at once, whatever they are doing.")
_add("pause", "Pause all that fit: running attempts finish, nothing new starts.")
_add("resume", "Let all that fit and are paused go on.")
_add("retry", "Do the failed part of all that fit and have failed again.")


@app.command()
def signal(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the signal.", show_default=False)],
    *,
    payload: Annotated[
        str | None,
        typer.Option("--payload", "-p", metavar="JSON|@FILE|-", help="What it says.", show_default=False),
    ] = None,
    workflow: Workflow = None,
    status: Status = None,
    tag: Tag = None,
    since: Since = None,
    until: Until = None,
    q: Search = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    watch: Watch = False,
    by: By = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Send a signal to all that fit.

    [dim]Example:[/dim]  tenuto bulk signal shop-open --workflow order --status running --watch
    """
    from tenuto.cli.inputs import read_value

    said = None if payload is None else read_value(payload, "--payload")
    wanted = _filter(
        workflow=workflow, status=status, tag=tag, since=since, until=until, q=q, everything=everything
    )
    sent = {"name": name, "payload": said}
    _do("signal", wanted, url, output, dry_run=dry_run, watch=watch, by=by, signal=sent)


@app.command("list")
def list_jobs(url: Url = DEFAULT_URL, output: Output = None) -> None:
    """List jobs, newest first."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import chosen, remark, write_json, write_rows
    from tenuto.cli.times import instant

    with connect(url) as client:
        jobs = client.list_bulk()
    form = chosen(output)
    if form is Format.JSON:
        write_json([job.raw for job in jobs])
        return
    if not jobs:
        remark("No bulk jobs yet.")
        return
    rows = [[job.job_id, job.status, job.action, *_counts(job), instant(job.started_at)] for job in jobs]
    write_rows(form, ("job", "status", "action", "matched", "done", "skipped", "failed", "started"), rows)


@app.command()
def show(job: Job, watch: Watch = False, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Show how far a job is."""
    from tenuto.cli.connection import connect

    with connect(url) as client:
        found = client.get_bulk(job)
        _told(_followed(client, found, output) if watch else found, output, waited=watch)


@app.command()
def stop(job: Job, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Do no more of a job; what it has done stays."""
    from tenuto.cli.connection import connect

    with connect(url) as client:
        _told(client.cancel_bulk(job), output)


def _filter(
    *,
    workflow: str | None,
    status: str | None,
    tag: str | None,
    since: str | None,
    until: str | None,
    q: str | None,
    everything: bool,
) -> dict[str, Any]:
    from tenuto.cli.inputs import read_instant

    given = {
        "workflowId": workflow,
        "status": status.split(",") if status else None,
        "tag": tag.replace("=", ":", 1) if tag else None,
        "since": None if since is None else read_instant(since),
        "until": None if until is None else read_instant(until),
        "q": q,
        "all": everything or None,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        raise typer.BadParameter("say which executions: --workflow, --status, --tag …, or --all")
    return wanted


def _do(
    action: str,
    wanted: dict[str, Any],
    url: str,
    output: Format | None,
    *,
    dry_run: bool,
    watch: bool,
    by: str | None,
    reason: str | None = None,
    signal: dict[str, Any] | None = None,
) -> None:
    from tenuto.cli.connection import connect
    from tenuto.cli.inputs import asker

    with connect(url) as client:
        if dry_run:
            _told_match(client.rehearse_bulk(action, wanted, signal=signal), output)
            return
        job = client.begin_bulk(action, wanted, signal=signal, by=asker(by), reason=reason)
        _told(_followed(client, job, output) if watch else job, output, waited=watch)


def _followed(client: SyncClient, job: BulkJob, output: Format | None) -> BulkJob:
    """The job once it is over; how far it is goes to the person meanwhile."""
    import time

    from tenuto.cli.output import chosen, remark

    shown = ""
    while not job.is_over:
        if chosen(output) is not Format.JSON and (line := _sentence(job)) != shown:
            remark(line)
            shown = line
        time.sleep(WATCH_MS / 1000)
        job = client.get_bulk(job.job_id)
    return job


def _told(job: BulkJob, output: Format | None, *, waited: bool = False) -> None:
    from tenuto.cli.exits import Exit
    from tenuto.cli.output import chosen, one_line, remark, write, write_json

    form = chosen(output)
    if form is Format.JSON:
        write_json(job.raw)
    else:
        write(_sentence(job))
        for error in job.errors[:SHOWN_ERRORS]:
            write(f"  {error.execution_id}: {one_line(error.message)}")
        if not job.is_over and not waited:
            remark(f"It goes on by itself. Watch it: tenuto bulk show {job.job_id} --watch")
    if waited and job.failed:
        raise typer.Exit(Exit.FAILED)


def _told_match(match: Any, output: Format | None) -> None:
    from tenuto.cli.output import chosen, remark, write, write_json

    if chosen(output) is Format.JSON:
        write_json(match.raw)
        return
    for name in match.sample:
        write(name)
    shown = len(match.sample)
    more = f", of which the newest {shown:,} are shown" if shown < match.matched else ""
    remark(f"{match.matched:,} executions fit{more}")


def _sentence(job: BulkJob) -> str:
    matched, done, skipped, failed = _counts(job)
    return f"{job.job_id} {job.status}: {job.action}, {matched} matched, {done} done, {skipped} skipped, {failed} failed"


def _counts(job: BulkJob) -> list[str]:
    return [f"{count:,}" for count in (job.matched, job.done, job.skipped, job.failed)]
