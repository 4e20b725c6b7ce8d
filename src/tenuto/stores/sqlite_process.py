"""The writer as a process: the server's side. Submitting a job costs the event loop little more than its encoding; the
transaction's Python runs on another core, under another lock.

When the process dies, what it left unanswered is looked up in the file (each transaction stores the number of its last
job), the rest is given to a new process, and callers notice no more than a delay.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import apsw
import msgspec

import tenuto
from tenuto.errors import StoreError, StoreIncompatible, StoreUnavailable
from tenuto.stores.sqlite_connection import Opening, open_reader
from tenuto.stores.sqlite_jobs import Answer, Job, Ping, Refused
from tenuto.stores.sqlite_pipe import Pipe
from tenuto.stores.sqlite_schema import read_meta
from tenuto.stores.sqlite_wire import (
    Begin,
    Done,
    Frames,
    Load,
    Ready,
    Report,
    Unusable,
    frame,
    load,
    report_decoder,
)

_FRUITLESS_DEATHS = 3  # without an answer between them: what waits is refused
_PAUSE_S = 1.0  # between attempts to read a file that cannot be read

# The child gets this process's paths but not the package's public door, which would import all of Tenuto (and its
# memory) for the few modules that write; so the door is stood in for by a bare package of the same name.
_BOOT = """
import json, sys, types
jobs, reports, server, paths, package = json.loads(sys.argv[1])
sys.path[:] = paths
door = sys.modules["tenuto"] = types.ModuleType("tenuto")
door.__path__ = package
from tenuto.stores.sqlite_child import main
main(jobs, reports, server)
"""

_stored_answers = msgspec.msgpack.Decoder(tuple[int, list[Answer]])


class _Waiting(NamedTuple):
    load: bytes | Load
    future: asyncio.Future[Answer]


class _Reports(asyncio.Protocol):
    """What one child reports: first whether it can write, then what is done, then its end. It comes on a socket of its
    own: a write to a dead child would close the socket it is made on, with answers in it that nobody has read."""

    def __init__(self, on_done: Callable[[Done], None], on_lost: Callable[[], None]) -> None:
        self.first: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self.is_accepted = False  # from then on its end is the end of our writer
        self._frames = Frames()
        self._on_done = on_done
        self._on_lost = on_lost

    def data_received(self, data: bytes) -> None:
        self._frames.feed(data)
        for message in self._frames.take():
            report = report_decoder.decode(message)
            if isinstance(report, Done):
                self._on_done(report)
            elif not self.first.done():
                self.first.set_result(report)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if self.is_accepted:
            self._on_lost()
        elif not self.first.done():
            self.first.set_exception(_ended_early())


class WriterProcess:
    """Runs a Writer in a process of its own. `lock` is the descriptor that holds the file's lock."""

    def __init__(self, opening: Opening, lock: int) -> None:
        self._opening = opening
        self._lock = lock
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._settled = 0  # the number of the last job that was answered
        self._pipe: Pipe | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._revival: asyncio.Task[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._deaths = 0  # since the last answer

    @property
    def pid(self) -> int | None:
        """The writer's process id; None while there is none."""
        return self._child.pid if self._child else None

    async def open(self) -> None:
        """Create or migrate the file. Raises StoreIncompatible, StoreUnavailable."""
        self._pipe, self._settled = await self._start()

    def submit(self, job: Job) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._loop.create_future()
        try:
            encoded = load(job)
        except (TypeError, ValueError, OverflowError) as error:
            future.set_result(Refused("invalid", str(error)))
            return future
        self._waiting.append(_Waiting(encoded, future))
        if self._pipe is not None:
            self._pipe.send(encoded)
        elif self._revival is None or self._revival.done():
            self._revival = self._loop.create_task(self._revive())
        return future

    async def close(self) -> None:
        """Finish what was submitted, then let the process end and go."""
        await self.submit(Ping())  # answers keep the order of jobs, so after this one nothing waits
        if self._revival is not None:
            await self._revival
        if self._pipe is not None:
            self._closed = self._loop.create_future()
            self._pipe.finish()
            await self._closed
        if self._child is not None:
            await asyncio.to_thread(self._child.wait)

    def _on_done(self, done: Done) -> None:
        self._deaths = 0
        self._settle(done.number, done.said)

    def _settle(self, number: int, said: dict[int, Answer]) -> None:
        """Answer the jobs up to `number`."""
        while self._settled < number:
            self._settled += 1
            future = self._waiting.popleft().future
            if not future.done():  # a caller that was cancelled no longer listens
                future.set_result(said.get(self._settled))

    def _on_lost(self) -> None:
        if self._pipe is not None:
            self._pipe.abort()
            self._pipe = None
        if self._closed is not None:
            self._closed.set_result(None)
            return
        self._deaths += 1
        self._revival = self._loop.create_task(self._revive())

    async def _revive(self) -> None:
        """Find out what the lost process did, then have a new one do the rest."""
        await asyncio.to_thread(self._bury)
        number, said = await self._read_outcome()
        self._settle(number, said)
        if self._deaths >= _FRUITLESS_DEATHS:
            self._refuse_all("the writer process ended again and again")
        try:
            pipe, _ = await self._start(self._settled)
        except StoreError as error:
            self._refuse_all(str(error))  # the next job tries again
            return
        for waiting in self._waiting:
            pipe.send(waiting.load)
        self._pipe = pipe

    def _refuse_all(self, message: str) -> None:
        refused = Refused("unavailable", message)
        first, last = self._settled + 1, self._settled + len(self._waiting)
        self._settle(last, dict.fromkeys(range(first, last + 1), refused))
        self._deaths = 0

    async def _read_outcome(self) -> tuple[int, dict[int, Answer]]:
        """The last job that took effect, and the answers of its transaction. Jobs wait until this can be read: none is
        answered in doubt."""
        while True:
            try:
                return await asyncio.to_thread(_read_outcome, self._opening)
            except apsw.Error:
                await asyncio.sleep(_PAUSE_S)

    async def _start(self, number: int | None = None) -> tuple[Pipe, int]:
        """The way to a new child, ready for the job after `number`, and the last job stored in the file."""
        reports = _Reports(self._on_done, self._on_lost)
        pipe = await self._connect(reports)
        try:
            pipe.send(frame(Begin(self._opening, number)))
            ready = await reports.first
            if isinstance(ready, Unusable):
                raise (StoreIncompatible if ready.is_incompatible else StoreUnavailable)(ready.message)
            if reports.is_lost:
                raise _ended_early()
        except BaseException:
            pipe.abort()
            await asyncio.to_thread(self._bury)
            raise
        assert isinstance(ready, Ready), "a writer process first says whether it can write"
        reports.is_accepted = True
        return pipe, ready.number

    async def _connect(self, reports: _Reports) -> Pipe:
        """Start a child; the way to it."""
        to_child, child_in = socket.socketpair()
        from_child, child_out = socket.socketpair()
        with child_in, child_out:
            try:
                ends = (child_in.fileno(), child_out.fileno())
                self._child = await asyncio.to_thread(_start_child, *ends, self._lock)
            except OSError as error:
                to_child.close()
                from_child.close()
                raise StoreUnavailable(f"the writer process cannot be started: {error}") from error
        _, pipe = await self._loop.create_unix_connection(Pipe, sock=to_child)
        await self._loop.create_unix_connection(lambda: reports, sock=from_child)
        return pipe

    def _bury(self) -> None:
        """Make sure that the child is gone before another writes."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()


def _ended_early() -> StoreUnavailable:
    return StoreUnavailable("the writer process ended before it was ready")


def _start_child(jobs: int, reports: int, lock: int) -> subprocess.Popen[bytes]:
    """Start an interpreter that minds no environment variables or site packages but this process's paths."""
    setting = json.dumps([jobs, reports, os.getpid(), sys.path, list(tenuto.__path__)])
    return subprocess.Popen(  # noqa: S603 (our own interpreter and code)
        [sys.executable, "-I", "-S", "-c", _BOOT, setting],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(jobs, reports, lock),
    )


def _read_outcome(opening: Opening) -> tuple[int, dict[int, Answer]]:
    connection = open_reader(opening)
    try:
        with connection:
            number = read_meta(connection, "write_number")
            stored = connection.execute("SELECT value FROM meta WHERE name = 'answers'").get
    finally:
        connection.close()
    last, answers = _stored_answers.decode(stored) if isinstance(stored, bytes) else (0, [])
    first = last - len(answers) + 1
    return number, {first + at: answer for at, answer in enumerate(answers)}
