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
    from rich.console import Console, RenderableType
    from rich.text import Text

GAP = 2
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
    error.print(f"[bold red]Error:[/bold red] {_escape(first)}")
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


def write_rows(output: Format, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Rows under headings."""
    show(output, table(columns, rows))


def table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Text:
    """Rows under headings, aligned."""
    from rich.text import Text

    return aligned([[Text(heading.upper(), "bold") for heading in columns], *rows])


def aligned(rows: Sequence[Sequence[str | Text]]) -> Text:
    """Rows with their cells under one another, two blanks apart. Every column is as wide as it needs and a line too
    long for the screen is cut at its end, as people copy ids from the first (Rich's own tables cut those as well)."""
    from rich.text import Text

    lines = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    drawn = [Text(no_wrap=True, overflow="ellipsis") for _ in lines]
    for line, made in zip(lines, drawn, strict=True):
        for cell, width in zip(line, widths, strict=True):
            made.append_text(cell).append(" " * (width - cell.cell_len + GAP))
        made.rstrip()
    return Text("\n", no_wrap=True, overflow="ellipsis").join(drawn)


def show(output: Format, *renderables: RenderableType) -> None:
    """Rich things, one under the other; plain ones without the blanks that Rich fills lines with."""
    console = printer(output)
    if output is not Format.PLAIN:
        _print(console, renderables)
        return
    with console.capture() as captured:
        _print(console, renderables)
    write("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _print(console: Console, renderables: Sequence[RenderableType]) -> None:
    """A text's own wish not to be wrapped is lost unless it is said again."""
    for renderable in renderables:
        no_wrap, overflow = getattr(renderable, "no_wrap", None), getattr(renderable, "overflow", None)
        console.print(renderable, no_wrap=no_wrap, overflow=overflow)


def _error_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
