"""What is read from a SQLite store: blocking functions over a read-only connection. Each query is pinned to an index,
so that none becomes a scan as the store grows; tests keep the query plans.
"""

# ruff: noqa: S608 (statements are put together from the constants of this file; values are always bound)

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import apsw
import msgspec

from tenuto.ports.store import ExecutionQuery, OutboxMessage, Record, Status, StoredExecution, WorkflowVersion
from tenuto.stores.sqlite_schema import LIVE, read_meta

SCANNED_FOR_Q = 100_000  # newest rows (of those that fit the other filters) among which `q` is looked for

_STATUSES: tuple[Status, ...] = get_args(Status)
_strings = msgspec.json.Decoder(dict[str, str])

_EXECUTION = (
    "e.key, e.execution_id, e.workflow_id, e.version, e.status, e.start_time, e.end_time, e.wake_at, e.priority,"
    " e.tags, e.idempotency_key, e.request_hash, e.brief"
)
_WORKFLOW = "workflow_id, version, digest, definition, created_at, archived"

FIND_EXECUTION = f"SELECT {_EXECUTION} FROM executions e WHERE execution_id = ?"
FIND_START = f"SELECT {_EXECUTION} FROM executions e WHERE idempotency_key = ?"
READ_JOURNAL = "SELECT seq, data FROM journal WHERE key = ? AND seq > ? ORDER BY seq LIMIT ?"
UNFINISHED = f"""SELECT {_EXECUTION} FROM executions e INDEXED BY executions_live
    WHERE {LIVE} AND wake_at IS NULL AND key > ? ORDER BY key LIMIT ?"""
DUE = f"""SELECT {_EXECUTION} FROM executions e INDEXED BY executions_live
    WHERE {LIVE} AND wake_at <= ? ORDER BY wake_at, key LIMIT ?"""
NEXT_WAKE = f"""SELECT wake_at FROM executions INDEXED BY executions_live
    WHERE {LIVE} AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1"""
OUTBOX = """SELECT id, key, event_id, kind, url, headers, secret, body, created_at, attempts, next_attempt_at, dead,
    last_error FROM outbox INDEXED BY outbox_dead WHERE dead = ? AND id > ? ORDER BY id LIMIT ?"""
FIND_VERSION = f"SELECT {_WORKFLOW} FROM workflows WHERE workflow_id = ? AND version = ?"
FIND_NEWEST = f"SELECT {_WORKFLOW} FROM workflows WHERE workflow_id = ? AND newest AND NOT archived"
LIST_VERSIONS = f"SELECT {_WORKFLOW} FROM workflows WHERE workflow_id = ? ORDER BY version"
LIST_WORKFLOWS = f"""SELECT {_WORKFLOW} FROM workflows INDEXED BY workflows_newest
    WHERE newest AND NOT archived AND (?1 IS NULL OR workflow_id LIKE ?1 ESCAPE '\\' OR name LIKE ?1 ESCAPE '\\')
    ORDER BY workflow_id LIMIT ?2"""


def next_key(connection: apsw.Connection) -> int:
    """Above every key that was handed out. What is noted in `meta` is above those in use, unless it could not be
    written when they were reserved."""
    last = connection.execute("SELECT coalesce(max(key), 0) FROM executions").get
    assert isinstance(last, int), "keys are integers"
    return max(read_meta(connection, "next_key"), last + 1)


def find_execution(connection: apsw.Connection, execution_id: str) -> StoredExecution | None:
    return _first_execution(connection, FIND_EXECUTION, execution_id)


def find_start(connection: apsw.Connection, idempotency_key: str) -> StoredExecution | None:
    return _first_execution(connection, FIND_START, idempotency_key)


def unfinished(connection: apsw.Connection, after_key: int, limit: int) -> list[StoredExecution]:
    return [_to_execution(row) for row in connection.execute(UNFINISHED, (after_key, limit)).fetchall()]


def due(connection: apsw.Connection, now: int, limit: int) -> list[StoredExecution]:
    return [_to_execution(row) for row in connection.execute(DUE, (now, limit)).fetchall()]


def next_wake(connection: apsw.Connection) -> int | None:
    row = connection.execute(NEXT_WAKE).fetchone()
    return row[0] if row else None


def read_journal(
    connection: apsw.Connection, key: int, after_seq: int, limit: int, most_bytes: int | None = None
) -> tuple[list[Record], bool]:
    """The records, and whether that is all of them: with `most_bytes`, reading stops once so much has been read."""
    records: list[Record] = []
    read = 0
    cursor = connection.execute(READ_JOURNAL, (key, after_seq, limit))
    for seq, data in cursor:
        records.append(Record(key, seq, data))
        read += len(data)
        if most_bytes is not None and read >= most_bytes:
            cursor.close()
            return records, False
    return records, True


def list_executions(connection: apsw.Connection, query: ExecutionQuery) -> list[StoredExecution]:
    sql, bindings = listing(query)
    return [_to_execution(row) for row in connection.execute(sql, bindings).fetchall()]


def listing(query: ExecutionQuery) -> tuple[str, dict[str, Any]]:
    """The statement for a page of executions. It walks the index that narrows most: a tag's rows; else the rows of
    each wanted status, within the workflow if one is given, merged newest first. Filters beyond that index are checked
    row by row, so a page costs what is skipped: rows with the tag but of another workflow or status."""
    bindings: dict[str, Any] = {
        "limit": query.limit,
        "scan": query.limit if query.q is None else SCANNED_FOR_Q,
    }
    walks = _walk_tag(query, bindings) if query.tag else _walk_statuses(query, bindings)
    keys = f"{walks[0]} LIMIT :scan"
    if len(walks) > 1:
        merged = " UNION ALL ".join(f"SELECT * FROM ({walk} LIMIT :scan)" for walk in walks)
        keys = f"SELECT * FROM ({merged}) ORDER BY start_time DESC, key DESC LIMIT :scan"
    matches = ""
    if query.q is not None:
        bindings["q"] = _pattern(query.q)
        matches = r"WHERE (e.execution_id LIKE :q ESCAPE '\' OR e.workflow_id LIKE :q ESCAPE '\')"
    sql = (
        f"SELECT {_EXECUTION} FROM ({keys}) AS found CROSS JOIN executions e ON e.key = found.key {matches}"
        " ORDER BY found.start_time DESC, found.key DESC LIMIT :limit"
    )
    return sql, bindings


def _walk_statuses(query: ExecutionQuery, bindings: dict[str, Any]) -> list[str]:
    index = "executions_status" if query.workflow_id is None else "executions_workflow"
    terms = _time_terms(query, bindings, "start_time, key")
    if query.workflow_id is not None:
        bindings["workflow_id"] = query.workflow_id
        terms = ["workflow_id = :workflow_id", *terms]
    walks = []
    for status in dict.fromkeys(query.status or _STATUSES):
        assert status in _STATUSES, "a status is one of those we know, so it may stand in the statement"
        where = " AND ".join([f"status = '{status}'", *terms])
        walks.append(
            f"SELECT start_time, key FROM executions INDEXED BY {index} WHERE {where}"
            " ORDER BY start_time DESC, key DESC"
        )
    return walks


def _walk_tag(query: ExecutionQuery, bindings: dict[str, Any]) -> list[str]:
    assert query.tag is not None, "only a query for a tag walks tags"
    bindings["name"], value = query.tag
    terms = ["t.name = :name", *_time_terms(query, bindings, "t.start_time, t.key")]
    index = "INDEXED BY tags_name"
    if value is not None:
        bindings["value"] = value
        terms.append("t.value = :value")
        index = "NOT INDEXED"  # the table itself is ordered by (name, value, start_time, key)
    join = ""
    if query.workflow_id is not None or query.status:
        join = "CROSS JOIN executions x ON x.key = t.key"
        terms += _row_terms(query, bindings)
    return [
        f"SELECT t.start_time, t.key FROM tags t {index} {join} WHERE {' AND '.join(terms)}"
        " ORDER BY t.start_time DESC, t.key DESC"
    ]


def _row_terms(query: ExecutionQuery, bindings: dict[str, Any]) -> Iterable[str]:
    if query.workflow_id is not None:
        bindings["workflow_id"] = query.workflow_id
        yield "x.workflow_id = :workflow_id"
    if query.status:
        for position, status in enumerate(query.status):
            bindings[f"status{position}"] = status
        yield f"x.status IN ({', '.join(f':status{position}' for position in range(len(query.status)))})"


def _time_terms(query: ExecutionQuery, bindings: dict[str, Any], place: str) -> list[str]:
    start_time = place.split(",", maxsplit=1)[0]
    terms = []
    if query.since is not None:
        bindings["since"] = query.since
        terms.append(f"{start_time} >= :since")
    # The stricter of `until` and `after` holds for both; given both, SQLite might walk from the other.
    if query.after is not None and (query.until is None or query.after[0] < query.until):
        bindings["after_time"], bindings["after_key"] = query.after
        terms.append(f"({place}) < (:after_time, :after_key)")
    elif query.until is not None:
        bindings["until"] = query.until
        terms.append(f"{start_time} < :until")
    return terms


def find_workflow(
    connection: apsw.Connection, workflow_id: str, version: int | None
) -> WorkflowVersion | None:
    if version is None:
        row = connection.execute(FIND_NEWEST, (workflow_id,)).fetchone()
    else:
        row = connection.execute(FIND_VERSION, (workflow_id, version)).fetchone()
    return _to_workflow(row) if row else None


def list_workflows(connection: apsw.Connection, q: str | None, limit: int) -> list[WorkflowVersion]:
    pattern = None if q is None else _pattern(q)
    return [_to_workflow(row) for row in connection.execute(LIST_WORKFLOWS, (pattern, limit)).fetchall()]


def list_versions(connection: apsw.Connection, workflow_id: str) -> list[WorkflowVersion]:
    return [_to_workflow(row) for row in connection.execute(LIST_VERSIONS, (workflow_id,)).fetchall()]


def outbox(connection: apsw.Connection, dead: bool, after_id: int, limit: int) -> list[OutboxMessage]:
    return [_to_message(row) for row in connection.execute(OUTBOX, (dead, after_id, limit)).fetchall()]


def _pattern(q: str) -> str:
    """A LIKE pattern for texts that hold `q`; LIKE ignores the case of ASCII letters."""
    escaped = q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _first_execution(connection: apsw.Connection, sql: str, value: str) -> StoredExecution | None:
    rows = connection.execute(sql, (value,)).fetchall()
    return _to_execution(rows[0]) if rows else None


def _to_execution(row: tuple[Any, ...]) -> StoredExecution:
    return StoredExecution(
        key=row[0],
        execution_id=row[1],
        workflow_id=row[2],
        version=row[3],
        status=row[4],
        start_time=row[5],
        end_time=row[6],
        wake_at=row[7],
        priority=row[8],
        tags={} if row[9] == "{}" else _strings.decode(row[9]),
        idempotency_key=row[10],
        request_hash=row[11],
        brief=row[12],
    )


def _to_workflow(row: tuple[Any, ...]) -> WorkflowVersion:
    workflow_id, version, digest, definition, created_at, archived = row
    return WorkflowVersion(
        workflow_id=workflow_id,
        version=version,
        digest=digest,
        definition=definition,
        created_at=created_at,
        archived=bool(archived),
    )


def _to_message(row: tuple[Any, ...]) -> OutboxMessage:
    return OutboxMessage(
        id=row[0],
        key=row[1],
        event_id=row[2],
        kind=row[3],
        url=row[4],
        headers=_strings.decode(row[5]),
        secret=row[6],
        body=row[7],
        created_at=row[8],
        attempts=row[9],
        next_attempt_at=row[10],
        dead=bool(row[11]),
        last_error=row[12],
    )
