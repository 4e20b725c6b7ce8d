"""A server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asked(NamedTuple):
    """One request that arrived. `path` is as it was sent, still quoted."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


class FakeServer:
    """Answers requests in the order in which the answers were given; without one left it answers 418."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self._answers: list[Answer] = []

    def answer(self, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """The next request gets this JSON."""
        self.answer_raw(
            msgspec.json.encode(data), status, {"content-type": "application/json", **(headers or {})}
        )

    def answer_raw(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """The next request gets these bytes."""

        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        self._answers.append(answer)

    def stream(self, *pieces: bytes, broken: bool = False) -> None:
        """The next request gets an event stream of these pieces; a broken one ends without its proper end."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
            if broken and request.transport is not None:
                request.transport.close()
            return response

        self._answers.append(answer)

    def answer_by(self, answer: Answer) -> None:
        """The next request is answered by this handler."""
        self._answers.append(answer)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(
            Asked(
                request.method,
                request.raw_path.partition("?")[0],
                dict(request.query),
                request.headers,
                msgspec.json.decode(body) if body else None,
            )
        )
        if not self._answers:
            return web.Response(status=418, text="the test gave no answer")
        return await self._answers.pop(0)(request)


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    """A fake server on a free port of loopback."""
    fake = FakeServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
