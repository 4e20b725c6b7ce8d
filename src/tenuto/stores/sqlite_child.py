"""The writer as a process: what runs in it. It reads jobs from a socket, does everything that waits in one transaction,
and answers. It ends when the server closes the socket or dies, and never outlives it: it also holds the file's lock,
so that no other server opens the file before the last transaction of this one is over.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections import deque

from tenuto.errors import StoreError, StoreIncompatible
from tenuto.stores.sqlite_connection import open_writer
from tenuto.stores.sqlite_jobs import Job, Refused
from tenuto.stores.sqlite_wire import Done, Frames, Ready, Unusable, begin_decoder, frame, to_jobs
from tenuto.stores.sqlite_writer import Writer

_READ_BYTES = 1 << 18
_MOST_BYTES = 1 << 24  # of jobs in a transaction, so that the first of very many does not wait for the last


class ServerGone(Exception):
    """The server closed the socket or died."""


class Channel:
    """The sockets that jobs come from and reports go to; `server` is the server's process id."""

    def __init__(self, jobs: int, reports: int, server: int) -> None:
        self._jobs = socket.socket(fileno=jobs)
        self._reports = socket.socket(fileno=reports)
        self._frames = Frames()
        self._pieces: deque[memoryview] = deque()
        self._has_ended = False
        self._poll = select.poll()
        self._poll.register(jobs, select.POLLIN)
        self._server = _watch(server)
        if self._server is not None:
            self._poll.register(self._server, select.POLLIN)

    def has_waiting(self) -> bool:
        """Whether there is something to read."""
        return bool(self._poll.poll(0))

    def receive(self) -> list[memoryview]:
        """Every message that is here, having waited for one. Raises ServerGone."""
        while not (messages := self._frames.take()):
            if self._has_ended:
                raise ServerGone
            self._fill()
        return messages

    def receive_jobs(self) -> list[Job]:
        """Every job that is here whole, having waited for one. Raises ServerGone."""
        while not (jobs := to_jobs(self.receive(), self._pieces)):
            pass
        return jobs

    def send(self, message: Ready | Unusable | Done) -> None:
        """Raises ServerGone."""
        try:
            self._reports.sendall(frame(message))
        except OSError as error:
            raise ServerGone from error

    def close(self) -> None:
        self._jobs.close()
        self._reports.close()
        if self._server is not None:
            os.close(self._server)

    def _fill(self) -> None:
        """Wait for bytes, then read those that are here."""
        if any(descriptor == self._server for descriptor, _ in self._poll.poll()):
            raise ServerGone
        size = 0
        while size < _MOST_BYTES:
            try:
                data = self._jobs.recv(_READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                raise ServerGone from error
            if not data:
                self._has_ended = True
                return
            self._frames.feed(data)
            size += len(data)


def _watch(server: int) -> int | None:
    """A descriptor that becomes readable when the server dies, however many others hold its end of the socket (a
    forked child, say); None where the system has no such thing and the socket must do."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        descriptor = os.pidfd_open(server)
    except OSError as error:
        raise ServerGone from error
    if os.getppid() != server:  # it died before we looked, and its number may be another's by now
        raise ServerGone
    return descriptor


def main(jobs: int, reports: int, server: int) -> None:
    """Serve the server until it goes. It alone says when to stop: signals to the whole group are its to answer."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(ServerGone):
        _serve(Channel(jobs, reports, server))


def _serve(channel: Channel) -> None:
    (first,) = channel.receive()
    begin = begin_decoder.decode(first)
    try:
        writer = Writer(open_writer(begin.opening))
    except StoreError as error:
        channel.send(Unusable(isinstance(error, StoreIncompatible), str(error)))
        return
    try:
        stored = writer.stored_number()
        channel.send(Ready(stored))
        _write(channel, writer, stored if begin.number is None else begin.number)
    finally:
        writer.close()
        channel.close()


def _write(channel: Channel, writer: Writer, number: int) -> None:
    while True:
        jobs = channel.receive_jobs()
        number += len(jobs)
        channel.send(_carry_out(writer, jobs, number))
        writer.checkpoint(is_idle=not channel.has_waiting())


def _carry_out(writer: Writer, jobs: list[Job], number: int) -> Done:
    try:
        answers = writer.write(jobs, number)
    except Exception as error:  # noqa: BLE001 (the process's boundary: a bug of ours must not end all writing)
        answers = [Refused("unavailable", f"the writer failed: {error!r}")] * len(jobs)
    first = number - len(jobs) + 1
    return Done(number, {first + at: answer for at, answer in enumerate(answers) if answer is not None})
