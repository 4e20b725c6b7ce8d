"""The SQLite store's tables, how a file is recognised as ours, and how older ones are brought up to date.

The journal is append-only under an integer key, with an index on (key, seq): clustering it by (key, seq) halves the
rows a second, because every commit then touches as many leaves as it has executions. Every index of `executions` ends
with the row's key, as SQLite's do. Lists go through (status, start_time) and (workflow_id, status, start_time) alone:
a list over all statuses merges six short ranges, which costs less than two more indexes on every start.
"""

# ruff: noqa: S608 (the statements hold constants of this file alone)

from __future__ import annotations

from collections.abc import Callable

import apsw

from tenuto.errors import StoreIncompatible

APPLICATION_ID = 0x54656E75  # "Tenu"; in the file's header, so that `file` and we can tell whose it is
LIVE = "status IN ('pending', 'running', 'paused')"

_TABLES = f"""
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE workflows (
  workflow_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  digest TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  archived INTEGER NOT NULL,
  newest INTEGER NOT NULL,
  definition BLOB NOT NULL,
  PRIMARY KEY (workflow_id, version)
) STRICT;
CREATE UNIQUE INDEX workflows_newest ON workflows (workflow_id) WHERE newest;

CREATE TABLE executions (
  key INTEGER PRIMARY KEY,
  execution_id TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  status TEXT NOT NULL,
  start_time INTEGER NOT NULL,
  end_time INTEGER,
  wake_at INTEGER,
  priority INTEGER NOT NULL,
  tags TEXT NOT NULL,
  idempotency_key TEXT,
  request_hash TEXT,
  brief BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX executions_id ON executions (execution_id);
CREATE UNIQUE INDEX executions_start ON executions (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX executions_status ON executions (status, start_time);
CREATE INDEX executions_workflow ON executions (workflow_id, status, start_time);
CREATE INDEX executions_live ON executions (wake_at) WHERE {LIVE};

CREATE TABLE tags (
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  start_time INTEGER NOT NULL,
  key INTEGER NOT NULL,
  PRIMARY KEY (name, value, start_time, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_name ON tags (name, start_time, key);

CREATE TABLE journal (
  id INTEGER PRIMARY KEY,
  key INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX journal_place ON journal (key, seq);

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  url TEXT NOT NULL,
  headers TEXT NOT NULL,
  secret TEXT,
  body BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt_at INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  last_error TEXT
) STRICT;
CREATE INDEX outbox_dead ON outbox (dead);

INSERT INTO meta VALUES ('schema_version', 1), ('write_number', 0), ('answers', NULL), ('next_key', 1);
"""

# Expiry and lengths are read without the data, so the data comes last; it may be large, so the rows are not clustered.
_ITEMS = """
CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  expires_at INTEGER,
  data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX items_name ON items (kind, name);
CREATE INDEX items_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
"""

Migration = Callable[[apsw.Connection], None]


def _create_tables(connection: apsw.Connection) -> None:
    connection.execute(_TABLES)


def _add_items(connection: apsw.Connection) -> None:
    connection.execute(_ITEMS)


# The n-th entry brings version n to version n + 1; 0 is an empty file. Entries are never changed once released.
MIGRATIONS: list[Migration] = [_create_tables, _add_items]


def prepare(connection: apsw.Connection, migrations: list[Migration] | None = None) -> None:
    """Make the file ours and of this program's version, in one transaction. Raises StoreIncompatible when it belongs
    to something else or to a newer Tenuto; it is then left untouched."""
    steps = MIGRATIONS if migrations is None else migrations
    found = _stored_version(connection)
    if found > len(steps):
        raise StoreIncompatible(
            f"{connection.filename} was written by a newer Tenuto: it has schema version {found}, this program knows "
            f"up to {len(steps)}. Use that newer Tenuto, or another file."
        )
    if found == len(steps):
        return
    with connection:
        for migrate in steps[found:]:
            migrate(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", (len(steps),))


def _stored_version(connection: apsw.Connection) -> int:
    """The schema's version; 0 of an empty file. Raises StoreIncompatible when the file is not ours."""
    try:
        owner = connection.pragma("application_id")
        is_empty = connection.execute("SELECT count(*) FROM sqlite_schema").get == 0
    except apsw.NotADBError as error:
        raise StoreIncompatible(
            f"{connection.filename} is not a Tenuto store: {error}. Use another file."
        ) from error
    if is_empty and owner == 0:
        return 0
    if owner != APPLICATION_ID:
        raise StoreIncompatible(
            f"{connection.filename} belongs to another program. Use another file for Tenuto."
        )
    version = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").get
    assert isinstance(version, int), "a store of ours carries its schema version"
    return version


def read_meta(connection: apsw.Connection, name: str) -> int:
    """A number kept in `meta`."""
    value = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).get
    assert isinstance(value, int), f"meta holds no number under {name}"
    return value
