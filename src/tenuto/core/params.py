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
    scripts: frozenset[str] = frozenset()
    hints: Mapping[str, str] = {}
    of_engine: Mapping[str, Rule] = {}
    """Params that the action itself never sees."""
    relations: Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]] | None = None
    """What several params together must fit: the param to blame, and a sentence."""


_TEMPLATE = re.compile(r"(?<!\\)\{\{")
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SIGNAL = re.compile(r"[^/\x00-\x1f\x7f]{1,200}")
_WORKFLOW = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}(@[1-9][0-9]{0,8})?")
_STATUS = re.compile(r"[1-5](?:[0-9][0-9]|[xX][xX])")
_AUTH = {"bearer": frozenset({"type", "token"}), "basic": frozenset({"type", "username", "password"})}


def has_template(value: object) -> bool:
    """Whether the value is a string with a template in it."""
    return isinstance(value, str) and "{{" in value and _TEMPLATE.search(value) is not None


def has_templates(data: object) -> bool:
    """Whether there is a template anywhere in JSON data."""
    ahead = [data]
    while ahead:
        value = ahead.pop()
        if has_template(value):
            return True
        ahead += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return False


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


def _completion(value: Any) -> str | None:
    return None if value in (None, "callback") else "`callback`, or nothing"


def one_of(*words: str) -> Rule:
    """A rule: one of these words, or null."""
    expected = ", ".join(f"`{word}`" for word in words[:-1]) + f" or `{words[-1]}`"
    return lambda value: None if value is None or value in words else expected


def _workflow_id(value: Any) -> str | None:
    return None if isinstance(value, str) and _WORKFLOW.fullmatch(value) else "the id of a workflow"


def _version(value: Any) -> str | None:
    return None if value is None or _is_count(value) else "the number of a version, from 1 on"


def _yes_or_no(value: Any) -> str | None:
    return None if value is None or isinstance(value, bool) else "true or false"


def _signal_name(value: Any) -> str | None:
    fits = isinstance(value, str) and value.strip() and _SIGNAL.fullmatch(value)
    return None if fits else "a name of 1 to 200 characters, none of them a slash or a line break"


def _timeout(value: Any) -> str | None:
    return None if value is None else _duration(value)


def _schema(value: Any) -> str | None:
    return None if value is None or isinstance(value, dict | bool) else "a JSON Schema"


def _approvers(value: Any) -> str | None:
    fits = value is None or (isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value))
    return None if fits else "a list of those who may approve, by name"


def _count(value: Any) -> str | None:
    return None if value is None or _is_count(value) else "a whole number from 1 on"


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 1 and value % 1 == 0


def _values(value: Any) -> str | None:
    return None if isinstance(value, dict) else "an object: what to set, by name"


def _one_version(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name, version = params.get("workflowId"), params.get("version")
    if version is not None and isinstance(name, str) and "@" in name and not has_template(name):
        yield "version", "`workflowId` names a version already; leave out one of them."


def _one_schema(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if params.get("schema") is not None and has_template(params.get("name")):
        yield "schema", "A `schema` needs a `name` without templates, so that every signal of it is checked."


def _enough_approvers(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    approvers, needed = params.get("approvers"), params.get("minApprovals")
    if not isinstance(approvers, list) or not approvers or needed is None or not _is_count(needed):
        return
    if not all(isinstance(name, str) for name in approvers) or any(map(has_template, approvers)):
        return
    there = len(set(approvers))
    if needed > there:
        who = "is only 1 approver" if there == 1 else f"are only {there} approvers"
        yield "minApprovals", f"{needed} approvals can never be given: there {who}."


def _bounds_a_callback(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if params.get("timeout") is not None and params.get("completion") is None:
        yield "timeout", "Only with `completion`; the step's own `timeout` bounds an attempt."


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
        hints=_CALL_HINTS,
        of_engine={"completion": _completion, "timeout": _timeout},
        relations=_bounds_a_callback,
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
ENGINE_ACTIONS: Mapping[str, Params] = {
    "workflow.run": Params(
        {
            "workflowId": _workflow_id, "version": _version, "context": _object, "wait": _yes_or_no,
            "onParentClose": one_of("cancel", "abandon"),
        },
        required=("workflowId",),
        relations=_one_version,
        hints={"input": "What it starts with is its `context`.", "params": "What it starts with is its `context`."},
    ),
    "signal.wait": Params(
        {"name": _signal_name, "timeout": _timeout, "schema": _schema}, required=("name",), relations=_one_schema
    ),
    "approval": Params(
        {
            "title": _text, "details": _anything, "form": _schema, "approvers": _approvers, "minApprovals": _count,
            "timeout": _timeout, "onTimeout": one_of("fail", "reject", "approve"),
        },
        relations=_enough_approvers,
    ),
    "set": Params({"values": _values}, required=("values",)),
    "finish": Params({"status": one_of("completed", "failed", "cancelled"), "output": _anything, "message": _text}),
}  # fmt: skip
"""Actions that are no calls: what they do is done to the execution itself."""

KNOWN: Mapping[str, Params] = {**BUILT_IN, **ENGINE_ACTIONS}


class Withheld(NamedTuple):
    """What can be said already and is refused as long as nothing carries it out: actions, names in expressions, and
    params of actions."""

    actions: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset({"secrets"})
    params: frozenset[str] = frozenset()


NOTHING_WITHHELD = Withheld()
"""All but secrets is there."""


def scripts_of(action: str) -> frozenset[str]:
    """The params of an action that are scripts, and so are never templated."""
    return KNOWN[action].scripts if action in KNOWN else frozenset()


def check_params(outline: Outline, withheld: Withheld) -> Iterator[Finding]:
    """Actions that miss a param, have one that does not fit, or one that there is not."""
    for i, step in enumerate(outline.steps):
        if not step.cases and not step.steps:
            yield from _check_action(step.action, step.params, outline.path(i), withheld)
        if step.action == "finish" and outline.outermost.is_handlers:
            message = "A handler cannot end the execution: it has ended when handlers run."
            yield Finding(outline.path(i, "action"), "conflict", message)
        undo = step.compensate
        if undo is None:
            continue
        path = outline.path(i, "compensate")
        yield from _check_action(undo.action, undo.params, path, withheld)
        if undo.action in ("finish", "set"):
            message = f"`{undo.action}` undoes nothing: the execution has ended when steps are undone."
            yield Finding((*path, "action"), "conflict", message)


def _check_action(
    action: str, params: Mapping[str, Any], path: Path, withheld: Withheld
) -> Iterator[Finding]:
    if action in withheld.actions:
        yield Finding((*path, "action"), "not_supported", f"The action `{action}` is not supported yet.")
    elif action in KNOWN:
        yield from _check(action, KNOWN[action], params, (*path, "params"), withheld.params)


def _check(
    action: str, spec: Params, params: Mapping[str, Any], path: Path, withheld: frozenset[str]
) -> Iterator[Finding]:
    yield from _check_required(action, spec, params, path)
    for name, value in params.items():
        rule = spec.rules.get(name) or spec.of_engine.get(name)
        if name in withheld and name in spec.of_engine:
            yield Finding((*path, name), "not_supported", f"`{name}` is not supported yet.")
        elif rule is None:
            yield Finding((*path, name), "unknown_param", _unknown(action, spec, name))
        elif name in spec.scripts or not has_template(value):
            expected = rule(value)
            if expected:
                yield Finding((*path, name), "param", f"Expected {expected}{_got(value)}.")
    for name, message in spec.relations(params) if spec.relations else ():
        yield Finding((*path, name), "conflict", message)


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
