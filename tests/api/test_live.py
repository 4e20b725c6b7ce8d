import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from tenuto.api.live import HEARTBEAT
from tests.api.client import Client, Stream
from tests.api.conftest import Gate
from tests.api.test_control import HELD


@pytest.fixture
async def held(client: Client, gate: Gate) -> str:
    """The path of an execution whose first step is held."""
    await client.post("/workflows", HELD)
    reply = await client.post("/executions/start", {"workflowId": "held"})
    await gate.entered.wait()
    return reply.headers["location"]


async def messages(stream: Stream) -> AsyncIterator[dict[str, str]]:
    """The stream's messages as a browser would see them, heartbeats left out."""
    while (part := await stream.next()) is not None:
        if part == HEARTBEAT:
            continue
        assert part.endswith(b"\n\n")
        assert part.count(b"\n\n") == 1
        yield dict(line.split(": ", 1) for line in part.decode().strip().split("\n"))


async def test_an_ended_execution_is_told_from_its_beginning_to_its_end(client: Client, chain: str) -> None:
    ended = await client.post("/executions/start?wait=20000", {"workflowId": "chain"})
    path = ended.headers["location"]
    async with client.stream(f"{path}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        told = [message async for message in messages(stream)]
    journal = (await client.get(f"{path}/journal")).json()
    assert [msgspec.json.decode(message["data"]) for message in told[:-1]] == journal
    assert [message["id"] for message in told[:-1]] == [str(entry["seq"]) for entry in journal]
    assert told[-1]["event"] == "end"
    assert msgspec.json.decode(told[-1]["data"]) == {
        "executionId": ended.json()["executionId"],
        "status": "completed",
    }


async def test_decisions_come_as_they_happen(client: Client, held: str, gate: Gate) -> None:
    async with client.stream(f"{held}/events") as stream:
        coming = messages(stream)
        first = await anext(coming)
        assert '"execution.started"' in first["data"]
        gate.open()
        told = [message async for message in coming]
    assert any('"execution.completed"' in message["data"] for message in told)
    assert told[-1]["event"] == "end"


async def test_a_quiet_stream_shows_that_it_is_alive(client: Client, held: str) -> None:
    async with client.stream(f"{held}/events") as stream:
        while await stream.next() != HEARTBEAT:
            pass
        assert await stream.next() == HEARTBEAT


@pytest.mark.parametrize("way", ["header", "query"])
async def test_a_client_goes_on_where_it_left_off(client: Client, chain: str, way: str) -> None:
    ended = await client.post("/executions/start?wait=20000", {"workflowId": "chain"})
    path = ended.headers["location"]
    target = f"{path}/events?after=1" if way == "query" else f"{path}/events"
    headers = {"last-event-id": "1"} if way == "header" else {}
    async with client.stream(target, headers) as stream:
        told = [message async for message in messages(stream)]
    assert [message["id"] for message in told[:-1]] == [
        str(entry["seq"]) for entry in (await client.get(f"{path}/journal?after=1")).json()
    ]


async def test_a_client_that_has_it_all_is_told_to_stay_away(client: Client, chain: str) -> None:
    ended = await client.post("/executions/start?wait=20000", {"workflowId": "chain"})
    path = ended.headers["location"]
    last = (await client.get(f"{path}/journal")).json()[-1]["seq"]
    reply = await client.get(f"{path}/events", headers={"last-event-id": str(last)})
    assert (reply.status, reply.body) == (204, b"")


@pytest.mark.parametrize("last", ["-1", "abc", "1.5", "9" * 17, "²"])
async def test_an_odd_last_event_id_is_refused(client: Client, held: str, last: str) -> None:
    reply = await client.get(f"{held}/events", headers={"last-event-id": last})
    assert (reply.status, reply.json()["errors"][0]["path"]) == (400, "headers.Last-Event-ID")


async def test_a_client_that_leaves_ends_the_stream(client: Client, held: str) -> None:
    before = asyncio.all_tasks()
    async with client.stream(f"{held}/events") as stream:
        await stream.next()
    assert asyncio.all_tasks() == before


async def test_many_clients_follow_one_execution(client: Client, held: str, gate: Gate) -> None:
    async def follow() -> int:
        async with client.stream(f"{held}/events") as stream:
            return len([message async for message in messages(stream)])

    following = [asyncio.ensure_future(follow()) for _ in range(20)]
    gate.open()
    assert len(set(await asyncio.gather(*following))) == 1
