"""What people, other systems and other executions say to steps: signals, approvals, callbacks, verbs by hand."""

from __future__ import annotations

from typing import Any

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.draft import Draft
from tenuto.core.events import StepError
from tenuto.core.names import own_child
from tenuto.core.reset import to_redo_step
from tenuto.core.state import Approvals, StepState

MOST_SIGNALS = 1_000
"""So many signals an execution keeps that no step has taken."""


def signal(draft: Draft, given: inp.Signal) -> None:
    """A message by name, for the step that has waited for it longest, else kept for the next that does."""
    state = draft.state
    if given.key is not None and (given.name, given.key) in state.rare.signal_keys:
        return  # it came before, and was answered then
    if state.is_terminal:
        draft.refuse(given, f"the execution is {state.status}")
        return
    listening = state.rare.listening.get(given.name)
    if not listening and sum(map(len, state.rare.signals.values())) >= MOST_SIGNALS:
        draft.refuse(given, f"{MOST_SIGNALS} signals are waiting to be taken already", "limit")
        return
    received = ev.SignalReceived(given.name, state.signal_count + 1, given.payload, given.key, given.by)
    draft.emit(received)
    if listening:
        draft.take_signal(state.steps[listening[0]], state.rare.signals[given.name][0])


def approve(draft: Draft, given: inp.Approve) -> None:
    """A person's answer to an approval step."""
    step = _open_step(draft, given, given.step)
    if step is None:
        return
    if step.waiting_for != "approval" or not isinstance(step.work, Approvals):
        draft.refuse(given, f"step {step.id!r} does not wait for an approval; it is {step.status}")
        return
    details = (step.wait.details if step.wait is not None else None) or {}
    approvers = details.get("approvers") or []
    if approvers and given.by not in approvers:
        draft.refuse(given, f"{given.by!r} is not among the approvers of step {step.id!r}", "forbidden")
    elif any(answer["by"] == given.by for answer in step.work.given):
        draft.refuse(given, f"{given.by!r} has approved already")
    elif given.approved:
        draft.emit(ev.ApprovalGiven(step.id, given.by, given.comment, given.data))
        if len(step.work.given) >= details.get("minApprovals", 1):
            draft.succeed(step, inp.Succeeded(approval(step.work.given)), by=given.by)
    else:
        said = f": {given.comment}" if given.comment else ""
        error = StepError("rejected", f"rejected by {given.by}{said}", {"by": given.by, "data": given.data})
        draft.fail(step, error, by=given.by)


def approval(given: list[dict[str, Any]]) -> dict[str, Any]:
    """What an approval step returns once it has its quorum: the last answer, and all of them."""
    return {"approved": True, **given[-1], "approvals": list(given)}


def complete(draft: Draft, given: inp.Complete) -> None:
    """The step's end, said from outside: by a person, or by the callback that it waits for."""
    step = _open_step(draft, given, given.step)
    if step is None:
        return
    if given.generation is not None:
        _called_back(draft, given, step)
        return
    draft.abandon(step)
    if given.error is None:
        outcome = inp.Succeeded(given.result, _chosen(step, given.result))
        draft.succeed(step, outcome, by=given.by, reason=given.reason)
    else:
        draft.fail(step, given.error, by=given.by, reason=given.reason)
    draft.cancel_inside(step)


def _chosen(step: StepState, result: Any) -> list[str] | None:
    """What a decision that is completed by hand chooses: its result says so, as one of its own would."""
    chosen = result.get("chosen") if step.node.is_decision and isinstance(result, dict) else None
    return list(chosen) if isinstance(chosen, list) else None


def _called_back(draft: Draft, given: inp.Complete, step: StepState) -> None:
    if step.generation != given.generation:
        draft.refuse(given, f"step {step.id!r} is being done again since; this callback is of before")
    elif step.waiting_for == "callback":
        report = ev.StepReported(step.id, given.result, given.error, given.by)
        draft.end_by_report(step, report)
    elif step.report is not None:
        draft.refuse(given, f"step {step.id!r} has been called back already")
    elif step.acting:
        draft.emit(ev.StepReported(step.id, given.result, given.error, given.by))
    else:
        draft.refuse(given, f"step {step.id!r} does not wait for a callback; it is {step.status}")


def skip_step(draft: Draft, given: inp.SkipStep) -> None:
    """A person has the step left out."""
    step = _open_step(draft, given, given.step)
    if step is None:
        return
    draft.abandon(step)
    draft.emit(ev.StepSkipped(step.id, "manual_skip", by=given.by, why=given.reason))
    draft.cancel_inside(step)


def retry_step(draft: Draft, given: inp.RetryStep) -> None:
    """A person has the step tried again: at once where it waits for that, or, where the execution has failed, with
    all that comes after it."""
    state = draft.state
    step = state.find_step(given.step)
    if step is None:
        draft.refuse(given, f"there is no step {given.step!r} now", "unknown")
    elif step.status == "retrying" or step.waiting_for == "person":
        draft.emit(ev.StepRetried(step.id, given.by, given.reason))
    elif state.status == "failed" and step.status == "failed":
        steps, reopened = to_redo_step(state, step)
        draft.retry(ev.ExecutionRetried(steps=steps, by=given.by, reason=given.reason, reopened=reopened))
    else:
        draft.refuse(given, f"step {step.id!r} is {step.status} and the execution {state.status}")


def child_ended(draft: Draft, given: inp.ChildEnded) -> None:
    """The execution that a step started has ended. Given at least once; nothing where it no longer matters."""
    step = draft.state.find_step(given.step)
    if step is None or step.has_ended or step.generation != given.generation or draft.state.is_terminal:
        return
    error = given.error
    if error is not None:
        error = StepError(error.type, error.message, {"childExecutionId": given.child})
    report = ev.StepReported(step.id, given.result, error)
    if step.waiting_for == f"child:{given.child}":
        draft.end_by_report(step, report)
    elif step.acting and step.report is None and given.child == own_child(draft.state.execution_id, step):
        draft.emit(report)


def _open_step(
    draft: Draft, given: inp.Approve | inp.Complete | inp.SkipStep, step_id: str
) -> StepState | None:
    """The step, if it is there and has not ended; else the input is refused."""
    state = draft.state
    step = state.find_step(step_id)
    if state.is_terminal:
        draft.refuse(given, f"the execution is {state.status}")
    elif step is None:
        draft.refuse(given, f"there is no step {step_id!r} now", "unknown")
    elif step.has_ended:
        draft.refuse(given, f"step {step_id!r} has ended already: {step.status}")
    elif state.status == "pending":
        draft.refuse(given, "the execution has not begun")
    else:
        return step
    return None
