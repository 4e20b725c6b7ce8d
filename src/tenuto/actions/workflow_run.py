"""`workflow.run`: starts another workflow and, unless told otherwise, waits for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from tenuto.actions.params import BadParams, choice, describe, optional, refuse_unknown, require, whole_number
from tenuto.core.events import ParentLink, StepError
from tenuto.core.names import child_id
from tenuto.errors import Conflict, Invalid, NotFound, Overloaded, StoreUnavailable
from tenuto.ports.action import ActionRequest, Failed, Outcome, Succeeded, Waiting
from tenuto.ports.children import ChildEnd, Children

MOST_VERSION = 999_999_999

AGAIN_S = 0.5
"""Seconds until a start that the store did not answer is made again."""

MAX_DEPTH = 32
"""How deep executions may start one another: the first is 0."""


class WorkflowRun:
    """Starts `workflowId` (`version`, else the newest) with `context`. With `wait` the result is the child's output, and
    its failure the step's; without, it is `{"executionId": …}`. `onParentClose` says whether the child is cancelled
    when its parent ends or gives the step up."""

    name = "workflow.run"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"workflowId", "version", "context", "wait", "onParentClose"})

    def __init__(self, children: Children, *, again_s: float = AGAIN_S) -> None:
        self._children = children
        self._again_s = again_s

    async def run(self, request: ActionRequest) -> Outcome:
        try:
            refuse_unknown(request.params, self.known)
            asked = _read(request.params)
        except BadParams as problem:
            return problem.failed()
        if request.depth >= MAX_DEPTH:
            message = f"executions may start one another {MAX_DEPTH} deep, and this one is at the bottom"
            return Failed(StepError("limit", message), retry=False)
        return await self._start(request, asked)

    async def _start(self, request: ActionRequest, asked: _Asked) -> Outcome:
        step = request.instance_id or request.step_id
        child = child_id(request.execution_id, step, request.generation, request.tries)
        parent = ParentLink(request.execution_id, step, request.generation, request.depth + 1, asked.wait)
        try:
            end = await self._start_child(parent, asked, child)
        except NotFound as problem:
            return Failed(StepError("unknown-workflow", str(problem)), retry=False)
        except Invalid as problem:
            return Failed(
                StepError("invalid-params", f"the child could not be started: {problem}"), retry=False
            )
        except Conflict as problem:
            return Failed(StepError("conflict", f"the child could not be started: {problem}"), retry=False)
        except Overloaded as problem:
            return Failed(StepError("unavailable", str(problem)), retry_after_ms=problem.retry_after_s * 1000)
        return _outcome(child, asked, end)

    async def _start_child(self, parent: ParentLink, asked: _Asked, child: str) -> ChildEnd | None:
        """As `Children.start_child`. While the store does not answer, nobody knows whether the child was started; to ask
        again is harmless, and to give up is not."""
        while True:
            try:
                return await self._children.start_child(
                    parent, asked.workflow_id, asked.version, asked.context, child
                )
            except StoreUnavailable:
                await asyncio.sleep(self._again_s)


class _Asked(NamedTuple):
    workflow_id: str
    version: int | None
    context: dict[str, Any]
    wait: bool
    on_parent_close: str


def _outcome(child: str, asked: _Asked, end: ChildEnd | None) -> Outcome:
    if not asked.wait:
        return Succeeded({"executionId": child}, child=child if asked.on_parent_close == "cancel" else None)
    if end is None:
        details = {"child": child, "onParentClose": asked.on_parent_close}
        return Waiting(waiting_for=f"child:{child}", on_time="fail", details=details)
    if end.error is not None:
        return Failed(StepError(end.error.type, end.error.message, {"childExecutionId": child}))
    return Succeeded(end.result)


def _read(params: Mapping[str, Any]) -> _Asked:
    workflow_id: str = require(params, "workflowId", str, "the id of a workflow, as `refund` or `refund@2`")
    name, at, named = workflow_id.partition("@")
    version = whole_number(params, "version", MOST_VERSION)
    if at:
        if version is not None or not (named.isascii() and named.isdigit() and 0 < len(named) <= 9):
            raise BadParams(
                f"`workflowId` must be an id, or one with a version as `refund@2`, not {describe(workflow_id)}"
            )
        version = int(named)
    if not name:
        raise BadParams("`workflowId` is empty")
    return _Asked(
        name,
        version,
        optional(params, "context", dict, "an object, the child's start context", {}),
        optional(params, "wait", bool, "true or false", True),
        choice(params, "onParentClose", ("cancel", "abandon")),
    )
