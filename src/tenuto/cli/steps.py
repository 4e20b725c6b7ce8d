"""Commands of people and other systems to an execution under way: signals, answers to approvals, single steps, reruns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli.options import DEFAULT_URL, By, Execution, Format, Output, Reason, Url

if TYPE_CHECKING:
    from tenuto import client as answers

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Complete, fail, skip or retry one step of an execution by hand.",
)

Step = Annotated[
    str,
    typer.Argument(metavar="STEP", help="Step id; charge[3] is that of item or round 3.", show_default=False),
]
Comment = Annotated[str | None, typer.Option("--comment", help="What you have to say.", show_default=False)]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="JSON|@FILE|-", help="What the step's form asks for.", show_default=False),
]


def signal(
    execution: Execution,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the signal.", show_default=False)],
    *,
    payload: Annotated[
        str | None,
        typer.Option("--payload", "-p", metavar="JSON|@FILE|-", help="What it says.", show_default=False),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="The same key and name again are the same signal.", show_default=False),
    ] = None,
    by: By = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a signal to an execution: the step that waits, or will wait, for its name takes the payload.

    [dim]Example:[/dim]  tenuto signal @latest paid --payload '{"amount": 99.99}' --key payment-4711
    """
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker, read_value
    from tenuto.cli.output import remark

    said = None if payload is None else read_value(payload, "--payload")
    with execution_on(url, execution) as (client, execution_id):
        client.signal(execution_id, name, said, idempotency_key=key, by=asker(by))
        remark(f"{execution_id} has the signal {name}")


def approve(
    execution: Execution,
    step: Step,
    *,
    by: By = None,
    comment: Comment = None,
    data: Data = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Approve of what an approval step asks.

    [dim]Example:[/dim]  tenuto approve @latest sign-off --comment "looks good"
    """
    _answer("approve", execution, step, url, output, by=by, comment=comment, data=data)


def reject(
    execution: Execution,
    step: Step,
    *,
    by: By = None,
    comment: Comment = None,
    data: Data = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Reject what an approval step asks: it fails, with the error `rejected`."""
    _answer("reject", execution, step, url, output, by=by, comment=comment, data=data)


@app.command()
def complete(
    execution: Execution,
    step: Step,
    *,
    result: Annotated[
        str | None,
        typer.Option("--result", metavar="JSON|@FILE|-", help="What the step returns.", show_default=False),
    ] = None,
    by: By = None,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Have a step that has not ended succeed with that result; an attempt that runs is given up."""
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker, read_value

    value = None if result is None else read_value(result, "--result")
    with execution_on(url, execution) as (client, execution_id):
        done = client.complete_step(execution_id, step, value, by=asker(by), reason=reason)
    _told(done, step, output)


@app.command()
def fail(
    execution: Execution,
    step: Step,
    message: Annotated[
        str, typer.Argument(metavar="MESSAGE", help="Why, in a sentence.", show_default=False)
    ],
    *,
    error_type: Annotated[
        str | None,
        typer.Option("--type", help="What `catch` rules match; manual if not given.", show_default=False),
    ] = None,
    by: By = None,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Have a step that has not ended fail, without another attempt."""
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker

    with execution_on(url, execution) as (client, execution_id):
        done = client.fail_step(
            execution_id, step, message, error_type=error_type, by=asker(by), reason=reason
        )
    _told(done, step, output)


@app.command()
def skip(
    execution: Execution,
    step: Step,
    *,
    by: By = None,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Leave out a step that has not ended, and what comes only after it.

    To have that run, complete the step instead.
    """
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker

    with execution_on(url, execution) as (client, execution_id):
        done = client.skip_step(execution_id, step, by=asker(by), reason=reason)
    _told(done, step, output)


@app.command()
def retry(
    execution: Execution,
    step: Step,
    *,
    by: By = None,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Try a step again now: one that waits for its next attempt or for a person, or a failed one of a failed execution.

    The latter is done again with all that comes after it.
    """
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker

    with execution_on(url, execution) as (client, execution_id):
        done = client.retry_step(execution_id, step, by=asker(by), reason=reason)
    _told(done, step, output)


def rerun(
    execution: Execution,
    *,
    step: Annotated[
        str, typer.Option("--from", metavar="STEP", help="The first step to do again.", show_default=False)
    ],
    context: Annotated[
        str | None,
        typer.Option(
            "--context", "-c", metavar="JSON|@FILE|-", help="Another start context.", show_default=False
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Another version.", show_default=False)
    ] = None,
    new_id: Annotated[
        str | None,
        typer.Option("--id", help="Own id of the new execution.", show_default=False),
    ] = None,
    by: By = None,
    reason: Reason = None,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Do an execution again from a step on, as a new execution. Prints its id.

    What came before that step is copied and not done again; the first execution is left as it is.

    [dim]Example:[/dim]  tenuto rerun @latest --from charge-payment --reason "the gateway is back"
    """
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker, read_context
    from tenuto.cli.output import chosen, write, write_json

    given = None if context is None else read_context(context)
    with execution_on(url, execution) as (client, execution_id):
        started = client.rerun(
            execution_id, step, context=given, version=version, new_id=new_id, by=asker(by), reason=reason
        )
    if chosen(output) is Format.JSON:
        write_json(started.raw)
    else:
        write(started.execution_id)


def _answer(
    verb: str,
    execution: str,
    step: str,
    url: str,
    output: Format | None,
    *,
    by: str | None,
    comment: str | None,
    data: str | None,
) -> None:
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker, read_value

    filled_in: Any = None if data is None else read_value(data, "--data")
    who = asker(by)
    if who is None:
        raise typer.BadParameter("say who answers: --by NAME")
    with execution_on(url, execution) as (client, execution_id):
        give = client.approve if verb == "approve" else client.reject
        answered = give(execution_id, step, who, comment=comment, data=filled_in)
    _told(answered, step, output)


def _told(execution: answers.Execution, step: str, output: Format | None) -> None:
    """How the step stands now, and the execution."""
    from tenuto.cli.output import chosen, show, write_json
    from tenuto.cli.tables import status_text

    form = chosen(output)
    if form is Format.JSON:
        write_json(execution.raw)
        return
    found = execution.step_results.get(step)
    if found is not None:
        show(form, status_text(found.status, form).append(f"  {step}", "dim"))
    show(form, status_text(execution.status, form).append(f"  {execution.execution_id}", "dim"))
