from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tenuto.client import ApiError, Client, SyncClient
from tests.client.fake_server import FakeServer, fake_server


@pytest.fixture
def server_elsewhere() -> Iterator[FakeServer]:
    """The fake server in a thread of its own, as the client under test drives its loop in this one."""
    started: Future[tuple[FakeServer, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        async with fake_server() as fake:
            stopped = asyncio.Event()
            started.set_result((fake, asyncio.get_running_loop(), stopped))
            await stopped.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    fake, loop, stopped = started.result()
    yield fake
    loop.call_soon_threadsafe(stopped.set)
    thread.join()


def test_the_sync_face_has_every_call_of_the_client_with_the_same_parameters() -> None:
    calls = {
        name: function
        for name, function in inspect.getmembers(Client, inspect.isroutine)
        if not name.startswith("_")
    }
    assert len(calls) > 40
    for name, function in calls.items():
        assert list(inspect.signature(getattr(SyncClient, name)).parameters) == list(
            inspect.signature(function).parameters
        ), name


def test_a_call_answers_without_await(server_elsewhere: FakeServer) -> None:
    server_elsewhere.answer({"executionId": "e1"}, 201)
    with SyncClient(server_elsewhere.url) as client:
        assert client.start("w", {"a": 1}).execution_id == "e1"


def test_refusals_are_raised_as_they_are(server_elsewhere: FakeServer) -> None:
    server_elsewhere.answer({"error": "no such thing"}, 404)
    with SyncClient(server_elsewhere.url) as client, pytest.raises(ApiError, match="no such thing"):
        client.get("e1")


def test_lists_are_plain_iterators_that_may_be_left(server_elsewhere: FakeServer) -> None:
    page = [{"executionId": name, "workflowId": "w", "status": "running"} for name in ("e1", "e2")]
    server_elsewhere.answer(page, 200, {"Link": '</executions?cursor=x>; rel="next"'})
    server_elsewhere.answer([])
    with SyncClient(server_elsewhere.url) as client:
        for execution in client.list_executions():
            assert execution.execution_id == "e1"
            break
        assert [found.execution_id for found in client.list_executions()] == []


def test_following_is_a_plain_iterator(server_elsewhere: FakeServer) -> None:
    server_elsewhere.stream(b'id: 1\ndata: {"seq":1,"at":2,"events":[]}\n\n', b"event: end\ndata: {}\n\n")
    with SyncClient(server_elsewhere.url) as client:
        assert [entry.seq for entry in client.follow("e1")] == [1]


def test_an_iterator_may_be_forgotten_until_after_the_client_is_closed(server_elsewhere: FakeServer) -> None:
    page = [{"executionId": name, "workflowId": "w", "status": "running"} for name in ("e1", "e2")]
    server_elsewhere.answer(page)
    with SyncClient(server_elsewhere.url) as client:
        forgotten = client.list_executions()
        assert next(forgotten).execution_id == "e1"
    forgotten.close()
    assert len(server_elsewhere.asked) == 1
