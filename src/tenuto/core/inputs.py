"""What happens to an execution: the inputs that `decide` takes, and the outcomes that attempts end in."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from msgspec import Struct

from tenuto.core.events import ForkLink, ParentLink, StepCopied, StepError


class Succeeded(Struct, frozen=True):
    """The attempt returned `result` (JSON data). Of a decision, `chosen` names the steps it chose; `vars` are written
    for later steps to read; `cached` says that nothing was done, the result was kept from before; `child` names an
    execution that nobody waits for and that ends with this one."""

    result: Any = None
    chosen: list[str] | None = None
    vars: dict[str, Any] | None = None
    cached: bool = False
    child: str | None = None


class Failed(Struct, frozen=True):
    """The attempt failed. `retry_after_ms` is the receiver's wish (Retry-After), honoured up to `maxDelay`. With
    `retry` False whoever performed it knows that no attempt can succeed, and none follows; with `park` False it fails
    for good, even where a person is to decide about such steps."""

    error: StepError
    retry_after_ms: int | None = None
    retry: bool = True
    park: bool = True


class Waiting(Struct, frozen=True):
    """The step waits, holding nothing: for the instant `until` (ms since the epoch), or for what `waiting_for` names,
    `until` being the latest (None: for ever). `on_time` says what comes of it at the instant; `details` is what
    the wait needs to know (see `core.waits`)."""

    until: int | None = None
    result: Any = None
    waiting_for: str = "timer"
    on_time: Literal["succeed", "fail", "approve", "reject"] = "succeed"
    details: dict[str, Any] | None = None


class Expanded(Struct, frozen=True):
    """The items of a map."""

    items: list[Any]


class Opened(Struct, frozen=True):
    """The `when` of a container holds, so what is inside it begins."""


class Judged(Struct, frozen=True):
    """Whether a loop's `until` holds."""

    met: bool


class Finished(Struct, frozen=True):
    """The step succeeds, and the execution ends with it."""

    status: Literal["completed", "failed", "cancelled"] = "completed"
    output: Any = None
    message: str | None = None


class ConditionFalse(Struct, frozen=True):
    """The step's `when` did not hold, so nothing was attempted."""


Outcome = Succeeded | Failed | Waiting | Finished


Ending = Outcome | ConditionFalse | Opened | Expanded | Judged


class Start(NamedTuple):
    """Bring the execution into being. Always the first input."""

    execution_id: str
    context: dict[str, Any]
    priority: int = 0
    tags: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple default, never changed
    start_at: int | None = None
    parent: ParentLink | None = None
    fork_of: ForkLink | None = None
    copied: tuple[StepCopied, ...] = ()


class ExecutionGranted(NamedTuple):
    """The execution has the slots that it waited for; or it is `refused` them, and is cancelled for that reason."""

    refused: str | None = None


class SlotsGranted(NamedTuple):
    """The step's next attempt has its slots; or it is known (`error`) that it cannot have any."""

    step: int
    generation: int
    error: StepError | None = None


AttemptKey = tuple[int, int, int]
"""Which attempt: the step's slot, the number of the attempt, the step's generation."""


class AttemptEnded(Struct, frozen=True):
    """What became of one attempt. `noise` in [-1, 1] is drawn by the host and spreads a retry's delay by `jitter`."""

    step: int
    attempt: int
    generation: int
    outcome: Ending
    noise: float = 0.0

    @property
    def key(self) -> AttemptKey:
        """Which attempt."""
        return self.step, self.attempt, self.generation


class AttemptLost(Struct, frozen=True):
    """The attempt went down with its process; `counted` is False after a graceful stop."""

    step: int
    attempt: int
    generation: int
    counted: bool = True

    @property
    def key(self) -> AttemptKey:
        """Which attempt."""
        return self.step, self.attempt, self.generation


class TimeCame(NamedTuple):
    """An instant the execution waits for may have come; `now` says which."""


class OutputComputed(NamedTuple):
    """The execution's output, or why it could not be worked out. `life` counts the retries before it was asked for,
    where somebody says."""

    value: Any = None
    error: StepError | None = None
    life: int | None = None


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


class Signal(NamedTuple):
    """A message to the execution, for the step that waits, or will wait, for that name."""

    name: str
    payload: Any = None
    key: str | None = None
    by: str | None = None


class Approve(NamedTuple):
    """A person approves of what the step (instance id) asks, or (`approved` False) rejects it."""

    step: str
    by: str
    approved: bool = True
    comment: str | None = None
    data: Any = None


class Complete(NamedTuple):
    """The step (instance id) is done, by hand or by a callback: it returned `result`, or failed with `error`. A
    callback names the `generation` it was given to."""

    step: str
    result: Any = None
    error: StepError | None = None
    by: str | None = None
    reason: str | None = None
    generation: int | None = None


class SkipStep(NamedTuple):
    """A person has the step (instance id) skipped."""

    step: str
    by: str | None = None
    reason: str | None = None


class RetryStep(NamedTuple):
    """A person has the step (instance id) tried again now."""

    step: str
    by: str | None = None
    reason: str | None = None


class ChildEnded(NamedTuple):
    """The execution that the step (instance id) started has ended; `error` is there unless it completed."""

    step: str
    generation: int
    child: str
    result: Any = None
    error: StepError | None = None


Input = (
    Start | ExecutionGranted | SlotsGranted | AttemptEnded | AttemptLost | TimeCame | OutputComputed | Cancel | Terminate
    | Pause | Resume | Retry | Signal | Approve | Complete | SkipStep | RetryStep | ChildEnded
)  # fmt: skip
