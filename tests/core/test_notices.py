"""What receivers of webhooks are told, and when."""

from __future__ import annotations

from typing import Any

from tenuto.core import inputs as inp
from tenuto.core.commands import Message
from tenuto.core.decide import decide
from tenuto.core.definition import CatchRule, Compensate, Definition, Handlers, RetryPolicy, Webhooks
from tenuto.core.events import StepError
from tenuto.core.graph import compile_graph
from tenuto.core.state import State
from tests.core.driven import START, step

ALL = Webhooks(
    on_complete="http://r/c", on_failure="http://r/f", on_step="http://r/s", on_cancel="http://r/x"
)


def told(webhooks: Webhooks, *inputs: inp.Input, retries: int = 1) -> list[Message]:
    """The messages of an execution of `a`, and `b` after it, to which these happen one after the other."""
    policy = RetryPolicy(max_attempts=retries, initial_delay=0)
    steps = (step("a", retry_policy=policy), step("b", "a"))
    state = State(compile_graph(Definition(id="w", steps=steps, webhooks=webhooks)))
    messages: list[Message] = []
    for given in (inp.Start("e", {}), *inputs):
        messages += decide(state, [given], START).messages
    return messages


def ended(
    index: int, result: Any = None, error: StepError | None = None, attempt: int = 1
) -> inp.AttemptEnded:
    outcome = inp.Succeeded(result) if error is None else inp.Failed(error)
    return inp.AttemptEnded(index, attempt, 0, outcome)


def head(kind: str, status: str) -> dict[str, Any]:
    return {"type": kind, "executionId": "e", "workflowId": "w", "status": status, "timestamp": START}


def test_success_is_told_step_by_step_and_once_at_the_end() -> None:
    assert told(ALL, ended(0, {"n": 1}), ended(1, "done")) == [
        Message("onStep", head("step.succeeded", "success") | {"stepId": "a", "result": {"n": 1}}),
        Message("onStep", head("step.succeeded", "success") | {"stepId": "b", "result": "done"}),
        Message(
            "onComplete", head("execution.completed", "completed") | {"results": {"a": {"n": 1}, "b": "done"}}
        ),
    ]


def test_a_failure_names_the_steps_that_failed_and_is_told_once_after_all_attempts() -> None:
    error = StepError("http.503", "down", {"body": "secret"})
    shown = {"type": "http.503", "message": "down"}
    messages = told(ALL, ended(0, error=error), ended(0, error=error, attempt=2), retries=2)
    assert messages == [
        Message("onStep", head("step.failed", "failed") | {"stepId": "a", "error": shown}),
        Message(
            "onFailure",
            head("execution.failed", "failed") | {"failedSteps": ["a"], "error": shown | {"stepId": "a"}},
        ),
    ]


def test_a_cancelled_execution_is_told_to_those_who_asked_for_that() -> None:
    cancelled = Message("onCancel", head("execution.cancelled", "cancelled") | {"failedSteps": []})
    assert told(ALL, inp.Cancel()) == [cancelled]
    terminated = told(ALL, inp.Terminate(reason="enough"))
    error = {"type": "terminated", "message": "enough", "stepId": None}
    assert terminated == [cancelled._replace(body=cancelled.body | {"error": error})]


def test_nobody_is_told_what_nobody_asked_for() -> None:
    nothing: list[Message] = []
    assert told(Webhooks(), ended(0), ended(1)) == nothing
    assert told(Webhooks(on_failure="http://r/f"), ended(0), ended(1)) == nothing
    assert told(Webhooks(on_complete="http://r/c"), inp.Cancel()) == nothing


def test_a_retry_tells_again_what_is_done_again() -> None:
    messages = told(
        ALL,
        ended(0, error=StepError("x", "no")),
        inp.Retry(),
        inp.AttemptEnded(0, 1, 1, inp.Succeeded(1)),
        inp.AttemptEnded(1, 1, 1, inp.Succeeded(2)),
    )
    assert [message.kind for message in messages] == ["onStep", "onFailure", "onStep", "onStep", "onComplete"]


def told_of(definition: Definition, *ends: tuple[str, inp.Ending]) -> list[Message]:
    """The messages of an execution whose steps (instance ids) end so, one after the other."""
    state = State(compile_graph(definition))
    messages = list(decide(state, [inp.Start("e", {})], START).messages)
    for step_id, outcome in ends:
        now = state.step(step_id)
        given = inp.AttemptEnded(now.slot, now.attempts, now.generation, outcome)
        messages += decide(state, [given], START).messages
    return messages


def names(messages: list[Message]) -> list[str]:
    """The steps told of, and the ends of the execution."""
    return [message.body.get("stepId") or message.kind for message in messages]


DONE = inp.Succeeded(1)
DOWN = inp.Failed(StepError("http.503", "down"))


def test_steps_of_a_parallel_are_told_of_and_so_is_what_it_returns() -> None:
    fan = step("fan", type="parallel", steps=(step("left"), step("right")))
    messages = told_of(Definition(id="w", steps=(fan,), webhooks=ALL), ("right", DONE), ("left", DONE))
    assert names(messages) == ["right", "left", "fan", "onComplete"]
    assert messages[-1].body["results"] == {"fan": {"left": 1, "right": 1}}


def test_items_and_rounds_are_told_of_only_when_their_container_ends() -> None:
    definition = Definition(
        id="w",
        steps=(
            step("each", type="map", items=[], steps=(step("a"),)),
            step("poll", type="loop", until="x", action="noop"),
        ),
        webhooks=ALL,
    )
    expanded = inp.Expanded([1, 2])
    messages = told_of(
        definition,
        ("each", expanded),
        ("a[1]", DONE),
        ("poll[0]", DONE),
        ("a[0]", DONE),
        ("poll", inp.Judged(met=True)),
    )
    assert names(messages) == ["each", "poll", "onComplete"]
    assert messages[-1].body["results"] == {"each": [{"a": 1}, {"a": 1}], "poll": 1}


def test_handlers_and_compensations_are_told_of_and_the_end_says_how_much_was_undone() -> None:
    definition = Definition(
        id="w",
        steps=(step("a", compensate=Compensate(action="noop")), step("b", "a")),
        handlers=Handlers(failure=(step("alert"),)),
        webhooks=ALL,
    )
    messages = told_of(definition, ("a", DONE), ("b", DOWN), ("alert", DOWN), ("a:compensate", DONE))
    assert names(messages) == ["a", "b", "alert", "a:compensate", "onFailure"]
    end = messages[-1].body
    assert (end["failedSteps"], end["compensation"], end["error"]["stepId"]) == (
        ["b", "alert"],
        "complete",
        "b",
    )


def test_what_handlers_return_is_among_the_results() -> None:
    definition = Definition(
        id="w", steps=(step("a"),), handlers=Handlers(always=(step("clean"),)), webhooks=ALL
    )
    messages = told_of(definition, ("a", DONE), ("clean", inp.Succeeded("swept")))
    assert messages[-1].body["results"] == {"a": 1, "clean": "swept"}


def test_a_failure_that_was_caught_or_tolerated_is_still_told_of_as_that_of_a_step() -> None:
    caught = step("a", catch=(CatchRule(errors=("http",), next=("b",)),))
    messages = told_of(Definition(id="w", steps=(caught, step("b")), webhooks=ALL), ("a", DOWN), ("b", DONE))
    assert names(messages) == ["a", "b", "onComplete"]
    assert messages[0].body["type"] == "step.failed"
