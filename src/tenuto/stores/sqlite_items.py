"""Items in a SQLite store: writing and reading bytes of any size by kind and name, through blocking functions.

Small ones come with their row. A large one is read as a blob of its own, straight into the memory it is answered in:
SQLite lets go of Python's lock for that, so that the event loop goes on meanwhile.
"""

# ruff: noqa: S608 (statements are put together from the constants of this file; values are always bound)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apsw

from tenuto.ports.store import Item
from tenuto.stores.sqlite_statements import DELETE_ITEMS, PURGE_ITEMS, PUT_ITEMS

SMALL = 65_536  # bytes of data that come with their row
_MOST_PURGED = 1_000
_MOST_BYTES_PURGED = 1 << 26  # beyond the first: SQLite walks through all pages of what it deletes
_NAMES_AT_ONCE = (1, 16, 256)  # few different statements, so that they stay prepared

_ITEM = f"name, expires_at, id, CASE WHEN length(data) <= {SMALL} THEN data END"
FIND_ITEMS = {
    count: f"SELECT {_ITEM} FROM items INDEXED BY items_name WHERE kind = ? AND name IN ({', '.join('?' * count)})"
    " ORDER BY name"
    for count in _NAMES_AT_ONCE
}
# No text in UTF-8 has the byte FF, so this is above every name that starts with the prefix.
_BELOW_END = "name < ? || CAST(x'FF' AS TEXT) ORDER BY name LIMIT ?"
LIST_ITEMS = f"SELECT {_ITEM} FROM items INDEXED BY items_name WHERE kind = ? AND name >= ? AND {_BELOW_END}"
NEXT_ITEMS = f"SELECT {_ITEM} FROM items INDEXED BY items_name WHERE kind = ? AND name > ? AND {_BELOW_END}"
EXPIRED = """SELECT id, length(data) FROM items INDEXED BY items_expiry
    WHERE expires_at < ? ORDER BY expires_at LIMIT ?"""


def write_items(connection: apsw.Connection, items: Iterable[Item]) -> None:
    """Put and delete them; of those with the same kind and name the last counts."""
    last = {(item.kind, item.name): item for item in items}.values()
    PUT_ITEMS.run(
        connection,
        [v for i in last if i.data is not None for v in (i.kind, i.name, i.expires_at, i.data)],
    )
    DELETE_ITEMS.run(connection, [v for i in last if i.data is None for v in (i.kind, i.name)])


def purge(connection: apsw.Connection, before: int) -> None:
    """Delete items that expire before then, the earliest first, as many as take no long time."""
    expired = connection.execute(EXPIRED, (before, _MOST_PURGED)).fetchall()
    PURGE_ITEMS.run(connection, list(_within_bytes(expired)))


def _within_bytes(rows: Iterable[tuple[Any, ...]]) -> Iterator[int]:
    total = 0
    for item_id, size in rows:
        if total and total + size > _MOST_BYTES_PURGED:
            return
        total += size
        yield item_id


def named(connection: apsw.Connection, kind: str, names: Iterable[str]) -> list[Item]:
    """Those that exist, by name."""
    items: list[Item] = []
    with connection:  # one state of the file for the rows and their blobs
        items += (_to_item(connection, kind, row) for row in _rows_named(connection, kind, names))
    return items


def small_named(connection: apsw.Connection, kind: str, names: Iterable[str]) -> list[Item] | None:
    """As `named`, without reading much; None when there is a large one among them."""
    rows = _rows_named(connection, kind, names)
    return None if any(row[3] is None for row in rows) else [_to_item(connection, kind, row) for row in rows]


def starting(connection: apsw.Connection, kind: str, prefix: str, after: str, limit: int) -> list[Item]:
    """Those whose name starts with `prefix` and is greater than `after`, by name."""
    sql, bound = (NEXT_ITEMS, after) if after >= prefix else (LIST_ITEMS, prefix)
    items: list[Item] = []
    with connection:
        rows = connection.execute(sql, (kind, bound, prefix, limit)).fetchall()
        items += (_to_item(connection, kind, row) for row in rows)
    return items


def _rows_named(connection: apsw.Connection, kind: str, names: Iterable[str]) -> list[tuple[Any, ...]]:
    wanted = sorted(set(names))
    rows: list[tuple[Any, ...]] = []
    at = 0
    while at < len(wanted):
        left = len(wanted) - at
        count = next((count for count in _NAMES_AT_ONCE if count >= left), _NAMES_AT_ONCE[-1])
        asked = wanted[at : at + count]
        asked += asked[-1:] * (count - len(asked))
        rows += connection.execute(FIND_ITEMS[count], (kind, *asked)).fetchall()
        at += count
    return rows


def _to_item(connection: apsw.Connection, kind: str, row: tuple[Any, ...]) -> Item:
    name, expires_at, item_id, data = row
    if data is None:
        with connection.blob_open("main", "items", "data", item_id, False) as blob:
            data = blob.read()
    return Item(kind=kind, name=name, data=data, expires_at=expires_at)
