"""The command `tenuto`: what it can do, and what its errors look like.

Nothing heavy is imported here: `tenuto --help` and `tenuto serve` pay only for what they use. Commands import what
they need when they run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated

import typer

from tenuto import __version__
from tenuto.cli import (
    apply,
    bulk,
    demo_command,
    executions,
    limits,
    schedules,
    serve_command,
    simulate_command,
    steps,
    test_command,
    variables,
    verbs,
    workflows,
)
from tenuto.cli.exits import EXIT_HELP, Exit
from tenuto.errors import Invalid, NotFound, TenutoError

app = typer.Typer(
    name="tenuto",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=EXIT_HELP,
)

SERVER, WORKFLOWS, EXECUTIONS, TOOLS = "Server", "Workflows", "Executions", "More"

PASSED_ON = {"bench": {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}}
"""`bench` has its options in its own room, which only it pays for."""

BY_STATUS = {400: Exit.USAGE, 404: Exit.NOT_FOUND}
NO_SERVER = "\nStart one with `tenuto serve`, or name another with --url or TENUTO_URL."


def show_version() -> None:
    """Print the version."""
    sys.stdout.write(f"tenuto {__version__}\n")


def _version_asked(asked: bool) -> None:
    if asked:
        show_version()
        raise typer.Exit


@app.callback()
def tenuto(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version_asked)
    ] = False,
) -> None:
    """Tenuto runs workflows: DAGs of steps posted as JSON, run in parallel, retried, and never lost.

    Try [bold]tenuto demo[/bold], or [bold]tenuto serve[/bold] in one terminal and in another:

      tenuto register examples/etl-pipeline.json

      tenuto start etl-pipeline --watch
    """


COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    SERVER: {"serve": serve_command.serve, "demo": demo_command.demo},
    WORKFLOWS: {
        "register": workflows.register,
        "apply": apply.apply,
        "validate": workflows.validate,
        "test": test_command.run_cases,
        "simulate": simulate_command.simulate,
        "workflows": workflows.list_workflows,
        "graph": workflows.graph,
    },
    EXECUTIONS: {
        "start": executions.start,
        "list": executions.list_executions,
        "show": executions.show,
        "watch": executions.watch,
        "explain": executions.explain,
        "journal": executions.journal,
        "cancel": verbs.cancel,
        "terminate": verbs.terminate,
        "pause": verbs.pause,
        "resume": verbs.resume,
        "retry": verbs.retry,
        "rerun": steps.rerun,
        "signal": steps.signal,
        "approve": steps.approve,
        "reject": steps.reject,
    },
    TOOLS: {"bench": demo_command.bench, "version": show_version},
}

for _panel, _commands in COMMANDS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel, context_settings=PASSED_ON.get(_name))(_command)

app.add_typer(steps.app, name="step", rich_help_panel=EXECUTIONS)
app.add_typer(bulk.app, name="bulk", rich_help_panel=EXECUTIONS)
app.add_typer(schedules.app, name="schedule", rich_help_panel=EXECUTIONS)
app.add_typer(limits.app, name="limits", rich_help_panel=SERVER)
app.add_typer(variables.app, name="vars", rich_help_panel=SERVER)


def main() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without these characters is no reason to fail
    try:
        app(prog_name="tenuto")
    except TenutoError as error:
        _leave(error)
    except BrokenPipeError:  # as in `tenuto list | head`: the reader has what it wanted
        sys.stderr.close()
        sys.exit(Exit.OK)


def _leave(error: TenutoError) -> None:
    from tenuto.cli.output import complain

    code = _exit_of(error)
    hint = NO_SERVER if code is Exit.UNREACHABLE else ""
    complain(f"{error}{hint}")
    sys.exit(code)


def _exit_of(error: TenutoError) -> Exit:
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    if isinstance(error, Invalid):
        return Exit.FAILED
    from tenuto.client import ApiError, ServerUnreachable

    if isinstance(error, ServerUnreachable):
        return Exit.UNREACHABLE
    if isinstance(error, ApiError):
        return BY_STATUS.get(error.status, Exit.REFUSED)
    return Exit.USAGE
