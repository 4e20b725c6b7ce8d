"""`noop`: succeeds at once with what it was told to return."""

from __future__ import annotations

from tenuto.actions.json_data import RESULT_LIMIT, bounded_result
from tenuto.actions.params import BadParams, refuse_unknown
from tenuto.ports.action import ActionRequest, Outcome, Succeeded


class Noop:
    """Returns `params.result`, or null."""

    name = "noop"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"result"})

    def __init__(self, result_limit: int = RESULT_LIMIT) -> None:
        self._result_limit = result_limit

    def run(self, request: ActionRequest) -> Outcome:
        if not request.params:
            return Succeeded()
        try:
            refuse_unknown(request.params, self.known)
        except BadParams as problem:
            return problem.failed()
        return bounded_result(request.params.get("result"), self._result_limit)
