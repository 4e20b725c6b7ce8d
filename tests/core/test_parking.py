"""`onExhausted: pause`: a step that has failed its last attempt waits for a person."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.definition import RetryPolicy, Slots
from tenuto.core.events import StepError
from tenuto.core.state import is_parked, next_wake
from tenuto.core.view import document
from tests.core.driven import step
from tests.core.journaled import Execution


def parked(attempts: int = 1, **fields: Any) -> Execution:
    policy = RetryPolicy(max_attempts=attempts, initial_delay=0, on_exhausted="pause")
    run = Execution(step("a", retry_policy=policy), step("b", "a"), **fields)
    for _ in range(attempts):
        run.fail("a", "http.500", "no")
        run.after(0)
    return run


def test_it_waits_for_a_person_shows_its_error_and_holds_nothing() -> None:
    run = parked(2)
    shown = document(run.state, run.at)["stepResults"]["a"]
    assert (shown["status"], shown["waitingFor"], shown["attempts"]) == ("waiting", "person", 2)
    assert shown["error"] == {"type": "http.500", "message": "no"}
    assert (is_parked(run.state), next_wake(run.state), run.state.status) == (True, None, "running")


def test_an_error_that_is_not_tried_again_parks_it_too() -> None:
    policy = RetryPolicy(max_attempts=5, no_retry_on=("http",), on_exhausted="pause")
    run = Execution(step("a", retry_policy=policy))
    run.fail("a")
    assert run.step("a").waiting_for == "person"


def test_an_error_that_no_person_can_mend_fails_it() -> None:
    policy = RetryPolicy(on_exhausted="pause")
    run = Execution(step("a", retry_policy=policy))
    run.end("a", inp.Failed(StepError("expression", "when: no"), retry=False, park=False))
    assert run.state.status == "failed"


def test_a_person_has_it_tried_again_at_once_and_it_may_be_parked_again() -> None:
    run = parked()
    run.take(inp.RetryStep("a", "ada", "mended"))
    assert (run.acting(), run.step("a").attempts, run.step("a").generation) == (["a"], 2, 0)
    assert run.events(ev.StepRetried) == [ev.StepRetried("a", "ada", "mended")]
    run.fail("a")
    assert run.step("a").waiting_for == "person"
    run.take(inp.RetryStep("a"))
    run.succeed("a", 1)
    assert (run.acting(), run.step("a").error) == (["b"], None)


def test_a_person_completes_it() -> None:
    run = parked()
    run.take(inp.Complete("a", 5, by="ada"))
    assert (run.step("a").result, run.step("a").by, run.acting()) == (5, "ada", ["b"])


def test_a_person_fails_it() -> None:
    run = parked()
    run.take(inp.Complete("a", error=StepError("manual", "given up"), by="ada"))
    assert (run.state.status, run.error("a").message, run.step("a").by) == ("failed", "given up", "ada")


def test_a_person_skips_it() -> None:
    run = parked()
    run.take(inp.SkipStep("a", "ada"))
    assert (run.step("a").reason, run.step("b").reason, run.state.status) == (
        "manual_skip", "upstream_skipped", "completed",
    )  # fmt: skip


def test_it_waits_through_pauses_and_crashes() -> None:
    run = parked()
    run.take(inp.Pause())
    run.take(inp.RetryStep("a"))
    assert run.acting() == []
    run.crash()
    run.take(inp.Resume())
    assert run.acting() == ["a"]


@pytest.mark.parametrize("end", [inp.Cancel(), inp.Terminate()])
def test_it_is_given_up_with_the_execution(end: inp.Cancel | inp.Terminate) -> None:
    run = parked()
    run.take(end)
    assert (run.state.status, run.status("a")) == ("cancelled", ["cancelled"])


def test_while_draining_no_step_is_parked() -> None:
    policy = RetryPolicy(on_exhausted="pause")
    run = Execution(step("a", retry_policy=policy), step("bad"), on_critical_failure="drain")
    run.fail("bad")
    run.fail("a")
    assert (run.statuses(), run.state.status) == ({"a": "failed", "bad": "failed"}, "failed")


def test_its_total_timeout_runs_on() -> None:
    run = Execution(step("a", retry_policy=RetryPolicy(on_exhausted="pause"), total_timeout=1_000))
    run.fail("a")
    run.after(1_000)
    assert run.error("a").type == "timeout"


def test_a_wait_that_was_too_long_parks_it_and_it_can_wait_again() -> None:
    run = Execution(step("a", retry_policy=RetryPolicy(on_exhausted="pause")))
    run.wait("a", "signal:go", run.at + 1_000, on_time="fail", details={"name": "go"})
    run.after(1_000)
    assert run.step("a").waiting_for == "person"
    run.take(inp.Signal("go", 1))
    assert run.step("a").waiting_for == "person"
    run.take(inp.RetryStep("a"))
    run.wait("a", "signal:go", None, on_time="fail")
    assert run.step("a").result == 1


def test_an_item_may_be_parked_and_the_others_go_on() -> None:
    run = Execution(
        step("m", type="map", items=[1], max_concurrency=2, retry_policy=RetryPolicy(on_exhausted="pause"))
    )
    run.end("m", inp.Expanded([1, 2, 3]))
    run.fail("m[0]")
    run.succeed("m[1]", 1)
    run.succeed("m[2]", 2)
    assert run.status("m[0]", "m") == ["waiting", "running"]
    run.take(inp.RetryStep("m[0]"))
    run.succeed("m[0]", 0)
    assert run.step("m").result == [0, 1, 2]


def test_it_asks_for_its_slots_anew() -> None:
    slots = (Slots(key="k", limit=1),)
    run = Execution(step("a", retry_policy=RetryPolicy(on_exhausted="pause"), concurrency=slots))
    run.grant("a")
    run.fail("a")
    assert (run.state.queued, run.state.running) == (0, 0)
    run.take(inp.RetryStep("a"))
    assert run.status("a") == ["queued"]
