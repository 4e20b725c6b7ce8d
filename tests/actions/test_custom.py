"""Custom executors: what users register, what they may do, and what it becomes."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from tenuto.actions.custom import ExecutorContext, StepFailed
from tenuto.actions.registry import Registry
from tenuto.errors import ConfigurationError
from tenuto.ports.action import Action, ActionRequest
from tests.actions.requests import failure_of, outcome_of, request, result_of

NAME = "custom-action"


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    yield made
    made.close()


def serving(registry: Registry, executor: Callable[..., Any]) -> Action:
    registry.register(NAME, executor)
    action = registry.find(NAME)
    assert action is not None
    return action


def both(function: Callable[[Any, Any], Any]) -> list[Callable[..., Any]]:
    """The executor as a plain function and as a coroutine function."""

    async def as_coroutine(params: Any, context: Any) -> Any:
        return function(params, context)

    return [function, as_coroutine]


class CallableObject:
    async def __call__(self, params: dict[str, Any], context: ExecutorContext) -> Any:
        return "object"


async def coroutine(_prefix: str, params: dict[str, Any], context: ExecutorContext) -> Any:
    return params


@pytest.mark.parametrize(
    ("executor", "result"),
    [
        (lambda params, context: {"sum": params["a"] + context["b"]["c"]}, {"sum": 3}),
        (functools.partial(coroutine, "x"), {"a": 1}),
        (lambda params, context: coroutine("x", params, context), {"a": 1}),
        (CallableObject(), "object"),
        (lambda params, context: None, None),
        (lambda params, context: (1, (2.0, "é🎼")), [1, [2.0, "é🎼"]]),
        (lambda *args: len(args), 2),
    ],
)
async def test_what_an_executor_returns_is_the_result(
    registry: Registry, executor: Callable[..., Any], result: Any
) -> None:
    made = request({"a": 1}, {"b": {"c": 2}})
    assert await result_of(serving(registry, executor), made) == result


async def test_the_decorator_leaves_the_function_as_it_is(registry: Registry) -> None:
    @registry.register("double")
    def double(params: dict[str, Any], context: ExecutorContext) -> int:
        return int(params["n"]) * 2

    action = registry.find("double")
    assert action is not None
    assert await result_of(action, request({"n": 21})) == 42
    assert registry.names() == ["double"]
    assert callable(double)


async def test_the_context_tells_which_attempt_this_is(registry: Registry) -> None:
    def tell(params: dict[str, Any], context: ExecutorContext) -> Any:
        return [
            context.execution_id, context.workflow_id, context.step_id, context.step_key, context.attempt,
            sorted(context), len(context), "a" in context, context.get("z", "none"),
        ]  # fmt: skip

    made = request({}, {"a": 1, "b": 2}, attempt=3)
    assert await result_of(serving(registry, tell), made) == [
        "exec-1", "order-processing", "charge-payment", "exec-1/charge-payment/0", 3, ["a", "b"], 2, True, "none",
    ]  # fmt: skip


@pytest.mark.parametrize("executor", both(lambda p, c: [p["list"].append(9), c["kept"]["list"].append(9)]))
async def test_nothing_an_executor_changes_reaches_the_execution(
    registry: Registry, executor: Callable[..., Any]
) -> None:
    shared = [1]
    made = request({"list": shared}, {"kept": {"list": shared}})
    assert await result_of(serving(registry, executor), made) == [None, None]
    assert shared == [1]


async def test_a_result_changed_afterwards_does_not_change_the_execution(registry: Registry) -> None:
    kept = {"orders": [1]}
    result = await result_of(serving(registry, lambda params, context: kept), request())
    kept["orders"].append(2)
    assert result == {"orders": [1]}


@dataclass
class Order:
    id: int


def _endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"orders": [{"at": dt.date(2027, 1, 1)}]}, "result.orders[0].at is a date"),
        ([1, {2}], "result[1] is a set"),
        (float("nan"), "result is nan"),
        ({"rate": float("-inf")}, "result.rate is -inf"),
        ({"a": {1: "x"}}, "result.a has a key that is a int (1)"),
        (b"bytes", "result is a bytes"),
        (Order(1), "result is a Order"),
        ([10**5000], "result[0] is a number too large"),
        ("\ud800", "result has half a surrogate pair"),
        (object, "result is a type"),
        (print, "result is a builtin_function_or_method"),
    ],
)
async def test_what_is_not_json_is_named_by_its_path(registry: Registry, value: Any, message: str) -> None:
    for number, executor in enumerate(both(lambda params, context: value)):
        registry.register(f"n{number}", executor)
        action = registry.find(f"n{number}")
        assert action is not None
        failure = await failure_of(action, request())
        assert failure.error.type == "invalid-output"
        assert failure.error.message.startswith(message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "x" * 1_048_575, "1,048,577 bytes as JSON and at most 1,048,576"),
        (_endless, "nested deeper than 100 levels, or contains itself"),
        (lambda: msgspec.json.decode("[" * 101 + "]" * 101), "nested deeper than 100"),
    ],
)
async def test_what_is_too_large_or_too_deep_is_refused(make: Callable[[], Any], message: str) -> None:
    registry = Registry(result_limit=1_048_576)
    failure = await failure_of(serving(registry, lambda params, context: make()), request())
    registry.close()
    assert failure.error.type == "limit"
    assert message in failure.error.message


def _raise(error: BaseException) -> Any:
    raise error


class BrokenError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even this")


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (ValueError("no such card"), "executor.ValueError", "no such card"),
        (KeyError("amount"), "executor.KeyError", "'amount'"),
        (TimeoutError(), "executor.TimeoutError", "TimeoutError"),
        (StopIteration(), None, None),
        (SystemExit(3), "executor.SystemExit", "3"),
        (asyncio.CancelledError(), "executor.CancelledError", "CancelledError"),
        (RecursionError("deep"), "executor.RecursionError", "deep"),
        (BrokenError(), "executor.BrokenError", "BrokenError"),
        (ValueError("x" * 10_000), "executor.ValueError", "x" * 2000),
    ],
)
async def test_an_exception_is_a_failure_named_after_it(
    registry: Registry, error: BaseException, type_: str | None, message: str | None
) -> None:
    for number, executor in enumerate(both(lambda params, context: _raise(error))):
        registry.register(f"n{number}", executor)
        action = registry.find(f"n{number}")
        assert action is not None
        failure = await failure_of(action, request())
        if type_ is None:  # a coroutine cannot raise StopIteration: Python makes it a RuntimeError
            assert failure.error.type in ("executor.StopIteration", "executor.RuntimeError")
        else:
            assert (failure.error.type, failure.error.message) == (type_, message)
        assert failure.retry is True


async def test_step_failed_chooses_the_type_and_whether_to_try_again(registry: Registry) -> None:
    def decline(params: dict[str, Any], context: ExecutorContext) -> Any:
        raise StepFailed(
            "card.declined", "no money", retry=False, retry_after_ms=500, details={"code": ("a", 1)}
        )

    failure = await failure_of(serving(registry, decline), request())
    assert (failure.error.type, failure.error.message) == ("card.declined", "no money")
    assert failure.error.details == {"code": ["a", 1]}
    assert (failure.retry, failure.retry_after_ms) == (False, 500)


async def test_step_failed_with_details_that_are_not_json_says_so(registry: Registry) -> None:
    executor = both(lambda params, context: _raise(StepFailed("a", "b", details={"x": {1}})))[1]
    failure = await failure_of(serving(registry, executor), request())
    assert failure.error.type == "invalid-output"
    assert "details.x is a set" in failure.error.message


async def test_cancelling_an_attempt_cancels_the_coroutine(registry: Registry) -> None:
    started, cleaned = asyncio.Event(), asyncio.Event()

    async def wait(params: dict[str, Any], context: ExecutorContext) -> Any:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    attempt = asyncio.ensure_future(outcome_of(serving(registry, wait), request()))
    await started.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert cleaned.is_set()


async def test_plain_functions_run_beside_the_event_loop(registry: Registry) -> None:
    # Each waits for the others: on the loop's thread, or one after another, they would never end.
    together = threading.Barrier(4)

    def meet(params: dict[str, Any], context: ExecutorContext) -> Any:
        together.wait()
        return threading.current_thread().name

    action = serving(registry, meet)
    names = await asyncio.gather(*(result_of(action, request()) for _ in range(4)))
    assert len(set(names)) == 4
    assert threading.current_thread().name not in names


async def test_a_plain_function_sees_the_context_variables_of_its_attempt(registry: Registry) -> None:
    tenant = contextvars.ContextVar("tenant", default="none")
    tenant.set("acme")
    assert await result_of(serving(registry, lambda params, context: tenant.get()), request()) == "acme"


@pytest.mark.parametrize(
    ("name", "executor", "message"),
    [
        ("", print, "cannot be an action's name"),
        ("two words", print, "cannot be an action's name"),
        ("line\nbreak", print, "cannot be an action's name"),
        ("x" * 201, print, "cannot be an action's name"),
        ("a", 5, "must be a function"),
        ("a", lambda: None, r"fn\(params, context\)"),
        ("a", lambda params: None, r"fn\(params, context\)"),
        ("a", lambda a, b, c: None, r"fn\(params, context\)"),
        ("taken", lambda params, context: None, "already"),
    ],
)
def test_what_cannot_be_registered_is_refused_at_once(
    registry: Registry, name: str, executor: Any, message: str
) -> None:
    registry.register("taken", lambda params, context: None)
    with pytest.raises(ConfigurationError, match=message):
        registry.register(name, executor)


def test_using_the_decorator_without_a_name_is_refused(registry: Registry) -> None:
    wrong: Any = registry.register
    with pytest.raises(ConfigurationError, match="cannot be an action's name"):
        wrong(lambda params, context: None)(None)


async def test_an_action_can_be_registered_as_it_is(registry: Registry) -> None:
    class Own:
        name = "own"
        scripts = frozenset({"code"})

        def run(self, made: ActionRequest) -> Any:
            raise NotImplementedError

    registry.register("mine", Own())
    found = registry.find("mine")
    assert found is not None
    assert found.scripts == {"code"}
    assert registry.find("other") is None


def test_names_are_sorted() -> None:
    registry = Registry()
    for name in ("b", "a", "c"):
        registry.register(name, lambda params, context: None)
    assert registry.names() == ["a", "b", "c"]
