"""The bodies of webhooks: what a receiver is told of a step or an execution, complete in itself. What is in containers is
told of as their result; items and rounds are not told of one by one.
"""

from __future__ import annotations

from typing import Any

from tenuto.core.commands import Message, WebhookKind
from tenuto.core.events import StepError
from tenuto.core.state import State, StepState
from tenuto.core.view import static_steps

_ATTRIBUTES: dict[WebhookKind, tuple[str, str]] = {
    "onComplete": ("on_complete", "execution.completed"),
    "onFailure": ("on_failure", "execution.failed"),
    "onCancel": ("on_cancel", "execution.cancelled"),
}


def step_notice(state: State, step: StepState, now: int) -> Message:
    """The onStep message of a step that has just succeeded or failed."""
    body = _head(state, "step.succeeded" if step.status == "success" else "step.failed", now)
    body["stepId"] = step.id
    body["status"] = step.status
    if step.error is None:
        body["result"] = step.result
    else:
        body["error"] = _error(step.error)
    return Message("onStep", body)


def execution_notice(state: State, kind: WebhookKind, now: int) -> Message | None:
    """The message that tells of the execution's end, or None where nobody asked for it."""
    attribute, name = _ATTRIBUTES[kind]
    if getattr(state.graph.definition.webhooks, attribute) is None:
        return None
    body = _head(state, name, now)
    steps = static_steps(state)
    if kind == "onComplete":
        body["results"] = {
            step.id: step.result for step in steps if step.status == "success" and _stands_alone(step)
        }
    else:
        body["failedSteps"] = [step.id for step in steps if step.status == "failed"]
        if state.error is not None:
            body["error"] = _error(state.error) | {"stepId": state.error_step}
        if state.compensation is not None:
            body["compensation"] = state.compensation
    return Message(kind, body)


def _stands_alone(step: StepState) -> bool:
    """Whether it is one of the workflow's own steps or a handler, not inside another."""
    return step.frame.block.kind in ("root", "handler")


def _head(state: State, name: str, now: int) -> dict[str, Any]:
    return {
        "type": name,
        "executionId": state.execution_id,
        "workflowId": state.workflow_id,
        "status": state.status,
        "timestamp": now,
    }


def _error(error: StepError) -> dict[str, Any]:
    return {"type": error.type, "message": error.message}
