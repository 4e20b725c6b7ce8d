"""kill -9 of a real server at random moments under load, again and again, against what is promised.

Clients start executions without pause, each under an id of its own; a receiver on loopback performs their steps and
keeps its own log of every call. In the end the journals, the acknowledgements and the receiver's log must agree:
no acknowledged start lost, no step called again after it was recorded as finished, attempts within bounds, no retry
and no timer early, no wait started over.

`python -m tests.processes.kill_campaign --kills 500 [--seed n]`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
from aiohttp import web

from tests.processes.server import Server

CLIENTS = 8
MOST_ATTEMPTS = 4
MOST_LOST = 3

WORKFLOW: dict[str, Any] = {
    "id": "campaign",
    "steps": [
        {"id": "a", "action": "http.request", "params": {"url": "{{ input.url }}/a", "method": "POST"}},
        {
            "id": "flaky",
            "action": "http.request",
            "dependencies": ["a"],
            "params": {"url": "{{ input.url }}/flaky", "method": "POST"},
            "retryPolicy": {"maxAttempts": MOST_ATTEMPTS, "initialDelay": 150, "backoffMultiplier": 1},
        },
        {"id": "pause", "action": "delay", "dependencies": ["a"], "params": {"duration": 700}},
        {
            "id": "shape",
            "action": "transform",
            "dependencies": ["a"],
            "params": {"inputKey": "a", "code": "return {n: input.n + 1}"},
        },
        {
            "id": "b",
            "action": "http.request",
            "dependencies": ["flaky", "pause", "shape"],
            "params": {"url": "{{ input.url }}/b", "method": "POST", "body": {"n": "{{ context.shape.n }}"}},
        },
    ],
}


class Called(NamedTuple):
    """One call that the receiver got: when (ms since the epoch), which step, which attempt."""

    at: float
    key: str
    attempt: int


class Checked(NamedTuple):
    """What is wrong with one execution, how many of its attempts were interrupted, and whether a step was given up
    because that happened once too often."""

    wrong: list[str]
    interrupted: int
    was_given_up: bool


class Receiver:
    """Performs steps: quickly or slowly, and fails each `flaky` step twice."""

    def __init__(self, rng: random.Random) -> None:
        self.calls: list[Called] = []
        self._failures: Counter[str] = Counter()
        self._rng = rng
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        self.calls.append(Called(time.time() * 1000, key, int(request.headers["X-Tenuto-Attempt"])))
        await asyncio.sleep(self._rng.random() * 0.05)
        if request.path == "/flaky" and self._failures[key] < 2:
            self._failures[key] += 1
            return web.json_response({"sorry": True}, status=503)
        return web.json_response({"n": 1})

    @contextlib.asynccontextmanager
    async def serving(self) -> Any:
        app = web.Application()
        app.router.add_post("/{step}", self.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


class Campaign:
    """One campaign: so many kills, then peace, then the reckoning."""

    def __init__(self, kills: int, seed: int, folder: Path) -> None:
        self.kills = kills
        self.rng = random.Random(seed)
        self.receiver = Receiver(self.rng)
        self.server = Server(folder, "--grace", "1s")
        self.acknowledged: list[str] = []
        self.unanswered = 0
        self.refused = 0
        self.is_over = False

    async def run(self) -> dict[str, Any]:
        async with self.receiver.serving(), aiohttp.ClientSession() as session:
            self.server.start()
            await asyncio.to_thread(self.server.wait_ready)
            await self._register(session)
            clients = [asyncio.create_task(self._client(session, n)) for n in range(CLIENTS)]
            began = time.monotonic()
            try:
                for _ in range(self.kills):
                    await asyncio.sleep(self.rng.random() ** 2 * 0.8)
                    self.server.kill()
                    self.server.start()
                    if self.rng.random() < 0.8:  # else it may be killed while it starts
                        await asyncio.to_thread(self.server.wait_ready)
                took = time.monotonic() - began
                await asyncio.to_thread(self.server.wait_ready)
                self.is_over = True
                await asyncio.gather(*clients)
                return await self._reckon(session) | {"seconds of killing": round(took)}
            finally:
                self.is_over = True
                for client in clients:
                    client.cancel()
                self.server.kill()

    async def _register(self, session: aiohttp.ClientSession) -> None:
        async with session.post(f"{self.server.url}/workflows", json=WORKFLOW) as response:
            assert response.status in (200, 201), await response.text()

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        count = 0
        while not self.is_over:
            count += 1
            body = {
                "workflowId": "campaign",
                "executionId": f"c{number}-{count}",
                "context": {"url": self.receiver.url},
            }
            await self._start_until_answered(session, body)
            await asyncio.sleep(self.rng.random() * 0.1)

    async def _start_until_answered(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        while True:
            try:
                async with session.post(f"{self.server.url}/executions/start", json=body) as response:
                    if response.status in (200, 201):
                        self.acknowledged.append(body["executionId"])
                        return
                    self.refused += 1
                    assert response.status == 503, await response.text()
            except (aiohttp.ClientError, OSError):
                self.unanswered += 1
            await asyncio.sleep(0.02)

    # -- the reckoning ----------------------------------------------------------------------------------------

    async def _reckon(self, session: aiohttp.ClientSession) -> dict[str, Any]:
        wrong: list[str] = []
        calls: dict[str, list[Called]] = defaultdict(list)
        for call in self.receiver.calls:
            calls[call.key].append(call)
        interrupted = given_up = 0
        for execution_id in self.acknowledged:
            status = await self._wait(session, execution_id)
            if status is None:
                wrong.append(f"{execution_id}: acknowledged and lost")
                continue
            journal = await self._get(session, f"/executions/{execution_id}/journal?limit=1000")
            if status != "completed":
                document = await self._get(session, f"/executions/{execution_id}")
                status = f"{status}: {document.get('error')}"
            checked = check_journal(execution_id, status, journal, calls)
            wrong += checked.wrong
            interrupted += checked.interrupted
            given_up += checked.was_given_up
        return {
            "kills": self.kills,
            "acknowledged": len(self.acknowledged),
            "requests without an answer": self.unanswered,
            "steps called": len(self.receiver.calls),
            "attempts interrupted": interrupted,
            "given up after 4 losses": given_up,
            "violations": wrong,
        }

    async def _wait(self, session: aiohttp.ClientSession, execution_id: str) -> str | None:
        for _ in range(600):
            document = await self._get(session, f"/executions/{execution_id}")
            if document is None or document["status"] in ("completed", "failed", "cancelled"):
                return None if document is None else str(document["status"])
            await asyncio.sleep(0.1)
        return "never ended"

    async def _get(self, session: aiohttp.ClientSession, path: str) -> Any:
        async with session.get(self.server.url + path) as response:
            if response.status == 404:
                return None
            assert response.status == 200, await response.text()
            return msgspec.json.decode(await response.read())


def check_journal(
    execution_id: str, status: str, journal: list[dict[str, Any]], calls: dict[str, list[Called]]
) -> Checked:
    """One execution, ended as `status`, held against its journal and what the receiver was called for."""
    wrong: list[str] = []
    finished: dict[str, int] = {}
    started: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    given_up: set[str] = set()
    waited: Counter[str] = Counter()
    not_before: dict[str, int] = {}
    for entry in journal:
        for event in entry["events"]:
            step, kind, at = event.get("step"), event["type"], entry["at"]
            if kind == "step.started":
                started[step] += 1
                if step in finished:
                    wrong.append(f"{execution_id}: {step} started after it had finished")
                if at < not_before.get(step, 0):
                    wrong.append(f"{execution_id}: {step} was tried again before its delay was over")
            elif kind == "attempt.failed":
                not_before[step] = event["retryAt"]
            elif kind == "attempt.interrupted":
                lost[step] += 1
            elif kind == "step.failed" and event["error"]["type"] == "infra":
                given_up.add(step)
            elif kind == "step.waiting":
                waited[step] += 1
                not_before[step] = event["until"]
            elif kind == "step.succeeded":
                finished[step] = at
                if at < not_before.get(step, 0):
                    wrong.append(f"{execution_id}: {step} was over before its instant")
    for step, count in started.items():
        if count - lost[step] > MOST_ATTEMPTS or lost[step] > MOST_LOST:
            wrong.append(f"{execution_id}: {step} made {count} attempts, {lost[step]} of them interrupted")
        if step in given_up and lost[step] != MOST_LOST:
            wrong.append(f"{execution_id}: {step} was given up after {lost[step]} interruptions")
        if waited[step] > 1:
            wrong.append(f"{execution_id}: the wait of {step} started over")
        late = [
            call for call in calls[f"{execution_id}/{step}/0"] if call.at > finished.get(step, 1 << 62) + 1
        ]
        wrong += [
            f"{execution_id}: {step} was called after it had finished, attempt {call.attempt}"
            for call in late
        ]
    if status != "completed" and not given_up:
        wrong.append(f"{execution_id}: {status}")
    return Checked(wrong, lost.total(), bool(given_up))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.processes.kill_campaign")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(Campaign(chosen.kills, chosen.seed, Path(folder)).run())
    violations = result.pop("violations")
    for name, value in result.items():
        print(f"{name:28} {value}")
    print(f"{'violations':28} {len(violations)}")
    for violation in violations[:20]:
        print(f"  {violation}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
