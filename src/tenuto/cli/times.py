"""Durations and instants for people: ms in, a few characters out; and durations as people type them, back to ms."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def duration(ms: int | float | None) -> str:
    """`7 ms`, `1.25 s`, `3 m 20 s`, `2 h 5 m`, `4 d 1 h`; nothing for None."""
    if ms is None:
        return ""
    if ms < 1000:
        return f"{round(ms)} ms"
    if ms < 60_000:
        return f"{ms / 1000:.2f} s" if ms < 10_000 else f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    for unit, size, below, small in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // small} {below}"
    return f"{seconds // 60} m {seconds % 60} s"


def parse_duration(text: str) -> int:
    """Milliseconds of `500ms`, `30s`, `1.5m`, `2h` or `1h30m`. Raises ValueError with what was expected."""
    compact = text.replace(" ", "")
    if not compact or _DURATION.sub("", compact):
        raise ValueError(f"{text!r} is not a duration; write 500ms, 30s, 5m, 2h or 1h30m")
    return round(sum(float(amount) * UNITS_MS[unit] for amount, unit in _DURATION.findall(compact)))


def parse_instant(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 date or time; without an offset it is meant in this machine's zone.
    Raises ValueError with what was expected."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write 2026-11-01 or 2026-11-01T09:30+01:00") from None
    return round(at.astimezone(UTC).timestamp() * 1000)


def instant(at_ms: int | None) -> str:
    """Date and time of day in this machine's time zone."""
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def age(at_ms: int | None, now_ms: int) -> str:
    """How long ago, roughly: `just now`, `42 s ago`, `3 h ago`; beyond a week the date."""
    if at_ms is None:
        return ""
    seconds = (now_ms - at_ms) // 1000
    if seconds < 2:
        return "just now"
    if seconds > 7 * 86_400:
        return instant(at_ms)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
