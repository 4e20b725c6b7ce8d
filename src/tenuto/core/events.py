"""The facts of an execution, in the past tense. A journal is a list of these, and folding them is the only way to a
state. Steps are named by id, never by position, so that no later version reads an old journal differently.

A stored event is never re-interpreted: fields are only added, with defaults that mean what their absence meant.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

SkipReason = Literal[
    "condition_false", "branch_not_taken", "upstream_skipped", "upstream_failed", "not_needed", "manual_skip",
    "run_cancelled",
]  # fmt: skip


class StepError(Struct, frozen=True, omit_defaults=True):
    """Why an attempt or a step failed: a dotted `type` that retry patterns match, and a sentence."""

    type: str
    message: str
    details: Any = None


class ParentLink(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The execution and the step that started this one, and how deep below the first of them it is."""

    execution_id: str
    step: str
    generation: int = 0
    depth: int = 1
    wait: bool = True


class ForkLink(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The execution that this one is a rerun of, from that step on, and who asked for it."""

    execution_id: str
    from_step: str
    by: str | None = None
    reason: str | None = None


Apart = dict[str, str] | None
"""Of an event with large data: by field, the SHA-256 of the JSON that is stored apart and belongs there. On disk only;
what is folded is whole."""


class Event(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type"):
    """One fact."""


class ExecutionStarted(Event, frozen=True, tag="execution.started"):
    """The execution exists, with its workflow's version pinned and its start context. It is pending until `startAt`
    (ms), or, if `queued`, until it is granted the slots it shares with others."""

    execution_id: str
    workflow_id: str
    version: int
    context: dict[str, Any]
    priority: int = 0
    tags: dict[str, str] = {}
    start_at: int | None = None
    queued: bool = False
    parent: ParentLink | None = None
    fork_of: ForkLink | None = None


class ExecutionQueued(Event, frozen=True, tag="execution.queued"):
    """Its `startAt` has come, and it waits for the slots it shares with others."""


class ExecutionBegan(Event, frozen=True, tag="execution.began"):
    """The execution, pending until now, begins: its `startAt` has come, or it was granted its slots."""


class StepCopied(Event, frozen=True, tag="step.copied"):
    """The step was not done here: it stands as it ended in the execution that this one is a rerun of."""

    step: str
    status: Literal["success", "failed", "skipped"]
    attempts: int = 0
    result: Any = None
    error: StepError | None = None
    reason: SkipReason | None = None
    chosen: list[str] | None = None
    vars: dict[str, Any] | None = None
    apart: Apart = None


class StepQueued(Event, frozen=True, tag="step.queued"):
    """The step's next attempt waits for the slots that it shares with others."""

    step: str
    generation: int = 0


class StepStarted(Event, frozen=True, tag="step.started"):
    """Attempt `attempt` of the step was handed out. `generation` grows when a person has the step done again."""

    step: str
    attempt: int
    generation: int = 0


class StepWaiting(Event, frozen=True, tag="step.waiting"):
    """The step waits for an instant (`until`, ms) or for something named; it holds nothing meanwhile. `onTime` says
    what comes of it at the instant: it returns `result`, fails, or is approved or rejected. `details` are what the wait
    needs to know (of an approval: its form, approvers and quorum)."""

    step: str
    attempt: int
    waiting_for: str
    until: int | None = None
    result: Any = None
    on_time: Literal["succeed", "fail", "approve", "reject"] = "succeed"
    details: dict[str, Any] | None = None
    apart: Apart = None


class StepParked(Event, frozen=True, tag="step.parked"):
    """The step has failed its last attempt and waits for a person to retry, complete, skip or fail it."""

    step: str
    attempt: int
    error: StepError


class StepRetried(Event, frozen=True, tag="step.retried"):
    """A person has the next attempt made now."""

    step: str
    by: str | None = None
    reason: str | None = None


class MapExpanded(Event, frozen=True, tag="map.expanded"):
    """The items of a map are known."""

    step: str
    attempt: int
    items: list[Any]
    apart: Apart = None


class BodiesStarted(Event, frozen=True, tag="bodies.started"):
    """The nested steps of a container begin: of a parallel or a loop's round `first` one body, of a map those of the
    items from `first` on, `count` of them."""

    step: str
    first: int = 0
    count: int = 1


class RoundJudged(Event, frozen=True, tag="loop.judged"):
    """A loop's `until` did not hold after its last round; the next begins at the instant `next_at` (ms)."""

    step: str
    attempt: int
    next_at: int


class StepReported(Event, frozen=True, tag="step.reported"):
    """What a step will wait for (a callback, a child's end) has come while its attempt still runs."""

    step: str
    result: Any = None
    error: StepError | None = None
    by: str | None = None
    apart: Apart = None


class SignalReceived(Event, frozen=True, tag="signal.received"):
    """A message to the execution. `number` counts its signals from 1; `key` is the sender's Idempotency-Key."""

    name: str
    number: int
    payload: Any = None
    key: str | None = None
    by: str | None = None
    apart: Apart = None


class ApprovalGiven(Event, frozen=True, tag="approval.given"):
    """One person approves of what an approval step asks."""

    step: str
    by: str
    comment: str | None = None
    data: Any = None
    apart: Apart = None


class StepSucceeded(Event, frozen=True, tag="step.succeeded"):
    """The step returned `result`. Of a decision, `chosen` names the steps it chose. `gathered` says that the result is
    that of its nested steps, `vars` what it wrote there, `signal` the number of the signal it consumed, `child` an execution
    that ends with this one, `cached` that the
    result was kept from before, `by` the person who completed it by hand."""

    step: str
    attempt: int
    result: Any = None
    chosen: list[str] | None = None
    gathered: bool = False
    vars: dict[str, Any] | None = None
    signal: int | None = None
    child: str | None = None
    cached: bool = False
    by: str | None = None
    reason: str | None = None
    apart: Apart = None


class AttemptFailed(Event, frozen=True, tag="attempt.failed"):
    """The attempt failed and another starts at `retryAt` (ms)."""

    step: str
    attempt: int
    error: StepError
    retry_at: int


class AttemptInterrupted(Event, frozen=True, tag="attempt.interrupted"):
    """The attempt was lost with its process and another starts at `retryAt` (ms). It does not count towards
    `maxAttempts`; `counted` says whether it counts towards the few interruptions a step may have (a graceful stop does
    not)."""

    step: str
    attempt: int
    retry_at: int
    counted: bool = True


class StepFailed(Event, frozen=True, tag="step.failed"):
    """The step failed for good; `by` names the person who had it fail."""

    step: str
    attempt: int
    error: StepError
    by: str | None = None
    reason: str | None = None


class StepSkipped(Event, frozen=True, tag="step.skipped"):
    """The step will not run, for `reason`; `cause` names the step that brought it about, `by` the person."""

    step: str
    reason: SkipReason
    cause: str | None = None
    by: str | None = None
    why: str | None = None


class StepCancelled(Event, frozen=True, tag="step.cancelled"):
    """The step had started and was given up: with the execution, or (`not_needed`) because the join after it is met."""

    step: str
    reason: Literal["run_cancelled", "not_needed"] = "run_cancelled"


class ExecutionPaused(Event, frozen=True, tag="execution.paused"):
    """Nothing new starts until it is resumed."""

    by: str | None = None
    reason: str | None = None


class ExecutionResumed(Event, frozen=True, tag="execution.resumed"):
    """New attempts start again; instants that passed meanwhile are due now."""

    by: str | None = None
    reason: str | None = None


class CancelRequested(Event, frozen=True, tag="execution.cancel-requested"):
    """Somebody, or a critical failure under `onCriticalFailure`, asked that nothing new starts. `mode` says whether
    running attempts are given up (`cancel`) or finish (`drain`); `outcome` is how the execution will end. `step` names
    the `finish` step that asked, which may give the `output`."""

    mode: Literal["cancel", "drain"] = "cancel"
    outcome: Literal["cancelled", "failed", "completed"] = "cancelled"
    error: StepError | None = None
    by: str | None = None
    reason: str | None = None
    step: str | None = None
    output: Any = None
    apart: Apart = None


class HandlersStarted(Event, frozen=True, tag="execution.handlers-started"):
    """All steps have ended and it is known how the execution will end; these of its handlers run now."""

    handlers: Literal["failure", "cancel", "always"]
    outcome: Literal["completed", "failed", "cancelled"]
    output: Any = None
    error: StepError | None = None
    step: str | None = None
    apart: Apart = None


class CompensationStarted(Event, frozen=True, tag="execution.compensation-started"):
    """What succeeded is undone now, step by step: `steps` in the order they are undone."""

    outcome: Literal["failed", "cancelled"]
    steps: list[str]
    error: StepError | None = None
    step: str | None = None


class UndoStarted(Event, frozen=True, tag="compensation.started"):
    """The step is undone now."""

    step: str


class UndoEnded(Event, frozen=True, tag="compensation.ended"):
    """The step has been undone, or (`well` False) its compensation failed for good and no more is undone."""

    step: str
    well: bool = True


class OutputRequested(Event, frozen=True, tag="execution.output-requested"):
    """All steps have ended well and the definition's `output` is being worked out."""


class ExecutionCompleted(Event, frozen=True, tag="execution.completed"):
    """Ended well. `output` is present where the definition has an `output`; else it is read from the last steps."""

    output: Any = None
    apart: Apart = None


class ExecutionFailed(Event, frozen=True, tag="execution.failed"):
    """Ended because a critical step failed (`step`), its time was up, or its output could not be worked out."""

    error: StepError
    step: str | None = None


class ExecutionCancelled(Event, frozen=True, tag="execution.cancelled"):
    """Ended by cancel, or at once by terminate."""

    terminated: bool = False
    by: str | None = None
    reason: str | None = None


class ExecutionRetried(Event, frozen=True, tag="execution.retried"):
    """A failed execution goes on: `steps` are done again, in `reopened` (a parallel, a map) what had not succeeded;
    everything else keeps its result."""

    steps: list[str]
    by: str | None = None
    reason: str | None = None
    reopened: list[str] = []


AnyEvent = (
    ExecutionStarted
    | ExecutionQueued
    | ExecutionBegan
    | StepCopied
    | StepQueued
    | StepStarted
    | StepWaiting
    | StepParked
    | StepRetried
    | StepReported
    | MapExpanded
    | BodiesStarted
    | RoundJudged
    | SignalReceived
    | ApprovalGiven
    | StepSucceeded
    | AttemptFailed
    | AttemptInterrupted
    | StepFailed
    | StepSkipped
    | StepCancelled
    | ExecutionPaused
    | ExecutionResumed
    | CancelRequested
    | HandlersStarted
    | CompensationStarted
    | UndoStarted
    | UndoEnded
    | OutputRequested
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCancelled
    | ExecutionRetried
)
