"""Whatever user code answers, its step ends and its execution goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import tenuto
from tenuto.actions import custom
from tenuto.actions.custom import StepFailed
from tenuto.core.events import StepError
from tenuto.ports.action import ActionRequest, Failed, Succeeded, Waiting


@pytest.fixture
async def engine() -> AsyncIterator[tenuto.Engine]:
    async with tenuto.Engine("memory:") as engine:
        yield engine


async def outcome_of(engine: tenuto.Engine, step: dict[str, Any], context: Any = None) -> dict[str, Any]:
    """The result of the only step of an execution."""
    await engine.register_workflow({"id": "w", "steps": [{"id": "a"} | step]})
    shown = await engine.execute("w", context)
    found: dict[str, Any] = shown["stepResults"]["a"]
    return found


async def test_an_error_message_that_is_not_unicode_fails_the_step(engine: tenuto.Engine) -> None:
    @engine.executor("odd")
    def odd(params: Any, context: Any) -> None:
        raise FileNotFoundError("no file caf\udce9.txt")

    ended = await outcome_of(engine, {"action": "odd"})
    assert ended["error"]["type"] == "executor.FileNotFoundError"
    assert ended["error"]["message"] == "no file caf\\udce9.txt"


async def test_an_error_type_that_is_not_unicode_fails_the_step(engine: tenuto.Engine) -> None:
    @engine.executor("odd")
    async def odd(params: Any, context: Any) -> None:
        raise StepFailed("card\ud800", "x\udfff")

    ended = await outcome_of(engine, {"action": "odd"})
    assert ended["error"] == {"type": "card\\ud800", "message": "x\\udfff"}


@pytest.mark.parametrize("wish", ["5", float("nan"), float("inf"), -1, [], True])
async def test_a_wish_for_a_delay_that_is_no_number_fails_the_step(engine: tenuto.Engine, wish: Any) -> None:
    @engine.executor("odd")
    async def odd(params: Any, context: Any) -> None:
        raise StepFailed("busy", "later", retry_after_ms=wish)

    ended = await outcome_of(engine, {"action": "odd", "retryPolicy": {"maxAttempts": 2, "initialDelay": 1}})
    assert ended["status"] == "failed"
    assert ended["error"]["type"] == "invalid-output"
    assert "retry_after_ms" in ended["error"]["message"]


class Answering:
    """An action of somebody's own that answers what it is told to."""

    name = "own"
    scripts: frozenset[str] = frozenset()

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def run(self, request: ActionRequest) -> Any:
        return self._answer()


async def later(answer: Any) -> Any:
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Succeeded(object()),
        lambda: Succeeded({"a": float("nan")}),
        lambda: later(Succeeded({1, 2})),
        lambda: Failed(StepError("odd", "why", details=object())),
        lambda: Failed(StepError("odd", "why"), retry_after_ms="soon"),  # type: ignore[arg-type]
        lambda: Waiting(until=0, result=object()),
        lambda: Waiting(until="tomorrow"),  # type: ignore[arg-type]
        lambda: "done",
        lambda: later(None),
    ],
)
async def test_an_action_that_answers_no_outcome_fails_its_step(
    engine: tenuto.Engine, answer: Callable[[], Any]
) -> None:
    engine.register_executor("own", Answering(answer))
    ended = await outcome_of(engine, {"action": "own"})
    assert ended["status"] == "failed"
    assert ended["error"]["type"] == "invalid-output"


@pytest.mark.parametrize("answer", [lambda: Succeeded([1]), lambda: later(Succeeded([1]))])
async def test_an_action_of_ones_own_succeeds_with_its_result(
    engine: tenuto.Engine, answer: Callable[[], Any]
) -> None:
    engine.register_executor("own", Answering(answer))
    assert (await outcome_of(engine, {"action": "own"}))["result"] == [1]


async def test_an_executor_that_ignores_being_cancelled_still_times_out(
    engine: tenuto.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom, "CLEAN_UP_S", 0.02)
    stop = asyncio.Event()

    @engine.executor("stubborn")
    async def stubborn(params: Any, context: Any) -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    ended = await outcome_of(engine, {"action": "stubborn", "timeout": 20})
    stop.set()
    assert ended["error"]["type"] == "timeout"


async def test_an_executor_that_answers_after_its_timeout_is_not_heard(engine: tenuto.Engine) -> None:
    @engine.executor("late")
    async def late(params: Any, context: Any) -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "late"

    ended = await outcome_of(engine, {"action": "late", "timeout": 20})
    assert ended["error"]["type"] == "timeout"


async def test_a_step_may_return_the_whole_context(engine: tenuto.Engine) -> None:
    steps = [
        {"id": "a", "params": {"result": "{{ context }}"}},
        {"id": "b", "params": {"result": "{{ context }}"}, "dependencies": ["a"]},
    ]
    await engine.register_workflow({"id": "w", "steps": steps})
    shown = await engine.execute("w", {"x": 1})
    assert shown["status"] == "completed"
    assert shown["stepResults"]["a"]["result"] == {"x": 1}
    assert shown["stepResults"]["b"]["result"] == {"x": 1, "a": {"x": 1}}


async def test_a_step_may_return_all_that_is_known_of_steps(engine: tenuto.Engine) -> None:
    steps = [{"id": "a"}, {"id": "b", "params": {"result": "{{ steps }}"}, "dependencies": ["a"]}]
    await engine.register_workflow({"id": "w", "steps": steps})
    shown = await engine.execute("w")
    assert shown["stepResults"]["b"]["result"] == {
        "a": {"status": "success", "attempts": 1, "result": None},
        "b": {"status": "running", "attempts": 1},
    }


async def test_results_that_double_from_step_to_step_end_at_the_limit(engine: tenuto.Engine) -> None:
    steps: list[dict[str, Any]] = [{"id": "s0", "params": {"result": ["x" * 100] * 100}}]
    for n in range(1, 40):
        before = f"{{{{ context.s{n - 1} }}}}"
        steps.append({"id": f"s{n}", "params": {"result": [before, before]}, "dependencies": [f"s{n - 1}"]})
    await engine.register_workflow({"id": "w", "steps": steps})
    shown = await engine.execute("w")
    assert shown["status"] == "failed"
    assert shown["error"]["type"] == "limit"


@pytest.mark.parametrize(
    "templates", [["{{ context.big }}"] * 40, "{{ context.big }}" * 40, ["{{ context.big }} " * 40]]
)
async def test_params_that_templates_blow_up_end_at_the_limit(engine: tenuto.Engine, templates: Any) -> None:
    step = {"action": "webhook", "params": {"url": "http://127.0.0.1:1", "payload": templates}}
    ended = await outcome_of(engine, step, {"big": ["x" * 1000] * 1000})
    assert ended["error"]["type"] == "limit"
    assert "16 MiB" in ended["error"]["message"]


async def test_an_executor_may_go_through_its_context_while_other_steps_end(engine: tenuto.Engine) -> None:
    seen = asyncio.Event()

    @engine.executor("slow")
    async def slow(params: Any, context: Any) -> list[str]:
        keys = []
        for key in context:
            keys.append(key)
            seen.set()
            await engine.node.wait(context.execution_id, 10_000, "b")
        return keys

    @engine.executor("other")
    async def other(params: Any, context: Any) -> None:
        await seen.wait()

    await engine.register_workflow(
        {"id": "w", "steps": [{"id": "a", "action": "slow"}, {"id": "b", "action": "other"}]}
    )
    shown = await engine.execute("w", {"x": 1, "y": 2})
    assert shown["stepResults"]["a"]["result"] == ["x", "y"]
