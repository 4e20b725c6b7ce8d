"""Reading the params of built-in actions: what is missing, misspelt or of the wrong kind ends the attempt with type
`invalid-params` and a sentence that says what would do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tenuto.core.definition import TEN_YEARS_MS
from tenuto.core.events import StepError
from tenuto.ports.action import Failed


class BadParams(Exception):
    """The params cannot be used; the message names the param and what was expected."""

    def failed(self) -> Failed:
        """The outcome it makes of the attempt."""
        return Failed(StepError("invalid-params", str(self)))


_HINTS = {
    "timeout": "the step's own `timeout` bounds an attempt",
    "retries": "the step's `retryPolicy` says how often it is tried",
    "retryPolicy": "it stands beside `params`, in the step",
    "json": "objects in `body` are sent as JSON",
    "data": "what is sent stands in `body`",
    "params": "what comes after ? in the URL stands in `query`",
}


def refuse_unknown(params: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise BadParams where a param is none of the known ones: a typo never passes."""
    for name in params:
        if name not in known:
            hint = f" ({_HINTS[name]})" if name in _HINTS else ""
            raise BadParams(f"there is no param `{name}`{hint}; there are: {', '.join(sorted(known))}")


def require(params: Mapping[str, Any], name: str, kind: type | tuple[type, ...], what: str) -> Any:
    """The param, present and of that kind. Raises BadParams; `what` names the kind in words."""
    if name not in params:
        raise BadParams(f"`{name}` is missing; it must be {what}")
    return _of_kind(name, params[name], kind, what)


def optional(
    params: Mapping[str, Any], name: str, kind: type | tuple[type, ...], what: str, default: Any = None
) -> Any:
    """The param, or the default where it is absent or null. Raises BadParams where it is of another kind."""
    value = params.get(name)
    return default if value is None else _of_kind(name, value, kind, what)


def _of_kind(name: str, value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    # bool is a kind of int to Python, and to nobody else.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadParams(f"`{name}` must be {what}, not {describe(value)}")
    return value


def choice(params: Mapping[str, Any], name: str, options: tuple[str, ...]) -> str:
    """One of the options; the first where the param is absent or null. Raises BadParams."""
    value = params.get(name)
    if value is None:
        return options[0]
    if value not in options:
        listed = ", ".join(f"`{option}`" for option in options[:-1])
        raise BadParams(f"`{name}` must be {listed} or `{options[-1]}`, not {describe(value)}")
    return str(value)


def whole_number(params: Mapping[str, Any], name: str, most: int, default: int | None = None) -> int | None:
    """A whole number from 1 to `most`; the default where the param is absent or null. Raises BadParams."""
    value = params.get(name)
    if value is None:
        return default
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 1 <= value <= most or value != int(value):
        raise BadParams(f"`{name}` must be a whole number from 1 to {most:,}, not {describe(value)}")
    return int(value)


def millis(name: str, value: Any, what: str = "milliseconds", longest: int | None = TEN_YEARS_MS) -> int:
    """A number of `what` from 0 on, parts of one rounded up. A template inside a text gives a text, so it may come as
    one. Raises BadParams."""
    if isinstance(value, str) and looks_numeric(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadParams(f"`{name}` must be a number of {what}, not {describe(value)}")
    if (isinstance(value, float) and not math.isfinite(value)) or value < 0:
        raise BadParams(f"`{name}` must be a number of {what}, 0 or more, not {describe(value)}")
    if longest is not None and value > longest:
        raise BadParams(f"`{name}` is longer than ten years ({longest} ms)")
    return math.ceil(value)


def latest(params: Mapping[str, Any], now: int) -> int | None:
    """The instant at which the wait that `timeout` bounds is over; None where it is absent, null or 0. Raises
    BadParams."""
    value = params.get("timeout")
    wait_ms = 0 if value is None else millis("timeout", value)
    return now + wait_ms if wait_ms else None


def looks_numeric(text: str) -> bool:
    """Whether a text is a number, as Python reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def describe(value: Any) -> str:
    """A value as a message shows it: its kind, and its beginning where it is short enough to help."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)[:40]
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"a text of {len(value)} characters"
    return (
        "an array"
        if isinstance(value, list)
        else "an object"
        if isinstance(value, dict)
        else "something else"
    )
