"""A store in memory that keeps the whole contract of the port. It is for tests, simulations and trying things out:
nothing outlives the process, nothing runs beside the event loop, and the same calls give the same answers.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from tenuto.errors import Conflict, StoreUnavailable
from tenuto.ports.store import (
    TERMINAL,
    Batch,
    ExecutionQuery,
    Item,
    NewExecution,
    OutboxMessage,
    Record,
    StoredExecution,
    SummaryChange,
    WorkflowVersion,
)
from tenuto.stores.memory_items import MemoryItems
from tenuto.stores.naming import workflow_name

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _fold(text: str) -> str:
    """ASCII letters in lower case, all others as they are: how every store compares `q`."""
    return text.translate(_ASCII_LOWER)


_Row = TypeVar("_Row")


class MemoryStore:
    """Keeps everything in dictionaries. Closing refuses further calls until it is opened again; the data stays."""

    def __init__(self) -> None:
        self._is_open = False
        self._next_key = 1
        self._next_message = 1
        self._executions: dict[int, StoredExecution] = {}
        self._live: set[int] = set()
        self._by_id: dict[str, int] = {}
        self._by_start: dict[str, int] = {}
        self._journals: dict[int, list[Record]] = {}
        self._workflows: dict[str, list[WorkflowVersion]] = {}
        self._outbox: dict[int, OutboxMessage] = {}
        self._items = MemoryItems()

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    async def ping(self) -> None:
        self._check_open()

    def reserve_keys(self, count: int) -> range:
        self._check_open()
        keys = range(self._next_key, self._next_key + count)
        self._next_key = keys.stop
        return keys

    async def commit(self, batch: Batch) -> None:
        self._check_open()
        self._check_starts(batch.starts)
        born = {start.key for start in batch.starts}
        self._check_records(batch.records, born)
        self._check_changes(batch.changes, born)
        for start in batch.starts:
            self._start(start)
        for record in batch.records:
            self._journals[record.key].append(record)
        for change in batch.changes:
            self._change(change)
        for message in batch.messages:
            self._enqueue(message)
        for item in batch.items:
            self._items.put(item)
        if batch.purge_before is not None:
            self._items.purge(batch.purge_before)

    async def put_workflow(self, version: WorkflowVersion) -> WorkflowVersion:
        self._check_open()
        versions = self._workflows.setdefault(version.workflow_id, [])
        if versions and versions[-1].digest == version.digest and not versions[-1].archived:
            return versions[-1]
        kept = msgspec.structs.replace(version, version=len(versions) + 1, archived=False)
        versions.append(kept)
        return kept

    async def find_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion | None:
        self._check_open()
        versions = self._workflows.get(workflow_id, [])
        if version is not None:
            return versions[version - 1] if 1 <= version <= len(versions) else None
        return versions[-1] if versions and not versions[-1].archived else None

    async def list_workflows(self, q: str | None = None, limit: int = 1000) -> list[WorkflowVersion]:
        self._check_open()
        newest = (self._workflows[workflow_id][-1] for workflow_id in sorted(self._workflows))
        found = (w for w in newest if not w.archived and (q is None or _workflow_matches(w, q)))
        return _page(found, limit)

    async def list_versions(self, workflow_id: str) -> list[WorkflowVersion]:
        self._check_open()
        return list(self._workflows.get(workflow_id, []))

    async def archive_workflow(self, workflow_id: str) -> bool:
        self._check_open()
        versions = self._workflows.get(workflow_id)
        if not versions or versions[-1].archived:
            return False
        self._workflows[workflow_id] = [msgspec.structs.replace(v, archived=True) for v in versions]
        return True

    async def find_execution(self, execution_id: str) -> StoredExecution | None:
        self._check_open()
        key = self._by_id.get(execution_id)
        return None if key is None else self._executions[key]

    async def find_start(self, idempotency_key: str) -> StoredExecution | None:
        self._check_open()
        key = self._by_start.get(idempotency_key)
        return None if key is None else self._executions[key]

    async def list_executions(self, query: ExecutionQuery) -> list[StoredExecution]:
        self._check_open()
        found = [row for row in self._executions.values() if _execution_matches(row, query)]
        found.sort(key=lambda row: (row.start_time, row.key), reverse=True)
        return found[: query.limit]

    async def read_journal(self, key: int, after_seq: int = 0, limit: int = 100_000) -> list[Record]:
        self._check_open()
        return self._journals.get(key, [])[after_seq : after_seq + limit]

    async def unfinished(self, after_key: int = 0, limit: int = 1000) -> list[StoredExecution]:
        self._check_open()
        rows = (self._executions[key] for key in sorted(self._live) if key > after_key)
        return _page((row for row in rows if row.wake_at is None), limit)

    async def due(self, now: int, limit: int = 1000) -> list[StoredExecution]:
        self._check_open()
        waits = sorted((at, key) for at, key in self._waits() if at <= now)
        return [self._executions[key] for _, key in waits[:limit]]

    async def next_wake(self) -> int | None:
        self._check_open()
        return min((at for at, _ in self._waits()), default=None)

    async def items(
        self,
        kind: str,
        *,
        names: Sequence[str] | None = None,
        prefix: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> list[Item]:
        self._check_open()
        if names is not None:
            return self._items.named(kind, names)
        return _page(self._items.starting(kind, prefix, after), limit)

    async def outbox(
        self, *, dead: bool = False, after_id: int = 0, limit: int = 1000
    ) -> Sequence[OutboxMessage]:
        self._check_open()
        return _page((m for m in self._outbox.values() if m.dead is dead and m.id > after_id), limit)

    async def update_outbox(self, sent: Sequence[int], changed: Sequence[OutboxMessage]) -> None:
        self._check_open()
        for message_id in sent:
            self._outbox.pop(message_id, None)
        for message in changed:
            kept = self._outbox.get(message.id)
            if kept is not None:
                self._outbox[message.id] = msgspec.structs.replace(
                    kept,
                    attempts=message.attempts,
                    next_attempt_at=message.next_attempt_at,
                    dead=message.dead,
                    last_error=message.last_error,
                )

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")

    def _check_starts(self, starts: Sequence[NewExecution]) -> None:
        keys: set[int] = set()
        ids: set[str] = set()
        start_keys: set[str] = set()
        for start in starts:
            if start.execution_id in self._by_id or start.execution_id in ids:
                raise Conflict(f"the execution id {start.execution_id!r} is taken")
            if start.idempotency_key is not None:
                if start.idempotency_key in self._by_start or start.idempotency_key in start_keys:
                    raise Conflict(f"the idempotency key {start.idempotency_key!r} is taken")
                start_keys.add(start.idempotency_key)
            if start.key in self._executions or start.key in keys:
                raise Conflict(f"the key {start.key} is taken")
            keys.add(start.key)
            ids.add(start.execution_id)

    def _check_records(self, records: Sequence[Record], born: set[int]) -> None:
        ends: dict[int, int] = {}
        for record in records:
            self._check_known(record.key, born)
            end = ends.get(record.key, len(self._journals.get(record.key, ())))
            if record.seq != end + 1:
                raise Conflict(f"the journal of {record.key} stands at {end}: {record.seq} cannot follow")
            ends[record.key] = record.seq

    def _check_changes(self, changes: Sequence[SummaryChange], born: set[int]) -> None:
        for change in changes:
            self._check_known(change.key, born)

    def _check_known(self, key: int, born: set[int]) -> None:
        if key not in born and key not in self._executions:
            raise Conflict(f"there is no execution with the key {key}")

    def _start(self, start: NewExecution) -> None:
        self._executions[start.key] = StoredExecution(end_time=None, **msgspec.structs.asdict(start))
        self._journals[start.key] = []
        self._by_id[start.execution_id] = start.key
        if start.idempotency_key is not None:
            self._by_start[start.idempotency_key] = start.key
        self._note_liveness(start.key, start.status)

    def _change(self, change: SummaryChange) -> None:
        row = self._executions[change.key]
        self._executions[change.key] = msgspec.structs.replace(
            row,
            status=change.status,
            end_time=change.end_time,
            wake_at=change.wake_at,
            brief=row.brief if change.brief is None else change.brief,
        )
        self._note_liveness(change.key, change.status)

    def _note_liveness(self, key: int, status: str) -> None:
        if status in TERMINAL:
            self._live.discard(key)
        else:
            self._live.add(key)

    def _enqueue(self, message: OutboxMessage) -> None:
        self._outbox[self._next_message] = msgspec.structs.replace(message, id=self._next_message)
        self._next_message += 1

    def _waits(self) -> Iterator[tuple[int, int]]:
        """(wake_at, key) of every execution that has not ended and waits for an instant."""
        for key in self._live:
            wake_at = self._executions[key].wake_at
            if wake_at is not None:
                yield wake_at, key


def _page(rows: Iterator[_Row], limit: int) -> list[_Row]:
    return list(itertools.islice(rows, limit))


def _workflow_matches(version: WorkflowVersion, q: str) -> bool:
    return _fold(q) in _fold(version.workflow_id) or _fold(q) in _fold(workflow_name(version.definition))


def _execution_matches(row: StoredExecution, query: ExecutionQuery) -> bool:
    return (
        (query.workflow_id is None or row.workflow_id == query.workflow_id)
        and (not query.status or row.status in query.status)
        and (query.tag is None or _has_tag(row, *query.tag))
        and (query.since is None or row.start_time >= query.since)
        and (query.until is None or row.start_time < query.until)
        and (
            query.q is None
            or _fold(query.q) in _fold(row.execution_id)
            or _fold(query.q) in _fold(row.workflow_id)
        )
        and (query.after is None or (row.start_time, row.key) < query.after)
    )


def _has_tag(row: StoredExecution, name: str, value: str | None) -> bool:
    return name in row.tags and (value is None or row.tags[name] == value)
