"""Executions and steps brought into each of their statuses, over HTTP. Steps of action `stumble` fail the first time and
last from then on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tenuto.actions.custom import ExecutorContext
from tests.api.client import Client
from tests.api.conftest import Gate

FAR = 10**13
HOUR = 3_600_000

HOLD = {"id": "a", "action": "hold"}
FAIL = {"id": "a", "action": "stumble"}
HELD_HANDLER = {"always": [{"id": "tidy", "action": "hold"}]}


class Stumbling:
    """Fails the first attempt of each execution, and holds the others."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._seen: set[str] = set()

    async def run(self, params: dict[str, Any], context: ExecutorContext) -> Any:
        if context.execution_id not in self._seen:
            self._seen.add(context.execution_id)
            raise ValueError("no")
        return await self._gate.hold(params, context)


class Stage:
    """Makes executions, each named after its workflow. `service` is a URL that takes every call."""

    def __init__(self, client: Client, service: str) -> None:
        self.client = client
        self.service = service
        self._made = 0

    async def start(self, *steps: dict[str, Any], begin: dict[str, Any] | None = None, **fields: Any) -> str:
        """The path of a new execution of these steps."""
        self._made += 1
        name = f"w{self._made}"
        registered = await self.client.post("/workflows", {"id": name, "steps": list(steps), **fields})
        assert registered.status == 201, registered.text
        asked = {"workflowId": name, "executionId": name, **(begin or {})}
        assert (await self.client.post("/executions/start", asked)).status == 201
        return f"/executions/{name}"

    async def reach(self, path: str, is_there: Callable[[dict[str, Any]], bool]) -> str:
        """The path again, once the document is as wanted; each decision is looked at."""
        async with self.client.stream(f"{path}/events") as stream:
            while not is_there((await self.client.get(path)).json()):
                assert await stream.next() is not None, (await self.client.get(path)).text
        return path

    async def in_status(self, path: str, status: str) -> str:
        """The path again, once the execution has that status."""
        return await self.reach(path, lambda document: document["status"] == status)

    async def in_phase(self, path: str, phase: str) -> str:
        """The path again, once the execution is in that phase."""
        return await self.reach(path, lambda document: document["phase"] == phase)

    async def with_step(self, path: str, step: str, status: str) -> str:
        """The path again, once the step has that status."""
        return await self.reach(
            path, lambda document: document["stepResults"].get(step, {}).get("status") == status
        )

    async def ask(self, path: str, verb: str, body: Any = None) -> None:
        """Do a verb that works."""
        reply = await self.client.post(f"{path}/{verb}", body)
        assert reply.status in (200, 202), reply.text


# -- executions: the step `a` may be held, and the handler `tidy`


async def pending(stage: Stage) -> str:
    return await stage.start(HOLD, begin={"startAt": FAR})


async def running(stage: Stage) -> str:
    return await stage.with_step(await stage.start(HOLD), "a", "running")


async def paused(stage: Stage) -> str:
    path = await running(stage)
    await stage.ask(path, "pause")
    return path


async def draining(stage: Stage) -> str:
    path = await stage.start(HOLD, {"id": "b", "action": "fail"}, onCriticalFailure="drain")
    return await stage.in_phase(path, "cancelling")


async def handlers(stage: Stage) -> str:
    return await stage.in_phase(await stage.start({"id": "a"}, handlers=HELD_HANDLER), "handlers")


async def cancelling(stage: Stage) -> str:
    path = await stage.with_step(await stage.start(HOLD, handlers=HELD_HANDLER), "a", "running")
    await stage.ask(path, "cancel")
    return path


async def completed(stage: Stage) -> str:
    return await stage.in_status(await stage.start({"id": "a"}), "completed")


async def failed(stage: Stage) -> str:
    return await stage.in_status(await stage.start(FAIL), "failed")


async def cancelled(stage: Stage) -> str:
    path = await running(stage)
    await stage.ask(path, "cancel")
    return path


Situation = Callable[[Stage], Awaitable[str]]

EXECUTIONS: dict[str, Situation] = {
    "pending": pending,
    "running": running,
    "paused": paused,
    "draining": draining,
    "handlers": handlers,
    "cancelling": cancelling,
    "completed": completed,
    "failed": failed,
    "cancelled": cancelled,
}

# -- steps of a running execution, which `other` keeps running

OTHER = {"id": "other", "action": "hold"}


def _step(status: str, **fields: Any) -> Situation:
    async def situation(stage: Stage) -> str:
        return await stage.with_step(await stage.start({"id": "a", **fields}, OTHER), "a", status)

    return situation


async def step_pending(stage: Stage) -> str:
    return await stage.start({"id": "a", "dependencies": ["other"]}, OTHER)


async def step_queued(stage: Stage) -> str:
    slots = {"concurrency": [{"key": "one", "limit": 1}]}
    path = await stage.start({**OTHER, **slots}, {"id": "a", "dependencies": ["b"], **slots}, {"id": "b"})
    return await stage.with_step(path, "a", "queued")


async def step_awaiting_callback(stage: Stage) -> str:
    params = {"url": stage.service, "completion": "callback"}
    path = await stage.start({"id": "a", "action": "http.request", "params": params}, OTHER)
    return await stage.with_step(path, "a", "waiting")


async def step_cancelled(stage: Stage) -> str:
    join = {"join": {"atLeast": 1, "cancelRemaining": True}}
    path = await stage.start(HOLD, {"id": "b"}, {"id": "c", "dependencies": ["a", "b"], **join}, OTHER)
    return await stage.with_step(path, "a", "cancelled")


_PATIENT = {"maxAttempts": 3, "initialDelay": HOUR, "maxDelay": HOUR}

STEPS: dict[str, Situation] = {
    "pending": step_pending,
    "queued": step_queued,
    "running": _step("running", action="hold"),
    "retrying": _step("retrying", action="stumble", retryPolicy=_PATIENT),
    "waiting: timer": _step("waiting", action="delay", params={"duration": HOUR}),
    "waiting: signal": _step("waiting", action="signal.wait", params={"name": "go"}),
    "waiting: approval": _step("waiting", action="approval", params={"minApprovals": 2}),
    "waiting: callback": step_awaiting_callback,
    "waiting: person": _step("waiting", action="stumble", retryPolicy={"onExhausted": "pause"}),
    "success": _step("success"),
    "failed": _step("failed", action="fail"),
    "skipped": _step("skipped", when="false"),
    "cancelled": step_cancelled,
}
