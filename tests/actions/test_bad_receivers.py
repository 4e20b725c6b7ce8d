"""Outgoing calls against services that are absent, slow, broken or hostile."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import pytest

from tenuto.actions.http_client import HttpCaller
from tenuto.actions.http_request import HttpRequest
from tests.actions.requests import failure_of, request, result_of
from tests.receivers import RawReceiver, answer, raw_receiver, receiver, says

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
MIB = 1024 * 1024


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_refused_connection_names_host_and_port(http_request: HttpRequest) -> None:
    port = free_port()
    failure = await failure_of(http_request, request({"url": f"http://127.0.0.1:{port}/x?token=hidden"}))
    assert failure.error.type == "network"
    assert failure.error.message == (
        f"Connection refused by 127.0.0.1:{port}; is the service running, and is the port right?"
    )


async def test_an_unknown_host_is_named(http_request: HttpRequest) -> None:
    failure = await failure_of(http_request, request({"url": "http://no-such-host.invalid/"}))
    assert failure.error.type == "network"
    assert "host name no-such-host.invalid cannot be resolved" in failure.error.message


async def test_tls_where_none_is_spoken_fails_with_a_reason(http_request: HttpRequest) -> None:
    async with receiver() as service:
        failure = await failure_of(http_request, request({"url": f"https://127.0.0.1:{service.port}/"}))
    assert failure.error.type == "network"
    assert failure.error.message.startswith(f"TLS with 127.0.0.1:{service.port} failed (")


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"this is not HTTP at all\r\n\r\n",
        b"\x16\x03\x01\x00\xff",
        b"HTTP/1.1 9999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBroken header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Encoding: gzip\r\n\r\nnotgzip",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)) + b"\r\n",
        b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\n",
        b"",
    ],
    ids=[
        "text", "binary", "status", "header", "length", "chunk", "cut-short", "not-gzip", "huge-header", "many-headers",
        "huge-reason", "silence",
    ],
)  # fmt: skip
async def test_nonsense_instead_of_an_answer_is_a_network_error(
    http_request: HttpRequest, bytes_sent: bytes
) -> None:
    async with raw_receiver(says(bytes_sent)) as service:
        failure = await failure_of(http_request, request({"url": service.url("/secret?token=hidden")}))
        assert failure.error.type == "network"
        assert f"127.0.0.1:{service.port}" in failure.error.message
        assert "hidden" not in failure.error.message
        assert len(failure.error.message) < 500


async def test_headers_that_are_not_text_do_no_harm(http_request: HttpRequest) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Raw: \xff\xe9\r\nX-Good: \xc3\xa9\r\nContent-Type: \xff\r\n\r\n{}"
    async with raw_receiver(says(head)) as service:
        full = await result_of(http_request, request({"url": service.url(), "response": "full"}))
    assert (full["body"], full["headers"]["x-raw"], full["headers"]["x-good"]) == ({}, "\ufffd\ufffd", "é")


async def test_an_endless_body_is_cut_off_at_the_limit(caller: HttpCaller) -> None:
    http_request = HttpRequest(caller, result_limit=MIB)

    async def pour(service: RawReceiver, _reader: Reader, writer: Writer) -> None:
        await service.send(writer, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            await service.send(writer, b"x" * 65536)

    async with raw_receiver(pour) as service:
        failure = await failure_of(http_request, request({"url": service.url()}))
        assert failure.error.type == "limit"
        assert "larger than 1,048,576 bytes" in failure.error.message
        await service.hung_up.wait()
        assert service.bytes_sent < 16 * MIB  # what kernel buffers hold, not what the service would send


async def test_an_endless_error_body_does_not_hide_the_status(http_request: HttpRequest) -> None:
    async def pour(service: RawReceiver, _reader: Reader, writer: Writer) -> None:
        await service.send(writer, b"HTTP/1.1 500 Oh\r\n\r\n")
        while True:
            await service.send(writer, b"x" * 65536)

    async with raw_receiver(pour) as service:
        failure = await failure_of(http_request, request({"url": service.url()}))
        assert failure.error.type == "http.500"
        await service.hung_up.wait()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_bomb_is_cut_off_before_it_fills_memory(caller: HttpCaller, encoding: str) -> None:
    http_request = HttpRequest(caller, result_limit=MIB)
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = pack(b"\0" * (64 * MIB))
    async with receiver(answer(200, bomb, headers={"Content-Encoding": encoding})) as service:
        tracemalloc.start()
        try:
            failure = await failure_of(http_request, request({"url": service.url()}))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert failure.error.type == "limit"
    assert peak < 16 * MIB


async def test_a_body_of_exactly_the_limit_is_a_result_and_one_byte_more_is_not(caller: HttpCaller) -> None:
    action = HttpRequest(caller, result_limit=1000)
    async with receiver(answer(200, "x" * 998, "text/plain")) as service:  # and two quotes
        assert await result_of(action, request({"url": service.url()})) == "x" * 998
        service.handler = answer(200, "x" * 999, "text/plain")
        assert (await failure_of(action, request({"url": service.url()}))).error.type == "limit"


@pytest.mark.parametrize("depth", [101, 100_000])
async def test_json_nested_too_deeply_is_refused(http_request: HttpRequest, depth: int) -> None:
    async with receiver(answer(200, "[" * depth + "]" * depth)) as service:
        failure = await failure_of(http_request, request({"url": service.url()}))
        assert failure.error.type == "limit"
        assert "nested deeper than 100" in failure.error.message
        service.handler = answer(500, "[" * depth + "]" * depth)
        assert (await failure_of(http_request, request({"url": service.url()}))).error.type == "http.500"


async def test_json_nested_a_hundred_deep_is_a_result(http_request: HttpRequest) -> None:
    async with receiver(answer(200, "[" * 100 + "]" * 100)) as service:
        await result_of(http_request, request({"url": service.url()}))


async def test_a_head_that_never_ends_is_left_when_the_attempt_is_cancelled(
    http_request: HttpRequest,
) -> None:
    async def drip(service: RawReceiver, reader: Reader, writer: Writer) -> None:
        await service.send(writer, b"HTTP/1.1 200 OK\r\nX-Slow: a")
        await reader.read()  # until the client hangs up

    async with raw_receiver(drip) as service:
        attempt = asyncio.ensure_future(failure_of(http_request, request({"url": service.url()})))
        await service.asked.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await service.hung_up.wait()


async def test_a_body_that_stalls_is_left_when_the_attempt_is_cancelled(http_request: HttpRequest) -> None:
    async def stall(service: RawReceiver, reader: Reader, writer: Writer) -> None:
        await service.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await reader.read()

    async with raw_receiver(stall) as service:
        attempt = asyncio.ensure_future(failure_of(http_request, request({"url": service.url()})))
        await service.asked.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await service.hung_up.wait()


async def test_an_answer_before_the_whole_request_was_read_counts(http_request: HttpRequest) -> None:
    # The service answers a large upload at once and stops reading, as proxies with a limit do.
    done = asyncio.Event()
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"

    async def refuse(service: RawReceiver, _reader: Reader, writer: Writer) -> None:
        await service.send(writer, said)
        await done.wait()

    async with raw_receiver(refuse) as service:
        made = request({"url": service.url(), "method": "POST", "body": "x" * (4 * MIB)})
        failure = await failure_of(http_request, made)
        done.set()
    assert failure.error.type == "http.413"


async def test_a_receiver_that_hangs_does_not_hold_up_another(http_request: HttpRequest) -> None:
    async def hang(_service: RawReceiver, reader: Reader, _writer: Writer) -> None:
        await reader.read()

    async with raw_receiver(hang) as stuck, receiver(answer(200, '"here"')) as service:
        waiting = [
            asyncio.ensure_future(failure_of(http_request, request({"url": stuck.url()}))) for _ in range(200)
        ]
        await stuck.asked.wait()
        assert await result_of(http_request, request({"url": service.url()})) == "here"
        for attempt in waiting:
            attempt.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_names_that_do_not_resolve_do_not_hold_up_those_that_do(
    http_request: HttpRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, silent, asked = socket.getaddrinfo, threading.Event(), asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    def slow_dns(host: str, *args: Any, **kwargs: Any) -> Any:
        if host.endswith(".silent.test"):
            loop.call_soon_threadsafe(asked.release)
            silent.wait()
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow_dns)
    async with receiver(answer(200, '"here"')) as service:
        made = [request({"url": f"http://h{number}.silent.test/"}) for number in range(10)]
        stuck = [asyncio.ensure_future(failure_of(http_request, each)) for each in made]
        for _ in stuck:
            await asked.acquire()
        url = f"http://localhost:{service.port}/"
        assert await result_of(http_request, request({"url": url})) == "here"
    for attempt in stuck:
        attempt.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    silent.set()


@pytest.fixture
async def guarded() -> AsyncIterator[HttpRequest]:
    def refuse_loopback(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (host, *_) = address
        if host.startswith("127."):
            raise PermissionError(f"{host} is not for steps")
        return socket.socket(family, kind, protocol)

    http = HttpCaller(socket_factory=refuse_loopback)
    yield HttpRequest(http)
    await http.close()


async def test_the_socket_factory_may_refuse_an_address(guarded: HttpRequest) -> None:
    async with receiver() as service:
        failure = await failure_of(guarded, request({"url": service.url()}))
    assert failure.error.type == "network"
    assert "127.0.0.1 is not for steps" in failure.error.message
    assert service.received == []


async def test_a_certificate_nobody_vouches_for_is_not_trusted(
    http_request: HttpRequest, self_signed: ssl.SSLContext
) -> None:
    async def nothing(_reader: Reader, writer: Writer) -> None:
        writer.close()

    server = await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=self_signed)
    async with server:
        port = server.sockets[0].getsockname()[1]
        failure = await failure_of(http_request, request({"url": f"https://127.0.0.1:{port}/"}))
    assert failure.error.type == "network"
    assert f"certificate of 127.0.0.1:{port} is not trusted" in failure.error.message
