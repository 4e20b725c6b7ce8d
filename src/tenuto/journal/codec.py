"""Events ⇄ stored bytes. One record is one decision: `[format, at, [event, …]]` as JSON, readable in the database's
own shell. Old formats are brought up to date here, on reading, and nowhere else.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import msgspec

from tenuto.core.events import AnyEvent
from tenuto.errors import UnreadableRecord

FORMAT = 1

_Events = TypeVar("_Events")


class Entry(NamedTuple):
    """One decision read back: the instant (ms) and its events in order."""

    at: int
    events: list[AnyEvent]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[int, int, list[AnyEvent]])
_plain_decoder = msgspec.json.Decoder(tuple[int, int, list[dict[str, Any]]])
_any_format = msgspec.json.Decoder(tuple[int, Any, Any])


def encode(at: int, events: list[AnyEvent]) -> bytes:
    """The bytes of one record."""
    return _encoder.encode((FORMAT, at, events))


def decode(data: bytes) -> Entry:
    """One record's decision. Raises UnreadableRecord."""
    return Entry(*_read(_decoder, data))


def decode_plain(data: bytes) -> tuple[int, list[dict[str, Any]]]:
    """One record as JSON data, for showing: the instant and the events as dicts. Raises UnreadableRecord."""
    return _read(_plain_decoder, data)


def _read(decoder: msgspec.json.Decoder[tuple[int, int, _Events]], data: bytes) -> tuple[int, _Events]:
    try:
        version, at, events = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableRecord(_why(data, error)) from error
    if version != FORMAT:
        raise UnreadableRecord(_of_format(version))
    return at, events


def _why(data: bytes, error: Exception) -> str:
    """Of a record in another format, that it is one; else where it is damaged."""
    try:
        version = _any_format.decode(data)[0]
    except (msgspec.DecodeError, UnicodeDecodeError):
        version = FORMAT
    return f"a journal record does not decode: {error}" if version == FORMAT else _of_format(version)


def _of_format(version: int) -> str:
    return f"a journal record has format {version}; this version reads {FORMAT}"
