"""The store, cut at the transaction: `commit` is the only write to executions and takes whole batches, so that the
decisions of many executions share one fsync. A store keeps bytes and finds rows; it never decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

Status = Literal["pending", "running", "paused", "completed", "failed", "cancelled"]
TERMINAL = frozenset({"completed", "failed", "cancelled"})


class WorkflowVersion(Struct, frozen=True, kw_only=True):
    """One immutable version. `definition` is canonical JSON, `digest` its SHA-256 in hex, `created_at` in ms."""

    workflow_id: str
    version: int
    digest: str
    definition: bytes
    created_at: int
    archived: bool = False


class NewExecution(Struct, frozen=True, kw_only=True):
    """The row of an execution that a batch brings into being. `request_hash` tells a repeated start from another."""

    key: int
    execution_id: str
    workflow_id: str
    version: int
    status: Status
    start_time: int
    priority: int = 0
    tags: dict[str, str] = {}
    wake_at: int | None = None
    idempotency_key: str | None = None
    request_hash: str | None = None
    brief: bytes = b"{}"


class Record(Struct, frozen=True):
    """One decision in an execution's journal: `seq` counts from 1 without gaps, `data` is what the codec made."""

    key: int
    seq: int
    data: bytes


class SummaryChange(Struct, frozen=True):
    """How the row of an execution changes: what lists, searches and wake-ups read. `brief` is the document without
    context and results; None leaves the stored one."""

    key: int
    status: Status
    end_time: int | None
    wake_at: int | None
    brief: bytes | None = None


class OutboxMessage(Struct, frozen=True, kw_only=True):
    """A webhook that must be delivered. Order within an execution (`key`) is the order of `id`, which the store
    gives on commit (0 before). `body` is the exact bytes to send. `state`: due, sent (removed), or dead."""

    id: int = 0
    key: int
    event_id: str
    kind: str
    url: str
    headers: dict[str, str] = {}
    secret: str | None = None
    body: bytes
    created_at: int
    attempts: int = 0
    next_attempt_at: int = 0
    dead: bool = False
    last_error: str | None = None


class Item(Struct, frozen=True, kw_only=True):
    """Bytes under a name, which is unique within its kind. None as `data` deletes it in a batch and is never answered.
    After `expires_at` (ms; None: never) it counts as gone, though it may still be answered until it is purged."""

    kind: str
    name: str
    data: bytes | None = None
    expires_at: int | None = None


class Batch(Struct, omit_defaults=True):
    """What one commit writes, all or nothing. An item takes the place of an earlier one of its kind and name, in this
    batch or before. `purge_before` drops items whose `expires_at` is earlier, a bounded number at a time."""

    starts: list[NewExecution]
    records: list[Record]
    changes: list[SummaryChange]
    messages: list[OutboxMessage]
    items: list[Item] = []
    purge_before: int | None = None


class StoredExecution(Struct, frozen=True, kw_only=True):
    """An execution's row as it stands. `wake_at` is the instant it next needs attention while nothing of it runs; None on
    a live execution means that it needs attention now. `brief` as in SummaryChange."""

    key: int
    execution_id: str
    workflow_id: str
    version: int
    status: Status
    start_time: int
    end_time: int | None
    wake_at: int | None
    priority: int
    tags: dict[str, str]
    idempotency_key: str | None
    request_hash: str | None
    brief: bytes


class ExecutionQuery(Struct, frozen=True, kw_only=True):
    """Which executions to list, newest first (by start time, then key). Times in ms; `since` is inclusive, `until`
    exclusive; `tag` a name with its value or None for any value; `q` is found in id or workflow id; `after` is the
    (start_time, key) of the last row of the page before."""

    workflow_id: str | None = None
    status: tuple[Status, ...] = ()
    tag: tuple[str, str | None] | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None
    limit: int = 1000
    after: tuple[int, int] | None = None


class Store(Protocol):
    """Everything durable. Every method raises StoreUnavailable when the store cannot be reached or written, having
    changed nothing; `commit` that cannot know whether it took effect finds out before it answers."""

    async def open(self) -> None:
        """Make it ready: create or migrate the schema. Raises StoreIncompatible."""

    async def close(self) -> None:
        """Finish what is under way, then let go of files and connections."""

    async def ping(self) -> None:
        """Return when the store could take a write now."""

    def reserve_keys(self, count: int) -> range:
        """Keys for new executions, growing, never handed out twice (not even across restarts)."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch, all or nothing, and return when it is on disk. Raises LeaseLost, StoreUnavailable."""

    async def put_workflow(self, version: WorkflowVersion) -> WorkflowVersion:
        """Keep a definition. If the newest version of that id has the same digest (and is not archived) answer it
        unchanged; else store it as newest + 1 (`version.version` is ignored) and answer that."""

    async def find_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion | None:
        """That version, or the newest unless archived."""

    async def list_workflows(self, q: str | None = None, limit: int = 1000) -> list[WorkflowVersion]:
        """The newest version of each workflow that is not archived, by id; `q` is found in the id or definition's name."""

    async def list_versions(self, workflow_id: str) -> list[WorkflowVersion]:
        """All versions, oldest first."""

    async def archive_workflow(self, workflow_id: str) -> bool:
        """Hide all its versions from lists and from starts without a version; whether there was one. Registering it
        again revives it as a new version."""

    async def find_execution(self, execution_id: str) -> StoredExecution | None:
        """By public id."""

    async def find_start(self, idempotency_key: str) -> StoredExecution | None:
        """By the Idempotency-Key it was started with."""

    async def list_executions(self, query: ExecutionQuery) -> list[StoredExecution]:
        """A page, newest first."""

    async def read_journal(self, key: int, after_seq: int = 0, limit: int = 100_000) -> list[Record]:
        """Records with seq > after_seq, in order."""

    async def unfinished(self, after_key: int = 0, limit: int = 1000) -> list[StoredExecution]:
        """Executions that have not ended and have no wake_at, by key: what a node must take up at start."""

    async def due(self, now: int, limit: int = 1000) -> list[StoredExecution]:
        """Executions that have not ended and whose wake_at is at most `now`, earliest first."""

    async def next_wake(self) -> int | None:
        """The earliest wake_at of executions that have not ended."""

    async def items(
        self,
        kind: str,
        *,
        names: Sequence[str] | None = None,
        prefix: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> list[Item]:
        """Items of the kind, by name in the order of code points. With `names` those of them that exist, however many;
        else those whose name starts with `prefix` and is greater than `after`. Their data comes along, so large ones
        are asked for by name."""

    async def outbox(
        self, *, dead: bool = False, after_id: int = 0, limit: int = 1000
    ) -> Sequence[OutboxMessage]:
        """Messages that are not yet delivered (or the dead ones), by id."""

    async def update_outbox(self, sent: Sequence[int], changed: Sequence[OutboxMessage]) -> None:
        """Remove what was sent and store the changed attempts, times, errors and death of the others."""
