"""Putting something else in a name's place for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def swapped(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """Put something else in a name's place for a while."""
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextlib.contextmanager
def swapped_item(owner: Any, key: Any, replacement: Any) -> Iterator[None]:
    """Put something else in an item's place for a while."""
    original = owner[key]
    owner[key] = replacement
    try:
        yield
    finally:
        owner[key] = original
