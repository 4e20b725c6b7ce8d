"""kill -9 of a real server at random moments under load, again and again, against what is promised.

Clients start executions without pause, each under an id of its own; a receiver on loopback performs their steps and
keeps its own log of every call. In the end the journals, the acknowledgements and the receiver's log must agree:
no acknowledged start or signal lost, no step, item or round called again after it was recorded as finished, attempts
within bounds, no retry and no timer early, no wait started over, never more items or steps that share a limit at once
than may be, one child for each step that starts one, and its end told.

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
ITEMS = 4
ITEMS_AT_ONCE = 2
ROUNDS = 3
LIMIT = 2
CONTAINERS = frozenset({"each", "rounds"})

OF_THE_DEAD_S = 0.15
"""What a killed server had sent may still arrive for so long; none that is started sends so soon."""


def _call(step: str, **fields: Any) -> dict[str, Any]:
    """A step, or what a map or loop does, that posts to the receiver."""
    params = {"url": f"{{{{ input.url }}}}/{step}", "method": "POST"}
    return {"id": step, "action": "http.request", "params": params, **fields}


CHILD: dict[str, Any] = {"id": "campaign-child", "steps": [_call("c")], "output": "{{ context.c.n }}"}
WORKFLOW: dict[str, Any] = {
    "id": "campaign",
    "steps": [
        _call("a"),
        _call(
            "flaky",
            dependencies=["a"],
            retryPolicy={"maxAttempts": MOST_ATTEMPTS, "initialDelay": 150, "backoffMultiplier": 1},
        ),
        _call(
            "each",
            type="map",
            dependencies=["a"],
            items=list(range(ITEMS)),
            maxConcurrency=ITEMS_AT_ONCE,
        ),
        _call("rounds", type="loop", dependencies=["a"], until=f"index === {ROUNDS - 1}", every=50),
        _call("limited", dependencies=["a"], concurrency=[{"key": "campaign", "limit": LIMIT}]),
        {
            "id": "go",
            "action": "signal.wait",
            "dependencies": ["a"],
            "params": {"name": "go", "timeout": 600_000},
        },
        {
            "id": "child",
            "action": "workflow.run",
            "dependencies": ["a"],
            "params": {"workflowId": "campaign-child", "context": {"url": "{{ input.url }}"}},
        },
        {"id": "pause", "action": "delay", "dependencies": ["a"], "params": {"duration": 700}},
        {
            "id": "shape",
            "action": "transform",
            "dependencies": ["a"],
            "params": {"inputKey": "a", "code": "return {n: input.n + 1}"},
        },
        _call("b", dependencies=["flaky", "pause", "shape", "each", "rounds", "limited", "go", "child"]),
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
        self.servers = 0
        self.most_limited = 0
        """The most attempts that shared the limit and were under way at once, all of one server."""
        self._limited: Counter[int] = Counter()
        self._failures: Counter[str] = Counter()
        self._rng = rng
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        self.calls.append(Called(time.time() * 1000, key, int(request.headers["X-Tenuto-Attempt"])))
        server = self.servers
        if request.path == "/limited":
            self._limited[server] += 1
            self.most_limited = max(self.most_limited, self._limited[server])
        await asyncio.sleep(self._rng.random() * 0.05)
        if request.path == "/limited":
            self._limited[server] -= 1
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
        self.signalled: set[str] = set()
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
                    asyncio.get_running_loop().call_later(OF_THE_DEAD_S, self._next_server)
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

    def _next_server(self) -> None:
        self.receiver.servers += 1

    async def _register(self, session: aiohttp.ClientSession) -> None:
        for workflow in (CHILD, WORKFLOW):
            async with session.post(f"{self.server.url}/workflows", json=workflow) as response:
                assert response.status in (200, 201), await response.text()

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        count = 0
        while not self.is_over:
            count += 1
            name = f"c{number}-{count}"
            body = {"workflowId": "campaign", "executionId": name, "context": {"url": self.receiver.url}}
            await self._post_until_answered(session, "/executions/start", body)
            self.acknowledged.append(name)
            await asyncio.sleep(self.rng.random() * 0.1)
            path = f"/executions/{name}/signals/go"
            await self._post_until_answered(session, path, {"payload": {"from": number}}, "once")
            self.signalled.add(name)

    async def _post_until_answered(
        self, session: aiohttp.ClientSession, path: str, body: dict[str, Any], key: str | None = None
    ) -> None:
        headers = {} if key is None else {"Idempotency-Key": key}
        while True:
            try:
                async with session.post(self.server.url + path, json=body, headers=headers) as response:
                    if response.status in (200, 201, 202):
                        return
                    if response.status == 409 and key is not None:
                        return  # it had come before, and the execution has ended since
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
            wrong += await self._check_child(session, execution_id, journal, calls)
            if execution_id in self.signalled and count(journal, "signal.received") != 1:
                times = count(journal, "signal.received")
                wrong.append(f"{execution_id}: its signal was answered and came {times} times")
            interrupted += checked.interrupted
            given_up += checked.was_given_up
        if self.receiver.most_limited > LIMIT:
            wrong.append(f"{self.receiver.most_limited} limited steps ran at once, {LIMIT} may")
        return {
            "kills": self.kills,
            "acknowledged": len(self.acknowledged),
            "requests without an answer": self.unanswered,
            "steps called": len(self.receiver.calls),
            "attempts interrupted": interrupted,
            "given up after 4 losses": given_up,
            "most limited at once": self.receiver.most_limited,
            "violations": wrong,
        }

    async def _check_child(
        self,
        session: aiohttp.ClientSession,
        parent: str,
        journal: list[dict[str, Any]],
        calls: dict[str, list[Called]],
    ) -> list[str]:
        """The one child of the execution has ended, before its parent was told."""
        started = [event for event in events(journal, "step.waiting") if event["step"] == "child"]
        if not started:
            return []  # it was given up before
        name = f"{parent}.child.0"
        status = await self._wait(session, name)
        if status is None:
            return [f"{name}: its parent waited for it and it is not there"]
        own = await self._get(session, f"/executions/{name}/journal?limit=1000")
        wrong = check_journal(name, status, own, calls).wrong
        told = [entry["at"] for entry in journal if succeeded(entry, "child")]
        if told and (status != "completed" or own[-1]["at"] > told[0]):
            wrong.append(
                f"{name}: {status} at {own[-1]['at']}, and its parent took it for completed at {told[0]}"
            )
        return wrong

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
    bodies = Bodies()
    for entry in journal:
        for event in entry["events"]:
            step, kind, at = event.get("step"), event["type"], entry["at"]
            wrong += [f"{execution_id}: {said}" for said in bodies.note(event, at)]
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
            elif (
                kind == "step.failed"
                and event["error"]["type"] == "infra"
                and "details" not in event["error"]
            ):
                given_up.add(step)
            elif kind == "step.waiting":
                waited[step] += 1
                is_timer = event.get("waitingFor", "timer") == "timer"
                not_before[step] = event["until"] if is_timer else 0
            elif kind == "step.succeeded":
                finished[step] = at
                if at < not_before.get(step, 0):
                    wrong.append(f"{execution_id}: {step} was over before its instant")
    for step, times in started.items():
        if step in CONTAINERS:
            continue  # each item and round is a step of its own
        if times - lost[step] > MOST_ATTEMPTS or lost[step] > MOST_LOST:
            wrong.append(f"{execution_id}: {step} made {times} attempts, {lost[step]} of them interrupted")
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
    failures = [event["error"]["type"] for event in events(journal, "step.failed")]
    if status != "completed" and "infra" not in failures:  # that of a child, too
        wrong.append(f"{execution_id}: {status}")
    return Checked(wrong, lost.total(), bool(given_up))


class Bodies:
    """The items and rounds of one execution, as they begin and end."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.begun: set[str] = set()
        self.next_round = 0
        self.not_before = 0

    def note(self, event: dict[str, Any], at: int) -> list[str]:
        """What is wrong with the event."""
        kind, step = event["type"], event.get("step", "")
        if kind == "bodies.started":
            return self._begin(step, event.get("first", 0), event.get("count", 1), at)
        if kind == "loop.judged":
            self.not_before = event["nextAt"]
        if kind in ("step.succeeded", "step.failed", "step.cancelled"):
            self.open.discard(step)
        return []

    def _begin(self, step: str, first: int, times: int, at: int) -> list[str]:
        names = {f"{step}[{number}]" for number in range(first, first + times)}
        wrong = [f"{name} began twice" for name in sorted(names & self.begun)]
        self.begun |= names
        self.open |= names
        if (
            step == "each"
            and (open_items := sum(name.startswith("each") for name in self.open)) > ITEMS_AT_ONCE
        ):
            wrong.append(f"{open_items} items were under way at once, {ITEMS_AT_ONCE} may be")
        if step == "rounds":
            if first != self.next_round or any(name.startswith("rounds") for name in self.open - names):
                wrong.append(f"round {first} began out of turn")
            if at < self.not_before:
                wrong.append(f"round {first} began too early")
            self.next_round = first + 1
        return wrong


def events(journal: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """All events of that kind."""
    return [event for entry in journal for event in entry["events"] if event["type"] == kind]


def count(journal: list[dict[str, Any]], kind: str) -> int:
    """How many events of that kind there are."""
    return len(events(journal, kind))


def succeeded(entry: dict[str, Any], step: str) -> bool:
    """Whether the step succeeded in that decision."""
    return any(event["type"] == "step.succeeded" and event["step"] == step for event in entry["events"])


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
