"""Events ⇄ stored bytes. One record is one decision: `[format, at, [event, …]]` as JSON, readable in the database's
own shell. Old formats are brought up to date here, on reading, and nowhere else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tenuto.core.events import AnyEvent

FORMAT = 1


class Entry(NamedTuple):
    """One decision read back: the instant (ms) and its events in order."""

    at: int
    events: list[AnyEvent]


class UnreadableRecord(Exception):
    """A stored record that this version cannot read: damaged, or written by a newer Tenuto."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[int, int, list[AnyEvent]])
_plain = msgspec.json.Decoder(tuple[int, int, list[dict[str, Any]]])


def encode(at: int, events: list[AnyEvent]) -> bytes:
    """The bytes of one record."""
    return _encoder.encode((FORMAT, at, events))


def decode(data: bytes) -> Entry:
    """One record's decision. Raises UnreadableRecord."""
    try:
        version, at, events = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise UnreadableRecord(f"a journal record does not decode: {error}") from error
    if version != FORMAT:
        raise UnreadableRecord(f"a journal record has format {version}; this version reads {FORMAT}")
    return Entry(at, events)


def decode_plain(data: bytes) -> tuple[int, list[dict[str, Any]]]:
    """One record as JSON data, for showing: the instant and the events as dicts."""
    _, at, events = _plain.decode(data)
    return at, events
