"""The Retry-After header: how long a receiver asks to be left alone."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

_LONGEST_MS = 315_360_000_000
_SPEAKS_FOR = frozenset({429, 503})


def retry_after_ms(status: int, header: str | None, now: int) -> int | None:
    """Milliseconds from `now` (ms since 1970), of a 429 or 503 answer with Retry-After in seconds or as an HTTP date;
    None where there is no such wish. An instant in the past is 0."""
    if status not in _SPEAKS_FOR or header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:15]) * 1000, _LONGEST_MS)
    try:
        at_ms = parsedate_to_datetime(text).timestamp() * 1000
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0, round(at_ms) - now), _LONGEST_MS)
