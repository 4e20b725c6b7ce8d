"""`webhook`: tells a receiver something, as a step of the workflow. The notices of a definition's `webhooks` do not
come through here; they leave through the outbox."""

from __future__ import annotations

import asyncio
from typing import Any

from tenuto.actions.call_params import build_call
from tenuto.actions.http_client import HttpCaller
from tenuto.actions.http_failure import ERROR_BODY_LIMIT, http_failure
from tenuto.actions.params import BadParams, refuse_unknown
from tenuto.ports.action import ActionRequest, Failed, Outcome, Succeeded


class Webhook:
    """POSTs `payload`; any 2xx is success, and the result is `{"status": …, "sent": true}`."""

    name = "webhook"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"url", "payload", "headers", "method", "auth"})

    def __init__(self, caller: HttpCaller) -> None:
        self._caller = caller

    async def run(self, request: ActionRequest) -> Outcome:
        try:
            refuse_unknown(request.params, self.known)
            call = build_call(request, _payload(request), default_method="POST")
        except BadParams as problem:
            return problem.failed()
        started = asyncio.get_running_loop().time()
        answer = await self._caller.call(call, lambda status: 0 if _is_success(status) else ERROR_BODY_LIMIT)
        if isinstance(answer, Failed):
            return answer
        if not _is_success(answer.status):
            elapsed_ms = round((asyncio.get_running_loop().time() - started) * 1000)
            return http_failure(call, answer, request.now + elapsed_ms)
        return Succeeded({"status": answer.status, "sent": True})


def _is_success(status: int) -> bool:
    return 200 <= status <= 299


def _payload(request: ActionRequest) -> Any:
    # The default says which step speaks and nothing of the execution's data: a receiver is not always a friend.
    payload = request.params.get("payload")
    if payload is not None:
        return payload
    return {
        "executionId": request.execution_id,
        "workflowId": request.workflow_id,
        "stepId": request.step_id,
    }
