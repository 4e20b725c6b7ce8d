"""The one writer of a SQLite store: it takes all jobs that wait into one transaction, so that they share one fsync,
and it alone checkpoints. It blocks, knows nothing of event loops, and runs in a thread or in a process of its own.

When a job of such a transaction does not fit (an id that is taken, say), the transaction is done again with each job
in a savepoint, and only the jobs at fault are refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, assert_never

import apsw
import msgspec

from tenuto.ports.store import Batch, NewExecution, OutboxMessage, Record, SummaryChange, WorkflowVersion
from tenuto.stores.sqlite_connection import BUSY_MS
from tenuto.stores.sqlite_heads import Head, Heads, Misfit
from tenuto.stores.sqlite_items import purge, write_items
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
)
from tenuto.stores.sqlite_schema import read_meta
from tenuto.stores.sqlite_statements import (
    DELETE_MESSAGES,
    INSERT_EXECUTIONS,
    INSERT_MESSAGES,
    INSERT_RECORDS,
    INSERT_TAGS,
    UPDATE_BRIEF,
    UPDATE_MESSAGES,
    UPDATE_STATUS,
    UPDATE_TIMES,
)

_json = msgspec.json.Encoder()
_answers = msgspec.msgpack.Encoder()

# A job brought these about itself; other failures are those of the file, and strike every job of the transaction.
_FAULTS_OF_JOBS = (
    Misfit,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    ValueError,
    OverflowError,
    TypeError,
)

_WRITE_NUMBER = "UPDATE meta SET value = ? WHERE name = 'write_number'"
_WRITE_ANSWERS = "UPDATE meta SET value = ? WHERE name = 'answers'"

# WAL frames (pages) since the last checkpoint: with nobody waiting, one is done from the first figure on; under load,
# from the second. When readers have kept the WAL from starting anew up to the third, the writer waits for them.
_CHECKPOINT_WHEN_IDLE = 1_000
_CHECKPOINT_UNDER_LOAD = 4_000
_CHECKPOINT_AND_WAIT = 32_000
_CHECKPOINT_WAIT_MS = 500


class Writer:
    """Owns the writing connection of a store."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._heads = Heads(connection)
        self._frames = 0
        self._frames_moved = 0
        connection.wal_autocheckpoint(0)
        connection.set_wal_hook(self._note_frames)

    def stored_number(self) -> int:
        """The number of the last job that is stored."""
        return read_meta(self._connection, "write_number")

    def write(self, jobs: Sequence[Job], number: int) -> list[Answer]:
        """Carry out the jobs in one transaction and answer each. `number` is that of the last job, counted over the
        store's life; it is stored with them, and so are the answers that say more than done, so that whoever lost
        the answers can find out. When the file cannot be written, every job is refused and nothing is kept."""
        try:
            try:
                return self._transact(jobs, number, self._do_together)
            except _FAULTS_OF_JOBS:
                return self._transact(jobs, number, self._do_apart)
        except apsw.Error as error:
            return [Refused("unavailable", f"the store cannot be written: {describe(error)}")] * len(jobs)

    def checkpoint(self, *, is_idle: bool) -> None:
        """Move the WAL into the main file if it is time. A failure is no one's answer: the WAL stays as it is, and
        the next call after some more writing tries again."""
        grown = self._frames - self._frames_moved
        if grown < (_CHECKPOINT_WHEN_IDLE if is_idle else _CHECKPOINT_UNDER_LOAD):
            return
        is_long = self._frames >= _CHECKPOINT_AND_WAIT
        mode = apsw.SQLITE_CHECKPOINT_RESTART if is_long else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._frames_moved = self._frames
        self._connection.set_busy_timeout(_CHECKPOINT_WAIT_MS)
        with contextlib.suppress(apsw.Error):
            self._connection.wal_checkpoint(mode=mode)
        self._connection.set_busy_timeout(BUSY_MS)

    def close(self) -> None:
        """Empty the WAL into the main file and let go of both."""
        with contextlib.suppress(apsw.Error):  # else the WAL stays, and the next opening reads it
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._connection.close()

    def _note_frames(self, _connection: apsw.Connection, _name: str, frames: int) -> int:
        if frames < self._frames:  # the WAL has started anew
            self._frames_moved = 0
        self._frames = frames
        return apsw.SQLITE_OK

    def _transact(
        self, jobs: Sequence[Job], number: int, do: Callable[[Sequence[Job]], list[Answer]]
    ) -> list[Answer]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            answers = do(jobs)
            self._connection.execute(_WRITE_NUMBER, (number,))
            if any(answers):
                self._connection.execute(_WRITE_ANSWERS, (_answers.encode((number, answers)),))
            self._connection.execute("COMMIT")
        except BaseException:
            self._heads.forget()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._heads.keep()
        return answers

    def _do_together(self, jobs: Sequence[Job]) -> list[Answer]:
        commits = [job for job in jobs if type(job) is Commit]
        if commits:
            self._commit(commits)
        return [None if type(job) is Commit else self._do(job) for job in jobs]

    def _do_apart(self, jobs: Sequence[Job]) -> list[Answer]:
        return [self._try(job) for job in jobs]

    def _try(self, job: Job) -> Answer:
        mark = self._heads.mark()
        self._connection.execute("SAVEPOINT job")
        try:
            answer = self._do(job)
        except _FAULTS_OF_JOBS as error:
            self._heads.forget(mark)
            self._connection.execute("ROLLBACK TO job")
            answer = self._refusal(job, error)
        self._connection.execute("RELEASE job")
        return answer

    def _do(self, job: Job) -> Answer:
        match job:
            case Commit():
                self._commit([job])
            case PutWorkflow():
                return Stored(self._put_workflow(job.version, job.name))
            case ArchiveWorkflow():
                return Archived(self._archive_workflow(job.workflow_id))
            case UpdateOutbox():
                self._update_outbox(job)
            case Ping():
                pass
            case RaiseKeys():
                self._connection.execute("UPDATE meta SET value = ? WHERE name = 'next_key'", (job.next_key,))
            case _:
                assert_never(job)
        return None

    def _refusal(self, job: Job, error: Exception) -> Refused:
        match error:
            case apsw.TooBigError():
                return Refused("too_large", "a value is larger than SQLite stores (1 GB)")
            case Misfit():
                return Refused("conflict", str(error))
            case apsw.ConstraintError():
                return Refused("conflict", self._name_the_taken(job) or describe(error))
            case _:
                return Refused("invalid", describe(error))

    def _name_the_taken(self, job: Job) -> str | None:
        """Which id of the refused batch was in use; None when it is something else."""
        starts = job.batch.starts if isinstance(job, Commit) else []
        for start in starts:
            if self._exists("execution_id = ?", start.execution_id):
                return f"the execution id {start.execution_id!r} is taken"
            if start.idempotency_key is not None and self._exists(
                "idempotency_key = ?", start.idempotency_key
            ):
                return f"the idempotency key {start.idempotency_key!r} is taken"
        return None

    def _exists(self, condition: str, value: str) -> bool:
        query = f"SELECT 1 FROM executions WHERE {condition}"  # noqa: S608 (the condition is a literal above)
        return self._connection.execute(query, (value,)).fetchone() is not None

    def _commit(self, commits: Sequence[Commit]) -> None:
        batches = [commit.batch for commit in commits]
        starts = list(chain.from_iterable(batch.starts for batch in batches))
        changes = chain.from_iterable(batch.changes for batch in batches)
        for start in starts:
            self._heads.set(start.key, Head(0, start.status, None, start.wake_at))
        records = self._follow(chain.from_iterable(batch.records for batch in batches))
        self._write_rows(starts, changes)
        INSERT_RECORDS.run(self._connection, records)
        messages = chain.from_iterable(batch.messages for batch in batches)
        INSERT_MESSAGES.run(
            self._connection, [value for message in messages for value in _message_row(message)]
        )
        self._write_items(batches)

    def _write_items(self, batches: Sequence[Batch]) -> None:
        items = [item for batch in batches for item in batch.items]
        if items:
            write_items(self._connection, items)
        purges = [batch.purge_before for batch in batches if batch.purge_before is not None]
        if purges:
            purge(self._connection, max(purges))

    def _follow(self, records: Iterable[Record]) -> list[Any]:
        """The records' columns, after checking that each follows the one before it in its journal."""
        heads, flat = self._heads, list[Any]()
        for record in records:
            head = heads.get(record.key)
            if record.seq != head.seq + 1:
                raise Misfit(f"the journal of {record.key} stands at {head.seq}: {record.seq} cannot follow")
            heads.set(record.key, head._replace(seq=record.seq))
            flat += (record.key, record.seq, record.data)
        return flat

    def _write_rows(self, starts: Sequence[NewExecution], changes: Iterable[SummaryChange]) -> None:
        """Insert the rows of starts as their changes leave them, and change the others."""
        new = {start.key: _execution_row(start) for start in starts}
        if len(new) < len(starts):
            raise Misfit("two starts have the same key")
        briefs: dict[int, bytes | None] = {}
        before: dict[int, Head] = {}
        heads = self._heads
        for change in changes:
            key = change.key
            head = heads.get(key)
            before.setdefault(key, head)
            heads.set(key, Head(head.seq, change.status, change.end_time, change.wake_at))
            briefs[key] = briefs.get(key) if change.brief is None else change.brief
        self._update_rows({key: head for key, head in before.items() if key not in new}, briefs)
        for key in before.keys() & new.keys():
            row, head, brief = new[key], heads.get(key), briefs[key]
            row[4], row[6], row[7] = head.status, head.end_time, head.wake_at
            row[12] = row[12] if brief is None else brief
        INSERT_EXECUTIONS.run(self._connection, list(chain.from_iterable(new.values())))
        INSERT_TAGS.run(
            self._connection, [value for start in starts if start.tags for value in _tag_rows(start)]
        )

    def _update_rows(self, before: dict[int, Head], briefs: dict[int, bytes | None]) -> None:
        full, times, only_brief = list[Any](), list[Any](), list[Any]()
        for key, old in before.items():
            new, brief = self._heads.get(key), briefs[key]
            if new.status != old.status:
                full += (key, new.status, new.end_time, new.wake_at, brief)
            elif new.wake_at != old.wake_at or new.end_time != old.end_time:
                times += (key, new.end_time, new.wake_at, brief)
            elif brief is not None:
                only_brief += (key, brief)
        UPDATE_STATUS.run(self._connection, full)
        UPDATE_TIMES.run(self._connection, times)
        UPDATE_BRIEF.run(self._connection, only_brief)

    def _put_workflow(self, version: WorkflowVersion, name: str) -> WorkflowVersion:
        newest = self._connection.execute(
            "SELECT version, digest, archived, created_at, definition FROM workflows WHERE workflow_id = ? AND newest",
            (version.workflow_id,),
        ).fetchone()
        number = newest[0] + 1 if newest else 1
        if newest and newest[1] == version.digest and not newest[2]:
            return msgspec.structs.replace(
                version, version=newest[0], created_at=newest[3], definition=newest[4], archived=False
            )
        self._connection.execute(
            "UPDATE workflows SET newest = 0 WHERE workflow_id = ? AND newest", (version.workflow_id,)
        )
        self._connection.execute(
            "INSERT INTO workflows (workflow_id, version, digest, name, created_at, archived, newest, definition)"
            " VALUES (?, ?, ?, ?, ?, 0, 1, ?)",
            (version.workflow_id, number, version.digest, name, version.created_at, version.definition),
        )
        return msgspec.structs.replace(version, version=number, archived=False)

    def _archive_workflow(self, workflow_id: str) -> bool:
        self._connection.execute(
            "UPDATE workflows SET archived = 1 WHERE workflow_id = ? AND NOT archived", (workflow_id,)
        )
        return self._connection.changes() > 0

    def _update_outbox(self, job: UpdateOutbox) -> None:
        DELETE_MESSAGES.run(self._connection, job.sent)
        changed = {message.id: message for message in job.changed}
        rows = ((m.id, m.attempts, m.next_attempt_at, m.dead, m.last_error) for m in changed.values())
        UPDATE_MESSAGES.run(self._connection, list(chain.from_iterable(rows)))


def describe(error: Exception) -> str:
    """The error in words, with SQLite's extended code where there is one."""
    code = getattr(error, "extendedresult", None)
    name = apsw.mapping_extended_result_codes.get(code) if isinstance(code, int) else None
    return f"{error} ({name})" if isinstance(name, str) else str(error) or type(error).__name__


def _execution_row(start: NewExecution) -> list[Any]:
    return [
        start.key,
        start.execution_id,
        start.workflow_id,
        start.version,
        start.status,
        start.start_time,
        None,
        start.wake_at,
        start.priority,
        _json.encode(start.tags).decode() if start.tags else "{}",
        start.idempotency_key,
        start.request_hash,
        start.brief,
    ]


def _tag_rows(start: NewExecution) -> Iterable[Any]:
    return chain.from_iterable(
        (name, value, start.start_time, start.key) for name, value in start.tags.items()
    )


def _message_row(message: OutboxMessage) -> tuple[Any, ...]:
    return (
        message.key,
        message.event_id,
        message.kind,
        message.url,
        _json.encode(message.headers).decode(),
        message.secret,
        message.body,
        message.created_at,
        message.attempts,
        message.next_attempt_at,
        message.dead,
        message.last_error,
    )
