"""Where commands write: data to standard output as a table, as plain columns or as JSON; remarks and errors to
standard error, so that a pipe gets data alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tenuto.cli.options import Format

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 10_000
"""Width of output that nobody looks at on a screen: nothing is cut or wrapped."""


def chosen(output: Format | None) -> Format:
    """The format that was asked for, else a table for a terminal and plain text for anything else."""
    if output is not None:
        return output
    return Format.TABLE if sys.stdout.isatty() else Format.PLAIN


def printer(output: Format) -> Console:
    """Standard output as Rich sees it. Plain: no colours, as wide as it takes, nothing cut or wrapped."""
    from rich.console import Console

    if output is Format.PLAIN or not sys.stdout.isatty():
        return Console(highlight=False, width=WIDE, no_color=True, force_terminal=False, color_system=None)
    return Console(highlight=False)


def remark(text: str) -> None:
    """Something for the person, not for the pipe."""
    if sys.stderr.isatty():
        _error_console().print(text, style="dim", markup=False)
    else:
        sys.stderr.write(f"{text}\n")


def complain(text: str) -> None:
    """Why the command did not do what was asked."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"Error: {text}\n")
        return
    first, _, rest = text.partition("\n")
    error = _error_console()
    error.print(f"[bold red]Error[/bold red] {_escape(first)}")
    if rest:
        error.print(rest, markup=False)


def write_json(data: Any) -> None:
    """Data as indented JSON, unescaped."""
    write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())


def write(text: str) -> None:
    """Text as it is, with a line end."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def one_line(text: str) -> str:
    """Text from outside made fit for a line of a terminal: no line ends, no escape sequences."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def write_rows(output: Format, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows under headings. Cells are Rich text or strings; plain output has them in columns two blanks apart."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column.upper(), no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    printer(output).print(table)


def _error_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
