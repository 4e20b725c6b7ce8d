"""`finish`: ends the execution here, whatever else is under way."""

from __future__ import annotations

from typing import Literal, cast

from tenuto.actions.json_data import RESULT_LIMIT, bounded_result
from tenuto.actions.params import BadParams, choice, optional, refuse_unknown
from tenuto.ports.action import ActionRequest, Failed, Finished, Outcome

STATUSES = ("completed", "failed", "cancelled")
LONGEST_MESSAGE = 2000


class Finish:
    """Ends the execution with `status`, `output` and `message`."""

    name = "finish"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"status", "output", "message"})

    def __init__(self, result_limit: int = RESULT_LIMIT) -> None:
        self._result_limit = result_limit

    def run(self, request: ActionRequest) -> Outcome:
        params = request.params
        try:
            refuse_unknown(params, self.known)
            status = cast("Literal['completed', 'failed', 'cancelled']", choice(params, "status", STATUSES))
            message = optional(params, "message", str, "a text")
        except BadParams as problem:
            return problem.failed()
        taken = bounded_result(params.get("output"), self._result_limit)
        if isinstance(taken, Failed):
            return taken
        return Finished(status, taken.result, None if message is None else message[:LONGEST_MESSAGE])
