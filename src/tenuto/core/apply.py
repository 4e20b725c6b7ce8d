"""Folding: `apply` is the only thing that changes a state; it takes a fact and never asks whether the fact was wise.
`decide` makes the facts.

A fact about a step decides the step's outgoing edges here, by counting at their targets; the targets whose counts
moved are left in `touched`, the containers inside which something ended in `tended`, for `decide` to look at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappush
from typing import Any

from tenuto.core import events as ev
from tenuto.core.events import StepError
from tenuto.core.frames import close_frame, has_open_inside, open_frame
from tenuto.core.graph import EdgeKind
from tenuto.core.reset import reset
from tenuto.core.state import (
    DEADLINE,
    MOST_ERRORS,
    NONE_LEFT,
    QUEUE,
    RETRY,
    START,
    TERMINAL_STEP,
    TOTAL,
    WAIT,
    Approvals,
    ExecutionStatus,
    Frame,
    ItemError,
    LoopWork,
    MapWork,
    State,
    StepState,
    StepStatus,
    is_open,
)


def apply(state: State, event: ev.AnyEvent, at: int) -> None:
    """Fold one fact, recorded at instant `at`, into the state."""
    FOLDS[type(event)](state, event, at)


# -- the execution begins ---------------------------------------------------------------------------------------------


def _started(state: State, event: ev.ExecutionStarted, at: int) -> None:
    state.execution_id = event.execution_id
    state.input = event.context
    state.context.update(event.context)
    state.priority = event.priority
    state.tags = event.tags
    state.start_time = at
    state.parent = event.parent
    state.fork_of = event.fork_of
    state.start_at = event.start_at
    state.waits_for_slots = event.queued
    if event.start_at is not None:
        heappush(state.timers, (event.start_at, START, -1))
    elif not event.queued:
        _begin(state, at)


def _queued(state: State, event: ev.ExecutionQueued, at: int) -> None:
    state.waits_for_slots = True


def _began(state: State, event: ev.ExecutionBegan, at: int) -> None:
    _begin(state, at)


def _begin(state: State, at: int) -> None:
    state.status = "running"
    state.began = True
    state.waits_for_slots = False
    state.touched.extend(state.graph.roots)
    set_deadline(state, at)


def set_deadline(state: State, at: int) -> None:
    """Have the workflow's `timeout` begin at that instant."""
    timeout = state.graph.definition.timeout
    state.deadline = at + timeout if timeout else None
    if state.deadline is not None:
        heappush(state.timers, (state.deadline, DEADLINE, -1))


def _copied(state: State, event: ev.StepCopied, at: int) -> None:
    step = state.step(event.step)
    _end_step(state, step, event.status, at)
    step.attempts = event.attempts
    step.start_time = at
    step.reason = event.reason
    step.chosen = None if event.chosen is None else frozenset(event.chosen)
    if event.status == "success":
        _keep_result(state, step, event.result, event.vars)
        state.rare.undoable.pop(step.id, None)  # whoever did it undoes it
    step.error = event.error
    step.caught = event.error is not None and bool(step.node.caught_by(event.error.type))
    decide_edges(state, step)
    _leave_frame(state, step)


# -- attempts ---------------------------------------------------------------------------------------------------------


def _step_queued(state: State, event: ev.StepQueued, at: int) -> None:
    step = state.step(event.step)
    _mark_begun(state, step, at)
    step.status = "queued"
    state.queued += 1
    step.since = at
    step.wake_at = None
    if step.node.queue_timeout:
        step.wake_at = at + step.node.queue_timeout
        heappush(state.timers, (step.wake_at, QUEUE, step.slot))


def _step_started(state: State, event: ev.StepStarted, at: int) -> None:
    step = state.step(event.step)
    if step.status == "queued":
        state.queued -= 1
    step.status = "running"
    step.since = at
    step.acting = True
    state.running += 1
    step.attempts = event.attempt
    step.wake_at = None
    step.wait = None
    if step.start_time is None:
        _mark_begun(state, step, at)


def _mark_begun(state: State, step: StepState, at: int) -> None:
    if step.start_time is None:
        step.start_time = at
        if step.node.total_timeout:
            step.deadline = at + step.node.total_timeout
            heappush(state.timers, (step.deadline, TOTAL, step.slot))


def _step_waiting(state: State, event: ev.StepWaiting, at: int) -> None:
    step = state.step(event.step)
    _stop_acting(state, step)
    step.status = "waiting"
    step.since = at
    step.waiting_for = event.waiting_for
    step.wait = event
    step.wake_at = event.until
    step.result = event.result
    if event.waiting_for == "approval":
        step.work = Approvals()
    if event.waiting_for.startswith("signal:"):
        state.rare.listening.setdefault(event.waiting_for[7:], []).append(step.slot)
    if event.until is not None:
        heappush(state.timers, (event.until, WAIT, step.slot))


def _parked(state: State, event: ev.StepParked, at: int) -> None:
    step = state.step(event.step)
    _stop_acting(state, step)
    _stop_waiting(state, step)
    step.status = "waiting"
    step.since = at
    step.waiting_for = "person"
    step.wake_at = None
    step.error = event.error


def _step_retried(state: State, event: ev.StepRetried, at: int) -> None:
    step = state.step(event.step)
    step.status = "retrying"
    step.waiting_for = None
    step.wake_at = at
    heappush(state.timers, (at, RETRY, step.slot))


def _reported(state: State, event: ev.StepReported, at: int) -> None:
    state.step(event.step).report = event


def _attempt_failed(state: State, event: ev.AttemptFailed, at: int) -> None:
    step = state.step(event.step)
    step.error = event.error
    _retry_at(state, step, event.retry_at)


def _attempt_interrupted(state: State, event: ev.AttemptInterrupted, at: int) -> None:
    step = state.step(event.step)
    step.infra += 1
    step.lost += event.counted
    _retry_at(state, step, event.retry_at)


def _retry_at(state: State, step: StepState, retry_at: int) -> None:
    _stop_acting(state, step)
    _stop_waiting(state, step)
    step.report = None
    step.status = "retrying"
    step.wake_at = retry_at
    heappush(state.timers, (retry_at, RETRY, step.slot))


# -- containers -------------------------------------------------------------------------------------------------------


def _expanded(state: State, event: ev.MapExpanded, at: int) -> None:
    step = state.step(event.step)
    _stop_acting(state, step)
    step.status = "running"
    step.work = MapWork(event.items)
    state.tended.append(step.slot)


def _bodies_started(state: State, event: ev.BodiesStarted, at: int) -> None:
    step = state.step(event.step)
    _stop_acting(state, step)
    _mark_begun(state, step, at)
    step.status = "running"
    step.wake_at = None
    step.waiting_for = None
    match step.node.kind:
        case "parallel":
            step.attempts = max(step.attempts, 1)
            step.work = open_frame(state, step, None)
        case "loop":
            work = step.work if isinstance(step.work, LoopWork) else LoopWork()
            step.work = work
            step.lost = 0  # a round that came to its end begins a new count
            work.round = event.first
            work.has_ended = False
            work.frame = open_frame(state, step, event.first)
        case _:
            assert isinstance(step.work, MapWork), "the items of a map are known before one begins"
            for number in range(event.first, event.first + event.count):
                next_number = step.work.todo.popleft()
                assert next_number == number, "items begin in order"
                step.work.frames[number] = open_frame(state, step, number)


def _judged(state: State, event: ev.RoundJudged, at: int) -> None:
    step = state.step(event.step)
    _stop_acting(state, step)
    step.status = "waiting"
    step.since = at
    step.waiting_for = "round"
    step.wake_at = event.next_at
    heappush(state.timers, (event.next_at, WAIT, step.slot))


# -- messages and people ----------------------------------------------------------------------------------------------


def _signalled(state: State, event: ev.SignalReceived, at: int) -> None:
    state.signal_count = event.number
    state.rare.signals.setdefault(event.name, deque()).append(event)
    if event.key is not None:
        state.rare.signal_keys.add((event.name, event.key))


def _take_signal(state: State, step: StepState, number: int) -> None:
    assert step.waiting_for is not None, "a step takes the signal that it waits for"
    name = step.waiting_for[7:]
    kept = state.rare.signals[name]
    kept.remove(next(signal for signal in kept if signal.number == number))
    if not kept:
        del state.rare.signals[name]


def _approved(state: State, event: ev.ApprovalGiven, at: int) -> None:
    work = state.step(event.step).work
    assert isinstance(work, Approvals), "approvals are given to steps that wait for them"
    work.given.append({"by": event.by, "comment": event.comment, "data": event.data, "at": at})


# -- the ends of steps ------------------------------------------------------------------------------------------------


def _step_succeeded(state: State, event: ev.StepSucceeded, at: int) -> None:
    step = state.step(event.step)
    result = gathered(state, step) if event.gathered else event.result
    if event.signal is not None:
        _take_signal(state, step, event.signal)
    _end_step(state, step, "success", at)
    step.error = None
    step.by = event.by
    step.cached = event.cached
    step.chosen = None if event.chosen is None else frozenset(event.chosen)
    _keep_result(state, step, result, event.vars)
    if event.child is not None:
        state.rare.children.append(event.child)
    decide_edges(state, step)
    _leave_frame(state, step)


def _keep_result(state: State, step: StepState, result: Any, variables: dict[str, Any] | None) -> None:
    step.result = result
    step.frame.context[step.node.id] = result
    if variables:
        state.vars = {**state.vars, **variables}
    if step.node.undo is not None:
        state.rare.undoable.pop(step.id, None)
        state.rare.undoable[step.id] = step
        frame: Frame | None = step.frame
        while frame is not None:
            frame.keep = True
            frame = frame.parent


def gathered(state: State, step: StepState) -> Any:
    """What a container returns, read off what went on inside."""
    match step.work:
        case Frame():
            return _results_of(state, step.work)
        case MapWork():
            return step.work.results
        case LoopWork():
            return step.work.result
    raise AssertionError("only containers gather results")


def _results_of(state: State, frame: Frame) -> dict[str, Any]:
    inside = (state.steps[slot] for slot in frame.slots())
    return {step.node.id: step.result for step in inside if step.status == "success"}


def _step_failed(state: State, event: ev.StepFailed, at: int) -> None:
    step = state.step(event.step)
    _end_step(state, step, "failed", at)
    step.error = event.error
    step.by = event.by
    step.result = None
    node = step.node
    step.caught = bool(node.catches and node.caught_by(event.error.type))
    if node.critical and not step.caught and step.frame.first_failure is None:
        step.frame.first_failure = step.slot
    decide_edges(state, step)
    _leave_frame(state, step)


def _step_skipped(state: State, event: ev.StepSkipped, at: int) -> None:
    step = state.step(event.step)
    _end_step(state, step, "skipped", at)
    step.attempts = 0
    step.start_time = None
    step.result = None
    step.reason = event.reason
    step.cause = event.cause
    step.by = event.by
    if event.reason == "run_cancelled":
        step.frame.is_cut = True
    decide_edges(state, step)
    _leave_frame(state, step)


def _step_cancelled(state: State, event: ev.StepCancelled, at: int) -> None:
    step = state.step(event.step)
    _end_step(state, step, "cancelled", at)
    step.result = None
    step.reason = event.reason
    if event.reason == "run_cancelled":
        step.frame.is_cut = True
    decide_edges(state, step)
    _leave_frame(state, step)


def _end_step(state: State, step: StepState, status: StepStatus, at: int) -> None:
    assert step.status not in TERMINAL_STEP, "a step ends once"
    if step.acting:
        step.acting = False
        state.running -= 1
    elif step.status == "queued":
        state.queued -= 1
    if step.waiting_for is not None:
        _stop_waiting(state, step)
    step.status = status
    step.end_time = at
    step.wake_at = None


def _stop_waiting(state: State, step: StepState) -> None:
    if step.waiting_for is not None and step.waiting_for.startswith("signal:"):
        name = step.waiting_for[7:]
        state.rare.listening[name].remove(step.slot)
        if not state.rare.listening[name]:
            del state.rare.listening[name]
    step.waiting_for = None


def _stop_acting(state: State, step: StepState) -> None:
    if step.acting:
        step.acting = False
        state.running -= 1


def _leave_frame(state: State, step: StepState) -> None:
    """Count the step as ended, and its frame with it when it was the last."""
    frame = step.frame
    frame.open -= 1
    if frame.owner is None:
        state.open -= 1
    elif frame.open == 0:
        _frame_ended(state, state.steps[frame.owner], frame)


def _frame_ended(state: State, owner: StepState, frame: Frame) -> None:
    state.tended.append(owner.slot)
    work = owner.work
    if isinstance(work, Frame):
        return
    assert frame.number is not None, "a body stands for an item or a round"
    error = _error_in(state, frame, frame.number)
    if isinstance(work, MapWork):
        work.frames.pop(frame.number, None)
        if error is not None:
            work.failures += 1
            if len(work.errors) < MOST_ERRORS:
                work.errors.append(error)
        elif not frame.is_cut:
            work.results[frame.number] = _body_result(state, owner, frame)
            work.done[frame.number] = 1
    else:
        assert isinstance(work, LoopWork), "items and rounds are of maps and loops"
        work.has_ended = True
        work.error = error
        if error is None and not frame.is_cut:
            work.result = _body_result(state, owner, frame)
    if not frame.keep and not has_open_inside(state, frame):
        close_frame(state, frame)
        if isinstance(work, LoopWork):
            work.frame = None


def _error_in(state: State, frame: Frame, number: int) -> ItemError | None:
    if frame.first_failure is None:
        return None
    failed = state.steps[frame.first_failure]
    assert failed.error is not None, "a failed step has an error"
    return ItemError(number, failed.error, failed.id)


def _body_result(state: State, owner: StepState, frame: Frame) -> Any:
    if owner.node.spec.steps:
        return _results_of(state, frame)
    return state.steps[frame.base].result


# -- edges ------------------------------------------------------------------------------------------------------------


def decide_edges(state: State, step: StepState, only: set[int] | None = None) -> None:
    """Decide the step's outgoing edges by how it ended (each exactly once), to the slots in `only` if given."""
    node = step.node
    if not node.out:
        return
    base = step.frame.base
    ran = step.status in ("success", "failed")
    cause = step.cause or step.id if step.status == "skipped" else step.id
    caught = node.caught_by(step.error.type) if step.caught and step.error is not None else frozenset[str]()
    for target_index, kind in node.out:
        slot = base + target_index
        if only is not None and slot not in only:
            continue
        target = state.steps[slot]
        target.undecided -= 1
        if _lives(step, target.node.id, kind, caught):
            target.live += 1
        elif _blocks(step, kind):
            if not target.blocked:
                target.cause = cause
            target.blocked += 1
        else:
            target.not_taken = target.not_taken or ran
            if target.cause is None:
                target.cause = cause
        if step.status == "failed":
            target.failed += 1
        state.touched.append(slot)


def _lives(step: StepState, target: str, kind: EdgeKind, caught: frozenset[str]) -> bool:
    node = step.node
    if step.status == "success":
        if node.is_decision:
            return kind in _WAYS_OUT and target in (step.chosen or ())
        return kind in _WELL
    if step.status == "failed":
        if kind == EdgeKind.DEPENDENCY:
            # A decision leads only where its ways are named.
            return (node.continues or step.caught) and not node.is_decision
        return kind == EdgeKind.FAILURE or (kind == EdgeKind.CATCH and target in caught)
    return False


# Tuples, for members of an enum are found in them by identity and hashed in Python.
_WELL = (EdgeKind.DEPENDENCY, EdgeKind.SUCCESS)
_WAYS_OUT = (EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.CASE)


def _blocks(step: StepState, kind: EdgeKind) -> bool:
    if kind != EdgeKind.DEPENDENCY:
        return False
    if step.status == "failed":
        return not step.node.continues and not step.caught
    return step.status == "skipped" and step.reason == "upstream_failed"


# -- pausing and ending -----------------------------------------------------------------------------------------------


def _paused(state: State, event: ev.ExecutionPaused, at: int) -> None:
    state.status = "paused"
    state.paused_at = at


def _resumed(state: State, event: ev.ExecutionResumed, at: int) -> None:
    """Time spent paused counts towards no timeout, so deadlines move by it; instants waited for do not."""
    assert state.paused_at is not None, "only a paused execution resumes"
    spent = at - state.paused_at
    state.status = "running"
    state.paused_at = None
    if state.deadline is not None:
        state.deadline += spent
        heappush(state.timers, (state.deadline, DEADLINE, -1))
    for slot, step in enumerate(state.steps):
        if step.deadline is not None and step.status not in TERMINAL_STEP:
            step.deadline += spent
            heappush(state.timers, (step.deadline, TOTAL, slot))
        if step.status == "pending":
            state.touched.append(slot)
        elif is_open(step):
            state.tended.append(slot)


def _cancel_requested(state: State, event: ev.CancelRequested, at: int) -> None:
    """To cancel ends a pause; to drain does not, for retries and waits go on then."""
    state.cancel = event
    state.phase = "cancelling"
    state.waits_for_slots = False
    if state.status == "pending" or (state.paused_at is not None and event.mode == "cancel"):
        state.status = "running"
        state.paused_at = None


def _handlers_started(state: State, event: ev.HandlersStarted, at: int) -> None:
    state.phase = "handlers"
    state.ending = event
    state.deadline = None
    state.output_requested = False
    state.rare.handlers_done.add(event.handlers)
    block = state.graph.handlers[event.handlers]
    state.phase_frame = open_frame(state, None, None, block)


def _compensation_started(state: State, event: ev.CompensationStarted, at: int) -> None:
    state.phase = "compensating"
    state.ending = event
    state.deadline = None
    state.output_requested = False
    state.rare.to_undo = list(reversed(event.steps))
    state.phase_frame = None


def _undo_started(state: State, event: ev.UndoStarted, at: int) -> None:
    next_step = state.rare.to_undo.pop()
    assert next_step == event.step, "steps are undone in the order decided"
    state.undoing = event.step
    step = state.rare.undoable[event.step]
    state.phase_frame = open_frame(state, step, None, step.node.undo)


def _undo_ended(state: State, event: ev.UndoEnded, at: int) -> None:
    state.phase_frame = state.undoing = None
    if event.well:
        state.rare.undone.add(event.step)
    if not event.well:
        state.compensation = "partial"
        state.rare.to_undo = []
    elif not state.rare.to_undo:
        state.compensation = "complete"


def _output_requested(state: State, event: ev.OutputRequested, at: int) -> None:
    state.output_requested = True


def _completed(state: State, event: ev.ExecutionCompleted, at: int) -> None:
    _end(state, "completed", at)
    state.output = event.output


def _failed(state: State, event: ev.ExecutionFailed, at: int) -> None:
    _end(state, "failed", at)
    state.error = event.error
    state.error_step = event.step


def _cancelled(state: State, event: ev.ExecutionCancelled, at: int) -> None:
    _end(state, "cancelled", at)
    state.terminated = event.terminated
    if event.terminated:
        state.error = StepError("terminated", event.reason or "ended at once by request")


def _end(state: State, status: ExecutionStatus, at: int) -> None:
    assert state.open == 0, "an ended execution has only ended steps"
    state.status = status
    state.phase = "normal"
    state.ending = None
    state.phase_frame = None
    state.end_time = at
    state.paused_at = None
    state.output_requested = False
    state.waits_for_slots = False
    state.timers = state.touched = state.tended = NONE_LEFT


def _retried(state: State, event: ev.ExecutionRetried, at: int) -> None:
    """Put the named steps back to the beginning, one generation on, and decide anew the edges that lead to them from
    steps that keep their results."""
    reset(state, event, at, decide_edges)
    if state.graph.definition.concurrency:
        state.status = "pending"  # what it held has gone to others
        state.waits_for_slots = True
    else:
        set_deadline(state, at)


FOLDS: dict[type[ev.Event], Callable[[State, Any, int], None]] = {
    ev.ExecutionStarted: _started,
    ev.ExecutionQueued: _queued,
    ev.ExecutionBegan: _began,
    ev.StepCopied: _copied,
    ev.StepQueued: _step_queued,
    ev.StepStarted: _step_started,
    ev.StepWaiting: _step_waiting,
    ev.StepParked: _parked,
    ev.StepRetried: _step_retried,
    ev.StepReported: _reported,
    ev.MapExpanded: _expanded,
    ev.BodiesStarted: _bodies_started,
    ev.RoundJudged: _judged,
    ev.SignalReceived: _signalled,
    ev.ApprovalGiven: _approved,
    ev.AttemptFailed: _attempt_failed,
    ev.AttemptInterrupted: _attempt_interrupted,
    ev.StepSucceeded: _step_succeeded,
    ev.StepFailed: _step_failed,
    ev.StepSkipped: _step_skipped,
    ev.StepCancelled: _step_cancelled,
    ev.ExecutionPaused: _paused,
    ev.ExecutionResumed: _resumed,
    ev.CancelRequested: _cancel_requested,
    ev.HandlersStarted: _handlers_started,
    ev.CompensationStarted: _compensation_started,
    ev.UndoStarted: _undo_started,
    ev.UndoEnded: _undo_ended,
    ev.OutputRequested: _output_requested,
    ev.ExecutionCompleted: _completed,
    ev.ExecutionFailed: _failed,
    ev.ExecutionCancelled: _cancelled,
    ev.ExecutionRetried: _retried,
}
