"""What drives executions, as the API, the command line and `Engine` see it. The local runtime is one host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from tenuto.core.events import ForkLink, ParentLink, StepCopied
from tenuto.core.inputs import Approve, Complete, RetryStep, Signal, SkipStep
from tenuto.core.state import State
from tenuto.core.validate import Warning_
from tenuto.ports.callbacks import Callbacks
from tenuto.ports.limits import Limits, Variables
from tenuto.ports.rehearsals import Rehearsals
from tenuto.ports.store import ExecutionQuery, OutboxMessage, WorkflowVersion


class Registration(NamedTuple):
    """What registering answered; `created` is False when the same content was there already."""

    workflow_id: str
    version: int
    created: bool
    warnings: list[Warning_]


class StartRequest(Struct, frozen=True, kw_only=True):
    """A wish to start an execution, as checked by the API. `idempotency_key` is scoped to all starts; `start_at` (ms)
    is when it begins. `parent` names the step that starts it, `fork_of` and `copied` what it is a rerun of."""

    workflow_id: str
    version: int | None = None
    context: dict[str, Any] = {}
    execution_id: str | None = None
    idempotency_key: str | None = None
    priority: int = 0
    tags: dict[str, str] = {}
    start_at: int | None = None
    parent: ParentLink | None = None
    fork_of: ForkLink | None = None
    copied: tuple[StepCopied, ...] = ()


class Rerun(Struct, frozen=True, kw_only=True):
    """A wish to do an execution again from one of its steps on, as a new execution. `context` None: that of the
    first; `version` None: its own."""

    from_step: str
    context: dict[str, Any] | None = None
    version: int | None = None
    execution_id: str | None = None


class Started(NamedTuple):
    """`created` is False when the same request had been made before."""

    execution_id: str
    created: bool


class Who(NamedTuple):
    """Who asks for a control verb and why; both go into the journal."""

    by: str | None = None
    reason: str | None = None


class JournalEntry(NamedTuple):
    """One decision, decoded for reading: `seq` from 1, `at` in ms, events as JSON data."""

    seq: int
    at: int
    events: list[dict[str, Any]]


class Host(Protocol):
    """Drives executions. Raises from the error tree: NotFound, Conflict, Invalid, DefinitionInvalid, StoreUnavailable."""

    @property
    def limits(self) -> Limits:
        """Limits that executions share."""

    @property
    def variables(self) -> Variables:
        """What all workflows read as `vars`."""

    @property
    def rehearsals(self) -> Rehearsals:
        """Workflows played with made-up outcomes."""

    @property
    def callbacks(self) -> Callbacks:
        """The URLs that steps give away."""

    async def register(self, document: Any) -> Registration:
        """Check a definition (decoded JSON) as a whole and keep it as a version. Raises DefinitionInvalid."""

    async def validate(self, document: Any) -> list[Warning_]:
        """Check only. Raises DefinitionInvalid."""

    async def list_workflows(self, q: str | None = None) -> list[WorkflowVersion]: ...

    async def get_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion: ...

    async def list_versions(self, workflow_id: str) -> list[WorkflowVersion]: ...

    async def archive_workflow(self, workflow_id: str) -> None: ...

    async def start(self, request: StartRequest) -> Started:
        """Start an execution; it is on disk when this returns. Raises Conflict on the same id or key with another request."""

    async def read(self, execution_id: str) -> State:
        """The state now, not to be changed. Raises NotFound."""

    async def wait(self, execution_id: str, timeout_ms: int, until_step: str | None = None) -> State:
        """The state when the execution (or that step) has ended, or when the time is up."""

    async def list_executions(
        self, query: ExecutionQuery
    ) -> tuple[list[dict[str, Any]], tuple[int, int] | None]:
        """Documents without contexts and results, newest first, and where the next page starts (None: no more)."""

    async def journal(
        self, execution_id: str, after_seq: int = 0, limit: int = 1000
    ) -> list[JournalEntry]: ...

    def follow(self, execution_id: str, after_seq: int = 0) -> AsyncIterator[JournalEntry]:
        """Decisions as they become durable, from after_seq on, until the execution has ended. Raises NotFound when iterated."""

    async def cancel(self, execution_id: str, who: Who) -> State: ...

    async def terminate(self, execution_id: str, who: Who) -> State: ...

    async def pause(self, execution_id: str, who: Who) -> State: ...

    async def resume(self, execution_id: str, who: Who) -> State: ...

    async def retry(self, execution_id: str, who: Who) -> State: ...

    async def rerun(self, execution_id: str, wish: Rerun, who: Who) -> Started:
        """Start a new execution in which what came before the step is copied. Raises NotFound, Invalid."""

    async def signal(self, execution_id: str, given: Signal) -> None:
        """Send it a message; kept on disk when this returns. Raises NotFound, Invalid (it does not fit the schema of
        those who wait for it), Conflict (it has ended), Overloaded (too many are waiting to be taken)."""

    async def act(self, execution_id: str, given: Approve | Complete | SkipStep | RetryStep) -> State:
        """What a person or a callback says of one step. Raises NotFound, Invalid (an approval's form), Forbidden,
        Conflict."""

    async def dead_letters(self, after_id: int = 0, limit: int = 1000) -> list[OutboxMessage]: ...

    async def resend(self, message_id: int) -> None:
        """Make a dead webhook due again. Raises NotFound."""

    async def ready(self) -> None:
        """Return when this host can take work. Raises StoreUnavailable."""

    def actions(self) -> list[str]:
        """Names of the actions this process serves."""
