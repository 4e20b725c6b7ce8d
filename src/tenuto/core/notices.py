"""The bodies of webhooks: what a receiver is told of a step or an execution, complete in itself."""

from __future__ import annotations

from typing import Any

from tenuto.core.commands import Message, WebhookKind
from tenuto.core.events import StepError
from tenuto.core.state import State, StepState

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
    if kind == "onComplete":
        body["results"] = {step.id: step.result for step in state.own_steps() if step.status == "success"}
    else:
        body["failedSteps"] = [step.id for step in state.own_steps() if step.status == "failed"]
        if state.error is not None:
            body["error"] = _error(state.error) | {"stepId": state.error_step}
    return Message(kind, body)


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
