"""Commands that ask something of an execution under way: cancel, terminate, pause, resume, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tenuto.cli.options import DEFAULT_URL, Execution, Format, Output, Reason, Url

if TYPE_CHECKING:
    from tenuto import client


class Verb(Protocol):
    """What the client offers for each of these."""

    def __call__(self, execution_id: str, *, reason: str | None = None) -> client.Execution: ...


def cancel(
    execution: Execution, reason: Reason = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """Cancel an execution: steps in progress are given up, nothing else starts."""
    _ask("cancel", execution, reason, url, output)


def terminate(
    execution: Execution, reason: Reason = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """End an execution at once, whatever it is doing. Always works."""
    _ask("terminate", execution, reason, url, output)


def pause(execution: Execution, reason: Reason = None, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Pause an execution: running attempts finish, nothing new starts."""
    _ask("pause", execution, reason, url, output)


def resume(
    execution: Execution, reason: Reason = None, url: Url = DEFAULT_URL, output: Output = None
) -> None:
    """Let a paused execution go on."""
    _ask("resume", execution, reason, url, output)


def retry(execution: Execution, reason: Reason = None, url: Url = DEFAULT_URL, output: Output = None) -> None:
    """Do the failed steps of a failed execution, and all after them, again.

    Everything else keeps its result and is not called again.
    """
    _ask("retry", execution, reason, url, output)


def _ask(verb: str, typed: str, reason: str | None, url: str, output: Format | None) -> None:
    from tenuto.cli.connection import execution_on
    from tenuto.cli.output import chosen, write_json

    with execution_on(url, typed) as (client, execution_id):
        ask: Verb = getattr(client, verb)
        answered = ask(execution_id, reason=reason)
    if chosen(output) is Format.JSON:
        write_json(answered.raw)
        return
    from tenuto.cli.output import show
    from tenuto.cli.tables import status_text

    form = chosen(output)
    show(form, status_text(answered.status, form).append(f"  {answered.execution_id}", "dim"))
