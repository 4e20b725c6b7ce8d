"""How a server and its writer process talk over two sockets, one each way: msgpack messages, each after its length in four bytes.
The server sends `Begin`, then jobs; the writer answers `Ready` or `Unusable`, then one `Done` a transaction.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tenuto.stores.sqlite_connection import Opening
from tenuto.stores.sqlite_jobs import Answer, Job


class Begin(Struct, tag=True, array_like=True):
    """Open the file; the next job follows the job `number`, or the last one stored in the file."""

    opening: Opening
    number: int | None = None


class Ready(Struct, tag=True, array_like=True):
    """The file is open for writing; the last job stored in it is `number`."""

    number: int


class Unusable(Struct, tag=True, array_like=True):
    """The file cannot be opened, and why."""

    is_incompatible: bool
    message: str


class Done(Struct, tag=True, array_like=True):
    """Jobs up to `number` are on disk or refused; `said` holds the answers that say more than done."""

    number: int
    said: dict[int, Answer] = {}


Report = Ready | Unusable | Done

_LENGTH = 4
_encoder = msgspec.msgpack.Encoder()
job_decoder = msgspec.msgpack.Decoder(Job)
begin_decoder = msgspec.msgpack.Decoder(Begin)
report_decoder = msgspec.msgpack.Decoder(Report)


def frame(message: Begin | Job | Report) -> bytes:
    """The message as it travels. Raises OverflowError, TypeError or ValueError when it holds what cannot be encoded."""
    body = bytearray(_LENGTH)
    _encoder.encode_into(message, body, _LENGTH)
    body[:_LENGTH] = (len(body) - _LENGTH).to_bytes(_LENGTH, "little")
    return bytes(body)


class Frames:
    """Puts the messages of a byte stream together again."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> list[memoryview]:
        """The messages that are complete."""
        end = len(self._buffer)
        if end < self._end_of(self._buffer, 0):
            return []  # not even one: spare the copy, which a long message would cost again and again
        whole = memoryview(bytes(self._buffer))
        messages, at = [], 0
        while (stop := self._end_of(whole, at)) <= end:
            messages.append(whole[at + _LENGTH : stop])
            at = stop
        del self._buffer[:at]
        return messages

    @staticmethod
    def _end_of(data: bytearray | memoryview, at: int) -> int:
        """Where the message that begins at `at` ends; where its length ends while that is not whole."""
        start = at + _LENGTH
        return start + (int.from_bytes(data[at:start], "little") if start <= len(data) else 0)
