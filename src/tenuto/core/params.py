"""What the params of built-in actions must look like, as far as a definition shows it. A value with a template in it
is known only when the step runs, so it passes here and the action looks at it then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tenuto.core.definition import TEN_YEARS_MS
from tenuto.core.finding import Finding
from tenuto.core.outline import Outline
from tenuto.core.path import Path, quoted
from tenuto.core.suggest import did_you_mean

Rule = Callable[[Any], str | None]
"""What was expected, in words, if the value does not fit; else None."""


class Params(NamedTuple):
    """The params of one action. `required` are alternatives: exactly one of them must be there."""

    rules: Mapping[str, Rule]
    required: tuple[str, ...] = ()
    later: frozenset[str] = frozenset()
    scripts: frozenset[str] = frozenset()
    hints: Mapping[str, str] = {}


_TEMPLATE = re.compile(r"(?<!\\)\{\{")
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_STATUS = re.compile(r"[1-5](?:[0-9][0-9]|[xX][xX])")
_AUTH = {"bearer": frozenset({"type", "token"}), "basic": frozenset({"type", "username", "password"})}


def has_template(value: object) -> bool:
    """Whether the value is a string with a template in it."""
    return isinstance(value, str) and "{{" in value and _TEMPLATE.search(value) is not None


def _anything(_value: Any) -> str | None:
    return None


def _url(value: Any) -> str | None:
    fits = isinstance(value, str) and re.match(r"\s*https?://[^\s/?#]", value, re.IGNORECASE)
    return None if fits else "a URL that begins with http:// or https://"


def _method(value: Any) -> str | None:
    fits = value is None or (
        isinstance(value, str) and _METHOD.fullmatch(value) and value.upper() not in ("CONNECT", "TRACE")
    )
    return None if fits else "an HTTP method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"


def _object(value: Any) -> str | None:
    return None if value is None or isinstance(value, dict) else "an object"


def _headers(value: Any) -> str | None:
    fits = value is None or (
        isinstance(value, dict) and all(not isinstance(v, dict | list) for v in value.values())
    )
    return None if fits else "an object of header names and their values"


def _auth(value: Any) -> str | None:
    if value is None:
        return None
    kind = value.get("type") if isinstance(value, dict) else None
    fits = has_template(kind) or (isinstance(kind, str) and frozenset(value) == _AUTH.get(kind))
    return (
        None if fits else '{"type": "bearer", "token": …} or {"type": "basic", "username": …, "password": …}'
    )


def _response(value: Any) -> str | None:
    return None if value in (None, "body", "full") else "`body` or `full`"


def _status(value: Any) -> str | None:
    items = value if isinstance(value, list) else [value]
    fits = value is None or (items and all(_is_status(item) for item in items))
    return None if fits else "a status (404), a class (2xx) or a list of them"


def _is_status(item: Any) -> bool:
    if has_template(item):
        return True
    return not isinstance(item, bool) and isinstance(item, int | str) and bool(_STATUS.fullmatch(str(item)))


def _redirects(value: Any) -> str | None:
    fits = value is None or isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= 20)
    return None if fits else "true, false, or how many to follow (0 to 20)"


def _duration(value: Any) -> str | None:
    number = _number(value)
    return (
        None
        if number is not None and 0 <= number <= TEN_YEARS_MS
        else "a number of milliseconds, up to ten years"
    )


def _until(value: Any) -> str | None:
    number = _number(value)
    fits = (
        number >= 0 if number is not None else isinstance(value, str) and re.match(r"\s*\d{4}-?\d\d", value)
    )
    return None if fits else "an instant: milliseconds since 1970, or a text as 2030-01-31T09:00:00Z"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str | None:
    return None if value is None or isinstance(value, str) else "a string"


def _code(value: Any) -> str | None:
    return (
        None
        if isinstance(value, str) and value.strip()
        else "the body of a JavaScript function (`return input`)"
    )


def _expression(value: Any) -> str | None:
    return (
        None
        if isinstance(value, str) and value.strip()
        else "a JavaScript expression (`context.amount > 100`)"
    )


_CALL_HINTS = {
    "timeout": "The step's own `timeout` bounds an attempt.",
    "retries": "The step's `retryPolicy` says how often it is tried.",
    "retryPolicy": "It belongs beside `params`, in the step.",
    "json": "What is sent belongs in `body`; objects go as JSON.",
    "data": "What is sent belongs in `body`.",
    "payload": "What is sent belongs in `body`.",
    "params": "What follows the ? of a URL belongs in `query`.",
}

BUILT_IN: Mapping[str, Params] = {
    "noop": Params({"result": _anything}),
    "http.request": Params(
        {
            "url": _url, "method": _method, "headers": _headers, "query": _object, "body": _anything, "auth": _auth,
            "response": _response, "expectStatus": _status, "redirects": _redirects,
        },
        required=("url",),
        later=frozenset({"completion"}),
        hints=_CALL_HINTS,
    ),
    "delay": Params({"duration": _duration, "until": _until}, required=("duration", "until")),
    "transform": Params(
        {"inputKey": _text, "input": _anything, "code": _code}, required=("code",), scripts=frozenset({"code"})
    ),
    "condition": Params({"expression": _expression}, required=("expression",), scripts=frozenset({"expression"})),
    "webhook": Params(
        {"url": _url, "payload": _anything, "headers": _headers, "method": _method, "auth": _auth},
        required=("url",),
        hints=_CALL_HINTS | {"body": "What is sent belongs in `payload`."},
    ),
}  # fmt: skip
LATER_ACTIONS = frozenset({"workflow.run", "signal.wait", "approval", "set", "finish"})


def scripts_of(action: str) -> frozenset[str]:
    """The params of an action that are scripts, and so are never templated."""
    return BUILT_IN[action].scripts if action in BUILT_IN else frozenset()


def check_params(outline: Outline) -> Iterator[Finding]:
    """Built-in actions that miss a param, have one that does not fit, or one that there is not."""
    for i, step in enumerate(outline.steps):
        if step.action in LATER_ACTIONS:
            message = f"The action `{step.action}` is not supported yet."
            yield Finding(outline.path(i, "action"), "not_supported", message)
        elif step.action in BUILT_IN and not step.cases:
            yield from _check(step.action, BUILT_IN[step.action], step.params, outline.path(i, "params"))


def _check(action: str, spec: Params, params: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    yield from _check_required(action, spec, params, path)
    for name, value in params.items():
        if name in spec.later:
            yield Finding((*path, name), "not_supported", f"`{name}` is not supported yet.")
        elif name not in spec.rules:
            yield Finding((*path, name), "unknown_param", _unknown(action, spec, name))
        elif name in spec.scripts or not has_template(value):
            expected = spec.rules[name](value)
            if expected:
                yield Finding((*path, name), "param", f"Expected {expected}{_got(value)}.")


def _check_required(action: str, spec: Params, params: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    given = [name for name in spec.required if name in params]
    names = " or ".join(f"`{name}`" for name in spec.required)
    if spec.required and not given:
        yield Finding((*path, spec.required[0]), "required", f"`{action}` needs {names} in its params.")
    if len(given) > 1:
        yield Finding(path, "conflict", f"`{action}` takes {names}, not both.")


def _unknown(action: str, spec: Params, name: str) -> str:
    hint = did_you_mean(name, spec.rules)
    if not hint:
        known = ", ".join(f"`{known}`" for known in spec.rules)
        hint = f" {spec.hints[name]}" if name in spec.hints else f" It has {known}."
    return f"`{action}` has no param {quoted(name)}.{hint}"


def _got(value: Any) -> str:
    if isinstance(value, str):
        return f", got {quoted(value)}" if value else ", got an empty string"
    if isinstance(value, dict):
        return ", got an object" if value else ", got an empty object"
    if isinstance(value, list):
        return ", got a list"
    return f", got {'null' if value is None else str(value).lower()[:60]}"
