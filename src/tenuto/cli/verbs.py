"""Commands that ask something of an execution under way: cancel, terminate, pause, resume, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tenuto.cli.options import DEFAULT_URL, By, Execution, Format, Output, Reason, Url

if TYPE_CHECKING:
    from tenuto import client


class Verb(Protocol):
    """What the client offers for each of these."""

    def __call__(
        self, execution_id: str, *, reason: str | None = None, by: str | None = None
    ) -> client.Execution: ...


def cancel(
    execution: Execution, reason: Reason = None, by: By = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """Cancel an execution: steps in progress are given up, nothing else starts but its handlers."""
    _ask("cancel", execution, url, output, reason=reason, by=by)


def terminate(
    execution: Execution, reason: Reason = None, by: By = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """End an execution at once, whatever it is doing. Always works."""
    _ask("terminate", execution, url, output, reason=reason, by=by)


def pause(
    execution: Execution, reason: Reason = None, by: By = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """Pause an execution: running attempts finish, nothing new starts."""
    _ask("pause", execution, url, output, reason=reason, by=by)


def resume(
    execution: Execution, reason: Reason = None, by: By = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """Let a paused execution go on."""
    _ask("resume", execution, url, output, reason=reason, by=by)


def retry(
    execution: Execution, reason: Reason = None, by: By = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """Do the failed steps of a failed execution, and all after them, again.

    Everything else keeps its result and is not called again.
    """
    _ask("retry", execution, url, output, reason=reason, by=by)


def _ask(
    verb: str, typed: str, url: str, output: Format | None, *, reason: str | None, by: str | None
) -> None:
    from tenuto.cli.connection import execution_on
    from tenuto.cli.inputs import asker
    from tenuto.cli.output import chosen, write_json

    with execution_on(url, typed) as (client, execution_id):
        ask: Verb = getattr(client, verb)
        answered = ask(execution_id, reason=reason, by=asker(by))
    if chosen(output) is Format.JSON:
        write_json(answered.raw)
        return
    from tenuto.cli.output import show
    from tenuto.cli.tables import status_text

    form = chosen(output)
    show(form, status_text(answered.status, form).append(f"  {answered.execution_id}", "dim"))
