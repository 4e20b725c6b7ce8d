from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tenuto.client import ApiError, Client, ServerUnreachable
from tests.client.fake_server import FakeServer

NO_PAUSE = b"retry: 0\n\n"
END = b'event: end\ndata: {"executionId":"e1","status":"completed"}\n\n'


def entry(seq: int) -> bytes:
    data = {
        "seq": seq,
        "at": 1000 + seq,
        "events": [{"type": "step.started", "step": f"s{seq}", "attempt": 1}],
    }
    return b"id: %d\ndata: %s\n\n" % (seq, msgspec.json.encode(data))


async def followed(client: Client, **more: Any) -> list[int]:
    return [entry.seq async for entry in client.follow("e1", **more)]


async def test_following_ends_when_the_server_says_that_the_execution_has(
    client: Client, server: FakeServer
) -> None:
    server.stream(entry(1), entry(2), END)
    assert await followed(client) == [1, 2]
    assert server.asked[0].path == "/executions/e1/events"


async def test_entries_carry_what_was_sent(client: Client, server: FakeServer) -> None:
    server.stream(entry(1), END)
    [first] = [entry async for entry in client.follow("e1")]
    assert (first.seq, first.at, first.events[0]["step"]) == (1, 1001, "s1")


async def test_a_broken_connection_is_taken_up_after_the_last_whole_entry(
    client: Client, server: FakeServer
) -> None:
    server.stream(NO_PAUSE, entry(1), entry(2)[:-9], broken=True)
    server.stream(entry(2), entry(3), END)
    assert await followed(client) == [1, 2, 3]
    assert "Last-Event-ID" not in server.asked[0].headers
    assert server.asked[1].headers["Last-Event-ID"] == "1"


async def test_a_stream_that_a_stopping_server_closed_is_opened_again(
    client: Client, server: FakeServer
) -> None:
    server.stream(NO_PAUSE, entry(1))
    server.stream(entry(2), END)
    assert await followed(client) == [1, 2]


async def test_errors_of_a_server_that_is_just_starting_are_borne(client: Client, server: FakeServer) -> None:
    server.stream(NO_PAUSE, entry(1))
    server.answer({"title": "Unavailable"}, 503)
    server.stream(entry(2), END)
    assert await followed(client) == [1, 2]


async def test_following_starts_after_the_entry_that_was_named(client: Client, server: FakeServer) -> None:
    server.stream(entry(8), END)
    assert await followed(client, after_seq=7) == [8]
    assert server.asked[0].headers["Last-Event-ID"] == "7"


async def test_nothing_more_to_follow_is_the_end(client: Client, server: FakeServer) -> None:
    server.answer_raw(b"", 204)
    assert await followed(client, after_seq=9) == []


async def test_an_unknown_execution_is_an_error_at_once(client: Client, server: FakeServer) -> None:
    server.answer({"error": "there is no execution `e1`"}, 404)
    with pytest.raises(ApiError, match="no execution"):
        await followed(client)
    assert len(server.asked) == 1


async def test_a_server_that_was_never_there_is_not_waited_for(dead_url: str) -> None:
    async with Client(dead_url) as client, asyncio.timeout(20):
        with pytest.raises(ServerUnreachable, match="connection refused"):
            await followed(client, patience_ms=3_600_000)


async def test_a_server_that_stays_away_too_long_is_unreachable(client: Client, server: FakeServer) -> None:
    server.stream(NO_PAUSE, entry(1), broken=True)
    server.answer({"title": "Unavailable"}, 503)
    with pytest.raises(ServerUnreachable):
        await followed(client, patience_ms=0)
    assert len(server.asked) == 1


async def test_errors_beyond_the_patience_are_raised_as_they_are(client: Client, server: FakeServer) -> None:
    server.stream(NO_PAUSE, entry(1))
    for _ in range(10_000):
        server.answer({"title": "Unavailable"}, 503)
    with pytest.raises(ApiError, match="Unavailable"):
        await followed(client, patience_ms=20)


async def test_waiting_asks_for_the_execution_again_once_it_has_ended(
    client: Client, server: FakeServer
) -> None:
    server.answer({"executionId": "e1", "workflowId": "w", "status": "running"})
    server.stream(entry(1), END)
    server.answer({"executionId": "e1", "workflowId": "w", "status": "completed"})
    assert (await client.wait("e1")).status == "completed"


async def test_waiting_bears_a_server_that_goes_away_before_it_is_followed(
    client: Client, server: FakeServer
) -> None:
    server.answer({"executionId": "e1", "workflowId": "w", "status": "running"})
    server.answer({"title": "Unavailable"}, 503)
    server.stream(entry(1), END)
    server.answer({"executionId": "e1", "workflowId": "w", "status": "completed"})
    assert (await client.wait("e1")).status == "completed"


async def test_waiting_for_an_ended_execution_follows_nothing(client: Client, server: FakeServer) -> None:
    server.answer({"executionId": "e1", "workflowId": "w", "status": "failed"})
    assert (await client.wait("e1")).status == "failed"
    assert len(server.asked) == 1


async def test_waiting_that_is_cut_short_answers_how_it_stands(client: Client, server: FakeServer) -> None:
    server.answer({"executionId": "e1", "workflowId": "w", "status": "running"})
    server.stream(entry(1))  # closed without an end: the client would ask again after a pause
    server.answer({"executionId": "e1", "workflowId": "w", "status": "running"})
    assert (await client.wait("e1", timeout_ms=50)).status == "running"
