"""`condition`: a JavaScript expression over the execution, whose truth names a branch."""

from __future__ import annotations

from tenuto.actions.json_data import RESULT_LIMIT, bounded_result
from tenuto.actions.params import BadParams, refuse_unknown, require
from tenuto.core.events import StepError
from tenuto.core.truth import is_truthy
from tenuto.errors import ScriptFailed
from tenuto.ports.action import ActionRequest, Failed, Outcome
from tenuto.ports.script import Script, ScriptEngine


class Condition:
    """Evaluates `expression`; the result is `{"result": its value, "branch": "true" | "false"}`. False is a success
    too: what follows decides by the branch."""

    name = "condition"
    scripts = frozenset({"expression"})
    known = frozenset({"expression"})

    def __init__(self, engine: ScriptEngine, result_limit: int = RESULT_LIMIT) -> None:
        self._engine = engine
        self._result_limit = result_limit

    async def run(self, request: ActionRequest) -> Outcome:
        try:
            refuse_unknown(request.params, self.known)
            source = require(
                request.params, "expression", str, "a JavaScript expression, as `context.amount > 100`"
            )
            value = await self._engine.evaluate(Script("expression", source), request.scope)
        except BadParams as problem:
            return problem.failed()
        except ScriptFailed as problem:
            return Failed(StepError(problem.kind, str(problem)))
        branch = "true" if is_truthy(value) else "false"
        return bounded_result({"result": value, "branch": branch}, self._result_limit)
