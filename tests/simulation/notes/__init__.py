"""How each kind of event is written down, and what is objected to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenuto.core import events as ev
from tests.simulation.books import Books
from tests.simulation.notes import attempts, bodies, ends, executions, messages, retries


def note(books: Books, event: ev.AnyEvent, at: int) -> None:
    """Write the event down, or object."""
    if books.ended is not None and not isinstance(event, ev.ExecutionRetried):
        raise books.refuse(event, "after the end")
    entry = _NOTES.get(type(event))
    if entry is not None:
        entry(books, event, at)


_NOTES: dict[type[ev.Event], Callable[[Books, Any, int], None]] = {
    ev.ExecutionStarted: executions.started,
    ev.ExecutionQueued: executions.queued,
    ev.ExecutionBegan: executions.began,
    ev.StepCopied: executions.copied,
    ev.StepQueued: attempts.step_queued,
    ev.StepStarted: attempts.step_started,
    ev.StepWaiting: attempts.waiting,
    ev.StepParked: attempts.parked,
    ev.StepRetried: attempts.step_retried,
    ev.StepReported: attempts.reported,
    ev.MapExpanded: bodies.expanded,
    ev.BodiesStarted: bodies.bodies_started,
    ev.RoundJudged: bodies.judged,
    ev.SignalReceived: messages.signalled,
    ev.ApprovalGiven: messages.approved,
    ev.AttemptFailed: attempts.attempt_failed,
    ev.AttemptInterrupted: attempts.attempt_interrupted,
    ev.StepSucceeded: ends.succeeded,
    ev.StepFailed: ends.failed,
    ev.StepSkipped: ends.skipped,
    ev.StepCancelled: ends.cancelled,
    ev.ExecutionPaused: executions.paused,
    ev.ExecutionResumed: executions.resumed,
    ev.CancelRequested: executions.cancel_requested,
    ev.HandlersStarted: executions.handlers_started,
    ev.CompensationStarted: executions.compensation_started,
    ev.UndoStarted: executions.undo_started,
    ev.UndoEnded: executions.undo_ended,
    ev.ExecutionCompleted: executions.execution_ended,
    ev.ExecutionFailed: executions.execution_ended,
    ev.ExecutionCancelled: executions.execution_ended,
    ev.ExecutionRetried: retries.retried,
}
"""How each kind of event is noted."""
