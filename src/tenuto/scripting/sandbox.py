"""One child process in which scripts run, as the parent sees it: starting it, sending frames, receiving answers, and
killing it. What the child gives up is in child.py.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files

from tenuto.errors import ConfigurationError
from tenuto.scripting.request import Limits

HEADER = struct.Struct(">II")
READ_BYTES = 1 << 16
REAP_AFTER_S = 0.005

OnAnswer = Callable[["Sandbox", int, bytes], None]
OnEnd = Callable[["Sandbox"], None]


def command(limits: Limits) -> list[str]:
    """How a child is started. Raises ConfigurationError where the engine is not installed."""
    engine = importlib.util.find_spec("_quickjs")
    if engine is None or engine.origin is None or not sys.executable:
        raise ConfigurationError("scripts need the package quickjs-ng: pip install quickjs-ng")
    room = files("tenuto.scripting")
    sizes = (limits.memory_bytes, limits.result_bytes, limits.result_depth, limits.scope_bytes)
    scripts = [str(room / name) for name in ("child.py", "runner.js", "outcome.js")]
    arguments = [scripts[0], engine.origin, *scripts[1:], str(limits.timeout_ms / 1000)]
    return [sys.executable, "-I", "-S", "-B", *arguments, *map(str, sizes)]


class Sandbox:
    """A child process. Answers are at most `longest_answer` bytes; a child that sends more is killed.
    `on_answer(sandbox, number, answer)` is called for each answer (number 0: it is ready); `on_end(sandbox)` once, if
    it ends without being told to."""

    def __init__(self, arguments: list[str], longest_answer: int, on_answer: OnAnswer, on_end: OnEnd) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_answer = on_answer
        self._on_end = on_end
        self._received = bytearray()
        self._unsent = bytearray()
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and files
                arguments, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL, env={}
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        self.is_open = True
        self._longest_answer = longest_answer
        self.reaped: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._socket.fileno(), self._receive)

    @property
    def is_clogged(self) -> bool:
        """Whether the child has yet to read what was sent."""
        return bool(self._unsent)

    def send(self, number: int, request: bytes) -> None:
        """Send a request; what does not fit now follows as the child reads."""
        frame = HEADER.pack(len(request), number) + request
        if self._unsent:
            self._unsent += frame
            return
        sent = self._try_send(frame)
        if sent < len(frame) and self.is_open:
            self._unsent += memoryview(frame)[sent:]
            self._loop.add_writer(self._socket.fileno(), self._send_rest)

    def _try_send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:  # the child has gone; its end of the socket tells the rest
            return len(data)

    def _send_rest(self) -> None:
        with memoryview(self._unsent) as rest:
            sent = self._try_send(bytes(rest[:READ_BYTES]))
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._socket.fileno())

    def _receive(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._give_up()
            return
        self._received += data
        while self.is_open and len(self._received) >= HEADER.size:
            length, number = HEADER.unpack_from(self._received)
            end = HEADER.size + length
            if length > self._longest_answer:
                self._give_up()
                return
            if len(self._received) < end:
                return
            answer = bytes(self._received[HEADER.size : end])
            del self._received[:end]
            self._on_answer(self, number, answer)

    def _give_up(self) -> None:
        self.kill()
        self._on_end(self)

    def kill(self) -> None:
        """End the child at once and forget it; `reaped` is done when it is gone."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._process.kill()
        self._reap()

    def _reap(self) -> None:
        if self._process.poll() is None:
            self._loop.call_later(REAP_AFTER_S, self._reap)
        elif not self.reaped.done():
            self.reaped.set_result(None)
