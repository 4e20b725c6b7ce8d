"""Large results, stored apart from the journal: an event whose data is large names a blob instead, which is written in
the same commit and found by its SHA-256. A journal stays quick to read, and reading gives the same data.

Whoever commits writes the items beside the record; whoever reads records of a store reads them here (`read_whole`,
`whole_records`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tenuto.core import events as ev
from tenuto.errors import UnreadableRecord
from tenuto.journal.codec import decode, encode
from tenuto.ports.store import Item, Store

KIND = "blob"
INLINE_LIMIT = 1024 * 1024
"""Bytes of JSON that stay in the journal."""

_FIELDS: Mapping[type[ev.Event], tuple[str, ...]] = {
    ev.StepSucceeded: ("result", "vars"),
    ev.StepWaiting: ("result", "details"),
    ev.StepCopied: ("result", "vars"),
    ev.StepReported: ("result",),
    ev.MapExpanded: ("items",),
    ev.SignalReceived: ("payload",),
    ev.ApprovalGiven: ("data",),
    ev.CancelRequested: ("output",),
    ev.HandlersStarted: ("output",),
    ev.ExecutionCompleted: ("output",),
}
"""What may be stored apart, of which events."""

_EMPTY: Mapping[str, Any] = {"items": []}
"""What stands in the place of data that is apart; null where nothing is said."""

_MARK = b'"apart":{'


def encode_record(
    at: int, events: list[ev.AnyEvent], inline_limit: int = INLINE_LIMIT
) -> tuple[bytes, Sequence[Item]]:
    """The bytes of one record, and the blobs to write in the same commit."""
    data = encode(at, events)
    if len(data) <= inline_limit:
        return data, ()
    events, items = set_apart(events, inline_limit)
    return (encode(at, events), items) if items else (data, ())


def set_apart(
    events: Sequence[ev.AnyEvent], inline_limit: int = INLINE_LIMIT
) -> tuple[list[ev.AnyEvent], list[Item]]:
    """The events with data of more than `inline_limit` bytes of JSON replaced by references, and the blobs, each once."""
    blobs: dict[str, Item] = {}
    return [_without_large(event, inline_limit, blobs) for event in events], list(blobs.values())


def _without_large(event: ev.AnyEvent, inline_limit: int, blobs: dict[str, Item]) -> ev.AnyEvent:
    apart: dict[str, str] = {}
    for field in _FIELDS.get(type(event), ()):
        value = getattr(event, field)
        if not isinstance(value, dict | list | str):
            continue
        data = msgspec.json.encode(value)
        if len(data) > inline_limit:
            apart[field] = hashlib.sha256(data).hexdigest()
            blobs[apart[field]] = Item(kind=KIND, name=apart[field], data=data)
    if not apart:
        return event
    return msgspec.structs.replace(event, apart=apart, **{field: _EMPTY.get(field) for field in apart})


def blobs_in(records: Iterable[bytes]) -> set[str]:
    """The names of the blobs that these records refer to. Raises UnreadableRecord."""
    # The mark may stand in somebody's data too; only reading tells.
    return {
        name
        for data in records
        if _MARK in data
        for event in decode(data).events
        for name in _apart(event).values()
    }


def put_back(events: Sequence[ev.AnyEvent], blobs: Mapping[str, bytes]) -> list[ev.AnyEvent]:
    """The events with what was set apart in its place again. Raises UnreadableRecord where a blob is missing."""
    return [_whole(event, blobs) if _apart(event) else event for event in events]


def whole_record(data: bytes, blobs: Mapping[str, bytes]) -> bytes:
    """The record as if nothing of it had been set apart. Raises UnreadableRecord."""
    if _MARK not in data:
        return data
    at, events = decode(data)
    return encode(at, put_back(events, blobs))


async def read_whole(store: Store, key: int) -> Sequence[bytes]:
    """The journal of an execution, as if nothing of it had been set apart. Raises UnreadableRecord, StoreUnavailable."""
    return await whole_records(store, [record.data for record in await store.read_journal(key)])


async def whole_records(store: Store, records: Sequence[bytes]) -> Sequence[bytes]:
    """The records as if nothing of them had been set apart. Raises UnreadableRecord, StoreUnavailable."""
    names = blobs_in(records)
    if not names:
        return records
    blobs = {
        item.name: item.data for item in await store.items(KIND, names=sorted(names)) if item.data is not None
    }
    return [whole_record(data, blobs) for data in records]


def _whole(event: ev.AnyEvent, blobs: Mapping[str, bytes]) -> ev.AnyEvent:
    fields: dict[str, Any] = {}
    for field, name in _apart(event).items():
        data = blobs.get(name)
        if data is None:
            raise UnreadableRecord(f"the store has no blob {name}, which a journal record refers to")
        fields[field] = msgspec.json.decode(data)
    return msgspec.structs.replace(event, apart=None, **fields)


def _apart(event: ev.AnyEvent) -> Mapping[str, str]:
    return getattr(event, "apart", None) or {}
