"""Held against uvicorn itself: should its protocol stop to write through the transport it was given, or come to need
more of it, these tests say so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tenuto.bootstrap.joined import AT_ONCE, JoinedProtocol, JoinedTransport


class Wire(asyncio.Transport):
    """A transport that keeps what is written, write by write. `written` is set by each."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False
        self.is_read = True
        self.written = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.writes.append(bytes(data))
        self.written.set()

    def has(self, data: bytes) -> bool:
        return any(data in write for write in self.writes)

    def write_eof(self) -> None:
        self.writes.append(b"<eof>")

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


class Talk:
    """A connection to an application, over uvicorn's protocol and no socket."""

    def __init__(self, app: Callable[..., Any]) -> None:
        config = uvicorn.Config(app, http=JoinedProtocol, ws="none", lifespan="off", log_config=None)
        config.load()
        self.state = ServerState()
        self.wire = Wire()
        self.protocol = JoinedProtocol(config=config, server_state=self.state, app_state={})
        self.protocol.connection_made(self.wire)

    async def ask(self, *requests: bytes) -> list[bytes]:
        """Send the requests as one packet; what is written once all were answered."""
        total = self.state.total_requests + len(requests)
        self.protocol.data_received(b"".join(requests))
        while self.state.total_requests < total or self.state.tasks:
            await asyncio.wait(self.state.tasks or [asyncio.ensure_future(asyncio.sleep(0))])
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.wire.writes

    def close(self) -> None:
        self.protocol.connection_lost(None)


@pytest.fixture
async def talk() -> AsyncIterator[Callable[[Callable[..., Any]], Talk]]:
    talks: list[Talk] = []

    def begin(app: Callable[..., Any]) -> Talk:
        talks.append(Talk(app))
        return talks[-1]

    yield begin
    for each in talks:
        each.close()


Begin = Callable[[Callable[..., Any]], Talk]
REQUEST = b"GET /%d HTTP/1.1\r\nhost: here\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(b"at " + scope["path"].encode() + body)(scope, receive, send)


async def test_head_and_body_of_a_reply_are_one_write(talk: Begin) -> None:
    [reply] = await talk(echo).ask(REQUEST % 1)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 5\r\n" in reply
    assert reply.endswith(b"\r\n\r\nat /1")


async def test_a_kept_connection_answers_request_after_request(talk: Begin) -> None:
    connection = talk(echo)
    for number in range(3):
        assert (await connection.ask(REQUEST % number))[-1].endswith(b"at /%d" % number)
    assert len(connection.wire.writes) == 3


async def test_pipelined_requests_are_answered_in_order(talk: Begin) -> None:
    replies = b"".join(await talk(echo).ask(*(REQUEST % number for number in range(4))))
    places = [replies.index(b"at /%d" % number) for number in range(4)]
    assert places == sorted(places)
    assert replies.count(b"HTTP/1.1 200 OK") == 4


async def test_a_head_alone_is_written(talk: Begin) -> None:
    [reply] = await talk(echo).ask(b"HEAD /1 HTTP/1.1\r\nhost: here\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert reply.endswith(b"\r\n\r\n")


async def test_what_is_kept_is_written_before_the_connection_is_closed(talk: Begin) -> None:
    connection = talk(echo)
    [reply] = await connection.ask(b"GET /1 HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
    assert reply.endswith(b"at /1")
    assert connection.wire.is_closed


async def test_a_request_that_is_no_http_is_told_so(talk: Begin) -> None:
    connection = talk(echo)
    connection.protocol.data_received(b"no http\r\n\r\n")
    [reply] = connection.wire.writes
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert connection.wire.is_closed


async def test_each_part_of_a_stream_leaves_as_it_comes(talk: Begin) -> None:
    parts: asyncio.Queue[bytes] = asyncio.Queue()

    async def streamed() -> AsyncIterator[bytes]:
        while part := await parts.get():
            yield part

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(streamed())(scope, receive, send)

    connection = talk(app)
    asked = asyncio.ensure_future(connection.ask(REQUEST % 1))
    for part in (b"one", b"two"):
        await parts.put(part)
        while not connection.wire.has(part):  # before the next part is there
            connection.wire.written.clear()
            await connection.wire.written.wait()
    await parts.put(b"")
    assert b"".join(await asked).endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_much_data_is_not_kept() -> None:
    wire = Wire()
    joined = JoinedTransport(wire, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b"x" * AT_ONCE)
    assert wire.writes == [b"head" + b"x" * AT_ONCE]
    await asyncio.sleep(0)
    assert len(wire.writes) == 1


async def test_what_a_lost_connection_cannot_take_is_dropped() -> None:
    wire = Wire()
    joined = JoinedTransport(wire, asyncio.get_running_loop())
    joined.write(b"head")
    wire.close()
    await asyncio.sleep(0)
    assert wire.writes == []


async def test_all_else_is_the_transports_own() -> None:
    wire = Wire()
    joined = JoinedTransport(wire, asyncio.get_running_loop())
    joined.pause_reading()
    assert not wire.is_read
    joined.writelines([b"a", b"b"])
    joined.write_eof()
    assert wire.writes == [b"ab", b"<eof>"]
