"""JSON data at the border: what user code, scripts and receivers hand over is checked, bounded and, where somebody
else still holds it, copied."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tenuto.core.events import StepError
from tenuto.ports.action import Failed, Succeeded

RESULT_LIMIT = 64 * 1024 * 1024
"""Bytes of JSON that a step's result may have. Large ones are stored apart from the journal."""

MAX_DEPTH = 100
"""Levels of nesting that a step's result may have."""

_ENCODER = msgspec.json.Encoder()
_JSON_IS = "JSON data is a dict with str keys, a list, a str, an int, a finite float, a bool or None"


class NotJson(Exception):
    """Something that JSON cannot carry; `where` is its path and `what` says what stands there."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        super().__init__(f"{where} {what}")


class TooDeep(Exception):
    """JSON data nested deeper than MAX_DEPTH."""

    def __init__(self) -> None:
        super().__init__(f"is nested deeper than {MAX_DEPTH} levels, or contains itself")


def take_result(value: Any, limit: int = RESULT_LIMIT) -> Succeeded | Failed:
    """The outcome of user code that returned `value`: a copy nobody else holds (tuples become lists), or a failure of
    type `invalid-output` that names what is not JSON, or of type `limit`."""
    if 0 < _size_at_sight(value) <= limit:
        return Succeeded(value)
    try:
        copy, encoded = _round_trip(value)
    except NotJson as problem:
        return Failed(StepError("invalid-output", f"{problem}; {_JSON_IS}"))
    except TooDeep as problem:
        return Failed(StepError("limit", f"The result {problem}"))
    return _too_large(len(encoded), limit) or Succeeded(copy)


def bounded_result(value: Any, limit: int = RESULT_LIMIT) -> Succeeded | Failed:
    """The outcome of an action whose result is `value`, JSON data already: itself, or a failure of type `limit`."""
    try:
        size = len(_ENCODER.encode(value))
        check_depth(value)
    except (RecursionError, TooDeep):
        return Failed(StepError("limit", f"The result {TooDeep()}"))
    return _too_large(size, limit) or Succeeded(value)


def _size_at_sight(value: Any) -> int:
    """How many bytes of JSON it has at most, where it takes no more than a look to say that it is JSON data and that
    nobody can change it: null, a boolean, plain text. 0 for all else."""
    if value is None or isinstance(value, bool):
        return 5
    return 2 + 6 * len(value) if type(value) is str and value.isascii() else 0


def check_depth(value: Any) -> None:
    """Raise TooDeep where JSON data is nested deeper than MAX_DEPTH levels."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [item for parent in level for item in _children(parent) if isinstance(item, dict | list)]
    if level:
        raise TooDeep


def _children(parent: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return parent.values() if isinstance(parent, dict) else parent


def _too_large(size: int, limit: int) -> Failed | None:
    if size <= limit:
        return None
    return Failed(
        StepError(
            "limit",
            f"The result is {size:,} bytes as JSON and at most {limit:,} are kept; keep the data elsewhere and "
            "return where it is",
        )
    )


def _round_trip(value: Any, name: str = "result") -> tuple[Any, bytes]:
    # Through JSON and back, in C: whatever comes back equal is JSON data, and the copy costs nothing more. What JSON
    # would bend (tuples, NaN, dates, keys that are numbers) comes back different and is looked at piece by piece.
    try:
        encoded = _ENCODER.encode(value)
        copy = msgspec.json.decode(encoded)
        if copy == value:
            check_depth(copy)
            return copy, encoded
    except (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError, RecursionError):
        pass  # the piecewise copy says which piece it was
    copy = _copy(value, name, 0)
    return copy, _ENCODER.encode(copy)


def copy_json(value: Any, name: str) -> Any:
    """A copy of JSON data, tuples made lists. Raises NotJson, whose path begins with `name`, or TooDeep."""
    if _size_at_sight(value):
        return value
    return {} if type(value) is dict and not value else _round_trip(value, name)[0]


def _copy(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int | float):
        return _number(value, path)
    if depth == MAX_DEPTH:
        raise TooDeep
    if isinstance(value, Mapping):
        return {_key(k, path): _copy(v, f"{path}.{k}", depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    raise NotJson(path, f"is a {type(value).__name__}")


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise NotJson(path, f"has a key that is a {type(key).__name__} ({key!r:.50})")
    return _text(key, path)


def _text(value: str, path: str) -> str:
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise NotJson(path, "has half a surrogate pair in its text, which is not Unicode")
    return str(value)


def _number(value: int | float, path: str) -> int | float:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotJson(path, f"is {value}")
        return float(value)
    if value.bit_length() > 1023:
        raise NotJson(path, "is a number too large for JSON readers")
    return int(value)
