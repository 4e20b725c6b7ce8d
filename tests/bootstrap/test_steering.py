"""An embedded engine steers executions as the API does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tenuto.bootstrap import Engine
from tenuto.errors import Conflict, Forbidden, Invalid, NotFound
from tenuto.wire.bulk import read_bulk

STEPS = [
    {"id": "sig", "action": "signal.wait", "params": {"name": "go"}},
    {"id": "sign", "action": "approval", "params": {"approvers": ["ann"]}, "dependencies": ["sig"]},
    *({"id": name, "action": "delay", "params": {"duration": 3_600_000}} for name in ("a", "b", "c")),
    {
        "id": "again", "action": "transform", "params": {"code": "throw new Error('no')"},
        "retryPolicy": {"onExhausted": "pause"},
    },
]  # fmt: skip


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine("memory:") as engine:
        await engine.register_workflow({"id": "w", "steps": STEPS})
        yield engine


async def test_signals_and_people_move_an_execution(engine: Engine) -> None:
    execution_id = await engine.start("w")
    await engine.signal(execution_id, "go", {"n": 1}, idempotency_key="k", by="bank")
    await engine.signal(execution_id, "go", {"n": 2}, idempotency_key="k")
    await engine.node.wait(execution_id, 20_000, "sig")
    with pytest.raises(Forbidden):
        await engine.approve(execution_id, "sign", "eve")
    document = await engine.approve(execution_id, "sign", "ann", comment="yes")
    assert document["stepResults"]["sig"]["result"] == {"n": 1}
    assert document["stepResults"]["sign"]["result"]["comment"] == "yes"


async def test_an_approval_is_rejected(engine: Engine) -> None:
    execution_id = await engine.start("w")
    await engine.complete_step(execution_id, "sig")
    document = await engine.reject(execution_id, "sign", "ann", comment="no")
    assert document["stepResults"]["sign"]["error"]["type"] == "rejected"


async def test_steps_are_ended_by_hand(engine: Engine) -> None:
    execution_id = await engine.start("w")
    await engine.complete_step(execution_id, "a", [1], by="ann")
    await engine.fail_step(execution_id, "b", "sold out", error_type="stock")
    document = await engine.skip_step(execution_id, "c", reason="late")
    results = document["stepResults"]
    assert (results["a"]["result"], results["b"]["error"]["type"], results["c"]["reason"]) == (
        [1], "stock", "manual_skip",
    )  # fmt: skip
    with pytest.raises(Conflict):
        await engine.skip_step(execution_id, "c")
    with pytest.raises(NotFound):
        await engine.retry_step(execution_id, "nope")


async def test_an_execution_is_paused_resumed_and_terminated(engine: Engine) -> None:
    execution_id = await engine.start("w")
    assert (await engine.pause(execution_id, by="ann"))["status"] == "paused"
    assert (await engine.resume(execution_id))["status"] == "running"
    assert (await engine.terminate(execution_id, "enough"))["error"]["message"] == "enough"


async def test_a_rerun_is_another_execution(engine: Engine) -> None:
    execution_id = await engine.start("w", start_at=10**13)
    assert (await engine.get(execution_id))["status"] == "pending"
    again = await engine.rerun(execution_id, "a", context={"n": 2}, new_id="again", by="ann")
    document = await engine.get(again)
    assert (document["context"]["n"], document["forkOf"]["fromStep"]) == (2, "a")
    with pytest.raises(Invalid):
        await engine.rerun(execution_id, "a", new_id="bulk")


async def test_many_executions_are_cancelled_at_once(engine: Engine) -> None:
    for _ in range(3):
        await engine.start("w")
    body = read_bulk({"filter": {"workflowId": "w"}, "action": "cancel"})
    job = await engine.bulk.wait((await engine.bulk.begin(body)).job_id)
    assert (job.status, job.done) == ("done", 3)


async def test_a_bulk_job_goes_on_when_the_file_is_opened_again(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'tenuto.db'}"
    async with Engine(database) as engine:
        await engine.register_workflow({"id": "w", "steps": STEPS})
        for _ in range(100):
            await engine.start("w")
        job = await engine.bulk.begin(
            read_bulk({"filter": {"workflowId": "w"}, "action": "cancel", "by": "ann"})
        )
    async with Engine(database) as engine:
        over = await engine.bulk.wait(job.job_id)
        assert (over.status, over.matched, over.done, over.failed) == ("done", 100, 100, 0)
        assert {(shown["status"], shown["cancelledBy"]) for shown in await engine.list()} == {
            ("cancelled", "ann")
        }
