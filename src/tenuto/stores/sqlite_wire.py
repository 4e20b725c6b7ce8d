"""How a server and its writer process talk over two sockets, one each way: msgpack messages, each after its length in four bytes.
The server sends `Begin`, then jobs; the writer answers `Ready` or `Unusable`, then one `Done` a transaction.

Large data of items are not encoded with their commit: they go before it in pieces, and it says where they belong. So
nothing copies them whole on the server's event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct

from tenuto.stores.sqlite_connection import Opening
from tenuto.stores.sqlite_jobs import Answer, Commit, Job


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


class Piece(Struct, tag=True, array_like=True):
    """A part of the large data of the commit to come."""

    data: memoryview


class Laden(Struct, tag=True, array_like=True):
    """A commit whose items at these places get their data, of so many bytes, from the pieces before it, in order."""

    commit: Commit
    sizes: dict[int, int]


class Load(NamedTuple):
    """A commit whose large data go before it."""

    data: tuple[bytes, ...]
    frame: bytes


PIECE_BYTES = 1 << 18
_LENGTH = 4
_encoder = msgspec.msgpack.Encoder()
_job_decoder = msgspec.msgpack.Decoder(Job | Laden | Piece)
begin_decoder = msgspec.msgpack.Decoder(Begin)
report_decoder = msgspec.msgpack.Decoder(Report)


def frame(message: Begin | Job | Laden | Piece | Report) -> bytes:
    """The message as it travels. Raises OverflowError, TypeError or ValueError when it holds what cannot be encoded."""
    body = bytearray(_LENGTH)
    _encoder.encode_into(message, body, _LENGTH)
    body[:_LENGTH] = (len(body) - _LENGTH).to_bytes(_LENGTH, "little")
    return bytes(body)


def load(job: Job) -> bytes | Load:
    """The job as it travels: a frame, unless it holds large data. Raises as `frame` does."""
    if type(job) is Commit and job.batch.items:
        items = job.batch.items
        large = {at: i.data for at, i in enumerate(items) if i.data is not None and len(i.data) > PIECE_BYTES}
        if large:
            light = [msgspec.structs.replace(i, data=b"") if at in large else i for at, i in enumerate(items)]
            commit = Commit(msgspec.structs.replace(job.batch, items=light))
            sizes = {at: len(data) for at, data in large.items()}
            return Load(tuple(large.values()), frame(Laden(commit, sizes)))
    return frame(job)


def frames_of(load: bytes | Load) -> Iterator[bytes]:
    """All that travels for a job, in order."""
    if isinstance(load, bytes):
        yield load
        return
    for data in load.data:
        view = memoryview(data)
        for at in range(0, len(data), PIECE_BYTES):
            yield frame(Piece(view[at : at + PIECE_BYTES]))
    yield load.frame


def to_jobs(messages: Iterable[memoryview], pieces: deque[memoryview]) -> list[Job]:
    """The jobs among the messages. Their large data are put into them from `pieces`, where those of a commit that has
    not come yet are left."""
    jobs: list[Job] = []
    for message in messages:
        found = _job_decoder.decode(message)
        if type(found) is Piece:
            pieces.append(found.data)
        else:
            jobs.append(_unload(found, pieces) if type(found) is Laden else found)
    return jobs


def _unload(laden: Laden, pieces: deque[memoryview]) -> Commit:
    items = laden.commit.batch.items
    for at, size in laden.sizes.items():
        items[at] = msgspec.structs.replace(items[at], data=_put_together(pieces, size))
    return laden.commit


def _put_together(pieces: deque[memoryview], size: int) -> bytes:
    taken: list[memoryview] = []
    while size > 0:
        taken.append(pieces.popleft())
        size -= len(taken[-1])
    return b"".join(taken)


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
