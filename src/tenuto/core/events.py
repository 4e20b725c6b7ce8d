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


class Event(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type"):
    """One fact."""


class ExecutionStarted(Event, frozen=True, tag="execution.started"):
    """The execution exists, with its workflow's version pinned and its start context."""

    execution_id: str
    workflow_id: str
    version: int
    context: dict[str, Any]
    priority: int = 0
    tags: dict[str, str] = {}


class StepStarted(Event, frozen=True, tag="step.started"):
    """Attempt `attempt` of the step was handed out. `generation` grows when a person has the step done again."""

    step: str
    attempt: int
    generation: int = 0


class StepWaiting(Event, frozen=True, tag="step.waiting"):
    """The step waits for an instant (`until`, ms) or for something named; it holds nothing meanwhile. `result` is
    what the step returns when the instant comes."""

    step: str
    attempt: int
    waiting_for: str
    until: int | None = None
    result: Any = None


class StepSucceeded(Event, frozen=True, tag="step.succeeded"):
    """The step returned `result`. Of a decision, `chosen` names the steps it chose."""

    step: str
    attempt: int
    result: Any = None
    chosen: list[str] | None = None


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
    """The step failed for good."""

    step: str
    attempt: int
    error: StepError


class StepSkipped(Event, frozen=True, tag="step.skipped"):
    """The step will not run, for `reason`; `cause` names the step that brought it about."""

    step: str
    reason: SkipReason
    cause: str | None = None


class StepCancelled(Event, frozen=True, tag="step.cancelled"):
    """The step had started and was given up with the execution."""

    step: str


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
    running attempts are given up (`cancel`) or finish (`drain`); `outcome` is how the execution will end."""

    mode: Literal["cancel", "drain"] = "cancel"
    outcome: Literal["cancelled", "failed"] = "cancelled"
    error: StepError | None = None
    by: str | None = None
    reason: str | None = None


class OutputRequested(Event, frozen=True, tag="execution.output-requested"):
    """All steps have ended well and the definition's `output` is being worked out."""


class ExecutionCompleted(Event, frozen=True, tag="execution.completed"):
    """Ended well. `output` is present where the definition has an `output`; else it is read from the last steps."""

    output: Any = None


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
    """A failed execution goes on: `steps` are done again, everything else keeps its result."""

    steps: list[str]
    by: str | None = None
    reason: str | None = None


AnyEvent = (
    ExecutionStarted
    | StepStarted
    | StepWaiting
    | StepSucceeded
    | AttemptFailed
    | AttemptInterrupted
    | StepFailed
    | StepSkipped
    | StepCancelled
    | ExecutionPaused
    | ExecutionResumed
    | CancelRequested
    | OutputRequested
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCancelled
    | ExecutionRetried
)
