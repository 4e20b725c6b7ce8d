"""What JavaScript takes for true, of JSON data."""

from __future__ import annotations

from typing import Any


def is_truthy(value: Any) -> bool:
    """Whether a value is true in JavaScript: all but null, false, 0 and the empty text (so `[]` and `{}` are true)."""
    if value is None or isinstance(value, bool | int | float | str):
        return bool(value)
    return True
