"""The load client against servers that answer in awkward ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tenuto.cli.bench.client import Address, BenchFailed, drive, exchange, request_bytes, send_each

OK = b'HTTP/1.1 201 Created\r\nContent-Length: 22\r\n\r\n{"status":"completed"}'


@asynccontextmanager
async def answering(answer: Callable[[int], list[bytes]]) -> AsyncIterator[tuple[Address, list[bytes]]]:
    """A server that answers its n-th request with these pieces, each sent by itself; and the requests it got."""
    requests: list[bytes] = []
    handlers: list[asyncio.Future[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        handlers.append(ended)
        while request := await reader.read(65536):
            requests.append(request)
            for piece in answer(len(requests)):
                writer.write(piece)
                await writer.drain()
                for _ in range(5):
                    await asyncio.sleep(0)
            if not answer(len(requests)):
                break
        writer.close()
        await writer.wait_closed()
        ended.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1]), requests
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*handlers)


async def test_a_reply_in_many_pieces_is_put_together() -> None:
    pieces = [OK[at : at + 7] for at in range(0, len(OK), 7)]
    async with answering(lambda number: pieces) as (address, _):
        reply = await exchange(address, request_bytes("GET", "/x", address))
    assert (reply.status, reply.json()) == (201, {"status": "completed"})


async def test_a_chunked_reply_is_read_to_its_last_chunk() -> None:
    pieces = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nhi\r\n", b"0\r\n\r\n"]
    async with answering(lambda number: pieces) as (address, _):
        reply = await exchange(address, request_bytes("GET", "/x", address))
    assert b"hi" in reply.body


async def test_a_reply_without_a_body_is_whole_after_its_head() -> None:
    async with answering(lambda number: [b"HTTP/1.1 204 No Content\r\n\r\n"]) as (address, _):
        assert await exchange(address, request_bytes("GET", "/x", address)) == (204, b"")


async def test_a_request_with_a_body_says_how_long_it_is() -> None:
    async with answering(lambda number: [OK]) as (address, requests):
        await exchange(address, request_bytes("POST", "/x", address, b"{}"))
    assert b"content-length: 2\r\n" in requests[0]
    assert requests[0].endswith(b"\r\n\r\n{}")


async def test_load_counts_every_answer_up_to_the_most() -> None:
    async with answering(lambda number: [OK]) as (address, requests):
        load = await drive(
            address, request_bytes("POST", "/x", address), marker=b"completed", seconds=60, most=5
        )
    assert load.completed == len(load.latencies_ms) == len(requests) == 5


async def test_an_answer_after_the_time_is_up_counts_when_it_is_the_only_one() -> None:
    async with answering(lambda number: [OK]) as (address, _):
        load = await drive(address, request_bytes("POST", "/x", address), seconds=0.0)
    assert load.completed == 1


@pytest.mark.parametrize("at_once", [1, 3, 9])
async def test_each_request_is_sent_once_and_all_are_answered(at_once: int) -> None:
    async with answering(lambda number: [OK]) as (address, requests):
        paths = [request_bytes("GET", f"/{number}", address) for number in range(7)]
        load = await send_each(address, iter(paths), marker=b"completed", at_once=at_once, limit_s=60)
    assert sorted(requests) == paths
    assert load.completed == len(load.latencies_ms) == 7


async def test_nothing_to_send_is_over_at_once() -> None:
    async with answering(lambda number: [OK]) as (address, requests):
        assert (await send_each(address, [], at_once=2, limit_s=60)).completed == len(requests) == 0


async def test_a_server_that_is_not_done_in_time_is_told() -> None:
    async with answering(lambda number: [OK[:20]]) as (address, _):
        with pytest.raises(BenchFailed, match="stopped answering"):
            await send_each(address, [request_bytes("GET", "/x", address)], limit_s=0.1)


async def test_several_requests_are_sent_in_turns() -> None:
    async with answering(lambda number: [OK]) as (address, requests):
        paths = [request_bytes("GET", path, address) for path in ("/a", "/b")]
        await drive(address, paths, seconds=60, most=3)
    assert [request.split()[1] for request in requests] == [b"/a", b"/b", b"/a"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\nwhat",
        b'HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"status":"running"}',
    ],
    ids=["an error", "no marker"],
)
async def test_load_ends_with_the_servers_words_on_an_answer_that_does_not_count(answer: bytes) -> None:
    async with answering(lambda number: [OK if number < 3 else answer]) as (address, _):
        with pytest.raises(BenchFailed, match=r"what|running"):
            await drive(
                address, request_bytes("POST", "/x", address), marker=b'"completed"', seconds=60, most=9
            )


async def test_a_server_that_goes_away_under_load_is_told() -> None:
    async with answering(lambda number: [OK] if number < 3 else []) as (address, _):
        with pytest.raises(BenchFailed, match="closed"):
            await drive(address, request_bytes("POST", "/x", address), seconds=60, most=9)


async def test_a_server_that_does_not_listen_is_told() -> None:
    async with answering(lambda number: [OK]) as (address, _):
        pass
    with pytest.raises(BenchFailed, match="cannot connect"):
        await exchange(address, request_bytes("GET", "/x", address))
