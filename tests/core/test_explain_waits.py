"""What is said of steps that wait for people, other systems, other executions and slots, and of executions that have
not begun."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.definition import AtLeast, ExecutionSlots, RetryPolicy, Slots
from tenuto.core.events import StepError
from tenuto.core.explain import explain, summary
from tests.core.driven import START, Driven, step

AGO = "since 2023-11-14T22:13:20Z (3 s ago)"
SOON = "2023-11-14T22:14:20Z (in 57 s)"
SLOTS = (Slots(key="tenant:{{ context.tenant }}", limit=2), Slots(key="gpu", limit=1))


def told(driven: Driven) -> dict[str, str]:
    """The sentences, three seconds later."""
    return {said["stepId"]: said["sentence"] for said in explain(driven.state, START + 3_000)}


def waiting(kind: str, until: int | None = None, on_time: Any = "fail", **details: Any) -> inp.Waiting:
    return inp.Waiting(until, waiting_for=kind, on_time=on_time, details=details or None)


def test_a_step_that_waits_for_a_signal_says_how_to_send_it() -> None:
    driven = Driven(step("a"))
    driven.end("a", waiting("signal:paid in full", START + 60_000))
    assert told(driven)["a"] == (
        f"`a` waits {AGO} for the signal `paid in full`; send it: POST /executions/e-1/signals/paid%20in%20full; it times "
        f"out if that has not come by {SOON}."
    )


def test_of_several_that_wait_for_a_signal_only_the_first_takes_the_next_one() -> None:
    driven = Driven(step("a"), step("b"), step("c"))
    for name in "abc":
        driven.end(name, waiting("signal:go"))
    sentences = told(driven)
    assert "another step" not in sentences["a"]
    assert sentences["b"].endswith("/signals/go; another step has waited for that before it.")
    assert sentences["c"].endswith("/signals/go; 2 steps have waited for that before it.")


@pytest.mark.parametrize(
    ("on_time", "words"),
    [("fail", "it times out"), ("reject", "it is rejected"), ("approve", "it is approved")],
)
def test_an_approval_says_who_may_give_it_and_what_comes_of_silence(on_time: str, words: str) -> None:
    driven = Driven(step("ask"))
    driven.end("ask", waiting("approval", START + 60_000, on_time, approvers=["ada", "ben"], minApprovals=1))
    assert told(driven)["ask"] == (
        f"`ask` waits {AGO} for an approval; ada or ben may give it: POST /executions/e-1/steps/ask/approve, or …/reject; "
        f"{words} if that has not come by {SOON}."
    )


def test_an_approval_by_several_says_how_many_are_missing_and_who_is_left() -> None:
    driven = Driven(step("ask"))
    driven.end("ask", waiting("approval", approvers=["ada", "ben", "cleo"], minApprovals=3))
    assert "for an approval, 0 of 3 given; ada, ben, or cleo may give it" in told(driven)["ask"]
    driven.take(inp.Approve("ask", "ben"))
    assert "for an approval, 1 of 3 given (by ben); ada or cleo may give it" in told(driven)["ask"]


def test_an_approval_that_anybody_may_give_says_so() -> None:
    driven = Driven(step("ask"))
    driven.end("ask", waiting("approval", approvers=[], minApprovals=2))
    assert "0 of 2 given; anybody may give it" in told(driven)["ask"]
    driven.take(inp.Approve("ask", "ben"))
    assert "1 of 2 given (by ben); anybody else may give it" in told(driven)["ask"]


def test_a_step_that_waits_to_be_called_back_says_so_and_when_its_time_is_up() -> None:
    driven = Driven(step("a", total_timeout=60_000), step("b", "a"))
    driven.end("a", waiting("callback"))
    assert told(driven) == {
        "a": f"`a` waits {AGO} to be called back: POST to its callback URL; its `totalTimeout` is up at {SOON}.",
        "b": "`b` waits for `a`, which waits for a callback.",
    }


def test_a_step_that_waits_for_another_execution_names_it() -> None:
    driven = Driven(step("a"))
    driven.end("a", waiting("child:e-1.a.0"))
    assert told(driven)["a"] == (
        f"`a` waits {AGO} for the execution `e-1.a.0` to end; `tenuto explain e-1.a.0` tells of that."
    )


def test_a_parked_step_says_why_and_what_a_person_can_do() -> None:
    driven = Driven(step("a", retry_policy=RetryPolicy(on_exhausted="pause")), step("b", "a"))
    driven.fail("a", "http.503", "down")
    assert told(driven) == {
        "a": f"`a` waits {AGO} for a person, after its attempt 1 failed with http.503: down; retry, complete, skip or fail "
        "it: POST /executions/e-1/steps/a/retry, …/complete, …/skip or …/fail.",
        "b": "`b` waits for `a`, which waits for a person.",
    }


def test_a_queued_step_says_for_which_slots_and_until_when() -> None:
    driven = Driven(step("a", concurrency=SLOTS, queue_timeout=60_000), step("b", "a"))
    assert told(driven) == {
        "a": f"`a` waits {AGO} for the slots it shares with others (`tenant:{{{{ context.tenant }}}}`, `gpu`); see `tenuto "
        f"limits`; it fails if it has none by {SOON}.",
        "b": "`b` waits for `a`, which waits for its slots.",
    }


def test_an_execution_that_has_not_begun_says_when_it_does() -> None:
    driven = Driven(step("a"), step("b", "a"))
    late = Driven(step("a"), step("b", "a"), start_at=START + 60_000)
    assert summary(late.state, START + 3_000) == f"The execution begins at {SOON}."
    assert told(late) == {
        "a": "`a` starts when the execution begins.",
        "b": "`b` waits for `a`, which has not started.",
    }
    assert "begins" not in summary(driven.state, START)


def test_an_execution_that_waits_for_its_slots_names_them() -> None:
    driven = Driven(step("a"), concurrency=(ExecutionSlots(key="tenant:{{ context.tenant }}", limit=1),))
    assert summary(driven.state, START + 3_000) == (
        f"The execution waits {AGO} for the slots it shares with others (`tenant:{{{{ context.tenant }}}}`); see `tenuto "
        "limits`."
    )
    assert told(driven) == {"a": "`a` starts when the execution begins."}


def test_a_join_that_counts_says_how_far_it_is_and_what_has_failed() -> None:
    driven = Driven(
        *(step(name, critical=False) for name in "abcd"),
        step("join", "a", "b", "c", "d", join=AtLeast(at_least=2)),
    )
    driven.succeed("a")
    driven.fail("b", "http.500")
    assert told(driven)["join"] == (
        f"`join` waits for 2 of 4 ways to it, 1 of which lead there already: `c`, which is running {AGO}, and `d`, which is "
        f"running {AGO}; `b` has failed (http.500)."
    )


def test_a_step_that_a_failure_will_have_skipped_says_so_while_paused() -> None:
    driven = Driven(step("a"), step("b", "a"))
    driven.take(inp.Pause())
    driven.fail("a", "http.500")
    assert told(driven) == {
        "b": "`b` will be skipped when the execution is resumed; `a` has failed (http.500)."
    }


def test_a_running_execution_that_is_going_to_fail_says_so() -> None:
    driven = Driven(step("a"), step("b"))
    driven.fail("a", "http.500", "oh")
    assert summary(driven.state, START) == (
        "The execution is running; 1 step of 2 still to end; it will fail, because of http.500 in `a`: oh."
    )


def test_a_cancelled_execution_says_by_whom_and_why() -> None:
    driven = Driven(step("a"))
    driven.take(inp.Cancel("ada", "wrong order"))
    assert summary(driven.state, START + 3_000) == (
        "The execution was cancelled at 2023-11-14T22:13:20Z (3 s ago), by ada: wrong order."
    )


def test_what_is_said_stays_on_one_line_whatever_an_error_says() -> None:
    driven = Driven(step("a", retry_policy=RetryPolicy(on_exhausted="pause")))
    driven.end("a", inp.Failed(StepError("x", "a\nb\n" * 500)))
    [sentence] = told(driven).values()
    assert "\n" not in sentence
    assert len(sentence) < 600
