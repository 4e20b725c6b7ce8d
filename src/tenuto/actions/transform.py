"""`transform`: a JavaScript function body over data of the execution."""

from __future__ import annotations

from typing import Any

from tenuto.actions.json_data import RESULT_LIMIT, bounded_result
from tenuto.actions.params import BadParams, optional, refuse_unknown, require
from tenuto.core.events import StepError
from tenuto.errors import ScriptFailed
from tenuto.ports.action import ActionRequest, Failed, Outcome
from tenuto.ports.script import Script, ScriptEngine


class _NoSuchKey(Exception):
    """The context has nothing under `inputKey`."""


class Transform:
    """Runs `code` with `input` and `context` in scope; what it returns is the result. `input` is the context's value
    under `inputKey`, else the param `input`, else the start context."""

    name = "transform"
    scripts = frozenset({"code"})
    known = frozenset({"inputKey", "input", "code"})

    def __init__(self, engine: ScriptEngine, result_limit: int = RESULT_LIMIT) -> None:
        self._engine = engine
        self._result_limit = result_limit

    async def run(self, request: ActionRequest) -> Outcome:
        try:
            refuse_unknown(request.params, self.known)
            code = require(
                request.params, "code", str, "a function body in JavaScript, as `return input.length`"
            )
            scope = {"input": _input(request), "context": request.context}
            value = await self._engine.evaluate(Script("body", code), scope)
        except BadParams as problem:
            return problem.failed()
        except _NoSuchKey as problem:
            return Failed(StepError("expression", str(problem)))
        except ScriptFailed as problem:
            return Failed(StepError(problem.kind, str(problem)))
        return bounded_result(value, self._result_limit)


def _input(request: ActionRequest) -> Any:
    key = optional(request.params, "inputKey", str, "the name of a step, or of a key of the start context")
    if key is None:
        return request.params["input"] if "input" in request.params else request.scope.get("input", {})
    if key not in request.context:
        raise _NoSuchKey(f"`inputKey` names {key!r}, and the context has no such key; {_keys(request)}")
    return request.context[key]


def _keys(request: ActionRequest, shown: int = 20) -> str:
    names = list(request.context)
    if not names:
        return "it is empty"
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"it has {', '.join(names[:shown])}{more}"
