"""Instants and durations as people write them, without a clock and without the machine's time zone."""

from __future__ import annotations

_MS_PER_DAY = 86_400_000


def instant_text(at: int) -> str:
    """An instant in ms since the epoch as UTC, `2026-11-23T17:50:04Z`."""
    days, ms = divmod(at, _MS_PER_DAY)
    year, month, day = _civil(days)
    seconds = ms // 1000
    return f"{year:04}-{month:02}-{day:02}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


def duration_text(ms: int) -> str:
    """A duration in ms in its two largest units: `350 ms`, `4.5 s`, `2 min 3 s`, `3 h 20 min`, `2 d 1 h`."""
    if ms < 1000:
        return f"{max(ms, 0)} ms"
    if ms < 60_000:
        return f"{ms // 100 / 10:g} s"
    units = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
    at = next(i for i, (size, _) in enumerate(units) if ms >= size)
    parts = []
    for size, unit in units[at : at + 2]:
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month, day of a day counted from 1970-01-01 (the algorithm of Howard Hinnant's "chrono-compatible
    low-level date algorithms": years begin in March, so that leap days come last)."""
    days += 719_468
    era, of_era = divmod(days, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1
