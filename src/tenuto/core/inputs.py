"""What happens to an execution: the inputs that `decide` takes, and the outcomes that attempts end in."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct

from tenuto.core.events import StepError


class Succeeded(Struct, frozen=True):
    """The attempt returned `result` (JSON data). Of a decision, `chosen` names the steps it chose."""

    result: Any = None
    chosen: list[str] | None = None


class Failed(Struct, frozen=True):
    """The attempt failed. `retry_after_ms` is the receiver's wish (Retry-After), honoured up to `maxDelay`. With
    `retry` False whoever performed it knows that no attempt can succeed, and none follows."""

    error: StepError
    retry_after_ms: int | None = None
    retry: bool = True


class Waiting(Struct, frozen=True):
    """The step waits, holding nothing, until the instant `until` (ms since the epoch), then succeeds with `result`."""

    until: int
    result: Any = None
    waiting_for: str = "timer"


class ConditionFalse(Struct, frozen=True):
    """The step's `when` did not hold, so nothing was attempted."""


Outcome = Succeeded | Failed | Waiting


class Start(NamedTuple):
    """Bring the execution into being. Always the first input."""

    execution_id: str
    context: dict[str, Any]
    priority: int = 0
    tags: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple default, never changed


class AttemptEnded(NamedTuple):
    """What became of one attempt. `noise` in [-1, 1] is drawn by the host and spreads a retry's delay by `jitter`."""

    step: int
    attempt: int
    generation: int
    outcome: Succeeded | Failed | Waiting | ConditionFalse
    noise: float = 0.0


class AttemptLost(NamedTuple):
    """The attempt went down with its process; `counted` is False after a graceful stop."""

    step: int
    attempt: int
    generation: int
    counted: bool = True


class TimeCame(NamedTuple):
    """An instant the execution waits for may have come; `now` says which."""


class OutputComputed(NamedTuple):
    """The definition's `output`, or why it could not be worked out."""

    value: Any = None
    error: StepError | None = None


class Cancel(NamedTuple):
    """Give up what runs, start nothing more."""

    by: str | None = None
    reason: str | None = None


class Terminate(NamedTuple):
    """End at once, whatever the state."""

    by: str | None = None
    reason: str | None = None


class Pause(NamedTuple):
    """Start nothing until resumed."""

    by: str | None = None
    reason: str | None = None


class Resume(NamedTuple):
    """Go on after a pause."""

    by: str | None = None
    reason: str | None = None


class Retry(NamedTuple):
    """Do the failed part of a failed execution again."""

    by: str | None = None
    reason: str | None = None


Input = (
    Start | AttemptEnded | AttemptLost | TimeCame | OutputComputed | Cancel | Terminate | Pause | Resume | Retry
)  # fmt: skip
