"""A small ASGI client: whole answers, chunked bodies as a hostile client sends them, and streams read as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
from starlette.types import Message

from tenuto.api.app import Application


class Reply(NamedTuple):
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON data."""
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Client:
    """Asks one application."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def ask(
        self,
        method: str,
        target: str,
        data: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        chunks: Iterable[bytes] | None = None,
    ) -> Reply:
        """One request: `data` is sent as JSON, `body` as it is, `chunks` piece by piece without a length."""
        sent = dict(headers or {})
        if data is not None:
            body = msgspec.json.encode(data)
            sent.setdefault("content-type", "application/json")
        parts = [body or b""] if chunks is None else list(chunks)
        if chunks is None:
            sent.setdefault("content-length", str(len(parts[0])))
        else:
            sent.setdefault("transfer-encoding", "chunked")
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(_scope(method, target, sent), _receiver(parts), send)
        head = messages[0]
        return Reply(head["status"], _headers(head), b"".join(m.get("body", b"") for m in messages[1:]))

    async def get(self, target: str, **options: Any) -> Reply:
        """GET."""
        return await self.ask("GET", target, **options)

    async def post(self, target: str, data: Any = None, **options: Any) -> Reply:
        """POST."""
        return await self.ask("POST", target, data, **options)

    @asynccontextmanager
    async def stream(self, target: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Stream]:
        """GET an answer that comes in parts; leaving disconnects."""
        parts: asyncio.Queue[Message] = asyncio.Queue()
        gone = asyncio.Event()
        is_asked = False

        async def receive() -> Message:
            nonlocal is_asked
            if not is_asked:
                is_asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        answering = asyncio.ensure_future(self.app(_scope("GET", target, headers or {}), receive, parts.put))
        try:
            head = await parts.get()
            yield Stream(head["status"], _headers(head), parts)
        finally:
            gone.set()
            await answering


class Stream:
    """The answer of a stream so far."""

    def __init__(self, status: int, headers: dict[str, str], parts: asyncio.Queue[Message]) -> None:
        self.status = status
        self.headers = headers
        self._parts = parts

    async def next(self) -> bytes | None:
        """The next part; None at the end."""
        async with asyncio.timeout(20):
            message = await self._parts.get()
        return message["body"] if message.get("more_body") else None

    async def rest(self) -> bytes:
        """All parts until the end."""
        parts = []
        while (part := await self.next()) is not None:
            parts.append(part)
        return b"".join(parts)


def _scope(method: str, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "server": ("127.0.0.1", 3000),
        "client": ("127.0.0.1", 40000),
        "root_path": "",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in headers.items()],
    }


def _receiver(parts: list[bytes]) -> Any:
    left = iter([*enumerate(parts, 1)])

    async def receive() -> Message:
        for number, part in left:
            return {"type": "http.request", "body": part, "more_body": number < len(parts)}
        return {"type": "http.disconnect"}

    return receive


def _headers(head: Message) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in head["headers"]}
