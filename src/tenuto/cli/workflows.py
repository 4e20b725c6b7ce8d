"""Commands about workflows: register, validate, list, draw."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.exits import Exit
from tenuto.cli.options import DEFAULT_URL, Format, GraphFormat, Output, Url

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Definitions in JSON or YAML; - is standard input.", show_default=False
    ),
]


def register(files: Files, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Register workflow definitions.

    Each is checked as a whole; every problem is shown with its place. The same content again changes nothing, other
    content makes a new version.

    [dim]Example:[/dim]  tenuto register order-flow.json
    """
    from tenuto.cli.connection import connect
    from tenuto.cli.inputs import read_documents
    from tenuto.cli.output import chosen, complain, write, write_json
    from tenuto.client import ApiError

    documents = [pair for name in files for pair in read_documents(name)]
    answers: list[dict[str, Any]] = []
    refused = False
    with connect(url) as client:
        for name, document in documents:
            try:
                registered = client.register(document)
            except ApiError as error:
                if error.status != 400:
                    raise
                complain(f"{name}: {error}")
                refused = True
                continue
            answers.append(registered.raw)
            if chosen(output) is not Format.JSON:
                change = "registered" if registered.created else "unchanged"
                write(f"{registered.workflow_id}@{registered.version} {change}")
                _places("warning: ", registered.warnings)
    if chosen(output) is Format.JSON:
        write_json(answers if len(documents) > 1 else (answers[0] if answers else None))
    if refused:
        raise typer.Exit(Exit.FAILED)


def validate(
    files: Files,
    app: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME", help="An Engine whose executors count as known.", show_default=False
        ),
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Ask the server instead, which knows its own.")
    ] = False,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Check workflow definitions and keep nothing.

    Needs no server (but for --remote). Exits 1 if a definition has problems; warnings are shown and do not fail.

    [dim]Example:[/dim]  tenuto validate workflows/*.yaml
    """
    from tenuto.cli.checking import check_here, check_there
    from tenuto.cli.inputs import read_documents
    from tenuto.cli.output import chosen, complain, write, write_json

    documents = [pair for name in files for pair in read_documents(name)]
    checks = check_there(documents, url) if remote else check_here(documents, app)
    form = chosen(output)
    if form is Format.JSON:
        write_json([check.as_data() for check in checks])
    for check in checks:
        if form is Format.JSON:
            continue
        if check.problems:
            complain(f"{check.name}: {_counted(len(check.problems), 'problem')}")
            _places("", check.problems)
        else:
            write(f"{check.name}: valid")
        _places("warning: ", check.warnings)
    if any(check.problems for check in checks):
        raise typer.Exit(Exit.FAILED)


def list_workflows(
    q: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Only with this in id or name.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """List the registered workflows, the newest version of each."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import chosen, remark, write_json, write_rows

    with connect(url) as client:
        workflows = client.list_workflows(q)
    form = chosen(output)
    if form is Format.JSON:
        write_json([workflow.raw for workflow in workflows])
        return
    if not workflows:
        remark("No workflows." if q else "No workflows yet. Register one: tenuto register FILE")
        return
    from tenuto.cli.tables import workflow_rows

    write_rows(form, ("workflow", "version", "steps", "name"), workflow_rows(workflows))


def graph(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A workflow id, an execution id, @latest, or a definition's file.",
            show_default=False,
        ),
    ],
    form: Annotated[
        GraphFormat, typer.Option("--format", "-f", help="How to write it.")
    ] = GraphFormat.TERMINAL,
    url: Url = DEFAULT_URL,
) -> None:
    """Draw the DAG of a workflow, or of an execution with the status of its steps.

    [dim]Examples:[/dim]

      tenuto graph order-flow

      tenuto graph @latest

      tenuto graph definition.json --format svg > dag.svg
    """
    from tenuto.cli import graphs
    from tenuto.cli.output import chosen, show, write

    drawn = graphs.of_file(name, form) if Path(name).is_file() else graphs.of_server(name, form, url)
    if form is GraphFormat.TERMINAL and chosen(None) is Format.TABLE:
        show(Format.TABLE, graphs.coloured(drawn))
    else:
        write(drawn)


def _places(kind: str, found: Iterable[Any]) -> None:
    from tenuto.cli.output import remark

    for place in found:
        remark(f"  {kind}{place.path}: {place.message}" if place.path else f"  {kind}{place.message}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
