"""Callbacks: a step that another system ends, once, in the generation it was told of."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.definition import RetryPolicy
from tenuto.core.events import StepError
from tests.core.driven import START, step
from tests.core.journaled import Execution, why

NO = StepError("declined", "no money")


def called(result: Any = None, *, error: StepError | None = None, generation: int = 0) -> inp.Complete:
    return inp.Complete("a", result, error, "callback", None, generation)


def waiting(until: int | None = None, **fields: Any) -> Execution:
    run = Execution(step("a", **fields), step("b", "a"))
    run.wait("a", "callback", until, result={"accepted": True}, on_time="fail")
    return run


def test_the_callback_is_what_the_step_returns() -> None:
    run = waiting()
    run.take(called({"paid": 5}))
    assert (run.step("a").result, run.step("a").by, run.acting()) == ({"paid": 5}, "callback", ["b"])


def test_a_callback_may_say_that_it_failed() -> None:
    run = waiting()
    run.take(called(error=NO))
    assert (run.error("a"), run.state.status) == (NO, "failed")


def test_it_counts_once() -> None:
    run = waiting()
    run.take(called(1))
    assert why(run.take(called(2))) == ["step 'a' has ended already: success"]
    assert run.step("a").result == 1


def test_one_that_comes_before_the_call_has_returned_is_kept_until_it_has() -> None:
    run = Execution(step("a"), step("b", "a"))
    run.take(called({"paid": 5}))
    assert (run.status("a"), run.acting()) == (["running"], ["a"])
    assert run.events(ev.StepReported) == [ev.StepReported("a", {"paid": 5}, None, "callback")]
    assert why(run.take(called(2))) == ["step 'a' has been called back already"]
    run.wait("a", "callback", None, on_time="fail")
    assert (run.step("a").result, run.acting()) == ({"paid": 5}, ["b"])


def test_one_that_says_early_that_it_failed_fails_the_step_when_the_call_has_returned() -> None:
    run = Execution(step("a"))
    run.take(called(error=NO))
    run.wait("a", "callback", None, on_time="fail")
    assert run.error("a") == NO


def test_one_that_came_early_counts_although_the_call_failed() -> None:
    run = Execution(step("a", retry_policy=RetryPolicy(max_attempts=3)))
    run.take(called("done"))
    run.fail("a", "timeout")
    assert (run.step("a").result, run.state.status) == ("done", "completed")


def test_one_that_came_early_counts_although_a_crash_took_the_call() -> None:
    run = Execution(step("a"))
    run.take(called("done"))
    run.crash()
    assert (run.step("a").result, run.state.status) == ("done", "completed")


def test_a_failure_that_was_called_back_is_tried_again_as_the_policy_says() -> None:
    run = waiting(retry_policy=RetryPolicy(max_attempts=2))
    run.take(called(error=NO))
    assert run.status("a") == ["retrying"]
    assert why(run.take(called("late"))) == ["step 'a' does not wait for a callback; it is retrying"]
    run.after(1_000)
    run.wait("a", "callback", None, on_time="fail")
    run.take(called("now"))
    assert run.step("a").result == "now"


def test_a_callback_of_a_generation_before_is_refused() -> None:
    run = waiting()
    run.take(called(error=NO))
    run.take(inp.Retry())
    assert why(run.take(called("old"))) == ["step 'a' is being done again since; this callback is of before"]
    run.wait("a", "callback", None, on_time="fail")
    run.take(called("new", generation=1))
    assert run.step("a").result == "new"


def test_one_that_does_not_come_in_time_fails_the_step() -> None:
    run = waiting(START + 1_000)
    run.after(1_000)
    assert run.error("a") == StepError("timeout", "the callback did not come in time")


def test_a_step_that_waits_for_something_else_is_not_called_back() -> None:
    run = Execution(step("a"))
    run.wait("a", "timer", START + 1_000)
    assert why(run.take(called(1))) == ["step 'a' does not wait for a callback; it is waiting"]


def test_a_step_that_has_not_begun_is_not_called_back() -> None:
    run = Execution(step("first"), step("a", "first"))
    assert why(run.take(called(1))) == ["step 'a' does not wait for a callback; it is pending"]


def test_a_person_may_complete_what_waits_for_a_callback() -> None:
    run = waiting()
    run.take(inp.Complete("a", "by hand", by="ada"))
    assert (run.step("a").result, run.step("a").by) == ("by hand", "ada")


@pytest.mark.parametrize("before", ["crash", "pause"])
def test_a_wait_for_a_callback_outlasts_it(before: str) -> None:
    run = waiting()
    run.crash() if before == "crash" else run.take(inp.Pause())
    run.take(called(1))
    assert run.step("a").result == 1


def test_an_early_callback_outlasts_a_stop() -> None:
    run = Execution(step("a"))
    run.take(called(1), hold=True)
    run.take(run.ended("a", inp.Waiting(waiting_for="callback", on_time="fail")), hold=True)
    run.restart()
    assert (run.step("a").result, run.state.status) == (1, "completed")


def test_a_callback_for_an_ended_execution_is_refused() -> None:
    run = waiting()
    run.take(inp.Cancel())
    assert why(run.take(called(1))) == ["the execution is cancelled"]
