"""Whether a step may be done again: told from what its action is and from what it would send, the first time and again."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from tenuto.core.graph import Node
from tenuto.core.params import has_template
from tenuto.runtime.rehearsal.play import Performed, Sent
from tenuto.runtime.rehearsal.stand_ins import CALLS, CHILD, WAITS, WITHIN

Safety = Literal["safe", "safe if honoured", "not safe", "unknown"]

READS = frozenset({"GET", "HEAD", "OPTIONS"})
REPEATS = frozenset({"PUT", "DELETE"})
_KEY = "Idempotency-Key"


class Verdict(NamedTuple):
    """Whether the step is safe to repeat, and why."""

    safety: Safety
    why: str


class Doing(NamedTuple):
    """One attempt as it was performed, and the call it would have sent, if it is one."""

    performed: Performed
    sent: Sent | None


def is_decided_within(node: Node) -> bool:
    """Whether nothing outside of the execution has part in the step: it works on its data, or waits."""
    name = node.spec.action
    return name in WITHIN or name in WAITS or (node.is_decision and name != "condition")


def has_effect(node: Node, doing: Doing | None) -> bool:
    """Whether something is different in the world once the step has been done, as far as one can tell."""
    if is_decided_within(node):
        return False
    return doing is None or doing.sent is None or doing.sent.call.method not in READS


def judge(node: Node, first: Doing | None, again: Doing | None, idempotent: frozenset[str]) -> Verdict:
    """The verdict on a step by its attempts: `first` was lost and made `again` (None: it was never made)."""
    action = node.spec.action
    if is_decided_within(node):
        if action in WAITS:
            return Verdict("safe", "it waits, and the journal knows for what")
        return Verdict("safe", "it works on the execution's own data alone")
    is_declared = node.id.partition(":")[0] in idempotent
    changed = (
        None if first is None or again is None else _changed(first.performed.params, again.performed.params)
    )
    if action in CALLS:
        return _of_call(node, first, again, changed)
    if changed is not None:
        return Verdict("not safe", f"its params are not the same the second time: {changed}")
    if action == CHILD:
        return Verdict("safe", "the execution it starts has one id, however often it is started")
    if is_declared:
        return Verdict("safe", f"`{action}` is said to recognise a repetition")
    return Verdict(
        "unknown",
        f"nothing says whether `{action}` may do it twice; step.key tells it that it is a repetition",
    )


def _of_call(node: Node, first: Doing | None, again: Doing | None, changed: str | None) -> Verdict:
    if first is None or first.sent is None:
        return _of_written(node)
    call = first.sent.call
    if call.method in READS:
        return Verdict("safe", f"{call.method} only reads")
    key = call.headers.get(_KEY) or _header(call.headers, _KEY)
    if again is not None and again.sent is not None:
        if _header(again.sent.call.headers, _KEY) != key:
            return Verdict("not safe", f"{call.method} sends another {_KEY} the second time")
        if changed is not None:
            return Verdict("not safe", f"{call.method} does not send the same the second time: {changed}")
    return _of_method(call.method, has_key=key is not None)


def _of_written(node: Node) -> Verdict:
    """Of a call that was never made: by what is written."""
    params = node.spec.params
    default = "GET" if node.spec.action == "http.request" else "POST"
    method = params.get("method", default)
    if not isinstance(method, str) or has_template(method):
        return Verdict("unknown", "it was not reached, and its method is worked out when it is")
    headers = params.get("headers")
    has_key = not isinstance(headers, dict) or _header(headers, _KEY, "") is not None
    return _of_method(method.upper(), has_key=has_key)


def _of_method(method: str, *, has_key: bool) -> Verdict:
    if method in READS:
        return Verdict("safe", f"{method} only reads")
    if method == "DELETE":
        return Verdict(
            "safe", "DELETE may be repeated; the second time may be answered 404, if that is expected"
        )
    if method in REPEATS:
        return Verdict("safe", f"{method} may be repeated: it leaves the same as once")
    if has_key:
        return Verdict(
            "safe if honoured", f"{method} sends the same {_KEY} again, for the receiver to honour"
        )
    return Verdict("not safe", f"{method} sends no {_KEY}, so the receiver cannot tell a repetition")


def _header(headers: Any, name: str, default: str | None = None) -> str | None:
    """A header by its name in any case."""
    found = [value for key, value in headers.items() if key.lower() == name.lower()]
    return found[0] if found else default


def _changed(one: Any, other: Any, path: str = "params") -> str | None:
    """Where two params differ first. Recursion is bounded by the depth of JSON data."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            where = f"{path}.{key}"
            if key not in one or key not in other:
                return where
            if (found := _changed(one[key], other[key], where)) is not None:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        places = (_changed(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True)))
        return next((place for place in places if place is not None), None)
    return None if one == other else path


def likely_errors(node: Node) -> list[str]:
    """Types of errors to fail the step with: what its action is likely to come to, and what its `catch` is for."""
    usual = "executor.Error"
    match node.spec.action:
        case "http.request" | "webhook":
            usual = "http.500"
        case "workflow.run":
            usual = "failed"
        case "transform":
            usual = "script"
        case "approval":
            usual = "rejected"
        case "signal.wait":
            usual = "timeout"
        case "condition" | "noop" | "set" | "finish" | "delay":
            usual = "expression"
    patterns = [pattern for rule in node.spec.catch for pattern in rule.errors]
    if node.spec.retry_policy is not UNSET:
        patterns += [pattern for pattern in node.spec.retry_policy.no_retry_on if pattern != "*"]
    caught = [usual if pattern == "*" else pattern.replace("xx", "00") for pattern in patterns]
    return list(dict.fromkeys([usual, *caught]))
