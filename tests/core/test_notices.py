"""What receivers of webhooks are told, and when."""

from __future__ import annotations

from typing import Any

from tenuto.core import inputs as inp
from tenuto.core.commands import Message
from tenuto.core.decide import decide
from tenuto.core.definition import Definition, RetryPolicy, Webhooks
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
