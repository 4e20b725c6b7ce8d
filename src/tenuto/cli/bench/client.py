"""A load client that costs next to nothing: client and server share the same cores, so what the client burns is
missing from the server. It speaks just enough HTTP/1.1 over kept connections (one request under way on each, no
pipelining), is driven by callbacks instead of tasks, and looks for bytes in replies instead of decoding them.

It is no client for users: it trusts the server and gives up on the first thing it does not expect.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from typing import Any, NamedTuple, cast

import msgspec

from tenuto.errors import TenutoError

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"


class BenchFailed(TenutoError):
    """A measurement could not be made: the server did not start, answered an error or went away."""


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


class Reply(NamedTuple):
    """Status and body of one answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Load(NamedTuple):
    """What one stretch of load gave: replies that counted, its length, and how long each took."""

    completed: int
    seconds: float
    latencies_ms: list[float]
    client_cpu_s: float

    @property
    def per_second(self) -> float:
        return self.completed / self.seconds


def request_bytes(method: str, path: str, address: Address, body: bytes = b"") -> bytes:
    """A whole request, made once and sent many times."""
    head = f"{method} {path} HTTP/1.1\r\nhost: {address.host}:{address.port}\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Connection(asyncio.Protocol):
    """One kept connection. `on_reply` is called with each whole answer, `on_lost` when the connection ends."""

    def __init__(
        self, on_reply: Callable[[Connection, int, bytes], None], on_lost: Callable[[str], None]
    ) -> None:
        self._on_reply = on_reply
        self._on_lost = on_lost
        self._pending = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(str(exc) if exc else "the server closed the connection")

    def send(self, request: bytes) -> None:
        """Send one request; the one before must have been answered."""
        self.sent_at = time.perf_counter()
        self._transport.write(request)

    def close(self) -> None:
        self._on_lost = _ignore
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._pending:
            data = self._pending + data
        head_end = data.find(HEAD_END)
        if head_end < 0:
            self._pending = data
            return
        body_at = head_end + 4
        length = self._body_length(data, head_end)
        if length is None or len(data) < body_at + length:
            self._pending = data
            return
        self._pending = b""
        self._on_reply(self, int(data[9:12]), data[body_at:])

    @staticmethod
    def _body_length(data: bytes, head_end: int) -> int | None:
        """Bytes after the head; None while a chunked body is not there as a whole."""
        at = data.find(LENGTH, 0, head_end)
        if at < 0:
            head = data[:head_end].lower()
            at = head.find(LENGTH)
            if at < 0:
                chunked = b"chunked" in head
                return (len(data) - head_end - 4 if data.endswith(b"0\r\n\r\n") else None) if chunked else 0
        return int(data[at + len(LENGTH) : data.find(b"\r\n", at + 2)])


def _ignore(reason: str) -> None:
    """A connection that we closed ourselves is no news."""


async def exchange(address: Address, request: bytes, timeout_s: float = 60.0) -> Reply:
    """One request on a connection of its own. Raises BenchFailed when there is no answer."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Reply] = loop.create_future()

    def replied(connection: Connection, status: int, body: bytes) -> None:
        if not answer.done():
            answer.set_result(Reply(status, body))

    def lost(reason: str) -> None:
        if not answer.done():
            answer.set_exception(BenchFailed(f"no answer from {address.host}:{address.port}: {reason}"))

    try:
        _, connection = await loop.create_connection(lambda: Connection(replied, lost), *address)
    except OSError as error:
        raise BenchFailed(f"cannot connect to {address.host}:{address.port}: {error}") from error
    try:
        connection.send(request)
        return await asyncio.wait_for(answer, timeout_s)
    except TimeoutError as error:
        raise BenchFailed(f"no answer from {address.host}:{address.port} within {timeout_s:g} s") from error
    finally:
        connection.close()


class _Stretch:
    """The state all connections of one stretch of load share: when to count, when to stop."""

    def __init__(
        self, requests: Iterable[bytes], marker: bytes, warm_up_s: float, seconds: float, most: int
    ) -> None:
        self.requests = iter(requests)
        self.marker = marker
        self.most = most
        self.latencies: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.count_from = time.perf_counter() + warm_up_s
        self.stop_at = self.count_from + seconds
        self.last_at = self.count_from
        self.cpu_from = 0.0
        self._under_way = 0

    def send_next(self, connection: Connection) -> None:
        """Send one more request, if there is one; when the answer to the last is there, all is over."""
        request = next(self.requests, None)
        if request is not None:
            self._under_way += 1
            connection.send(request)
        elif not self._under_way:
            self._end()

    def on_reply(self, connection: Connection, status: int, body: bytes) -> None:
        now = time.perf_counter()
        self._under_way -= 1
        if not 200 <= status < 300 or self.marker not in body:
            self.fail(f"the server answered {status}: {body[:300].decode(errors='replace')}")
            return
        if now >= self.count_from and (now < self.stop_at or not self.latencies):
            if not self.latencies:
                self.cpu_from = time.process_time()
            self.latencies.append(now - connection.sent_at)
            self.last_at = now
        if now < self.stop_at and len(self.latencies) < self.most:
            self.send_next(connection)
        else:
            self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def fail(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(BenchFailed(reason))


async def drive(
    address: Address,
    requests: bytes | Sequence[bytes],
    *,
    marker: bytes = b"",
    at_once: int = 1,
    seconds: float,
    warm_up_s: float = 0.0,
    most: int = 10_000_000,
) -> Load:
    """Send the requests over and over on `at_once` connections, each as soon as its last was answered, for `seconds`
    after the warm-up or until `most` answers counted; one counts at least, however late. Every answer must be 2xx and hold
    `marker`; raises BenchFailed else."""
    endless = cycle([requests] if isinstance(requests, bytes) else requests)
    stretch = _Stretch(endless, marker, warm_up_s, seconds, most)
    return await _send(address, stretch, at_once, warm_up_s + seconds + 120)


async def send_each(
    address: Address, requests: Iterable[bytes], *, marker: bytes = b"", at_once: int = 1, limit_s: float
) -> Load:
    """Send each request once on `at_once` connections and wait for the answers to all of them. Raises BenchFailed for an
    answer that is not 2xx or lacks `marker`, and when it takes longer than the limit."""
    return await _send(address, _Stretch(requests, marker, 0.0, limit_s, 10_000_000), at_once, limit_s)


async def _send(address: Address, stretch: _Stretch, at_once: int, limit_s: float) -> Load:
    loop = asyncio.get_running_loop()
    connections: list[Connection] = []
    try:
        for _ in range(at_once):
            _, connection = await loop.create_connection(
                lambda: Connection(stretch.on_reply, stretch.fail), *address
            )
            connections.append(connection)
        for connection in connections:
            stretch.send_next(connection)
        await asyncio.wait_for(stretch.ended, limit_s)
    except TimeoutError as error:  # an OSError too, so it comes first
        raise BenchFailed("the server stopped answering under load") from error
    except OSError as error:
        raise BenchFailed(f"cannot connect to {address.host}:{address.port}: {error}") from error
    finally:
        for connection in connections:
            connection.close()
    elapsed = max(stretch.last_at - stretch.count_from, 1e-9)
    return Load(
        completed=len(stretch.latencies),
        seconds=elapsed,
        latencies_ms=[value * 1000 for value in stretch.latencies],
        client_cpu_s=time.process_time() - stretch.cpu_from,
    )
