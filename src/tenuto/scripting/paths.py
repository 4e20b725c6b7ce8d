"""Reads plain paths (`context.order.items[0]`) out of a scope without a script engine, by JavaScript's rules but one:
absent is not null. What is not there is an error that names it, unless `?.` or `??` guards it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tenuto.core.path import path_text
from tenuto.core.template import PlainPath
from tenuto.errors import ScriptFailed


class _Absent:
    __slots__ = ()


_ABSENT: Final = _Absent()
_DONE_WITHOUT_RESULT = {
    "failed": "failed",
    "skipped": "was skipped",
    "cancelled": "was cancelled",
}


def read_path(path: PlainPath, scope: Mapping[str, Any]) -> Any:
    """The value at the path, null where a guarded part of it is absent. Raises ScriptFailed (`expression`)."""
    if path.root not in scope:
        if path.has_default and not path.segments:
            return path.default
        raise ScriptFailed("expression", f"`{path.root}` is not defined here")
    value = scope[path.root]
    segments = path.segments
    for i, segment in enumerate(segments):
        if value is None:
            if segment.is_optional:
                return path.default
            raise ScriptFailed("expression", _null(path, i))
        found = _child(value, segment.key)
        if isinstance(found, _Absent):
            is_read_further = i + 1 < len(segments) and not segments[i + 1].is_optional
            if is_read_further or not segment.is_guarded:
                keys = [segment.key for segment in segments[: i + 1]]
                raise ScriptFailed("expression", describe_absence(path.root, keys, scope))
            return path.default
        value = found
    if value is None:
        return path.default
    # What stands at a root grows with the execution, and may be built only as far as it is read.
    return value if segments or not isinstance(value, Mapping) else dict(value)


def _child(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(key), _ABSENT)
    if isinstance(value, list | tuple):
        return _item(value, len(value), key)
    if isinstance(value, str):
        return _unit(value, key)
    return _ABSENT


def _item(items: Sequence[Any], length: int, key: str | int) -> Any:
    if key == "length":
        return length
    if isinstance(key, str):
        if not (key.isascii() and key.isdecimal() and str(int(key)) == key):
            return _ABSENT
        key = int(key)
    return items[key] if key < length else _ABSENT


def _unit(text: str, key: str | int) -> Any:
    """A text's `length` or one of its UTF-16 code units, as JavaScript counts (half a pair reads as U+FFFD)."""
    if text.isascii() or max(text) <= "\uffff":
        return _item(text, len(text), key)
    units = text.encode("utf-16-le", "surrogatepass")
    found = _item(range(len(units) // 2), len(units) // 2, key)
    if key == "length" or isinstance(found, _Absent):
        return found
    return units[2 * found : 2 * found + 2].decode("utf-16-le", "replace")


def _null(path: PlainPath, i: int) -> str:
    before = path_text([path.root, *(segment.key for segment in path.segments[:i])])
    whole = path_text([path.root, *(segment.key for segment in path.segments[: i + 1])])
    return f"`{before}` is null, so `{whole}` cannot be read; write `?.` if that may be"


def describe_absence(root: str, keys: Sequence[str | int], scope: Mapping[str, Any]) -> str:
    """The sentence for a reading of what is not there. It says why, where a step is the reason."""
    sentence = f"`{path_text([root, *keys])}` is absent"
    reason = _step_reason(root, keys, scope)
    return f"{sentence}{reason}; guard it with `?.` or `??` if that may be"


def _step_reason(root: str, keys: Sequence[str | int], scope: Mapping[str, Any]) -> str:
    is_result = (root == "context" and len(keys) == 1) or (root == "steps" and len(keys) == 2)
    steps = scope["steps"] if is_result and "steps" in scope else {}
    step = steps.get(keys[0]) if is_result and isinstance(steps, Mapping) else None
    if not isinstance(step, Mapping) or step.get("status") == "success":
        return ""
    status = step.get("status")
    return f": step `{keys[0]}` {_DONE_WITHOUT_RESULT.get(str(status), 'has not ended')}"
