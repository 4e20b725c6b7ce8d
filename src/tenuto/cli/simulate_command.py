"""`tenuto simulate`: crash, fail and hold up every step in turn, and say which are not safe to repeat."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tenuto.cli.exits import Exit
from tenuto.cli.options import Format, Output
from tenuto.errors import Invalid

SHOWN = {"safe": "safe", "safe if honoured": "safe if honoured", "not safe": "NOT SAFE", "unknown": "unknown"}
STYLES = {"safe": "green", "safe if honoured": "yellow", "not safe": "bold red", "unknown": "magenta"}
IN_DOUBT = ("not safe", "unknown")


def simulate(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A definition in JSON or YAML; - is standard input.", show_default=False
        ),
    ],
    context: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="What it starts with: JSON, @file, or - for standard input."),
    ] = None,
    mocks: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="What steps come to, as in a case of `tenuto test`, and `idempotent`."
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 if a step is not safe to repeat, or nobody knows.")
    ] = False,
    output: Output = None,
) -> None:
    """Find the steps that are not safe to repeat, and what the failure of each does.

    The workflow is played in virtual time, once undisturbed, and once for each mishap: the process dies during an attempt,
    the step fails for good, it runs into its timeout. Nothing is sent and nothing is kept; no server is needed.

    [dim]Example:[/dim]  tenuto simulate order.json --context '{"amount": 7}'
    """
    from tenuto.cli import rehearsing
    from tenuto.cli.inputs import read_context, read_document
    from tenuto.cli.output import chosen, write_json
    from tenuto.wire.rehearsal import read_simulation

    definition = read_document(file)
    case = {} if mocks is None else read_document(mocks)
    if context is not None and isinstance(case, dict):
        case = {**case, "context": read_context(context)}
    try:
        body = read_simulation(case)
    except Invalid as invalid:
        raise typer.BadParameter(f"{mocks}: {invalid}", param_hint="--mocks") from None
    told = rehearsing.simulate(definition, body)
    form = chosen(output)
    if form is Format.JSON:
        write_json(told)
    else:
        _show(told, form)
    if strict and any(row["verdict"] in IN_DOUBT for row in told["steps"]):
        raise typer.Exit(Exit.FAILED)


def _show(told: dict[str, Any], form: Format) -> None:
    from rich.text import Text

    from tenuto.cli.output import write, write_rows

    rows = told["steps"]
    verdicts = [
        [row["step"], row["action"], Text(SHOWN[row["verdict"]], STYLES[row["verdict"]]), _why(row)]
        for row in rows
    ]
    write_rows(form, ("step", "action", "done twice", "why"), verdicts)
    mishaps = [
        [row["step"], mishap["cause"], mishap["summary"]]
        for row in rows
        for mishap in (*row["failures"], *([row["timeout"]] if row["timeout"] else []))
    ]
    if mishaps:
        write("")
        write_rows(form, ("step", "if it ends in", "then"), mishaps)
    write("")
    if "stopped" in told:
        write(f"Undisturbed it stands still: {told['stopped']}.")
    else:
        write(f"Undisturbed the execution is {told['status']}.")
    if told["unmocked"]:
        write(f"Nothing was said of {', '.join(told['unmocked'])}, which succeeded.")
    doubtful = sum(row["verdict"] in IN_DOUBT for row in rows)
    many = f"{len(rows)} step{'' if len(rows) == 1 else 's'}"
    write(f"{doubtful} of {many} may not be safe to repeat." if doubtful else "Every step may be repeated.")


def _why(row: dict[str, Any]) -> str:
    why: str = row["why"]
    if not row["reached"]:
        return f"{why} (not reached undisturbed)"
    return why if row["crash"] == "the same" else f"{why}; {row['crash']}"
