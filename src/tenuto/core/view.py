"""What people see of an execution: the document, its brief form for lists, and the picture's data. Read off the state
as plain JSON data; nothing here changes or decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec import UNSET

from tenuto.core.events import StepError
from tenuto.core.looks import Look, looks, static_step
from tenuto.core.spots import Spot, spots
from tenuto.core.state import Approvals, Frame, LoopWork, MapWork, State, StepState, Work, frames_in

MOST_NESTED = 1_000
"""So many steps of items and rounds a document shows at most."""


def document(state: State, now: int) -> dict[str, Any]:
    """The execution in full, at instant `now` (ms). Steps that nothing has happened to are not in `stepResults`.
    Shares the state's own data, so encode it before the state moves on."""
    view = _head(state)
    if state.end_time is None:
        view["duration"] = _elapsed(state.start_time, now)
    view["stepResults"] = _step_results(state)
    view["context"] = state.context
    if state.status == "completed":
        view["output"] = output(state)
    return view


def brief(state: State, now: int) -> dict[str, Any]:
    """The document without context, results and output, as lists show it. It is stored, so it says nothing that time
    alone would make untrue: `duration` is there once the execution has ended."""
    return _head(state)


def visualize(state: State, now: int) -> dict[str, Any]:
    """Each step with its status and dependencies, in the order of the definition, what is in a container after it. Of
    maps and loops the container alone: how far it has come stands in its `detail`. Statuses are the five that are easy
    to draw (pending, running, success, failed, skipped); `detail` says more where there is more to say."""
    definition = state.graph.definition
    end_time = state.end_time
    look_of = looks(state)
    return {
        "executionId": state.execution_id,
        "workflowId": state.workflow_id,
        "workflowVersion": state.version,
        "workflowName": definition.name or definition.id,
        "status": state.status,
        "duration": _elapsed(state.start_time, now if end_time is None else end_time),
        "steps": [
            _drawn_step(spot, look)
            for spot in spots(state.graph)
            if (look := look_of[spot.node.number]) is not None and _is_drawn(state, spot, look)
        ],
    }


def _is_drawn(state: State, spot: Spot, look: Look) -> bool:
    """Not what there may be several of, nor what undoes a step as long as nothing is undone."""
    if spot.kind != "undo":
        return spot.is_one
    is_due = state.has_rare and spot.owner is not None and spot.owner.node.id in state.rare.to_undo
    return spot.is_one and (is_due or look.step is not None)


def output(state: State) -> Any:
    """What a completed execution gives back: its definition's `output`, else the results of its last steps by id."""
    if state.graph.definition.output is not UNSET or state.output is not None:
        return state.output
    nodes, steps = state.graph.nodes, state.steps
    return {nodes[i].id: steps[i].result for i in state.graph.last if steps[i].status == "success"}


def _step_results(state: State) -> dict[str, Any]:
    """Every step that something has happened to: those of which there is one, and of items and rounds what is under
    way, in the order of the definition."""
    static = static_steps(state)
    results = {step.id: step_result(step) for step in static if step.status != "pending"}
    if state.named:
        live = islice(live_steps(state, static), MOST_NESTED)
        results |= {step.id: step_result(step) for step in live}
    return results


def static_steps(state: State) -> list[StepState]:
    """The workflow's own steps, and those of parallels, handlers and compensations that there are now."""
    if not state.named:
        return state.own_steps()
    found = (static_step(state, node) for node in state.graph.all_nodes)
    return [step for step in found if step is not None]


def live_steps(state: State, static: list[StepState]) -> Iterator[StepState]:
    """What is under way in items and rounds, in the order they began."""
    for step in static:
        if isinstance(step.work, MapWork | LoopWork) and not step.has_ended:
            for frame in frames_in(step):
                yield from live_in(state, frame)
    if state.phase_frame is not None and state.phase_frame.suffix:
        yield from live_in(state, state.phase_frame)


def live_in(state: State, frame: Frame) -> Iterator[StepState]:
    """The steps of the frame that have begun and not ended, each before what is inside it."""
    for slot in frame.slots():
        step = state.steps[slot]
        if step.status != "pending" and not step.has_ended:
            yield step
            for inner in frames_in(step):
                yield from live_in(state, inner)


def step_result(step: StepState) -> dict[str, Any]:
    """One step's part of the document. `error` of a step that has not ended is that of its last attempt."""
    view: dict[str, Any] = {"stepId": step.id, "status": step.status, "attempts": step.attempts}
    if step.start_time is not None:
        view["startTime"] = step.start_time
    if step.end_time is not None:
        view["endTime"] = step.end_time
        if step.start_time is not None:
            view["duration"] = _elapsed(step.start_time, step.end_time)
    if step.by is not None:
        view["by"] = step.by
    if step.work is not None:
        _add_work(view, step.work)
    if step.status == "success":
        view["result"] = step.result
        if step.cached:
            view["cached"] = True
        return view
    if step.error is not None:
        view["error"] = _error(step.error)
    if step.status == "skipped":
        view["reason"] = step.reason
        if step.cause is not None:
            view["cause"] = step.cause
    elif step.status == "waiting":
        view["waitingFor"] = step.waiting_for
        if step.wake_at is not None:
            view["waitingUntil"] = step.wake_at
        if step.wait is not None and step.wait.details and step.wait.waiting_for == step.waiting_for:
            view["details"] = step.wait.details
    elif step.status == "cancelled" and step.reason == "not_needed":
        view["reason"] = step.reason
    elif step.status == "queued":
        view["queuedSince"] = step.since
    elif step.status == "retrying":
        view["nextAttemptAt"] = step.wake_at
    return view


def _add_work(view: dict[str, Any], work: Work) -> None:
    """How far a container has come, and who has approved."""
    match work:
        case MapWork():
            succeeded = sum(work.done)
            view["items"] = {
                "total": len(work.items),
                "succeeded": succeeded,
                "failed": work.failures,
                "running": len(work.frames),
            }
            if work.errors:
                view["errors"] = [
                    {"index": item.number, "stepId": item.step} | _error(item.error) for item in work.errors
                ]
        case LoopWork():
            view["rounds"] = work.round + 1
        case Approvals() if work.given:
            view["approvals"] = list(work.given)


def _head(state: State) -> dict[str, Any]:
    current: list[str] = []
    ended: dict[str, list[str]] = {"success": [], "failed": [], "skipped": [], "cancelled": []}
    for step in static_steps(state):
        status = step.status
        if status in ended:
            ended[status].append(step.id)
        elif status != "pending":
            current.append(step.id)
    view: dict[str, Any] = {
        "executionId": state.execution_id,
        "workflowId": state.workflow_id,
        "workflowVersion": state.version,
        "status": state.status,
        "phase": state.phase,
        "startTime": state.start_time,
    }
    if state.end_time is not None:
        view["endTime"] = state.end_time
        view["duration"] = _elapsed(state.start_time, state.end_time)
    view["currentSteps"] = current
    view["completedSteps"] = ended["success"]
    view["failedSteps"] = ended["failed"]
    view["skippedSteps"] = ended["skipped"]
    view["cancelledSteps"] = ended["cancelled"]
    view["tags"] = state.tags
    view["priority"] = state.priority
    if state.start_at is not None:
        view["startAt"] = state.start_at
    if state.parent is not None:
        view["parent"] = {"executionId": state.parent.execution_id, "stepId": state.parent.step}
    if state.fork_of is not None:
        view["forkOf"] = {"executionId": state.fork_of.execution_id, "fromStep": state.fork_of.from_step}
    if state.status == "cancelled" and state.cancel is not None:
        view |= {
            name: said
            for name, said in (("cancelledBy", state.cancel.by), ("cancelReason", state.cancel.reason))
            if said is not None
        }
    if state.compensation is not None:
        view["compensation"] = state.compensation
    if state.error is not None:
        view["error"] = {
            "stepId": state.error_step,
            "type": state.error.type,
            "message": state.error.message,
        }
    return view


def _elapsed(since: int, until: int) -> int:
    """Milliseconds between two instants of a wall clock, which somebody may have set back meanwhile."""
    return until - since if until > since else 0


def _error(error: StepError) -> dict[str, Any]:
    view = {"type": error.type, "message": error.message}
    if error.details is not None:
        view["details"] = error.details
    return view


def _drawn_step(spot: Spot, look: Look) -> dict[str, Any]:
    node, step = spot.node, look.step
    view: dict[str, Any] = {
        "id": node.id,
        "name": node.spec.name or node.id,
        "status": look.status,
        "attempts": 0 if step is None else step.attempts,
        "dependencies": list(node.spec.dependencies),
    }
    if spot.kind == "undo" and spot.owner is not None:
        view["undoes"] = spot.owner.node.id
    elif spot.owner is not None:
        view["parent"] = spot.owner.node.id
    if spot.handlers is not None:
        view["handlers"] = spot.handlers
    if step is not None and step.start_time is not None and step.end_time is not None:
        view["duration"] = _elapsed(step.start_time, step.end_time)
    if look.detail is not None:
        view["detail"] = look.detail
    return view
