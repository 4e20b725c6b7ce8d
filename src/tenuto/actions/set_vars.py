"""`set`: writes variables, which later steps read as `vars.<name>`."""

from __future__ import annotations

from tenuto.actions.json_data import RESULT_LIMIT, bounded_result
from tenuto.actions.params import BadParams, refuse_unknown, require
from tenuto.ports.action import ActionRequest, Failed, Outcome, Succeeded


class Set:
    """Writes every name in `values`; the last write wins. The result is the values."""

    name = "set"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"values"})

    def __init__(self, result_limit: int = RESULT_LIMIT) -> None:
        self._result_limit = result_limit

    def run(self, request: ActionRequest) -> Outcome:
        try:
            refuse_unknown(request.params, self.known)
            values = require(request.params, "values", dict, "an object of names and their values")
        except BadParams as problem:
            return problem.failed()
        taken = bounded_result(values, self._result_limit)
        return taken if isinstance(taken, Failed) else Succeeded(values, vars=values)
