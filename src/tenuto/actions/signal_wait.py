"""`signal.wait`: waits for a message to the execution, as long as it takes and holding nothing."""

from __future__ import annotations

import re
from typing import Any

from tenuto.actions.params import BadParams, describe, latest, refuse_unknown, require
from tenuto.ports.action import ActionRequest, Outcome, Waiting
from tenuto.wire.json_schema import BadSchema, compile_schema

_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,200}")


class SignalWait:
    """Waits for the signal `name`, at most `timeout` ms. `schema` is what its payload must fit. The result, the payload,
    is made of the signal when it comes."""

    name = "signal.wait"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"name", "timeout", "schema"})

    def run(self, request: ActionRequest) -> Outcome:
        params = request.params
        try:
            refuse_unknown(params, self.known)
            name = signal_name(params)
            details = {"name": name, "schema": schema_param(request, "schema")}
            until = latest(params, request.now)
        except BadParams as problem:
            return problem.failed()
        return Waiting(until, waiting_for=f"signal:{name}", on_time="fail", details=details)


def signal_name(params: Any) -> str:
    """The param `name`. Raises BadParams."""
    name: str = require(params, "name", str, "the name of a signal, as `payment-received`")
    if not _NAME.fullmatch(name) or not name.strip():
        raise BadParams(
            f"`name` must have 1 to 200 characters, none of them a slash or a line break, not {describe(name)}"
        )
    return name


def schema_param(request: ActionRequest, name: str) -> dict[str, Any] | bool | None:
    """The param, a JSON Schema that can be used, or None where it is absent or null. Raises BadParams."""
    schema: dict[str, Any] | bool | None = request.params.get(name)
    if schema is not None:
        try:
            compile_schema(schema)
        except BadSchema as problem:
            raise BadParams(f"`{name}` is no JSON Schema that can be used: {problem}") from None
    return schema
