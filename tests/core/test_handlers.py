"""Handlers: what runs when everything else has ended."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import ComputeOutput
from tenuto.core.decide import pending_commands
from tenuto.core.definition import Handlers, RetryPolicy
from tenuto.core.events import StepError
from tests.core.driven import step
from tests.core.journaled import Execution, why

ENDING = "the execution is ending: its handlers or compensations run; terminate ends it at once"


def handled(**fields: Any) -> Execution:
    """An execution with one handler of each kind."""
    handlers = Handlers(
        failure=(step("on-failure"),),
        cancel=(step("on-cancel"),),
        always=(step("always"), step("last", "always")),
    )
    return Execution(step("a"), step("b"), handlers=handlers, **fields)


def test_only_those_that_always_run_follow_a_success() -> None:
    run = handled()
    run.succeed("a", 1)
    run.succeed("b", 2)
    assert (run.acting(), run.state.phase, run.state.status) == (["always"], "handlers", "running")
    run.succeed("always", "x")
    assert run.acting() == ["last"]
    run.succeed("last")
    assert (run.state.status, run.state.phase) == ("completed", "normal")


def test_after_a_failure_those_for_failures_run_then_those_that_always_do() -> None:
    run = handled()
    run.fail("a")
    assert run.acting() == ["b"]
    run.succeed("b")
    assert run.acting() == ["on-failure"]
    assert run.state.ending == ev.HandlersStarted(
        "failure", "failed", None, StepError("http.503", "down"), "a"
    )
    run.succeed("on-failure")
    assert run.acting() == ["always"]
    run.succeed("always")
    run.succeed("last")
    assert (run.state.status, run.state.error_step) == ("failed", "a")


def test_after_a_cancel_those_for_cancels_run() -> None:
    run = handled()
    run.take(inp.Cancel("ada"))
    assert (run.acting(), run.state.phase) == (["on-cancel"], "handlers")
    run.succeed("on-cancel")
    run.succeed("always")
    run.succeed("last")
    assert run.state.status == "cancelled"
    assert run.state.cancel is not None
    assert run.state.cancel.by == "ada"


def test_a_termination_runs_none() -> None:
    run = handled()
    run.take(inp.Terminate())
    assert (run.state.status, run.acting()) == ("cancelled", [])


def test_what_was_cancelled_before_it_began_runs_none() -> None:
    run = handled(start=inp.Start("e-1", {}, start_at=1_800_000_000_000))
    run.take(inp.Cancel())
    assert (run.state.status, run.state.events if hasattr(run.state, "events") else None) == (
        "cancelled",
        None,
    )
    assert run.events(ev.HandlersStarted) == []


def test_a_timeout_of_the_execution_is_a_failure_and_bounds_no_handler() -> None:
    run = handled(timeout=1_000)
    run.after(1_000)
    assert run.acting() == ["on-failure"]
    run.after(100_000)
    assert run.acting() == ["on-failure"]


def test_the_output_is_worked_out_before_and_kept() -> None:
    run = handled(output="{{ context.a }}")
    run.succeed("a", 1)
    run.succeed("b")
    assert (run.state.output_requested, run.acting()) == (True, [])
    run.take(inp.OutputComputed("out"))
    run.succeed("always")
    run.succeed("last")
    assert (run.state.status, run.state.output) == ("completed", "out")


def test_an_output_that_was_being_worked_out_is_asked_for_again_after_a_restart() -> None:
    run = handled(output=1)
    run.succeed("a")
    run.succeed("b")
    run.restart()
    assert pending_commands(run.state) == [ComputeOutput()]
    run.take(inp.OutputComputed("out"))
    assert pending_commands(run.state) == []


def test_an_output_that_cannot_be_worked_out_is_a_failure_with_its_handlers() -> None:
    run = handled(output="{{ context.a }}")
    run.succeed("a")
    run.succeed("b")
    run.take(inp.OutputComputed(error=StepError("expression", "no")))
    assert run.acting() == ["on-failure"]


@pytest.mark.parametrize("critical", [True, False])
def test_a_handler_that_fails_makes_a_success_a_failure_if_it_is_critical(critical: bool) -> None:
    run = Execution(
        step("a"), handlers=Handlers(always=(step("h", critical=critical),), failure=(step("f"),))
    )
    run.succeed("a")
    run.fail("h", "http.500", "no")
    assert run.state.status == ("failed" if critical else "completed")
    assert run.acting() == []
    if critical:
        assert (run.state.error_step, run.state.error) == ("h", StepError("http.500", "no"))


def test_a_handler_that_fails_leaves_a_failure_as_it_was() -> None:
    run = handled()
    run.fail("a")
    run.succeed("b")
    run.fail("on-failure", "network", "no")
    assert run.acting() == ["always"]
    run.fail("always")
    assert (run.step("last").reason, run.state.status) == ("upstream_failed", "failed")
    assert (run.state.error_step, run.state.error) == ("a", StepError("http.503", "down"))


def test_a_handler_that_fails_leaves_a_cancel_a_cancel() -> None:
    run = handled()
    run.take(inp.Cancel())
    run.fail("on-cancel")
    run.succeed("always")
    run.succeed("last")
    assert (run.state.status, run.state.error) == ("cancelled", None)


def test_what_handlers_return_is_read_like_any_result() -> None:
    run = handled()
    run.succeed("a", 1)
    run.succeed("b", 2)
    run.succeed("always", 3)
    assert run.step("last").frame.context == {"a": 1, "b": 2, "always": 3}


def test_handlers_are_tried_again_and_may_hold_containers() -> None:
    policy = RetryPolicy(max_attempts=2)
    box = step("box", "h", type="parallel", steps=(step("x"),))
    run = Execution(step("a"), handlers=Handlers(always=(step("h", retry_policy=policy), box)))
    run.succeed("a")
    run.fail("h")
    run.after(1_000)
    run.succeed("h")
    run.succeed("x", 1)
    assert (run.state.status, run.step("box").result) == ("completed", {"x": 1})


def test_a_failure_in_a_handler_drains_nothing() -> None:
    handlers = Handlers(always=(step("h"), step("i"), step("j", "i")))
    run = Execution(step("a"), handlers=handlers, on_critical_failure="cancel")
    run.succeed("a")
    run.fail("h")
    run.succeed("i")
    assert run.acting() == ["j"]


# -- people -----------------------------------------------------------------------------------------------------------------


def test_a_cancel_is_refused_and_a_termination_ends_it_at_once() -> None:
    run = handled()
    run.fail("a")
    run.succeed("b")
    assert why(run.take(inp.Cancel())) == [ENDING]
    run.take(inp.Terminate("ada"))
    assert (run.state.status, run.status("on-failure")) == ("cancelled", ["cancelled"])
    assert run.acting() == []


@pytest.mark.parametrize("verb", [inp.Resume(), inp.Retry()])
def test_other_verbs_are_told_that_it_is_ending(verb: inp.Resume | inp.Retry) -> None:
    run = handled()
    run.take(inp.Cancel())
    assert why(run.take(verb)) == ["the execution is ending: its handlers or compensations run"]


def test_handlers_can_be_paused() -> None:
    run = handled()
    run.succeed("a")
    run.succeed("b")
    run.take(inp.Pause())
    run.succeed("always")
    assert run.acting() == []
    run.take(inp.Resume())
    assert run.acting() == ["last"]


def test_an_output_that_comes_while_paused_begins_no_handler_before_the_pause_is_over() -> None:
    run = handled(output=1)
    run.succeed("a")
    run.succeed("b")
    run.take(inp.Pause())
    run.take(inp.OutputComputed("out"))
    assert run.acting() == []
    run.take(inp.Resume())
    assert run.acting() == ["always"]


def test_a_person_may_do_a_handlers_work() -> None:
    run = handled()
    run.fail("a")
    run.succeed("b")
    run.take(inp.Complete("on-failure", {"told": True}, by="ada"))
    run.take(inp.SkipStep("always"))
    assert (run.state.status, run.step("last").reason) == ("failed", "upstream_skipped")


# -- stopping and starting again ------------------------------------------------------------------------------------------


def test_handlers_go_on_after_a_crash_and_no_kind_runs_twice() -> None:
    run = handled()
    run.fail("a")
    run.succeed("b")
    run.crash()
    assert (run.acting(), run.step("on-failure").attempts) == (["on-failure"], 2)
    run.take(run.ended("on-failure", inp.Succeeded()), hold=True)
    run.restart()
    assert run.acting() == ["always"]
    run.succeed("always")
    run.crash()
    run.succeed("last")
    assert [event.handlers for event in run.events(ev.HandlersStarted)] == ["failure", "always"]


def test_a_retry_runs_handlers_anew_at_the_next_end_under_new_keys() -> None:
    run = handled()
    run.fail("a")
    run.succeed("b", 2)
    run.succeed("on-failure", 1)
    run.succeed("always", 1)
    run.succeed("last", 1)
    run.take(inp.Retry())
    assert run.state.context == {"b": 2}
    assert run.state.find_step("always") is None
    run.succeed("a")
    assert (run.acting(), run.keys("always")) == (["always"], ["e-1/always/1"])
    run.succeed("always")
    run.succeed("last")
    assert run.state.status == "completed"
