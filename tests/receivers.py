"""Services for the actions and the outbox to call, on loopback: one that speaks HTTP properly and records what it was
sent, and one that sends whatever bytes a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from multidict import CIMultiDictProxy


class Received(NamedTuple):
    """One request as it arrived. `connection` tells connections apart."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    connection: object

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return msgspec.json.decode(self.body)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(
    status: int = 200,
    body: str | bytes = b"",
    content_type: str | None = "application/json",
    headers: dict[str, str] | None = None,
) -> Handler:
    """A handler that always answers the same."""

    async def handle(_request: web.Request) -> web.StreamResponse:
        data = body.encode() if isinstance(body, str) else body
        own = {} if content_type is None else {"Content-Type": content_type}
        return web.Response(status=status, body=data, headers=own | (headers or {}))

    return handle


class Receiver:
    """An HTTP server. `handler` answers every request; `received` has them in order of arrival."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self.handler = handler
        self.received: list[Received] = []
        self.port = port
        self._arrivals = asyncio.Condition()

    def url(self, path: str = "/") -> str:
        """An address on this server."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def arrived(self, count: int) -> None:
        """Return when that many requests have arrived."""
        async with self._arrivals:
            await self._arrivals.wait_for(lambda: len(self.received) >= count)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(
            Received(request.method, request.path_qs, request.headers, body, request.transport)
        )
        async with self._arrivals:
            self._arrivals.notify_all()
        return await self.handler(request)


@asynccontextmanager
async def receiver(handler: Handler | None = None, port: int = 0) -> AsyncIterator[Receiver]:
    """A running Receiver; without a handler it answers 200 with no body."""
    service = Receiver(handler or answer())
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", service._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        service.port = runner.addresses[0][1]
        yield service
    finally:
        await runner.cleanup()


class RawReceiver:
    """A TCP server that speaks as `script` tells it. `hung_up` is set when a client has closed its connection."""

    def __init__(
        self, script: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> None:
        self._script = script
        self.port = 0
        self.connections = 0
        self.asked = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.bytes_sent = 0

    def url(self, path: str = "/") -> str:
        """An address on this server."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send bytes, waiting while the client does not read."""
        writer.write(data)
        await writer.drain()
        self.bytes_sent += len(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked.set()
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.hung_up.set()
            writer.close()


@asynccontextmanager
async def raw_receiver(
    script: Callable[[RawReceiver, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[RawReceiver]:
    """A running RawReceiver; the script starts when a request's head has arrived."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(service, reader, writer)

    service = RawReceiver(play)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await service._serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(data: bytes) -> Callable[[RawReceiver, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A script that sends these bytes and hangs up."""

    async def script(
        service: RawReceiver, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await service.send(writer, data)

    return script
