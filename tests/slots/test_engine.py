"""Limits at work in an engine: what the pages promise of steps and of executions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tenuto import Engine
from tenuto.ports.limits import SharedLimit

FOR_EVER = {"id": "wait", "action": "delay", "params": {"duration": 3_600_000}}


def limited(workflow_id: str, on_limit: str, limit: int = 1) -> dict[str, Any]:
    slots = {"key": "all {{ context.of ?? '' }}", "limit": limit, "onLimit": on_limit}
    return {"id": workflow_id, "concurrency": [slots], "steps": [FOR_EVER]}


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'tenuto.db'}"


class Counted:
    """Counts how many of its calls are under way at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def work(self, params: Any, context: Any) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(20):
            await asyncio.sleep(0)
        self.now -= 1


async def test_no_more_attempts_than_the_limit_run_at_once_in_all_executions() -> None:
    counted = Counted()
    async with Engine("memory:") as engine:
        engine.register_executor("count", counted.work)
        step = {"action": "count", "concurrency": [{"key": "k", "limit": 3}, {"key": "l", "limit": 50}]}
        await engine.register_workflow({"id": "w", "steps": [{"id": f"s{n}", **step} for n in range(10)]})
        ids = [await engine.start("w") for _ in range(10)]
        ended = [await engine.wait(one) for one in ids]
        assert {one["status"] for one in ended} == {"completed"}
        assert counted.most == 3
        assert engine.node.limits.list() == []


async def test_a_step_that_waits_too_long_for_a_slot_fails() -> None:
    async with Engine("memory:") as engine:
        await engine.node.limits.put("closed", 0)
        step = {"id": "a", "concurrency": [{"key": "closed", "limit": 1}], "queueTimeout": 1}
        await engine.register_workflow({"id": "w", "steps": [step]})
        ended = await engine.execute("w")
        assert (ended["status"], ended["error"]["type"]) == ("failed", "timeout")
        assert engine.node.limits.list() == [SharedLimit("closed", None, 0, 0, 0, 0)]


async def test_one_too_many_is_cancelled_and_says_why() -> None:
    async with Engine("memory:") as engine:
        await engine.register_workflow(limited("w", "skip"))
        first = await engine.start("w")
        second = await engine.execute("w")
        assert second["status"] == "cancelled"
        assert (await engine.get(first))["status"] == "running"


async def test_an_older_one_gives_way() -> None:
    async with Engine("memory:") as engine:
        await engine.register_workflow(limited("w", "cancelOlder"))
        first, second = await engine.start("w"), await engine.start("w")
        assert (await engine.wait(first))["status"] == "cancelled"
        await begun(engine, second)


async def test_what_executions_hold_and_wait_for_outlasts_a_restart(database: str) -> None:
    async with Engine(database) as engine:
        await engine.register_workflow(limited("w", "queue"))
        first, second, third = [await engine.start("w") for _ in range(3)]
        assert (await engine.get(second))["status"] == "pending"
    async with Engine(database) as engine:
        await engine.cancel(first)
        await begun(engine, second)
    async with Engine(database) as engine:
        assert [(await engine.get(one))["status"] for one in (second, third)] == ["running", "pending"]
        await engine.cancel(second)
        await begun(engine, third)
        await engine.cancel(third)
        await engine.wait(third)
        assert engine.node.limits.list() == []
    async with Engine(database) as engine:
        assert engine.node.limits.list() == []


async def begun(engine: Engine, execution_id: str) -> None:
    """Wait until an execution has its slots."""
    async for entry in engine.node.follow(execution_id):
        if any(event["type"] == "execution.began" for event in entry.events):
            return


async def test_an_execution_and_its_steps_may_share_a_key() -> None:
    async with Engine("memory:") as engine:
        slots = [{"key": "k", "limit": 1}]
        steps = [{"id": "a", "concurrency": slots}, {"id": "b", "concurrency": slots}]
        await engine.register_workflow({"id": "w", "concurrency": slots, "steps": steps})
        ids = [await engine.start("w") for _ in range(5)]
        assert {(await engine.wait(one))["status"] for one in ids} == {"completed"}
