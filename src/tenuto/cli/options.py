"""Options and arguments that several commands share, with the completion of ids by asking the server."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:3000"


class Format(StrEnum):
    """How a command writes what it found."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"


class GraphFormat(StrEnum):
    """How a DAG is written."""

    TERMINAL = "terminal"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    JSON = "json"


def _complete_workflow(incomplete: str) -> list[str]:
    from tenuto.cli.connection import known_workflows

    return [name for name in known_workflows() if name.startswith(incomplete)]


def _complete_execution(incomplete: str) -> list[str]:
    from tenuto.cli.connection import known_executions

    return [name for name in ["@latest", *known_executions()] if name.startswith(incomplete)]


Url = Annotated[
    str, typer.Option("--url", envvar="TENUTO_URL", help="Address of the server.", show_default=True)
]
Output = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        envvar="TENUTO_OUTPUT",
        help="How to write the answer: a table (default on a terminal), plain text (default in a pipe), or JSON.",
        show_default=False,
    ),
]
Execution = Annotated[
    str,
    typer.Argument(
        metavar="EXECUTION",
        help="Execution id, or @latest for the one started last.",
        autocompletion=_complete_execution,
        show_default=False,
    ),
]
Workflow = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW",
        help="Workflow id; id@2 names version 2.",
        autocompletion=_complete_workflow,
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAME", help="Who asks, if not the user you are logged in as.", show_default=False
    ),
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Why; it is kept in the journal.", show_default=False)
]
