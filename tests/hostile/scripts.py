"""Hostile scripts as users would plant them: as the code of a transform and as the expression of a condition, in real
workflows on a real server, while others work and somebody asks after the server's health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple

import aiohttp

from tests.scripting.test_hostile_scripts import POLLUTION, STOPPED, STOPPED_BY_MEMORY

LIMIT_MS = 1_000
"""What the server is told with --script-timeout."""

HOSTILE = STOPPED | STOPPED_BY_MEMORY | {"pollution": POLLUTION + "; for (;;);"}
BENIGN: dict[str, Any] = {
    "id": "benign",
    "steps": [
        {"id": "a", "params": {"result": [3, 4]}},
        {"id": "b", "dependencies": ["a"]},
        {"id": "c", "dependencies": ["b"]},
    ],
}
SCRIPTED: dict[str, Any] = {
    "id": "scripted",
    "steps": [
        {"id": "a", "params": {"result": [3, 4]}},
        {
            "id": "sum",
            "action": "transform",
            "dependencies": ["a"],
            "params": {"inputKey": "a", "code": "return input.map(n => n * 2).reduce((a, b) => a + b)"},
        },
        {"id": "check", "action": "condition", "dependencies": ["sum"], "params": {"expression": "context.sum === 14"}},
    ],
}  # fmt: skip


class Ended(NamedTuple):
    """How one script ended, after how long, and what others felt of it meanwhile: the worst answer of /healthz in ms,
    and how many harmless executions, without and with scripts, completed."""

    name: str
    ways: tuple[str, ...]
    seconds: float
    worst_health_ms: float
    benign: int
    scripted: int


class Site:
    """A server under attack."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._done = asyncio.Event()
        self._news = asyncio.Condition()
        self.worst_ms = 0.0
        self.completed = {"benign": 0, "scripted": 0}
        self.wrong: list[str] = []

    async def prepare(self) -> None:
        """Register what the harmless run."""
        for workflow in (BENIGN, SCRIPTED):
            assert await self._register(workflow) is None

    async def attack(self, name: str, body: str | None) -> Ended:
        """Run one script (or, for comparison, none) in both places at once, while others work."""
        self._done.clear()
        self.worst_ms = 0.0
        self.completed = {"benign": 0, "scripted": 0}
        others = [self._probe(), *(self._work(kind) for kind in ("benign", "benign", "scripted", "scripted"))]
        working = [asyncio.create_task(other) for other in others]
        began = time.perf_counter()
        ways = await asyncio.gather(*self._runs(body))
        took = time.perf_counter() - began
        async with self._news:  # a script that fails at once leaves others no time to show anything
            await self._news.wait_for(lambda: all(self.completed.values()))
        self._done.set()
        await asyncio.gather(*working)
        return Ended(
            name, tuple(ways), took, self.worst_ms, self.completed["benign"], self.completed["scripted"]
        )

    def _runs(self, body: str | None) -> list[Coroutine[Any, Any, str]]:
        if body is None:
            return [self._run({"id": "x", "action": "delay", "params": {"duration": LIMIT_MS}})]
        return [self._run(step) for step in _steps(body)]

    async def _run(self, step: dict[str, Any]) -> str:
        workflow_id = f"hostile-{step['action']}"
        refusal = await self._register({"id": workflow_id, "steps": [step]})
        if refusal is not None:
            return f"refused: {refusal}"
        document = await self._post("/executions/start?wait=60000", {"workflowId": workflow_id})
        ended = document["stepResults"]["x"]
        error = ended.get("error")
        return f"{error['type']}: {error['message']}" if error else str(ended["status"])

    async def _work(self, workflow_id: str) -> None:
        while not self._done.is_set():
            document = await self._post("/executions/start?wait=60000", {"workflowId": workflow_id})
            if document["status"] != "completed":
                self.wrong.append(f"a harmless execution ended {document['status']}: {document.get('error')}")
            elif workflow_id == "scripted" and document["context"]["check"]["result"] is not True:
                self.wrong.append(f"a harmless script answered {document['context']}")
            self.completed[workflow_id] += 1
            async with self._news:
                self._news.notify_all()

    async def _probe(self) -> None:
        while not self._done.is_set():
            began = time.perf_counter()
            async with self._session.get(f"{self._url}/healthz") as response:
                await response.read()
                if response.status != 200:
                    self.wrong.append(f"/healthz answered {response.status}")
            self.worst_ms = max(self.worst_ms, (time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.005)

    async def _register(self, workflow: dict[str, Any]) -> str | None:
        async with self._session.post(f"{self._url}/workflows", json=workflow) as response:
            answer = await response.json()
            return None if response.status < 300 else str(answer["detail"])

    async def _post(self, path: str, body: Any) -> Any:
        async with self._session.post(self._url + path, json=body) as response:
            answer = await response.json()
            if response.status >= 300:
                raise AssertionError(f"{path}: {response.status} {answer}")
            return answer


def _steps(body: str) -> list[dict[str, Any]]:
    quiet = {"id": "x", "retryPolicy": {"maxAttempts": 1}}
    return [
        quiet | {"action": "transform", "params": {"input": 1, "code": body}},
        quiet | {"action": "condition", "params": {"expression": f"(() => {{ {body} }})()"}},
    ]
