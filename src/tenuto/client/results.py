"""What the server answers, as types. They name what programs read most; `raw` is always the whole answer as it was
sent, so that a field newer than this client is never out of reach. Times are ms since the epoch, durations ms.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

FINAL = frozenset({"completed", "failed", "cancelled"})
"""Statuses of an execution that has ended."""


class Answer(Struct, kw_only=True, rename="camel"):
    """Something the server said; unknown fields stay readable in `raw`."""

    raw: dict[str, Any] = field(default_factory=dict, name="raw")


class Doubt(Struct, rename="camel"):
    """A warning of the definition checker: allowed, and perhaps not meant."""

    path: str = ""
    code: str = ""
    message: str = ""


class Registered(Answer, kw_only=True):
    """A registered workflow version; `created` is False when the same content was there already."""

    workflow_id: str
    version: int
    warnings: list[Doubt] = []
    created: bool = True


class Checked(Answer, kw_only=True):
    """What checking a definition found that is allowed but doubtful."""

    warnings: list[Doubt] = []


class Workflow(Answer, kw_only=True):
    """One version of a workflow; `steps` as its definition has them."""

    id: str
    version: int
    created_at: int = 0
    name: str = ""
    description: str = ""
    steps: list[dict[str, Any]] = []
    tags: dict[str, str] = {}

    @property
    def definition(self) -> dict[str, Any]:
        """The definition as it was registered."""
        return {key: value for key, value in self.raw.items() if key not in ("version", "createdAt")}


class Version(Answer, kw_only=True):
    """One version in the list of a workflow's versions; `digest` is that of its content."""

    workflow_id: str
    version: int
    digest: str = ""
    created_at: int = 0
    archived: bool = False


class Started(Answer, kw_only=True):
    """An execution that is on disk; `created` is False when the same request had been made before."""

    execution_id: str
    created: bool = True


class StepError(Struct, rename="camel"):
    """Why a step failed: a dotted type such as `http.503`, and a sentence."""

    type: str = ""
    message: str = ""
    details: Any = None


class StepResult(Struct, kw_only=True, rename="camel"):
    """One step of an execution as it stands."""

    step_id: str
    status: str
    attempts: int = 0
    start_time: int | None = None
    end_time: int | None = None
    duration: int | None = None
    result: Any = None
    error: StepError | None = None
    reason: str | None = None
    cause: str | None = None
    waiting_for: str | None = None
    waiting_until: int | None = None
    next_attempt_at: int | None = None
    details: dict[str, Any] | None = None
    by: str | None = None
    cached: bool = False
    items: dict[str, int] | None = None
    errors: list[dict[str, Any]] = []
    rounds: int | None = None
    approvals: list[dict[str, Any]] = []


class ExecutionError(Struct, kw_only=True, rename="camel"):
    """What an execution failed of; `step_id` names the step that failed first, if one did."""

    step_id: str | None = None
    type: str = ""
    message: str = ""


class Execution(Answer, kw_only=True):
    """An execution as it stands. In lists, `step_results`, `context` and `output` are left out."""

    execution_id: str
    workflow_id: str
    status: str
    workflow_version: int = 1
    phase: str = "normal"
    start_time: int | None = None
    end_time: int | None = None
    duration: int | None = None
    current_steps: list[str] = []
    completed_steps: list[str] = []
    failed_steps: list[str] = []
    skipped_steps: list[str] = []
    cancelled_steps: list[str] = []
    step_results: dict[str, StepResult] = {}
    context: dict[str, Any] = {}
    output: Any = None
    error: ExecutionError | None = None
    tags: dict[str, str] = {}
    priority: int = 0
    start_at: int | None = None
    parent: dict[str, str] | None = None
    fork_of: dict[str, str] | None = None
    cancelled_by: str | None = None
    cancel_reason: str | None = None
    compensation: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended (retrying brings a failed one back)."""
        return self.status in FINAL


class JournalEntry(Answer, kw_only=True):
    """One decision of an execution's journal: its number from 1, when it was made, and its facts."""

    seq: int
    at: int
    events: list[dict[str, Any]] = []


class ExplainedStep(Struct, kw_only=True, rename="camel"):
    """Why a step that has not ended is where it is, and where they apply, the steps it waits for and when it is due."""

    step_id: str
    status: str
    sentence: str
    waits_for: list[str] = []
    due_at: int | None = None


class Explanation(Answer, kw_only=True):
    """Why an execution is where it is, in sentences."""

    execution_id: str
    status: str
    summary: str = ""
    steps: list[ExplainedStep] = []


A = TypeVar("A", bound=Answer)


def answer(kind: type[A], raw: Any, **more: Any) -> A:
    """The decoded JSON object `raw` as a `kind`. Raises msgspec.ValidationError when it is something else."""
    if not isinstance(raw, dict):
        raise msgspec.ValidationError(f"expected an object, got {type(raw).__name__}")
    return msgspec.convert({**raw, **more, "raw": raw}, kind)
