"""The whole machine in one process, on both stores: real scripts, real timers, real calls over loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import tenuto
from tenuto.actions.custom import ExecutorContext
from tenuto.core.events import StepError
from tenuto.ports.action import ActionRequest, Failed, Outcome, Succeeded
from tenuto.ports.host import Who
from tests.receivers import answer, receiver

Json = dict[str, Any]


@pytest.fixture(params=["memory", "sqlite", "sqlite process"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tenuto.Engine]:
    """An open engine."""
    database = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'tenuto.db'}"
    writer = "process" if request.param == "sqlite process" else "thread"
    settings = tenuto.Settings(database=database, grace=0, writer=writer)  # type: ignore[arg-type]  # a literal
    async with tenuto.Engine(settings=settings) as engine:
        yield engine


@pytest.fixture
async def fast(tmp_path: Path) -> AsyncIterator[tenuto.Engine]:
    """An open engine on SQLite alone, where the store makes no difference."""
    settings = tenuto.Settings(database=f"sqlite:///{tmp_path / 'tenuto.db'}", script_timeout=500)
    async with tenuto.Engine(settings=settings) as engine:
        yield engine


async def run(engine: tenuto.Engine, *steps: Json, context: Json | None = None, **fields: Any) -> Json:
    """The document of an execution of these steps."""
    await engine.register_workflow({"id": "w", "steps": list(steps)} | fields)
    return await engine.execute("w", context)


def given(step_id: str, result: Any, *dependencies: str, **fields: Any) -> Json:
    return {"id": step_id, "params": {"result": result}, "dependencies": list(dependencies), **fields}


async def test_data_flows_through_templates_scripts_and_conditions(engine: tenuto.Engine) -> None:
    shown = await run(
        engine,
        given("order", {"lines": [{"price": 4}, {"price": 8}], "who": "{{ input.who }}"}),
        {
            "id": "sum",
            "action": "transform",
            "dependencies": ["order"],
            "params": {
                "inputKey": "order",
                "code": "return input.lines.reduce((sum, line) => sum + line.price, 0)",
            },
        },
        {
            "id": "large",
            "action": "condition",
            "dependencies": ["sum"],
            "params": {"expression": "context.sum > 10"},
            "onSuccess": ["review"],
            "onFailure": ["ship"],
        },
        given("review", "{{ context.order.who }} pays {{ context.sum }}"),
        given("ship", "at once"),
        output={"text": "{{ context.review }}", "count": "{{ context.order.lines.length + 1 }}"},
        context={"who": "Ada"},
    )
    assert shown["status"] == "completed", shown["error"]
    assert shown["output"] == {"text": "Ada pays 12", "count": 3}
    assert shown["stepResults"]["ship"]["reason"] == "branch_not_taken"
    assert shown["context"]["large"] == {"result": True, "branch": "true"}


@pytest.mark.parametrize(
    ("n", "chosen"), [(5, ["small", "odd"]), (50, ["large"]), (7, ["small", "odd"]), (-2, ["other"])]
)
async def test_a_decision_takes_all_ways_that_hold(fast: tenuto.Engine, n: int, chosen: list[str]) -> None:
    shown = await run(
        fast,
        {
            "id": "decide",
            "type": "decision",
            "mode": "all",
            "cases": [
                {"when": "input.n > 0 && input.n < 10", "next": ["small"]},
                {"when": "input.n % 2 === 1", "next": ["odd"]},
                {"when": "input.n >= 10", "next": ["large"]},
            ],
            "default": ["other"],
        },
        *(given(name, name) for name in ("small", "odd", "large", "other")),
        context={"n": n},
    )
    assert shown["completedSteps"] == ["decide", *chosen]
    assert shown["status"] == "completed"


async def test_a_decision_without_a_way_fails(fast: tenuto.Engine) -> None:
    cases = [{"when": "input.n > 0", "next": ["a"]}]
    shown = await run(fast, {"id": "d", "type": "decision", "cases": cases}, given("a", 1), context={"n": 0})
    assert shown["error"]["type"] == "no_case_matched"
    assert shown["skippedSteps"] == ["a"]


@pytest.mark.parametrize(
    ("when", "status"),
    [
        ("input.n > 1", "success"),
        ("input.n > 2", "skipped"),
        ("input.n", "success"),
        ("input.absent ?? false", "skipped"),
        ("input.texts.map(t => t.length).includes(3)", "success"),
        ("input.absent.deeper", "failed"),
        ("input.n.f()", "failed"),
        ("(() => { for (;;); })()", "failed"),
    ],
)
async def test_when_is_asked_before_a_step_runs(fast: tenuto.Engine, when: str, status: str) -> None:
    shown = await run(fast, given("a", 1, when=when), context={"n": 2, "texts": ["abc"]})
    result = shown["stepResults"]["a"]
    assert result["status"] == status, result
    assert result.get("reason") == ("condition_false" if status == "skipped" else None)


async def test_reading_what_is_not_there_fails_and_names_it(fast: tenuto.Engine) -> None:
    shown = await run(fast, given("a", {"b": 1}), given("c", "{{ context.a.nope }}", "a"))
    assert shown["error"]["stepId"] == "c"
    assert shown["error"]["type"] == "expression"
    assert "nope" in shown["error"]["message"]


async def test_an_output_that_cannot_be_computed_fails_the_execution(fast: tenuto.Engine) -> None:
    shown = await run(fast, given("a", {"b": 1}), output="{{ context.a.nope }}")
    assert (shown["status"], shown["completedSteps"], shown["error"]["stepId"]) == ("failed", ["a"], None)
    assert "output: " in shown["error"]["message"]


async def test_executors_of_both_kinds_see_params_and_context(engine: tenuto.Engine) -> None:
    def in_a_thread(params: Json, context: ExecutorContext) -> Any:
        return [params["n"] + 1, threading.current_thread() is threading.main_thread()]

    async def on_the_loop(params: Json, context: ExecutorContext) -> Any:
        await asyncio.sleep(0)
        return [context["a"][0] * 2, context.step_id, context.attempt, dict(params)]

    engine.register_executor("thread", in_a_thread)
    engine.register_executor("loop", on_the_loop)
    shown = await run(
        engine,
        {"id": "a", "action": "thread", "params": {"n": "{{ input.n }}"}},
        {"id": "b", "action": "loop", "dependencies": ["a"], "params": {"x": ["{{ context.a }}"]}},
        context={"n": 20},
    )
    assert shown["context"]["a"] == [21, False]
    assert shown["context"]["b"] == [42, "b", 1, {"x": [[21, False]]}]


class Odd:
    """An action that answers what the step's params name."""

    name = "odd"
    scripts: frozenset[str] = frozenset()

    def run(self, request: ActionRequest) -> Outcome:
        answers: dict[str, Any] = {
            "nothing": None,
            "a text": "done",
            "no JSON": Succeeded(object()),
            "half a letter": Succeeded("\ud800"),
            "not a number": Succeeded(float("nan")),
            "an odd error": Failed(StepError("x", "\udfff")),
            "a class": Succeeded,
        }
        outcome: Outcome = answers[request.params["answer"]]
        return outcome


@pytest.mark.parametrize(
    "odd", ["nothing", "a text", "no JSON", "half a letter", "not a number", "an odd error", "a class"]
)
async def test_an_action_that_answers_junk_fails_its_step_and_nothing_else(
    fast: tenuto.Engine, odd: str
) -> None:
    fast.register_executor("odd", Odd())
    shown = await run(fast, {"id": "a", "action": "odd", "params": {"answer": odd}}, given("b", 1))
    assert shown["failedSteps"] == ["a"]
    assert shown["completedSteps"] == ["b"]
    assert shown["error"]["type"] == ("x" if odd == "an odd error" else "invalid-output")


async def test_two_hundred_executions_at_once(engine: tenuto.Engine) -> None:
    steps = [
        given("a", "{{ input.n }}"),
        {"id": "b", "action": "delay", "dependencies": ["a"], "params": {"duration": 20}},
        given("c", "{{ context.a + 1 }}", "a"),
        given("d", "{{ context.c }}", "b", "c"),
    ]
    await engine.register_workflow({"id": "w", "steps": steps})
    ended = await asyncio.gather(*(engine.execute("w", {"n": n}) for n in range(200)))
    assert [shown["context"]["d"] for shown in ended] == [n + 1 for n in range(200)]
    assert len({shown["executionId"] for shown in ended}) == 200


async def test_webhooks_arrive_in_order_and_tell_of_every_step_and_the_end(engine: tenuto.Engine) -> None:
    async with receiver() as service:
        hooks = {
            "onStep": service.url("/step"),
            "onComplete": {"url": service.url("/end"), "headers": {"X-Team": "a"}},
        }
        shown = await run(engine, given("a", {"n": 1}), given("b", 2, "a"), webhooks=hooks)
        await service.arrived(3)
        bodies = [request.json for request in service.received]
        assert [(body["type"], body.get("stepId")) for body in bodies] == [
            ("step.succeeded", "a"), ("step.succeeded", "b"), ("execution.completed", None),
        ]  # fmt: skip
        assert bodies[-1]["results"] == {"a": {"n": 1}, "b": 2}
        assert {body["executionId"] for body in bodies} == {shown["executionId"]}
        assert service.received[-1].headers["X-Team"] == "a"
        assert len({request.headers["webhook-id"] for request in service.received}) == 3


async def test_a_failure_is_told_once_to_those_who_asked(engine: tenuto.Engine) -> None:
    async with receiver() as service, receiver(answer(404)) as broken:
        call = {"id": "a", "action": "http.request", "params": {"url": broken.url()}}
        hooks = {"onFailure": service.url("/failure"), "onComplete": service.url("/complete")}
        shown = await run(engine, call, webhooks=hooks)
        await service.arrived(1)
        (request,) = service.received
        assert request.path == "/failure"
        assert request.json["error"]["type"] == shown["error"]["type"] == "http.404"
        assert request.json["failedSteps"] == ["a"]


async def test_calls_are_retried_with_the_same_key(engine: tenuto.Engine) -> None:
    statuses = iter([503, 503, 200])

    async def flaky(request: Any) -> Any:
        return await answer(next(statuses), '{"ok": true}')(request)

    async with receiver(flaky) as service:
        policy = {"maxAttempts": 3, "initialDelay": 1}
        step = {"id": "a", "action": "http.request", "params": {"url": service.url()}, "retryPolicy": policy}
        shown = await run(engine, step)
        assert shown["context"]["a"] == {"ok": True}
        assert {request.headers["Idempotency-Key"] for request in service.received} == {
            f"{shown['executionId']}/a/0"
        }
        assert [request.headers["X-Tenuto-Attempt"] for request in service.received] == ["1", "2", "3"]


async def test_pause_resume_cancel_and_retry(engine: tenuto.Engine) -> None:
    gate = asyncio.Event()
    fails = iter([True, False])

    @engine.executor("held")
    async def held(params: Json, context: ExecutorContext) -> Any:
        await gate.wait()
        if next(fails, False):
            raise ValueError("not today")
        return 1

    await engine.register_workflow({"id": "w", "steps": [{"id": "a", "action": "held"}, given("b", 2, "a")]})
    first, second = await engine.start("w"), await engine.start("w")
    await engine.node.pause(first, Who())
    assert (await engine.cancel(second, "not needed"))["status"] == "cancelled"
    gate.set()
    assert (await engine.get(first))["status"] == "paused"
    await engine.node.resume(first, Who())
    assert (await engine.wait(first))["error"]["type"] == "executor.ValueError"
    await engine.retry(first)
    assert (await engine.wait(first))["context"] == {"a": 1, "b": 2}
    listed = {shown["executionId"]: shown["status"] for shown in await engine.list("w")}
    assert listed == {first: "completed", second: "cancelled"}


@pytest.mark.parametrize("writer", ["thread", "process"])
async def test_an_engine_goes_on_where_the_one_before_it_stopped(tmp_path: Path, writer: Any) -> None:
    settings = tenuto.Settings(database=f"sqlite:///{tmp_path / 'tenuto.db'}", grace=0, writer=writer)
    entered = asyncio.Event()

    async def never(params: Json, context: ExecutorContext) -> Any:
        entered.set()
        await asyncio.Event().wait()

    async def at_once(params: Json, context: ExecutorContext) -> Any:
        return context.attempt

    steps = [given("a", 1), {"id": "b", "action": "work", "dependencies": ["a"]}, given("c", 3, "b")]
    before = tenuto.Engine(settings=settings)
    before.register_executor("work", never)
    async with before:
        await before.register_workflow({"id": "w", "steps": steps})
        execution_id = await before.start("w", execution_id="mine")
        await entered.wait()
    after = tenuto.Engine(settings=settings)
    after.register_executor("work", at_once)
    async with after:
        shown = await after.wait(execution_id)
        assert shown["context"] == {"a": 1, "b": 2, "c": 3}
        kinds = [event["type"] for entry in await after.node.journal(execution_id) for event in entry.events]
        assert kinds.count("attempt.interrupted") == 1
        assert await after.start("w", execution_id="mine") == "mine"
