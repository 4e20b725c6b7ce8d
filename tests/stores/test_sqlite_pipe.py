"""What goes to the writer process, and in which pieces, on a transport that the tests look into."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from itertools import pairwise

import pytest

from tenuto.ports.store import Record
from tenuto.stores.sqlite_jobs import Commit, Job
from tenuto.stores.sqlite_pipe import Pipe
from tenuto.stores.sqlite_wire import PIECE_BYTES, Frames, load, to_jobs
from tests.stores.contract import batch_of, item

ENVELOPE_BYTES = 64  # around a piece


class Wire(asyncio.WriteTransport):
    """Keeps what is written, and stops the pipe after each write while it is `narrow`."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.narrow = False
        self.is_aborted = False
        self._pipe = pipe
        pipe.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        if self.narrow:
            self._pipe.pause_writing()

    def abort(self) -> None:
        self.is_aborted = True

    def jobs(self) -> list[Job]:
        """What the other end makes of it, however the stream is cut."""
        rng, stream = random.Random(5), b"".join(self.writes)
        frames, pieces, jobs = Frames(), deque[memoryview](), list[Job]()
        while stream:
            size = rng.choice([1, 3, 70_000, 1 << 20])
            frames.feed(stream[:size])
            jobs += to_jobs(frames.take(), pieces)
            stream = stream[size:]
        assert not pieces
        return jobs


@pytest.fixture
async def pipe() -> Pipe:
    return Pipe()


def small(number: int) -> Commit:
    return Commit(batch_of(Record(1, number, b"x" * 50), item("small", b"%d" % number)))


def large(number: int, *sizes: int) -> Commit:
    rng = random.Random(number)
    items = [item(f"{number}/{at}", rng.randbytes(size)) for at, size in enumerate(sizes)]
    return Commit(batch_of(Record(1, number, b"x" * 50), item("gone", None), *items, item("last", b"l")))


async def turn() -> None:
    await asyncio.sleep(0)


async def test_jobs_of_one_turn_go_in_one_write(pipe: Pipe) -> None:
    wire = Wire(pipe)
    jobs = [small(number) for number in range(50)]
    for job in jobs:
        pipe.send(load(job))
    assert wire.writes == []
    await turn()
    assert len(wire.writes) == 1
    assert wire.jobs() == jobs


async def test_large_data_go_a_bounded_piece_a_turn_and_jobs_keep_their_place(pipe: Pipe) -> None:
    wire = Wire(pipe)
    jobs = [
        small(0),
        large(1, 3 * PIECE_BYTES + 5, PIECE_BYTES, PIECE_BYTES + 1, 0),
        *[small(number) for number in range(2, 1_000)],
        large(1_000, 2 * PIECE_BYTES),
        small(1_001),
    ]
    for job in jobs:
        pipe.send(load(job))
    done: list[int] = []
    while len(done) < 3 or done[-1] != done[-3]:
        await turn()
        done.append(len(wire.writes))
    assert all(later - earlier <= 1 for earlier, later in pairwise(done))
    # The commit's own small items stay with it, and small jobs in line are gathered.
    assert max(map(len, wire.writes)) <= 2 * PIECE_BYTES + 2 * ENVELOPE_BYTES
    assert len(wire.writes) < 20
    assert wire.jobs() == jobs


async def test_large_data_wait_while_the_writer_reads_slowly(pipe: Pipe) -> None:
    wire = Wire(pipe)
    wire.narrow = True
    jobs = [large(1, 4 * PIECE_BYTES), small(2)]
    for job in jobs:
        pipe.send(load(job))
    for writes in range(1, 5):
        pipe.send(load(small(2 + writes)))
        for _ in range(5):
            await turn()
        assert len(wire.writes) == writes
        pipe.resume_writing()
    wire.narrow = False
    for _ in range(5):
        await turn()
    assert wire.jobs() == [*jobs, *[small(number) for number in range(3, 7)]]


async def test_after_large_data_jobs_of_one_turn_go_together_again(pipe: Pipe) -> None:
    wire = Wire(pipe)
    pipe.send(load(large(1, 2 * PIECE_BYTES)))
    for _ in range(5):
        await turn()
    before = len(wire.writes)
    for number in range(2, 30):
        pipe.send(load(small(number)))
    await turn()
    assert len(wire.writes) == before + 1
    assert wire.jobs() == [large(1, 2 * PIECE_BYTES), *[small(number) for number in range(2, 30)]]


async def test_nothing_is_written_once_the_way_is_closed(pipe: Pipe) -> None:
    wire = Wire(pipe)
    pipe.send(load(large(1, 4 * PIECE_BYTES)))
    await turn()
    pipe.abort()
    pipe.abort()
    pipe.send(load(small(2)))
    for _ in range(5):
        await turn()
    assert wire.is_aborted
    assert len(wire.writes) == 1


def test_encoding_leaves_the_batch_as_it_was() -> None:
    job = large(1, 2 * PIECE_BYTES)
    load(job)
    assert job == large(1, 2 * PIECE_BYTES)


def test_a_commit_without_items_travels_without_a_word_about_them() -> None:
    encoded = load(Commit(batch_of(Record(1, 2, b"x"))))
    assert isinstance(encoded, bytes)
    assert b"items" not in encoded
    assert b"purge" not in encoded
