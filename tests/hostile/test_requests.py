"""Hostile input against a real server: always an answer that says what is wrong, never a fault of the server's, and
nothing half-written."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.hostile.requests import BODIES, PATHS, SMUGGLED, STARTS, Request
from tests.processes.server import Server

PROBLEM = {"type", "title", "status", "detail", "errors", "error"}
VICTIM = {"id": "victim", "steps": [{"id": "a"}]}


class Answer(NamedTuple):
    """A server's answer."""

    status: int
    content_type: str
    body: bytes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server:
        assert server.ask("POST", "/workflows", VICTIM).status == 201
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.said()
        assert '"level": "error"' not in server.said()


@pytest.fixture(autouse=True)
def nothing_half_written(server: Server) -> Iterator[None]:
    """The server is well afterwards, knows the one workflow that it knew, and no execution."""
    yield
    assert server.ask("GET", "/healthz").status == 200
    assert [known["id"] for known in server.ask("GET", "/workflows").json()] == ["victim"]
    assert server.ask("GET", "/executions").json() == []


def ask(server: Server, request: Request) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest(request.method, request.path)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.putheader("Content-Type", request.content_type)
        connection.endheaders()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all had gone out
            connection.send(request.body)
        response = connection.getresponse()
        return Answer(response.status, response.getheader("Content-Type", ""), response.read())
    finally:
        connection.close()


def assert_refused(answer: Answer) -> dict[str, Any]:
    """Refused as the client's fault, in the form that all refusals have, with a sentence to act on."""
    assert 400 <= answer.status < 500, answer
    assert answer.content_type.startswith("application/problem+json"), answer
    problem: dict[str, Any] = json.loads(answer.body)
    assert problem.keys() == PROBLEM
    assert problem["status"] == answer.status
    assert re.match(r"[^a-z].*[.?!]$|.*: .*[.?!]$", problem["detail"], re.DOTALL), problem["detail"]
    assert len(answer.body) < 500_000
    assert b"Traceback" not in answer.body
    return problem


@pytest.mark.parametrize("path", ["/workflows", "/workflows/validate"])
@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_definition_is_refused_with_reasons(server: Server, path: str, name: str) -> None:
    answer = ask(server, Request("POST", path, BODIES[name]))
    problem = assert_refused(answer)
    assert problem["errors"] or answer.status in (400, 413)


@pytest.mark.parametrize("name", STARTS)
def test_a_hostile_start_is_refused_with_reasons(server: Server, name: str) -> None:
    assert_refused(ask(server, Request("POST", "/executions/start", STARTS[name])))


@pytest.mark.parametrize("request_", PATHS, ids=lambda request: f"{request.method} {request.path[:40]}")
def test_a_place_that_is_none_is_refused(server: Server, request_: Request) -> None:
    answer = ask(server, request_)
    if answer.status != 200:  # an odd question may have an answer
        assert_refused(answer)


@pytest.mark.parametrize("name", SMUGGLED)
def test_nothing_is_smuggled_past_the_end_of_a_request(server: Server, name: str) -> None:
    said = exchange(server.port, SMUGGLED[name])
    statuses = re.findall(rb"HTTP/1\.[01] (\d+) ", said)
    assert all(int(status) < 500 for status in statuses), said[:500]
    assert b"Traceback" not in said


def exchange(port: int, sent: bytes) -> bytes:
    """All that the server says to these bytes before it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        said = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                said += received
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not wait for the rest
        return said
