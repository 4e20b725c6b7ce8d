"""What a program says to an execution and its steps: signals, answers to approvals, and verbs for single steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.client.calls import Calls
from tenuto.client.results import Execution, Started
from tenuto.client.transport import path


class StepCalls(Calls):
    """The calls about signals and steps. `step_id` may be that of an item or a round, as `charge[3]`. Every verb answers
    with the execution, and is kept in its journal with who asked (`by`) and why."""

    async def signal(
        self,
        execution_id: str,
        name: str,
        payload: Any = None,
        *,
        idempotency_key: str | None = None,
        by: str | None = None,
    ) -> None:
        """Send a message to the step that waits, or will wait, for that name. With an `idempotency_key` it may be sent
        again. Raises ApiError (400, 404, 409, 429)."""
        body = {"payload": payload} | said(by=by)
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        where = path("executions", execution_id, "signals", name)
        await self._page("POST", where, body=body, headers=headers)

    async def approve(
        self, execution_id: str, step_id: str, by: str, *, comment: str | None = None, data: Any = None
    ) -> Execution:
        """Approve of what an approval step asks. Raises ApiError (400, 403, 404, 409)."""
        return await self._say(execution_id, step_id, "approve", said(by=by, comment=comment, data=data))

    async def reject(
        self, execution_id: str, step_id: str, by: str, *, comment: str | None = None, data: Any = None
    ) -> Execution:
        """Reject what an approval step asks. Raises ApiError (403, 404, 409)."""
        return await self._say(execution_id, step_id, "reject", said(by=by, comment=comment, data=data))

    async def complete_step(
        self,
        execution_id: str,
        step_id: str,
        result: Any = None,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> Execution:
        """Have a step that has not ended succeed with that result. Raises ApiError (404, 409)."""
        body = {"result": result} | said(by=by, reason=reason)
        return await self._say(execution_id, step_id, "complete", body)

    async def fail_step(
        self,
        execution_id: str,
        step_id: str,
        message: str,
        *,
        error_type: str | None = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> Execution:
        """Have a step that has not ended fail, without another attempt. Raises ApiError (404, 409)."""
        body = {"error": said(type=error_type, message=message)} | said(by=by, reason=reason)
        return await self._say(execution_id, step_id, "fail", body)

    async def skip_step(
        self, execution_id: str, step_id: str, *, by: str | None = None, reason: str | None = None
    ) -> Execution:
        """Have a step that has not ended skipped, and what comes only after it. Raises ApiError (404, 409)."""
        return await self._say(execution_id, step_id, "skip", said(by=by, reason=reason))

    async def retry_step(
        self, execution_id: str, step_id: str, *, by: str | None = None, reason: str | None = None
    ) -> Execution:
        """Have a step tried again now. Raises ApiError (404, 409)."""
        return await self._say(execution_id, step_id, "retry", said(by=by, reason=reason))

    async def rerun(
        self,
        execution_id: str,
        from_step: str,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        new_id: str | None = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> Started:
        """Start a new execution that does `from_step` and all after it again and copies the rest. With a `new_id` the
        call can be repeated. Raises ApiError (400, 404, 409)."""
        body = said(
            fromStep=from_step, context=context, version=version, executionId=new_id, by=by, reason=reason
        )
        page = await self._page("POST", path("executions", execution_id, "rerun"), body=body)
        return self._answer(Started, page.data, created=page.status == 201)

    async def _say(self, execution_id: str, step_id: str, verb: str, body: Mapping[str, Any]) -> Execution:
        where = path("executions", execution_id, "steps", step_id, verb)
        return self._answer(Execution, (await self._page("POST", where, body=body)).data)


def said(**given: Any) -> dict[str, Any]:
    """What there is to say, without what is None."""
    return {name: value for name, value in given.items() if value is not None}
