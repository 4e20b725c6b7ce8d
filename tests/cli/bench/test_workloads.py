"""The work that is measured really runs, and is as much as the figures say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tenuto import Engine
from tenuto.cli.bench.workloads import (
    Workload,
    chain,
    children,
    fan,
    mapped,
    nesting,
    sharing,
    timer,
    waiting,
)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine("memory:") as engine:
        await engine.register_workflow(chain(1).definition)
        yield engine


async def execute(engine: Engine, work: Workload) -> dict[str, Any]:
    await engine.register_workflow(work.definition)
    document = await engine.execute(work.workflow_id, dict(work.context))
    assert document["status"] == "completed"
    results: dict[str, Any] = document["stepResults"]
    return results


@pytest.mark.parametrize(
    "work",
    [chain(3), fan(4), nesting(), sharing(25), children(2, chain(1))],
    ids=lambda work: work.workflow_id,
)
async def test_work_has_as_many_steps_as_it_says(engine: Engine, work: Workload) -> None:
    results = await execute(engine, work)
    assert len(results) == work.steps
    assert {result["status"] for result in results.values()} == {"success"}


async def test_half_of_the_nesting_is_nested() -> None:
    (container,) = (step for step in nesting().definition["steps"] if step.get("type") == "parallel")
    assert len(container["steps"]) == 50


@pytest.mark.parametrize("nested", [False, True])
async def test_a_map_has_a_result_for_each_item(engine: Engine, nested: bool) -> None:
    results = await execute(engine, mapped(7, nested))
    assert len(results["all"]["result"]) == 7
    assert all((item == {"one": None}) == nested for item in results["all"]["result"])


async def test_a_timer_that_is_due_ends(engine: Engine) -> None:
    assert await execute(engine, timer(0)) != {}


async def test_what_waits_goes_on_by_its_signal(engine: Engine) -> None:
    await engine.register_workflow(waiting().definition)
    execution_id = await engine.start(waiting().workflow_id)
    await engine.signal(execution_id, "go")
    document = await engine.wait(execution_id)
    assert document["status"] == "completed"
    assert list(document["stepResults"]) == ["go", "after"]
