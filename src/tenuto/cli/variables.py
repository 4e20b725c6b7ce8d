"""Commands about variables: `tenuto vars list`, `get`, `set`, `remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from tenuto.cli.options import DEFAULT_URL, Format, Output, Url

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Values that every workflow reads as `vars.name`.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The variable's name.", show_default=False)]


@app.command("list")
def list_variables(url: Url = DEFAULT_URL, output: Output = None) -> None:
    """List all variables."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import chosen, remark, write_json, write_rows
    from tenuto.cli.tables import short_json

    with connect(url) as client:
        found = client.list_variables()
    form = chosen(output)
    if form is Format.JSON:
        write_json(found)
        return
    if not found:
        remark("No variables yet. Set one: tenuto vars set NAME JSON")
        return
    write_rows(form, ("name", "value"), [[name, short_json(value)] for name, value in found.items()])


@app.command()
def get(name: Name, url: Url = DEFAULT_URL) -> None:
    """Print a variable's value as JSON."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import write_json

    with connect(url) as client:
        write_json(client.get_variable(name))


@app.command("set")
def set_variable(
    name: Name,
    value: Annotated[
        str,
        typer.Argument(
            metavar="JSON|@FILE|-",
            help="The value: JSON, a file with JSON or YAML, or - for standard input.",
            show_default=False,
        ),
    ],
    text: Annotated[bool, typer.Option("--text", help="The value is text, as it is written.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Set a variable.

    [dim]Examples:[/dim]

      tenuto vars set rates '{"eur": 1.1}'

      tenuto vars set region --text eu-west-1
    """
    from tenuto.cli.connection import connect
    from tenuto.cli.inputs import read_value
    from tenuto.cli.output import write

    given = value if text else read_value(value, "the value")
    with connect(url) as client:
        is_new = client.set_variable(name, given)
    write(f"{name} {'set' if is_new else 'changed'}")


@app.command()
def remove(name: Name, url: Url = DEFAULT_URL) -> None:
    """Remove a variable."""
    from tenuto.cli.connection import connect
    from tenuto.cli.output import write

    with connect(url) as client:
        client.remove_variable(name)
    write(f"{name} removed")
