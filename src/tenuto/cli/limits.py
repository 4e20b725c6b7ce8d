"""Commands about concurrency limits: `tenuto limits list`, `set`, `remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tenuto.cli.options import DEFAULT_URL, Format, Output, Url

if TYPE_CHECKING:
    from tenuto.client.administration import SharedLimit

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="See and set the limits that steps and executions share.",
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="The key, as templates gave it.", show_default=False)]


@app.command("list")
def list_limits(url: Url = DEFAULT_URL, output: Output = None) -> None:
    """List the keys that are held, waited for, or have a limit set by hand."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import chosen, remark, write_json, write_rows

    with connect(url) as client:
        found = client.list_limits()
    form = chosen(output)
    if form is Format.JSON:
        write_json([limit.raw for limit in found])
        return
    if not found:
        remark("Nobody holds or waits for a key, and no limit is set by hand.")
        return
    rows = [_row(limit) for limit in found]
    write_rows(form, ("key", "of", "limit", "set", "held", "waiting"), rows)


@app.command("set")
def set_limit(
    key: Key,
    limit: Annotated[
        int,
        typer.Argument(
            metavar="LIMIT", help="How many may hold it; 0 lets nobody in.", min=0, show_default=False
        ),
    ],
    url: Url = DEFAULT_URL,
) -> None:
    """Set a limit by hand: it holds at once, instead of those in definitions.

    Whoever holds a slot keeps it until it ends.

    [dim]Example:[/dim]  tenuto limits set tenant:42 10
    """
    from tenuto.cli.connection import connect
    from tenuto.cli.output import write

    with connect(url) as client:
        client.set_limit(key, limit)
    write(f"{key} limit {limit}")


@app.command()
def remove(key: Key, url: Url = DEFAULT_URL) -> None:
    """Take back a limit set by hand: those in definitions hold again."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import write

    with connect(url) as client:
        client.remove_limit(key)
    write(f"{key} removed")


def _row(limit: SharedLimit) -> list[str]:
    in_force = "" if limit.limit is None else str(limit.limit)
    by_hand = "" if limit.override is None else "by hand"
    return [limit.key, limit.of or "", in_force, by_hand, str(limit.held), str(limit.waiting)]
