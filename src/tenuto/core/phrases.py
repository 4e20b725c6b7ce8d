"""Parts of sentences about executions: instants with how far off they are, counts, errors, lists of names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tenuto.core.events import StepError
from tenuto.core.instants import duration_text, instant_text

_LONGEST = 200


class _Key(Protocol):
    @property
    def key(self) -> str:
        """What shares a limit, as written."""
        ...


def due(at: int, now: int) -> str:
    """`2026-11-23T19:13:20Z (in 4 s)`, or `(now)` once it has come."""
    return f"{instant_text(at)} ({f'in {duration_text(at - now)}' if at > now else 'now'})"


def since(at: int, now: int) -> str:
    """`2026-11-23T19:13:20Z (4 s ago)`."""
    return f"{instant_text(at)} ({duration_text(now - at)} ago)"


def count(number: int, noun: str) -> str:
    """`1 step`, `2 steps`, `1,000 steps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def number_of(number: int, noun: str) -> str:
    """`one more step`, `3 more steps`."""
    return f"one more {noun}" if number == 1 else f"{number:,} more {noun}s"


def short(message: str) -> str:
    """The message on one line, without a full stop, and not too long."""
    line = " ".join(message.split()).rstrip(".")
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def error_text(error: StepError) -> str:
    """`http.503: down`."""
    return f"{error.type}: {short(error.message)}"


def listed(names: Sequence[str], most: int, last: str = "and") -> str:
    """`a`, `a and b`, `a, b, and 6 more`."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most:,} more")
    if len(shown) < 3:
        return f" {last} ".join(shown)
    return f"{', '.join(shown[:-1])}, {last} {shown[-1]}"


def slots_named(slots: Iterable[_Key]) -> str:
    """The keys of slots as the definition has them."""
    return ", ".join(f"`{slot.key}`" for slot in slots)
