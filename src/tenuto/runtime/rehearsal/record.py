"""What happened in a rehearsal: one line for each fact, and what became of each step, items and rounds included."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from tenuto.core import events as ev
from tenuto.core.events import StepError


class Moment(Struct, frozen=True, omit_defaults=True):
    """One line: `at` in virtual ms since the start; `step` is an instance id, None for the execution as a whole."""

    at: int
    step: str | None
    what: str
    detail: str | None = None


class Deed(Struct):
    """What became of one instance of a step. `began` and `ended` are places in the record; `is_forgotten` says that its
    result went with the item that it was part of."""

    status: str = "pending"
    reason: str | None = None
    error: StepError | None = None
    result: Any = None
    began: int | None = None
    ended: int | None = None
    is_forgotten: bool = False

    @property
    def said(self) -> str:
        """The status, with why."""
        why = self.error.type if self.status == "failed" and self.error is not None else self.reason
        return f"{self.status} {why}" if why else self.status


class Record:
    """The record of one execution, made of its events as they come."""

    def __init__(self, start_time: int) -> None:
        self._start_time = start_time
        self.moments: list[Moment] = []
        self.deeds: dict[str, Deed] = {}
        self.undone: list[str] = []
        """Steps that have been undone, in that order."""

    def add(self, events: Iterable[ev.AnyEvent], now: int) -> None:
        """What was decided at the instant `now` (ms since the epoch)."""
        for event in events:
            what, detail = _SAYS[type(event)](event)
            step = getattr(event, "step", None)
            # What ends an execution names a step that is the cause of it, and does nothing just now.
            is_of_step = not event.__struct_config__.tag.startswith("execution.")  # type: ignore[union-attr]
            self.say(now, step if is_of_step else None, what, detail)
            if is_of_step and step is not None:
                self._fold(event, step)
            elif isinstance(event, ev.ExecutionRetried):
                for name in event.steps:
                    self.deeds.pop(name, None)

    def say(self, now: int, step: str | None, what: str, detail: str | None = None) -> None:
        """Add a line that stands for no fact."""
        self.moments.append(Moment(now - self._start_time, step, what, detail))

    def gather(self, step: str, result: Any, *, is_known: bool) -> None:
        """What a container returned, or that nobody knows any more."""
        deed = self.deeds[step]
        deed.result, deed.is_forgotten = result, not is_known

    def deed(self, instance: str) -> Deed:
        """What became of it; nothing if nobody heard of it."""
        return self.deeds.get(instance) or Deed()

    def _fold(self, event: Any, step: str) -> None:
        deed = self.deeds.setdefault(step, Deed())
        place = len(self.moments)
        match event:
            case ev.UndoEnded():
                if event.well:
                    self.undone.append(step)
            case ev.StepStarted() | ev.BodiesStarted():
                deed.status = "running"
                deed.began = place if deed.began is None else deed.began
            case _ if type(event) in _UNDER_WAY:
                deed.status = _UNDER_WAY[type(event)]
            case _ if type(event) in _END:
                deed.status, deed.ended = _END[type(event)], place
                _end(deed, event)


def _end(deed: Deed, event: Any) -> None:
    match event:
        case ev.StepSucceeded():
            deed.result = event.result
        case ev.StepFailed():
            deed.error = event.error
        case ev.StepSkipped():
            deed.reason = event.reason
            if event.reason == "condition_false":
                deed.began = None  # an attempt asked for its condition, and nothing more
        case ev.StepCancelled() if event.reason != "run_cancelled":
            deed.reason = event.reason


_UNDER_WAY: dict[type, str] = {
    ev.StepQueued: "queued",
    ev.StepWaiting: "waiting",
    ev.StepParked: "waiting",
    ev.RoundJudged: "waiting",
    ev.AttemptFailed: "retrying",
    ev.AttemptInterrupted: "retrying",
    ev.StepRetried: "retrying",
}
_END: dict[type, str] = {
    ev.StepSucceeded: "success",
    ev.StepFailed: "failed",
    ev.StepSkipped: "skipped",
    ev.StepCancelled: "cancelled",
}

Said = tuple[str, str | None]


def _error(error: StepError) -> str:
    return f"{error.type}: {error.message}"


def _who(event: Any) -> str | None:
    by, why = getattr(event, "by", None), getattr(event, "reason", None)
    said = [f"by {by}" if by else "", str(why) if why else ""]
    return ": ".join(part for part in said if part) or None


def _succeeded(event: ev.StepSucceeded) -> Said:
    chosen = None if event.chosen is None else f"chose {', '.join(event.chosen) or 'nothing'}"
    return "succeeded", chosen or _who(event)


def _skipped(event: ev.StepSkipped) -> Said:
    cause = f" because of {event.cause}" if event.cause else ""
    return "skipped", f"{event.reason}{cause}"


def _bodies(event: ev.BodiesStarted) -> Said:
    last = event.first + event.count - 1
    if event.count > 1:
        return "began inside", f"{event.first} to {last}"
    return "began inside", str(event.first)


def _cancel(event: ev.CancelRequested) -> Said:
    if event.step is not None:
        return "finishing", f"by step {event.step}, as {event.outcome}"
    return "cancelling", _error(event.error) if event.error is not None else _who(event)


def _waiting(event: ev.StepWaiting) -> Said:
    return "waiting", f"for {event.waiting_for}"


def _failed_end(event: ev.ExecutionFailed) -> Said:
    return "failed", f"by step {event.step}: {_error(event.error)}" if event.step else _error(event.error)


_SAYS: dict[type, Callable[[Any], Said]] = {
    ev.ExecutionStarted: lambda event: ("started", None),
    ev.ExecutionQueued: lambda event: ("queued", None),
    ev.ExecutionBegan: lambda event: ("began", None),
    ev.StepCopied: lambda event: ("copied", event.status),
    ev.StepQueued: lambda event: ("queued", None),
    ev.StepStarted: lambda event: ("started", f"attempt {event.attempt}"),
    ev.StepWaiting: _waiting,
    ev.StepParked: lambda event: ("parked", _error(event.error)),
    ev.StepRetried: lambda event: ("retried", _who(event)),
    ev.MapExpanded: lambda event: ("expanded", f"{len(event.items)} items"),
    ev.BodiesStarted: _bodies,
    ev.RoundJudged: lambda event: ("not enough yet", None),
    ev.StepReported: lambda event: ("reported", None if event.error is None else _error(event.error)),
    ev.SignalReceived: lambda event: (f"signal {event.name}", _who(event)),
    ev.ApprovalGiven: lambda event: ("approved", f"by {event.by}"),
    ev.StepSucceeded: _succeeded,
    ev.AttemptFailed: lambda event: ("attempt failed", _error(event.error)),
    ev.AttemptInterrupted: lambda event: ("attempt lost", None),
    ev.StepFailed: lambda event: ("failed", _error(event.error)),
    ev.StepSkipped: _skipped,
    ev.StepCancelled: lambda event: ("cancelled", event.reason),
    ev.ExecutionPaused: lambda event: ("paused", _who(event)),
    ev.ExecutionResumed: lambda event: ("resumed", _who(event)),
    ev.CancelRequested: _cancel,
    ev.HandlersStarted: lambda event: (
        f"{event.handlers} handlers",
        f"the execution will be {event.outcome}",
    ),
    ev.CompensationStarted: lambda event: ("compensating", ", ".join(event.steps)),
    ev.UndoStarted: lambda event: ("being undone", None),
    ev.UndoEnded: lambda event: ("undone" if event.well else "not undone", None),
    ev.OutputRequested: lambda event: ("working out the output", None),
    ev.ExecutionCompleted: lambda event: ("completed", None),
    ev.ExecutionFailed: _failed_end,
    ev.ExecutionCancelled: lambda event: ("terminated" if event.terminated else "cancelled", _who(event)),
    ev.ExecutionRetried: lambda event: ("retried", ", ".join(event.steps)),
}
