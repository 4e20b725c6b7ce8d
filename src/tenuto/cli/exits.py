"""What the command's exit code says. Scripts build on these, so a number never changes its meaning."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    REFUSED = 5
    UNFINISHED = 6
    INTERRUPTED = 130


EXIT_HELP = """\
[bold]Exit codes[/bold]  0 done · 1 the execution failed or was cancelled, or a definition has problems · \
2 used wrongly · 3 no server answers · 4 no such workflow or execution · 5 the server refused · \
6 not finished in time · 130 interrupted"""
