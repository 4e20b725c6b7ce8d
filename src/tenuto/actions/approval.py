"""`approval`: waits until people have approved or one has rejected, holding nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from tenuto.actions.json_data import RESULT_LIMIT, bounded_result
from tenuto.actions.params import BadParams, choice, describe, latest, optional, refuse_unknown, whole_number
from tenuto.actions.signal_wait import schema_param
from tenuto.ports.action import ActionRequest, Failed, Outcome, Waiting

MOST_APPROVERS = 1_000
ON_TIMEOUT = ("fail", "reject", "approve")


class Approval:
    """Asks people to approve: `title` and `details` are what they read, `form` is what their `data` must fit,
    `approvers` who may (empty: anybody) and `minApprovals` how many must."""

    name = "approval"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"title", "details", "form", "approvers", "minApprovals", "timeout", "onTimeout"})

    def __init__(self, result_limit: int = RESULT_LIMIT) -> None:
        self._result_limit = result_limit

    def run(self, request: ActionRequest) -> Outcome:
        params = request.params
        try:
            refuse_unknown(params, self.known)
            approvers = _approvers(params)
            details = {
                "title": optional(params, "title", str, "a text", request.step_id),
                "details": params.get("details"),
                "form": schema_param(request, "form"),
                "approvers": approvers,
                "minApprovals": _quorum(params, approvers),
            }
            until = latest(params, request.now)
            on_time = cast("Literal['fail', 'reject', 'approve']", choice(params, "onTimeout", ON_TIMEOUT))
        except BadParams as problem:
            return problem.failed()
        taken = bounded_result(details, self._result_limit)
        if isinstance(taken, Failed):
            return taken
        return Waiting(until, waiting_for="approval", on_time=on_time, details=details)


def _approvers(params: Mapping[str, Any]) -> list[str]:
    listed = optional(params, "approvers", list, "a list of names", [])
    if len(listed) > MOST_APPROVERS:
        raise BadParams(f"`approvers` has {len(listed):,} names; at most {MOST_APPROVERS:,} can be listed")
    for name in listed:
        if not isinstance(name, str) or not name.strip():
            raise BadParams(f"`approvers` must be a list of names, and has {describe(name)} in it")
    return list(dict.fromkeys(listed))


def _quorum(params: Mapping[str, Any], approvers: list[str]) -> int:
    quorum = whole_number(params, "minApprovals", MOST_APPROVERS) or 1
    if approvers and quorum > len(approvers):
        raise BadParams(
            f"`minApprovals` is {quorum} and only {len(approvers)} may approve, so it could never be met"
        )
    return quorum
