"""Commands about executions: start, list, show, watch, explain, journal."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli.exits import Exit
from tenuto.cli.options import DEFAULT_URL, Execution, Format, Output, Url, Workflow

if TYPE_CHECKING:
    from tenuto import client as answers
    from tenuto.client import SyncClient

MOST_IN_A_PAGE = 1000


def start(
    workflow: Workflow,
    *,
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
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for the end; exit 1 unless it completed.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show progress until the end; exit as with --wait.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="Wait at most so long (30s, 5m); then exit 6.", show_default=False
        ),
    ] = None,
    execution_id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Own execution id; the same start again changes nothing.", show_default=False
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A tag; may be given again.", show_default=False),
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(help="Who gets shared slots first: -1000 to 1000, higher first.", show_default=False),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", help="Begin then, not now: 2026-11-01T09:30.", show_default=False
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Start an execution of a workflow.

    Prints its id; with [bold]--wait[/bold] or [bold]--watch[/bold], how it ended.

    [dim]Examples:[/dim]

      tenuto start order-flow --context '{"orderId": "123"}' --watch

      tenuto start etl-pipeline@2 -c @context.json --wait -o json | jq .output

      ID=$(tenuto start order-flow)
    """
    from tenuto.cli.connection import workflow_on
    from tenuto.cli.inputs import read_context, read_duration, read_instant, read_tags

    given = read_context(context)
    tags = read_tags(tag) if tag else None
    timeout_ms = None if timeout is None else read_duration(timeout)
    start_at = None if at is None else read_instant(at)
    with workflow_on(url, workflow) as (client, workflow_id, version):
        started = client.start(
            workflow_id,
            given,
            version=version,
            execution_id=execution_id,
            priority=priority,
            tags=tags,
            start_at=start_at,
        )
        if watch:
            _watched(client, started.execution_id, output)
        elif wait or timeout_ms is not None:
            _waited(client, started.execution_id, timeout_ms, output)
        else:
            _told_id(started.execution_id, started.raw, started.created, output)


def list_executions(
    *,
    workflow: Annotated[
        str | None, typer.Option("--workflow", help="Only of this workflow.", show_default=False)
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only with these: pending, running, paused, completed, failed, cancelled; several with commas.",
            show_default=False,
        ),
    ] = None,
    tag: Annotated[
        str | None, typer.Option(metavar="KEY[=VALUE]", help="Only with this tag.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """List executions, newest first.

    [dim]Examples:[/dim]

      tenuto list --status failed

      tenuto list --workflow order-flow -n 100 -o json | jq -r '.[].executionId'
    """
    from tenuto.cli.connection import connect
    from tenuto.cli.output import chosen, remark, write_json, write_rows

    with connect(url) as client:
        found = client.list_executions(
            workflow_id=workflow,
            status=status,
            tag=tag.replace("=", ":", 1) if tag else None,
            page_size=min(limit, MOST_IN_A_PAGE),
        )
        executions = list(islice(found, limit))
    form = chosen(output)
    if form is Format.JSON:
        write_json([execution.raw for execution in executions])
        return
    if not executions:
        remark(
            "No executions."
            if workflow or status or tag
            else "No executions yet. Start one: tenuto start WORKFLOW"
        )
        return
    from tenuto.cli.tables import execution_rows

    write_rows(
        form,
        ("execution", "status", "workflow", "took", "started", "where"),
        execution_rows(executions, form),
    )


def show(
    execution: Execution,
    step: Annotated[
        str | None, typer.Option(help="Only this step, whole, as JSON.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Show an execution: its status, every step, its output or error.

    [dim]Examples:[/dim]

      tenuto show @latest

      tenuto show @latest --step charge-payment
    """
    from tenuto.cli.connection import execution_on
    from tenuto.cli.output import chosen, write_json

    with execution_on(url, execution) as (client, execution_id):
        found = client.get(execution_id)
        if step is not None:
            write_json(_step_of(found.raw, step, client))
        elif chosen(output) is Format.JSON:
            write_json(found.raw)
        else:
            _write_view(found, client, chosen(output))


def watch(execution: Execution, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Watch an execution until it ends, live.

    Goes on when the server restarts meanwhile. Exits 0 if it completed, else 1. Ctrl-C stops watching, not the
    execution. In a pipe, one line per event; with -o json one JSON document per event.
    """
    from tenuto.cli.connection import execution_on

    with execution_on(url, execution) as (client, execution_id):
        _watched(client, execution_id, output)


def explain(execution: Execution, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Say why each unfinished step is not moving."""
    from tenuto.cli.connection import execution_on
    from tenuto.cli.output import chosen, one_line, write, write_json

    with execution_on(url, execution) as (client, execution_id):
        explanation = client.explain(execution_id)
    form = chosen(output)
    if form is Format.JSON:
        write_json(explanation.raw)
        return
    write(explanation.summary)
    from tenuto.cli.signs import sign

    for step in explanation.steps:
        write(f"  {sign(step.status)} {one_line(step.sentence)}")


def journal(execution: Execution, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Show the facts of an execution, in order, as they are on disk."""
    from tenuto.cli.connection import execution_on
    from tenuto.cli.output import chosen, write_json, write_rows

    with execution_on(url, execution) as (client, execution_id):
        entries = client.journal(execution_id)
    form = chosen(output)
    if form is Format.JSON:
        write_json([entry.raw for entry in entries])
        return
    from tenuto.cli.tables import journal_rows

    write_rows(form, *journal_rows(entries, form))


def _told_id(execution_id: str, raw: dict[str, Any], created: bool, output: Format | None) -> None:
    """The id alone on standard output, so that a script can take it; what to do with it goes to the person."""
    from tenuto.cli.output import chosen, remark, write, write_json

    if chosen(output) is Format.JSON:
        write_json(raw)
        return
    write(execution_id)
    if chosen(output) is Format.TABLE:
        remark("Started." if created else "This execution was there already; nothing was started.")
        remark(f"Watch it:  tenuto watch {execution_id}")


def _waited(client: SyncClient, execution_id: str, timeout_ms: int | None, output: Format | None) -> None:
    from tenuto.cli.output import chosen, complain, write_json

    ended = client.wait(execution_id, timeout_ms)
    if chosen(output) is Format.JSON:
        write_json(ended.raw)
    else:
        _write_view(ended, client, chosen(output))
    if not ended.is_final:
        complain(f"It has not ended in time and goes on. Watch it: tenuto watch {execution_id}")
        raise typer.Exit(Exit.UNFINISHED)
    if ended.status != "completed":
        raise typer.Exit(Exit.FAILED)


def _write_view(execution: answers.Execution, client: SyncClient, output: Format) -> None:
    from tenuto.cli.output import show as show_all
    from tenuto.cli.tables import execution_view

    show_all(output, *execution_view(execution, client.visualize(execution.execution_id), output))


def _watched(client: SyncClient, execution_id: str, output: Format | None) -> None:
    from tenuto.cli.output import chosen, printer, remark

    try:
        if chosen(output) is Format.JSON:
            completed = _stream(client, execution_id)
        else:
            from tenuto.cli.live import watch as watch_live

            completed = watch_live(client, execution_id, printer(chosen(output))).status == "completed"
    except KeyboardInterrupt:
        remark(f"\nThe execution goes on. Watch it again: tenuto watch {execution_id}")
        raise
    if not completed:
        raise typer.Exit(Exit.FAILED)


def _stream(client: SyncClient, execution_id: str) -> bool:
    """Every decision as a line of JSON; True if the last one completed the execution."""
    import msgspec

    from tenuto.cli.output import write

    last = ""
    with closing(client.follow(execution_id)) as entries:
        for entry in entries:
            write(msgspec.json.encode(entry.raw).decode())
            last = str(entry.events[-1].get("type", "")) if entry.events else last
    return last == "execution.completed"


def _step_of(document: dict[str, Any], step: str, client: SyncClient) -> Any:
    from difflib import get_close_matches

    from tenuto.errors import NotFound

    results = document.get("stepResults", {})
    if step in results:
        return results[step]
    names = [drawn["id"] for drawn in client.visualize(document["executionId"])["steps"]]
    if step in names:
        return {"stepId": step, "status": "pending", "attempts": 0}
    like = get_close_matches(step, names, 3, 0.5)
    raise NotFound(f"No step {step!r}." + (f" Did you mean {' or '.join(like)}?" if like else ""))
