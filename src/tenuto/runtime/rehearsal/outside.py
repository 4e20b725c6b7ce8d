"""What comes from outside in a rehearsal: when each event is due, and which input it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec import UNSET

from tenuto.core import inputs as inp
from tenuto.core.events import StepError
from tenuto.core.state import State, StepState
from tenuto.runtime.rehearsal.cast import step_of
from tenuto.runtime.rehearsal.stand_ins import step_error
from tenuto.wire.rehearsal import Case, Event
from tenuto.wire.steps import BY_HAND


class Due(NamedTuple):
    """An event and the instant (ms since the epoch) at which it comes; `number` is its place in the case."""

    at: int
    number: int
    event: Event
    step: str | None


class Outside:
    """The events of a case that have not come yet. Those without an instant of their own come in their order, as each is
    waited for."""

    def __init__(self, case: Case) -> None:
        self._timed: list[Due] = []
        self._waited: dict[str, deque[tuple[int, Event]]] = {}
        self._armed: dict[str, Due] = {}
        for number, event in enumerate(case.events):
            if event.at is not UNSET:
                self._timed.append(Due(case.start_time + event.at, number, event, step_of(event)))
            else:
                self._waited.setdefault(_awaited(event), deque()).append((number, event))
        self._timed.sort(key=lambda due: (due.at, due.number))

    def arm(self, state: State, now: int) -> None:
        """Let the clock run for events that a step waits for by now."""
        for awaited, events in self._waited.items():
            if awaited in self._armed or not events:
                continue
            step = next((step for step in state.steps if _waits_for(step, awaited, events[0][1])), None)
            if step is not None:
                number, event = events.popleft()
                after = 0 if event.after is UNSET else event.after
                self._armed[awaited] = Due(
                    now + after, number, event, None if event.verb == "signal" else step.id
                )

    def next_at(self) -> int | None:
        """When the next event comes that is sure to come."""
        return min((due.at for due in self._heads()), default=None)

    def take(self, now: int) -> Due | None:
        """The next event that is due, taken out."""
        due = min(self._heads(), default=None, key=lambda due: (due.at, due.number))
        if due is None or due.at > now:
            return None
        if self._timed and due is self._timed[0]:
            self._timed.pop(0)
        else:
            self._armed = {awaited: armed for awaited, armed in self._armed.items() if armed is not due}
        return due

    def left(self) -> list[int]:
        """The numbers of the events that never came."""
        waited = [number for events in self._waited.values() for number, _ in events]
        return sorted([*waited, *(due.number for due in (*self._timed, *self._armed.values()))])

    def _heads(self) -> Iterator[Due]:
        yield from self._timed[:1]
        yield from self._armed.values()


def input_of(event: Event, step: str | None) -> inp.Input:
    """The event as the core takes it. `step` is the instance that it speaks of."""
    by, reason = event.by, None if event.reason is UNSET else event.reason
    name = step or ""
    match event.verb:
        case "signal":
            payload = None if event.payload is UNSET else event.payload
            return inp.Signal(str(event.signal), payload, by=by)
        case "approve" | "reject":
            comment = None if event.comment is UNSET else event.comment
            data = None if event.data is UNSET else event.data
            return inp.Approve(name, by, event.verb == "approve", comment, data)
        case "complete":
            return inp.Complete(name, None if event.result is UNSET else event.result, by=by, reason=reason)
        case "fail":
            error = StepError(BY_HAND, "failed by hand") if event.error is UNSET else step_error(event.error)
            return inp.Complete(name, error=error, by=by, reason=reason)
        case "skip":
            return inp.SkipStep(name, by, reason)
        case "retry":
            return inp.RetryStep(name, by, reason)
    return _EXECUTION[str(event.execution)](by, reason)


_EXECUTION: dict[str, Callable[[str | None, str | None], inp.Input]] = {
    "cancel": inp.Cancel,
    "terminate": inp.Terminate,
    "pause": inp.Pause,
    "resume": inp.Resume,
    "retry": inp.Retry,
}


def _awaited(event: Event) -> str:
    """What an event without an instant hangs on: a signal's name, or a step."""
    return f"signal:{event.signal}" if event.verb == "signal" else f"step:{step_of(event)}"


def _waits_for(step: StepState, awaited: str, event: Event) -> bool:
    """Whether it is time for the event: the step waits for more than an instant."""
    if step.status != "waiting" or step.waiting_for in (None, "timer", "round"):
        return False
    if event.verb == "signal":
        return step.waiting_for == awaited
    is_named = awaited in (f"step:{step.id}", f"step:{step.node.id}")
    return is_named and (event.verb not in ("approve", "reject") or step.waiting_for == "approval")
