"""The name somebody probably meant. Cheap enough to be asked about every mistake of a hostile document."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache

_MOST_CANDIDATES = 1000
_LONGEST_NAME = 64


def closest(name: str, candidates: Collection[str]) -> str | None:
    """The candidate nearest to `name`, or None if none is near: first by sameness but for case, `-` and `_`, then by
    likeness. Long names and large collections are compared by sameness alone."""
    squeezed = _squeeze(name)
    for candidate in candidates:
        if candidate != name and _squeeze(candidate) == squeezed:
            return candidate
    if len(name) > _LONGEST_NAME or len(candidates) > _MOST_CANDIDATES:
        return None
    matches = get_close_matches(name, [c for c in candidates if c != name], n=1, cutoff=0.7)
    return matches[0] if matches else None


@lru_cache(maxsize=20_000)
def _squeeze(name: str) -> str:
    return name.replace("-", "").replace("_", "").replace(".", "").casefold()


def did_you_mean(name: str, candidates: Collection[str]) -> str:
    """` Did you mean `x`?` with a leading space, or nothing."""
    match = closest(name, candidates)
    return f" Did you mean `{match}`?" if match else ""
