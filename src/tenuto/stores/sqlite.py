"""The embedded store: one SQLite file in WAL mode, written by one writer that syncs each transaction (synchronous=FULL)
and takes everything that waits into it. One server owns the file; a second is refused. Why it is built so stands in
docs/adr/0001-sqlite-one-writer-group-commit.md.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Literal

import apsw

from tenuto.errors import StoreUnavailable
from tenuto.ports.store import (
    Batch,
    ExecutionQuery,
    Item,
    OutboxMessage,
    Record,
    StoredExecution,
    WorkflowVersion,
)
from tenuto.stores import sqlite_items, sqlite_reader
from tenuto.stores.naming import workflow_name
from tenuto.stores.sqlite_connection import Opening
from tenuto.stores.sqlite_jobs import (
    Answer,
    Archived,
    ArchiveWorkflow,
    Commit,
    Job,
    Ping,
    PutWorkflow,
    RaiseKeys,
    Refused,
    Stored,
    UpdateOutbox,
    to_error,
)
from tenuto.stores.sqlite_lock import lock_file
from tenuto.stores.sqlite_pool import Readers
from tenuto.stores.sqlite_process import WriterProcess
from tenuto.stores.sqlite_thread import WriterThread

_KEYS_AHEAD = 1 << 20  # keys noted as possibly in use before they are handed out
_QUICK_BYTES = 65_536  # of a journal, read on the event loop's thread before the rest is left to another
_QUICK_NAMES = 16  # items looked up on the event loop's thread, if they are small
_PING_S = 1.0

WriterKind = Literal["thread", "process"]


class SqliteStore:
    """A Store in the file at `path`, which is created if need be. Each write waits for its fsync. A `commit` raises Conflict,
    having kept nothing of the batch, when an execution id, idempotency key or key of a start is taken, a record does
    not follow the last one of its journal, or a change is for an execution that is not there.

    `writer` says where the writing goes on; a process of its own unless none can be started."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        writer: WriterKind | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        vfs: str | None = None,
    ) -> None:
        self._opening = Opening(os.path.abspath(path), synchronous, vfs)
        self._writer_kind = writer or _best_writer(vfs)
        assert vfs is None or self._writer_kind == "thread", "a VFS of this process is unknown to another"
        self._writer: WriterThread | WriterProcess | None = None
        self._readers: Readers | None = None
        self._lock: int | None = None
        self._next_key = 0
        self._key_ceiling = 0
        self._pinged_at: float | None = None
        self._ping: asyncio.Future[Answer] | None = None

    async def open(self) -> None:
        assert self._lock is None, "a store is opened once"
        self._lock = await lock_file(self._opening.path)
        try:
            writer = self._make_writer(self._lock)
            await writer.open()
            self._writer = writer
            self._readers = _open_readers(self._opening)
            await self._take_up_keys()
        except BaseException:
            await self.close()
            raise

    @property
    def writer_pid(self) -> int | None:
        """The process id of a writer that is a process of its own."""
        return self._writer.pid if isinstance(self._writer, WriterProcess) else None

    async def close(self) -> None:
        writer, readers, lock = self._writer, self._readers, self._lock
        if writer is not None and self._key_ceiling:
            writer.submit(RaiseKeys(self._next_key))  # a clean end leaves no gap of keys
        self._writer = self._readers = self._lock = None
        self._key_ceiling = 0
        if readers is not None:
            await readers.close()  # before the writer, so that the last connection to go removes the WAL
        if writer is not None:
            await writer.close()
        if lock is not None:
            os.close(lock)

    async def ping(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._pinged_at is not None and now - self._pinged_at < _PING_S:
            return
        if self._ping is None or self._ping.done():
            self._ping = self._submit(Ping())
        _raise_refusal(await asyncio.shield(self._ping))
        self._pinged_at = now

    def reserve_keys(self, count: int) -> range:
        keys = range(self._next_key, self._next_key + count)
        self._next_key = keys.stop
        if self._key_ceiling - self._next_key < _KEYS_AHEAD // 2:
            # The writer keeps the order of jobs, so this is on disk no later than the first commit with such a key.
            self._key_ceiling = self._next_key + _KEYS_AHEAD
            self._submit(RaiseKeys(self._key_ceiling))
        return keys

    async def commit(self, batch: Batch) -> None:
        _raise_refusal(await self._submit(Commit(batch)))

    async def put_workflow(self, version: WorkflowVersion) -> WorkflowVersion:
        answer = await self._submit(PutWorkflow(version, workflow_name(version.definition)))
        _raise_refusal(answer)
        assert isinstance(answer, Stored), "a stored workflow is answered with its version"
        return answer.version

    async def find_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion | None:
        return await self._reading().read_quickly(
            lambda connection: sqlite_reader.find_workflow(connection, workflow_id, version)
        )

    async def list_workflows(self, q: str | None = None, limit: int = 1000) -> list[WorkflowVersion]:
        return await self._reading().read(
            lambda connection: sqlite_reader.list_workflows(connection, q, limit)
        )

    async def list_versions(self, workflow_id: str) -> list[WorkflowVersion]:
        return await self._reading().read(
            lambda connection: sqlite_reader.list_versions(connection, workflow_id)
        )

    async def archive_workflow(self, workflow_id: str) -> bool:
        answer = await self._submit(ArchiveWorkflow(workflow_id))
        _raise_refusal(answer)
        assert isinstance(answer, Archived), "archiving is answered with whether there was something"
        return answer.found

    async def find_execution(self, execution_id: str) -> StoredExecution | None:
        return await self._reading().read_quickly(
            lambda connection: sqlite_reader.find_execution(connection, execution_id)
        )

    async def find_start(self, idempotency_key: str) -> StoredExecution | None:
        return await self._reading().read_quickly(
            lambda connection: sqlite_reader.find_start(connection, idempotency_key)
        )

    async def list_executions(self, query: ExecutionQuery) -> list[StoredExecution]:
        """As the port says; `q` is looked for among the newest 100,000 rows that fit the other filters."""
        return await self._reading().read(lambda connection: sqlite_reader.list_executions(connection, query))

    async def read_journal(self, key: int, after_seq: int = 0, limit: int = 100_000) -> list[Record]:
        readers = self._reading()
        records, is_all = await readers.read_quickly(
            lambda connection: sqlite_reader.read_journal(connection, key, after_seq, limit, _QUICK_BYTES)
        )
        if is_all or len(records) == limit:
            return records
        last, left = records[-1].seq, limit - len(records)
        more, _ = await readers.read(
            lambda connection: sqlite_reader.read_journal(connection, key, last, left)
        )
        return records + more

    async def unfinished(self, after_key: int = 0, limit: int = 1000) -> list[StoredExecution]:
        return await self._reading().read(
            lambda connection: sqlite_reader.unfinished(connection, after_key, limit)
        )

    async def due(self, now: int, limit: int = 1000) -> list[StoredExecution]:
        return await self._reading().read(lambda connection: sqlite_reader.due(connection, now, limit))

    async def next_wake(self) -> int | None:
        return await self._reading().read_quickly(sqlite_reader.next_wake)

    async def items(
        self,
        kind: str,
        *,
        names: Sequence[str] | None = None,
        prefix: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> list[Item]:
        readers = self._reading()
        if names is None:
            return await readers.read(
                lambda connection: sqlite_items.starting(connection, kind, prefix, after, limit)
            )
        if len(names) <= _QUICK_NAMES:
            found = await readers.read_quickly(
                lambda connection: sqlite_items.small_named(connection, kind, names)
            )
            if found is not None:
                return found
        return await readers.read(lambda connection: sqlite_items.named(connection, kind, names))

    async def outbox(
        self, *, dead: bool = False, after_id: int = 0, limit: int = 1000
    ) -> Sequence[OutboxMessage]:
        return await self._reading().read(
            lambda connection: sqlite_reader.outbox(connection, dead, after_id, limit)
        )

    async def update_outbox(self, sent: Sequence[int], changed: Sequence[OutboxMessage]) -> None:
        _raise_refusal(await self._submit(UpdateOutbox(list(sent), list(changed))))

    def _make_writer(self, lock: int) -> WriterThread | WriterProcess:
        if self._writer_kind == "thread":
            return WriterThread(self._opening)
        return WriterProcess(self._opening, lock)

    def _submit(self, job: Job) -> asyncio.Future[Answer]:
        if self._writer is None:
            raise StoreUnavailable("the store is closed")
        return self._writer.submit(job)

    def _reading(self) -> Readers:
        if self._readers is None:
            raise StoreUnavailable("the store is closed")
        return self._readers

    async def _take_up_keys(self) -> None:
        """Begin where no key was handed out before, even by a server that was killed before it used its keys."""
        self._next_key = await self._reading().read_quickly(sqlite_reader.next_key)
        self._key_ceiling = self._next_key + _KEYS_AHEAD
        _raise_refusal(await self._submit(RaiseKeys(self._key_ceiling)))


def _best_writer(vfs: str | None) -> WriterKind:
    """A frozen or embedded program has no interpreter to start."""
    can_start = bool(sys.executable) and not getattr(sys, "frozen", False)
    return "process" if can_start and vfs is None else "thread"


def _open_readers(opening: Opening) -> Readers:
    try:
        return Readers(opening)
    except apsw.Error as error:
        raise StoreUnavailable(f"cannot open {opening.path} for reading: {error}") from error


def _raise_refusal(answer: Answer) -> None:
    if isinstance(answer, Refused):
        raise to_error(answer)
