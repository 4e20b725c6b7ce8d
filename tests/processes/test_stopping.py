"""SIGTERM under load: what was acknowledged stays, what ends in the grace period counts, and nobody is blamed."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.processes.server import Server
from tests.receivers import receiver

WORKFLOW = {
    "id": "held",
    "steps": [
        {"id": "a", "action": "http.request", "params": {"url": "{{ input.url }}", "method": "POST"}},
        {"id": "b", "dependencies": ["a"]},
        {"id": "nap", "action": "delay", "params": {"duration": 1500}},
    ],
}
STARTS = 24
ENDING = 12


class Gate:
    """A receiver's handler that holds calls until it is opened; `quick` ones pass when the first gate opens."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.first = asyncio.Event()
        self.all = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        execution_id = request.headers["X-Tenuto-Execution-Id"]
        self.calls[execution_id] += 1
        await (self.first if int(execution_id[2:]) < ENDING else self.all).wait()
        return web.json_response({"for": execution_id})


def body_of(number: int, url: str) -> dict[str, Any]:
    return {"workflowId": "held", "executionId": f"e-{number}", "context": {"url": url}}


async def start(session: aiohttp.ClientSession, server: Server, url: str, number: int) -> bool:
    """Whether the start was acknowledged."""
    try:
        async with session.post(f"{server.url}/executions/start", json=body_of(number, url)) as response:
            return response.status == 201
    except (aiohttp.ClientError, OSError):
        return False


async def test_a_graceful_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    gate = Gate()
    server = Server(tmp_path, "--grace", "2s")
    async with receiver(gate.handle) as service, aiohttp.ClientSession() as session:
        await asyncio.to_thread(server.__enter__)
        try:
            assert (await asyncio.to_thread(server.ask, "POST", "/workflows", WORKFLOW)).status == 201
            await asyncio.gather(*(start(session, server, service.url(), n) for n in range(STARTS)))
            await service.arrived(STARTS)
            flood = asyncio.create_task(keep_starting(session, server, service.url()))
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            await asyncio.to_thread(server.wait_deaf)
            gate.first.set()
            assert await stopping == 0
            acknowledged = [*range(STARTS), *await flood]
            gate.all.set()
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(server.wait_ready)
            for number in acknowledged:
                await check(server, number, service.url(), gate)
        finally:
            await asyncio.to_thread(server.kill)
    log = server.said()
    assert "Traceback" not in log
    assert '"level": "error"' not in log


async def keep_starting(session: aiohttp.ClientSession, server: Server, url: str) -> list[int]:
    """Start executions until the server takes no more, and answer those it acknowledged."""
    acknowledged: list[int] = []
    for number in range(1_000, 100_000):
        if not await start(session, server, url, number):
            return acknowledged
        acknowledged.append(number)
    raise AssertionError("the server never stopped")


async def check(server: Server, number: int, url: str, gate: Gate) -> None:
    """It completes, called its step as often as it had to, and holds no stop against it."""
    execution_id = f"e-{number}"
    started_again = await asyncio.to_thread(
        server.ask, "POST", "/executions/start?wait=30000", body_of(number, url)
    )
    assert started_again.status == 200
    document = started_again.json()
    assert document["status"] == "completed", document
    path = f"/executions/{execution_id}/journal?limit=1000"
    journal = (await asyncio.to_thread(server.ask, "GET", path)).json()
    events = [event for entry in journal for event in entry["events"]]
    interrupted = [event for event in events if event["type"] == "attempt.interrupted"]
    assert all(event["counted"] is False for event in interrupted)
    if number < ENDING:
        assert interrupted == []
        assert document["stepResults"]["a"]["attempts"] == 1
        assert gate.calls[execution_id] == 1
    elif number < STARTS:
        assert [event["step"] for event in interrupted] == ["a"]
    assert document["context"]["a"] == {"for": execution_id}
    assert document["stepResults"]["nap"]["attempts"] == 1


def test_executors_that_do_not_end_keep_no_server_from_stopping(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_bytes(Path(__file__).with_name("shop.py").read_bytes())
    with Server(tmp_path, "--app", "shop:engine", "--grace", "200ms") as server:
        body = {"workflowId": "w", "executionId": "mine"}
        assert server.ask("POST", "/executions/start?wait=200", body).json()["currentSteps"] == ["a", "b"]
        assert server.stop() == 0
    with Server(tmp_path, "--app", "shop:engine", "--grace", "0s") as server:
        entries = server.ask("GET", "/executions/mine/journal").json()
        lost = [
            event for entry in entries for event in entry["events"] if event["type"] == "attempt.interrupted"
        ]
        assert [(event["step"], event["counted"]) for event in lost] == [("a", False), ("b", False)]
        assert server.ask("POST", "/executions/mine/terminate").status == 200
        assert server.stop() == 0
