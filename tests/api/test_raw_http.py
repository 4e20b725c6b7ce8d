"""Bytes as they come over a socket, to a real server: it answers or refuses, and stays well."""

import re
import socket
from collections.abc import Iterator

import pytest

from tests.api.server import running


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as url:
        yield int(url.rpartition(":")[2])


def exchange(port: int, *parts: bytes, answers: int | None = None) -> bytes:
    """What the server says to these bytes: so many answers, or all until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        if answers is None:
            connection.shutdown(socket.SHUT_WR)
        said = b""
        while (answers is None or len(statuses(said)) < answers) and (received := connection.recv(65536)):
            said += received
    return said


def statuses(said: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d+) ", said)


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *lines, "", ""]).encode()


HEALTH = head("GET", "/healthz", "connection: close")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x00\xa5\x01\x00", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (head("POST", "/workflows", "transfer-encoding: chunked") + b"zz\r\n", 400),
        (head("POST", "/workflows", "content-length: -5"), 400),
        (head("GET", "/healthz", "connection: close", "x-long: " + "y" * 200_000), 200),
        (head("GET", "/healthz", "connection: close", *(f"x-{i}: y" for i in range(2000))), 200),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (head("GET", "/executions/%ff%fe", "connection: close"), 404),
        (head("GET", "/executions/" + "a" * 20_000, "connection: close"), 404),
        (head("GET", "/executions?q=" + "a" * 20_000, "connection: close"), 400),
        (head("GET", "/executions?limit=\x7f", "connection: close"), 400),
        (
            head(
                "POST",
                "/workflows",
                "connection: close",
                "content-type: application/json",
                "content-length: 2",
            )
            + b"{}",
            400,
        ),
    ],
)
def test_odd_bytes_are_answered_and_harm_nobody(port: int, sent: bytes, status: int) -> None:
    said = exchange(port, sent)
    assert said.startswith((f"HTTP/1.1 {status} ".encode(), f"HTTP/1.0 {status} ".encode())), said[:200]
    assert b"Traceback" not in said
    assert exchange(port, HEALTH).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(port: int) -> None:
    lines = (
        "content-type: application/json",
        "content-length: 99999999999",
        "expect: 100-continue",
        "connection: close",
    )
    said = exchange(port, head("POST", "/executions/start", *lines), answers=1)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in said


def test_requests_on_one_connection_are_answered_in_order(port: int) -> None:
    health = head("GET", "/healthz")
    said = exchange(port, health + head("GET", "/nope") + health, answers=3)
    assert statuses(said) == [b"200", b"404", b"200"]


def test_a_refused_request_does_not_end_the_connection(port: int) -> None:
    bad = head("POST", "/workflows", "content-type: text/plain", "content-length: 3") + b"abc"
    assert statuses(exchange(port, bad + head("GET", "/healthz"), answers=2)) == [b"415", b"200"]


def test_a_body_may_come_byte_by_byte(port: int) -> None:
    body = b'{"id":"w","steps":[{"id":"a"}]}'
    lines = ("content-type: application/json", f"content-length: {len(body)}", "connection: close")
    parts = [head("POST", "/workflows/validate", *lines), *(bytes([byte]) for byte in body)]
    assert exchange(port, *parts).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_leaves_before_its_body_is_whole_harms_nobody(port: int) -> None:
    exchange(
        port, head("POST", "/workflows", "content-length: 500", "content-type: application/json") + b'{"id"'
    )
    assert exchange(port, HEALTH).startswith(b"HTTP/1.1 200 ")
