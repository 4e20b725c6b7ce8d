"""A start from a program is checked like one that came over HTTP, and is nobody else's afterwards."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

import tenuto
from tenuto.errors import Invalid


@pytest.fixture
async def engine() -> AsyncIterator[tenuto.Engine]:
    async with tenuto.Engine("memory:") as engine:
        await engine.register_workflow({"id": "w", "steps": [{"id": "a"}]})
        yield engine


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (object(), "is a object"),
        ({1, 2}, "is a set"),
        (float("nan"), "is nan"),
        ("\ud800", "surrogate"),
        ({1: 2}, "key"),
    ],
)
async def test_a_context_that_is_not_json_is_refused_with_its_place(
    engine: tenuto.Engine, value: Any, what: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await engine.start("w", {"x": [value]})
    (problem,) = refused.value.problems
    assert problem.path == "context.x[0]"
    assert what in problem.message
    assert await engine.list() == []


@pytest.mark.parametrize(
    "options",
    [
        {"execution_id": "a/b"},
        {"execution_id": "start"},
        {"tags": {"a": 1}},
        {"version": 0},
        {"idempotency_key": ""},
    ],
)
async def test_options_that_do_not_fit_are_refused(engine: tenuto.Engine, options: Any) -> None:
    with pytest.raises(Invalid):
        await engine.start("w", **options)


async def test_a_context_that_its_giver_changes_later_stays_as_it_was(engine: tenuto.Engine) -> None:
    context: dict[str, Any] = {"items": [1]}
    execution_id = await engine.start("w", context)
    context["items"].append(2)
    assert (await engine.wait(execution_id))["context"]["items"] == [1]


async def test_a_version_may_be_named_in_the_id(engine: tenuto.Engine) -> None:
    await engine.register_workflow({"id": "w", "steps": [{"id": "b"}]})
    assert (await engine.execute("w@1"))["workflowVersion"] == 1


async def test_a_closed_engine_leaves_no_thread_behind() -> None:
    engine = tenuto.Engine("memory:")
    names: list[threading.Thread] = []
    engine.register_executor("where", lambda params, context: names.append(threading.current_thread()))
    async with engine:
        await engine.register_workflow({"id": "w", "steps": [{"id": "a", "action": "where"}]})
        await engine.execute("w")
    names[0].join(5)
    assert not names[0].is_alive()
