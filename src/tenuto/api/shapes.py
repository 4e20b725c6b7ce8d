"""What the API answers, as types: the source of the JSON Schemas in its description. Handlers send plain data for
speed; the tests hold that data against these types, unknown fields refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from tenuto.core.definition import Definition
from tenuto.core.events import AnyEvent
from tenuto.core.state import ExecutionStatus, Phase, StepStatus

Instant = Annotated[int, Meta(description="milliseconds since the epoch")]
Duration = Annotated[int, Meta(description="milliseconds")]
DrawnStatus = Literal["pending", "running", "success", "failed", "skipped"]


class Shape(Struct, rename="camel", forbid_unknown_fields=True):
    """camelCase keys, and no others."""


class ProblemPlace(Shape, kw_only=True):
    """One place where something is wrong."""

    path: Annotated[
        str, Meta(description="where: steps[3].retryPolicy.maxAttempts, query.limit, or empty for the whole")
    ]
    code: Annotated[str, Meta(description="stable, for programs")]
    message: Annotated[str, Meta(description="a sentence, for people")]


class ProblemDetails(Shape, kw_only=True):
    """Problem details (RFC 9457) of any error."""

    type: Annotated[str, Meta(description="where the kind of error is described")]
    title: str
    status: int
    detail: Annotated[str, Meta(description="a sentence about this occurrence")]
    errors: list[ProblemPlace]
    error: Annotated[str, Meta(description="the detail again")]


class Doubt(Shape, kw_only=True):
    """A doubt about a definition that is valid all the same."""

    path: str
    code: str
    message: str


class Registered(Shape, kw_only=True):
    """A definition was kept as a version, or was there already."""

    success: Literal[True]
    workflow_id: str
    version: int
    warnings: list[Doubt]


class Validated(Shape, kw_only=True):
    """A definition without problems."""

    valid: Literal[True]
    warnings: list[Doubt]


class Archived(Shape, kw_only=True):
    """A workflow was archived."""

    success: Literal[True]
    workflow_id: str


class Workflow(Definition, frozen=True, kw_only=True):
    """A definition as it was registered, with what the server knows of it."""

    version: int
    created_at: Instant


class WorkflowVersion(Shape, kw_only=True):
    """One version of a workflow."""

    workflow_id: str
    version: int
    digest: Annotated[str, Meta(description="SHA-256 of the definition's canonical JSON, in hex")]
    created_at: Instant
    archived: bool


HandlerKind = Annotated[
    Literal["failure", "cancel", "always"], Meta(description="it is one of these handlers, or inside one")
]


class GraphCompensate(Shape, kw_only=True):
    """What undoes a step."""

    action: str


class GraphNode(Shape, kw_only=True):
    """A step as a picture needs it."""

    id: str
    name: str
    type: Literal["task", "decision", "parallel", "map", "loop"]
    action: str
    join: str
    critical: bool
    at_least: Annotated[int, Meta(description="how many edges must live")] | UnsetType = UNSET
    parent: Annotated[str, Meta(description="the container it is in")] | UnsetType = UNSET
    handlers: HandlerKind | UnsetType = UNSET
    compensate: Annotated[GraphCompensate, Meta(description="what undoes it")] | UnsetType = UNSET


class GraphEdge(Shape, kw_only=True):
    """An edge between two steps; `label` says when it is taken."""

    source: str = field(name="from")
    target: str = field(name="to")
    kind: Literal["dependency", "onSuccess", "onFailure", "case", "catch"]
    label: str | UnsetType = UNSET


class Graph(Shape, kw_only=True):
    """The DAG of a workflow."""

    workflow_id: str
    workflow_name: str
    version: int
    nodes: list[GraphNode]
    edges: list[GraphEdge]


class StartedExecution(Shape, kw_only=True):
    """An execution was started, and is on disk."""

    execution_id: str


class Accepted(Shape, kw_only=True):
    """What was said is on disk."""

    accepted: Literal[True]


class AttemptError(Shape, kw_only=True):
    """Why an attempt or a step failed."""

    type: Annotated[str, Meta(description="http.503, network, timeout, script, …")]
    message: str
    details: Any = UNSET


class ItemCounts(Shape, kw_only=True):
    """How far a map has come."""

    total: int
    succeeded: int
    failed: int
    running: int


class ItemError(AttemptError, kw_only=True):
    """Why an item of a map failed, and which step in it."""

    index: int
    step_id: str


class GivenApproval(Shape, kw_only=True):
    """One person's approval."""

    by: str | None
    comment: str | None
    data: Any
    at: Instant


class StepResult(Shape, kw_only=True):
    """One step of an execution. `error` of a step that has not ended is that of its last attempt."""

    step_id: str
    status: StepStatus
    attempts: int
    start_time: Instant | UnsetType = UNSET
    end_time: Instant | UnsetType = UNSET
    duration: Duration | UnsetType = UNSET
    result: Any = UNSET
    error: AttemptError | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    cause: Annotated[str, Meta(description="the step that brought a skip about")] | UnsetType = UNSET
    waiting_for: str | UnsetType = UNSET
    waiting_until: Instant | UnsetType = UNSET
    next_attempt_at: Instant | UnsetType = UNSET
    queued_since: Instant | UnsetType = UNSET
    details: (
        Annotated[dict[str, Any], Meta(description="what the wait needs to know: of an approval, its form …")]
        | UnsetType
    ) = UNSET
    by: Annotated[str, Meta(description="the person who ended it")] | UnsetType = UNSET
    cached: (
        Annotated[bool, Meta(description="true: nothing was done, the result was kept from before")]
        | UnsetType
    ) = UNSET
    items: Annotated[ItemCounts, Meta(description="of a map")] | UnsetType = UNSET
    errors: Annotated[list[ItemError], Meta(description="of a map: tolerated failures")] | UnsetType = UNSET
    rounds: Annotated[int, Meta(description="of a loop")] | UnsetType = UNSET
    approvals: list[GivenApproval] | UnsetType = UNSET


class ParentLink(Shape, kw_only=True):
    """The step that started this execution."""

    execution_id: str
    step_id: str


class ForkLink(Shape, kw_only=True):
    """The execution that this one is a rerun of, and from which step on."""

    execution_id: str
    from_step: str


class ExecutionError(Shape, kw_only=True):
    """Why an execution failed or was terminated, and the step that failed first, if it was a step."""

    step_id: str | None
    type: str
    message: str


class ExecutionBrief(Shape, kw_only=True):
    """An execution as lists show it."""

    execution_id: str
    workflow_id: str
    workflow_version: int
    status: ExecutionStatus
    phase: Phase
    start_time: Instant
    end_time: Instant | UnsetType = UNSET
    duration: Duration | UnsetType = UNSET
    current_steps: list[str]
    completed_steps: list[str]
    failed_steps: list[str]
    skipped_steps: list[str]
    cancelled_steps: list[str]
    tags: dict[str, str]
    priority: int
    start_at: Annotated[Instant, Meta(description="when it begins, or began")] | UnsetType = UNSET
    parent: ParentLink | UnsetType = UNSET
    fork_of: ForkLink | UnsetType = UNSET
    cancelled_by: str | UnsetType = UNSET
    cancel_reason: str | UnsetType = UNSET
    compensation: Literal["complete", "partial"] | UnsetType = UNSET
    error: ExecutionError | UnsetType = UNSET


class Execution(ExecutionBrief, kw_only=True):
    """An execution in full. Steps that nothing has happened to are not in `stepResults`."""

    duration: Duration
    step_results: dict[str, StepResult]
    context: dict[str, Any]
    output: Any = UNSET


class DrawnStep(Shape, kw_only=True):
    """A step as a picture needs it; `detail` says what the five statuses leave out."""

    id: str
    name: str
    status: DrawnStatus
    attempts: int
    dependencies: list[str]
    parent: Annotated[str, Meta(description="the container it is in")] | UnsetType = UNSET
    undoes: Annotated[str, Meta(description="the step that it undoes")] | UnsetType = UNSET
    handlers: HandlerKind | UnsetType = UNSET
    duration: Duration | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class Visualization(Shape, kw_only=True):
    """An execution as a picture needs it."""

    execution_id: str
    workflow_id: str
    workflow_version: int
    workflow_name: str
    status: ExecutionStatus
    duration: Duration
    steps: list[DrawnStep]


class JournalEntry(Shape, kw_only=True):
    """One decision: its number from 1, when it was made, and the facts in it."""

    seq: int
    at: Instant
    events: list[AnyEvent]


class ExplainedStep(Shape, kw_only=True):
    """Why a step that has not ended is where it is."""

    step_id: str
    status: StepStatus
    sentence: str
    waits_for: list[str] | UnsetType = UNSET
    due_at: Instant | UnsetType = UNSET


class Explanation(Shape, kw_only=True):
    """Why an execution is where it is."""

    execution_id: str
    status: ExecutionStatus
    summary: str
    steps: list[ExplainedStep]


class DeadWebhook(Shape, kw_only=True):
    """A webhook that was given up after many attempts."""

    id: int
    event_id: str
    kind: str
    url: str
    body: Any
    created_at: Instant
    attempts: int
    last_error: str | None


class Resent(Shape, kw_only=True):
    """A dead webhook is due again."""

    success: Literal[True]
    id: int


class Health(Shape, kw_only=True):
    """The server answers."""

    status: Literal["ok"]


class Ready(Shape, kw_only=True):
    """The server takes work; `actions` are those that this process serves."""

    status: Literal["ready"]
    actions: list[str]
