"""How a status looks: a sign, a plain letter where the terminal has no such sign, and a colour."""

from __future__ import annotations

import sys
from typing import NamedTuple


class Sign(NamedTuple):
    """One status' looks; `style` is a Rich style."""

    sign: str
    plain: str
    style: str


SIGNS = {
    "pending": Sign("·", ".", "dim"),
    "queued": Sign("·", ".", "cyan"),
    "running": Sign("▶", ">", "cyan"),
    "retrying": Sign("↻", "r", "yellow"),
    "waiting": Sign("◷", "w", "blue"),
    "paused": Sign("‖", "=", "yellow"),
    "success": Sign("✓", "+", "green"),
    "completed": Sign("✓", "+", "green"),
    "failed": Sign("✗", "x", "bold red"),
    "skipped": Sign("○", "o", "dim"),
    "cancelled": Sign("⊘", "c", "magenta"),
}
UNKNOWN = Sign("?", "?", "")


def look(status: str) -> Sign:
    """The looks of a status, also of one that is newer than this table."""
    return SIGNS.get(status, UNKNOWN)


def sign(status: str) -> str:
    """The sign of a status, in characters that the output can show."""
    found = look(status)
    return found.sign if draws_unicode() else found.plain


def draws_unicode() -> bool:
    """Whether the output takes more than ASCII. While Rich draws live it stands in for standard output, without an
    encoding of its own."""
    original = sys.__stdout__.encoding if sys.__stdout__ is not None else "ascii"
    return (getattr(sys.stdout, "encoding", None) or original).lower().replace("-", "").startswith("utf")
