"""SQL that writes many rows in one call. One long call beats many short ones: SQLite lets go of Python's lock during
a call, and a writer thread that asks for the lock back once a row waits for the event loop each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apsw

_SIZES = (256, 64, 16, 4, 1)


class RowStatement(NamedTuple):
    """A statement over a VALUES clause of `width` columns; `per_size` holds its text for each number of rows."""

    width: int
    per_size: dict[int, str]

    @classmethod
    def of(cls, text: str, width: int) -> RowStatement:
        """`text` has `{rows}` where the rows of the VALUES clause go."""
        row = f"({', '.join('?' * width)})"
        return cls(width, {size: text.format(rows=", ".join([row] * size)) for size in _SIZES})

    def run(self, connection: apsw.Connection, flat: Sequence[Any]) -> None:
        """Write the rows, whose values follow each other in `flat`."""
        if not flat:
            return
        at = 0
        for size in _split(len(flat) // self.width):
            end = at + size * self.width
            connection.execute(self.per_size[size], flat[at:end])
            at = end


def _split(rows: int) -> Iterator[int]:
    """The fewest statement sizes that add up to so many rows."""
    for size in _SIZES:
        while rows >= size:
            yield size
            rows -= size


INSERT_EXECUTIONS = RowStatement.of(
    "INSERT INTO executions (key, execution_id, workflow_id, version, status, start_time, end_time, wake_at, priority,"
    " tags, idempotency_key, request_hash, brief) VALUES {rows}",
    13,
)
INSERT_TAGS = RowStatement.of("INSERT INTO tags (name, value, start_time, key) VALUES {rows}", 4)
INSERT_RECORDS = RowStatement.of("INSERT INTO journal (key, seq, data) VALUES {rows}", 3)
INSERT_MESSAGES = RowStatement.of(
    "INSERT INTO outbox (key, event_id, kind, url, headers, secret, body, created_at, attempts, next_attempt_at, dead,"
    " last_error) VALUES {rows}",
    12,
)
# Three ways to change a row, because an update rewrites every index that has one of its columns, changed or not.
UPDATE_STATUS = RowStatement.of(
    "UPDATE executions SET status = n.column2, end_time = n.column3, wake_at = n.column4,"
    " brief = coalesce(n.column5, brief) FROM (VALUES {rows}) AS n WHERE executions.key = n.column1",
    5,
)
UPDATE_TIMES = RowStatement.of(
    "UPDATE executions SET end_time = n.column2, wake_at = n.column3, brief = coalesce(n.column4, brief)"
    " FROM (VALUES {rows}) AS n WHERE executions.key = n.column1",
    4,
)
UPDATE_BRIEF = RowStatement.of(
    "UPDATE executions SET brief = n.column2 FROM (VALUES {rows}) AS n WHERE executions.key = n.column1", 2
)
UPDATE_MESSAGES = RowStatement.of(
    "UPDATE outbox SET attempts = n.column2, next_attempt_at = n.column3, dead = n.column4, last_error = n.column5"
    " FROM (VALUES {rows}) AS n WHERE outbox.id = n.column1",
    5,
)
PUT_ITEMS = RowStatement.of(
    "INSERT INTO items (kind, name, expires_at, data) VALUES {rows} ON CONFLICT (kind, name)"
    " DO UPDATE SET expires_at = excluded.expires_at, data = excluded.data",
    4,
)
DELETE_ITEMS = RowStatement.of("DELETE FROM items WHERE (kind, name) IN (VALUES {rows})", 2)
PURGE_ITEMS = RowStatement.of("DELETE FROM items WHERE id IN (VALUES {rows})", 1)
DELETE_MESSAGES = RowStatement.of("DELETE FROM outbox WHERE id IN (VALUES {rows})", 1)
