"""How the SQLite store opens its file: settings of the writing and the reading connections."""

from __future__ import annotations

from typing import Literal, NamedTuple

import apsw

from tenuto.errors import StoreUnavailable
from tenuto.stores.sqlite_schema import prepare

BUSY_MS = 5_000  # another program, such as the sqlite3 shell, may hold the file for a moment
_WRITER_CACHE_KIB = 32_768
_READER_CACHE_KIB = 4_096
_WAL_LIMIT = 64 * 1024 * 1024  # a WAL that grew beyond this many bytes is cut back when it starts anew


class Opening(NamedTuple):
    """Which file, and how. FULL syncs the WAL at each commit; NORMAL does not, and loses acknowledged commits when
    the power goes, so only the tests that show this use it. `vfs` names SQLite's way to the disk."""

    path: str
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    vfs: str | None = None


def open_writer(opening: Opening) -> apsw.Connection:
    """The one connection that writes, its file made ours and up to date. Raises StoreIncompatible, StoreUnavailable."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    try:
        connection = apsw.Connection(opening.path, flags=flags, vfs=opening.vfs)
    except apsw.Error as error:
        raise StoreUnavailable(f"cannot open {opening.path}: {error}") from error
    try:
        connection.set_busy_timeout(BUSY_MS)
        prepare(connection)
        connection.execute(f"PRAGMA synchronous = {opening.synchronous}")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
        mode = connection.pragma("journal_mode", "wal")
        if mode != "wal":
            raise StoreUnavailable(
                f"{opening.path} cannot use a write-ahead log here (its journal mode stays {mode})"
            )
    except apsw.Error as error:
        connection.close()
        raise StoreUnavailable(f"cannot open {opening.path}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(opening: Opening) -> apsw.Connection:
    """A connection that only reads. Raises apsw.Error."""
    connection = apsw.Connection(opening.path, flags=apsw.SQLITE_OPEN_READONLY, vfs=opening.vfs)
    connection.set_busy_timeout(BUSY_MS)
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
    connection.wal_autocheckpoint(0)
    return connection
