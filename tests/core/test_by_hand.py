"""What people do to steps by hand: complete, fail, skip, try again."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AbandonAttempt, RunAttempt
from tenuto.core.decide import Refusal
from tenuto.core.definition import CatchRule, Compensate, Handlers, RetryPolicy, Slots
from tenuto.core.events import StepError
from tenuto.core.state import next_wake
from tests.core.driven import START, step
from tests.core.journaled import Execution, why

BAD = StepError("manual", "no use")


def refusal(run: Execution, given: inp.Input) -> Refusal:
    decision = run.take(given)
    assert decision.events == []
    return decision.refused[0]


def in_status(status: str) -> Execution:
    """An execution whose step `a` stands so, with `b` after it."""
    slots = (Slots(key="k", limit=1),) if status == "queued" else ()
    run = Execution(
        step("first"),
        step("a", "first", retry_policy=RetryPolicy(max_attempts=2), concurrency=slots),
        step("b", "a"),
    )
    if status != "pending":
        run.succeed("first")
    if status == "retrying":
        run.fail("a")
    elif status == "waiting":
        run.wait("a", "timer", START + 60_000)
    assert run.status("a") == [status]
    return run


OPEN = ["pending", "queued", "running", "retrying", "waiting"]


@pytest.mark.parametrize("status", OPEN)
def test_any_step_that_has_not_ended_can_be_completed(status: str) -> None:
    run = in_status(status)
    decision = run.take(inp.Complete("a", 5, by="ada", reason="by phone"))
    assert (run.step("a").result, run.step("a").by, run.status("b")) == (5, "ada", ["running"])
    assert [isinstance(command, AbandonAttempt) for command in decision.commands] == (
        [True, False] if status == "running" else [False]
    )
    told = run.events(ev.StepSucceeded)[-1]
    assert (told.by, told.reason) == ("ada", "by phone")


@pytest.mark.parametrize("status", OPEN)
def test_any_step_that_has_not_ended_can_be_failed(status: str) -> None:
    run = in_status(status)
    run.take(inp.Complete("a", error=BAD, by="ada", reason="why"))
    assert (run.error("a"), run.step("b").reason) == (BAD, "upstream_failed")
    told = run.events(ev.StepFailed)[-1]
    assert (told.by, told.reason) == ("ada", "why")


@pytest.mark.parametrize("status", OPEN)
def test_any_step_that_has_not_ended_can_be_skipped(status: str) -> None:
    run = in_status(status)
    run.take(inp.SkipStep("a", "ada", "why"))
    assert (run.step("a").reason, run.step("a").by, run.step("b").reason) == (
        "manual_skip",
        "ada",
        "upstream_skipped",
    )
    told = run.events(ev.StepSkipped)[-2]
    assert (told.by, told.why) == ("ada", "why")


@pytest.mark.parametrize("status", OPEN)
def test_what_is_told_of_it_later_is_refused(status: str) -> None:
    run = in_status(status)
    late = inp.AttemptEnded(run.step("a").slot, max(run.step("a").attempts, 1), 0, inp.Succeeded("late"))
    run.take(inp.Complete("a", 5))
    assert why(run.take(late)) == ["the attempt is not the one that runs"]
    slots = inp.SlotsGranted(run.step("a").slot, 0)
    assert why(run.take(slots)) == ["the step does not wait for slots"]
    if status == "pending":
        run.succeed("first")
    assert run.after(100_000).events == []
    assert run.step("a").result == 5


VERBS: list[Any] = [inp.Complete("a", 1), inp.Complete("a", error=BAD), inp.SkipStep("a")]


@pytest.mark.parametrize("given", VERBS)
def test_a_step_that_has_ended_is_left_as_it_is(given: Any) -> None:
    run = Execution(step("a"), step("b"))
    run.succeed("a")
    assert refusal(run, given) == Refusal(given, "step 'a' has ended already: success")


@pytest.mark.parametrize("given", [*VERBS, inp.RetryStep("a"), inp.Approve("a", "ada")])
def test_a_step_that_is_not_there_is_unknown(given: Any) -> None:
    run = Execution(step("b"))
    assert refusal(run, given) == Refusal(given, "there is no step 'a' now", "unknown")


@pytest.mark.parametrize("given", VERBS)
def test_an_ended_execution_is_left_as_it_is(given: Any) -> None:
    run = Execution(step("a"))
    run.take(inp.Cancel())
    assert refusal(run, given) == Refusal(given, "the execution is cancelled")


@pytest.mark.parametrize("given", VERBS)
def test_an_execution_that_has_not_begun_is_left_as_it_is(given: Any) -> None:
    run = Execution(step("a"), start=inp.Start("e-1", {}, start_at=START + 1))
    assert refusal(run, given) == Refusal(given, "the execution has not begun")


@pytest.mark.parametrize("status", ["pending", "queued", "running", "waiting"])
def test_only_what_waits_to_be_tried_again_can_be_tried_now(status: str) -> None:
    run = in_status(status)
    assert refusal(run, inp.RetryStep("a")).why == f"step 'a' is {status} and the execution running"


def test_a_step_that_waits_for_its_next_attempt_is_tried_at_once() -> None:
    run = in_status("retrying")
    decision = run.take(inp.RetryStep("a", "ada"))
    assert decision.commands == [RunAttempt(1, 2, 0)]
    assert run.after(1_000).events == []
    assert run.step("a").attempts == 2


def test_a_failed_step_that_stopped_nothing_is_not_tried_while_the_execution_runs() -> None:
    run = Execution(step("a", critical=False), step("b"))
    run.fail("a")
    assert refusal(run, inp.RetryStep("a")).why == "step 'a' is failed and the execution running"


def test_a_step_done_by_hand_before_its_turn_does_not_run() -> None:
    run = in_status("pending")
    run.take(inp.Complete("a", 1))
    assert (run.acting(), run.status("first")) == (["first", "b"], ["running"])
    run.succeed("first")
    run.succeed("b")
    assert (run.state.status, run.step("a").attempts) == ("completed", 0)


def test_a_failure_by_hand_is_caught_as_any() -> None:
    run = Execution(step("a", catch=(CatchRule(errors=("manual",), next=("mend",)),)), step("mend"))
    run.take(inp.Complete("a", error=BAD))
    assert run.acting() == ["mend"]


def test_a_failure_by_hand_is_not_tried_again_and_stops_the_execution_as_any() -> None:
    run = Execution(
        step("a", retry_policy=RetryPolicy(max_attempts=9)), step("b"), on_critical_failure="cancel"
    )
    run.take(inp.Complete("a", error=BAD))
    assert (run.statuses(), run.state.status) == ({"a": "failed", "b": "cancelled"}, "failed")


@pytest.mark.parametrize(
    "given", [inp.Complete("box", 1), inp.Complete("box", error=BAD), inp.SkipStep("box")]
)
@pytest.mark.parametrize("kind", ["parallel", "map", "loop"])
def test_a_container_ended_by_hand_ends_with_all_in_it(kind: str, given: Any) -> None:
    inner = step("inner", type="parallel", steps=(step("x"), step("y", "x")))
    run = Execution(
        step("box", type=kind, items=[1], until="u", steps=(inner,)), step("b", "box", join="all_done")
    )
    if kind == "map":
        run.end("box", inp.Expanded([1, 2]))
    run.take(given)
    assert (run.acting(), run.state.running) == (["b"], 1)
    assert run.step("box").has_ended
    run.succeed("b")
    assert run.state.is_terminal


def test_a_nested_step_is_done_by_hand_by_its_own_name() -> None:
    run = Execution(step("m", type="map", items=[1]), step("box", type="parallel", steps=(step("x"),)))
    run.end("m", inp.Expanded([1, 2]))
    run.take(inp.Complete("m[1]", "hand"), inp.Complete("x", "hand"))
    assert run.step("box").result == {"x": "hand"}
    run.take(inp.SkipStep("m[0]"))
    assert run.step("m").result == [None, "hand"]


def test_while_paused_what_is_done_by_hand_counts_and_starts_nothing() -> None:
    run = in_status("running")
    run.take(inp.Pause())
    run.take(inp.Complete("a", 1))
    assert run.status("a", "b") == ["success", "pending"]
    run.take(inp.Resume())
    assert run.acting() == ["b"]


def test_a_condition_completed_by_hand_takes_the_branch_it_is_given() -> None:
    run = Execution(
        step("if", action="condition", params={"expression": "x"}, on_success=("yes",), on_failure=("no",)),
        step("yes"), step("no"),
    )  # fmt: skip
    run.take(inp.Complete("if", {"result": False, "branch": "false"}))
    assert run.acting() == ["no"]


def test_a_wait_done_by_hand_is_waited_for_no_more() -> None:
    run = in_status("waiting")
    run.take(inp.Complete("a", 1))
    assert next_wake(run.state) is None
    assert run.step("a").waiting_for is None


@pytest.mark.parametrize(
    ("step_id", "known"),
    [("m", True), ("x[0]", True), ("x[7][1]", True), ("h", True), ("y", True), ("a:compensate", True), ("z", False),
     ("z[0]", False), ("a:other", False)],
)  # fmt: skip
def test_an_execution_knows_its_steps_before_they_are_there(step_id: str, known: bool) -> None:
    run = Execution(
        step("a", compensate=Compensate(action="undo")),
        step("m", type="map", items=[1], steps=(step("x"),)),
        step("box", type="parallel", steps=(step("y"),)),
        handlers=Handlers(always=(step("h"),)),
    )
    assert run.state.knows_step(step_id) == known


# -- failed steps of failed executions ------------------------------------------------------------------------------------


def failed() -> Execution:
    run = Execution(step("a"), step("b", "a"), step("c"), step("d", "c"), step("e", "b", "d"))
    run.fail("a")
    run.fail("c")
    assert run.state.status == "failed"
    return run


def test_one_failed_step_is_done_again_with_all_that_comes_after_it() -> None:
    run = failed()
    run.take(inp.RetryStep("a", "ada", "why"))
    assert run.statuses() == {"a": "running", "b": "pending", "c": "failed", "d": "skipped", "e": "skipped"}
    event = run.events(ev.ExecutionRetried)[0]
    assert (event.steps, event.by, event.reason) == (["a", "b", "e"], "ada", "why")
    run.succeed("a")
    run.succeed("b")
    assert (run.state.status, run.state.error_step, run.step("e").reason) == (
        "failed",
        "c",
        "upstream_failed",
    )
    run.take(inp.RetryStep("c"))
    run.succeed("c")
    run.succeed("d")
    run.succeed("e")
    assert run.state.status == "completed"
    assert run.keys("a", "b", "c", "e") == ["e-1/a/1", "e-1/b/1", "e-1/c/1", "e-1/e/2"]


def test_in_a_failed_execution_only_failed_steps_are_tried_again() -> None:
    run = Execution(step("a"), step("b", "a"))
    run.fail("a")
    assert refusal(run, inp.RetryStep("b")).why == "step 'b' is skipped and the execution failed"


@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_a_failed_step_of_an_execution_that_did_not_fail_is_not_tried_again(end: str) -> None:
    run = Execution(step("a", critical=False), step("b"))
    run.fail("a")
    run.succeed("b") if end == "completed" else run.take(inp.Cancel())
    assert refusal(run, inp.RetryStep("a")).why == f"step 'a' is failed and the execution {end}"


def test_what_was_failed_by_hand_can_be_tried_again() -> None:
    run = Execution(step("a"))
    run.take(inp.Complete("a", error=BAD, by="ada"))
    run.take(inp.RetryStep("a"))
    assert (run.acting(), run.step("a").by, run.step("a").error) == (["a"], None, None)
