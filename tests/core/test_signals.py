"""Signals: messages by name, each taken once by the step that waited first."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.definition import RetryPolicy
from tenuto.core.events import StepError
from tenuto.core.people import MOST_SIGNALS
from tenuto.core.state import is_parked, next_wake
from tests.core.driven import START, step
from tests.core.journaled import Execution, why


def waiting(*names: str, **fields: Any) -> Execution:
    """Steps that wait for `go`, the first of them for longest."""
    run = Execution(*(step(name, action="signal.wait", **fields) for name in names), step("other"))
    for name in names:
        listen(run, name)
    return run


def listen(run: Execution, step_id: str, name: str = "go", until: int | None = None) -> None:
    run.wait(step_id, f"signal:{name}", until, on_time="fail", details={"name": name, "schema": None})


def test_a_signal_is_what_the_step_that_waits_for_it_returns() -> None:
    run = waiting("a")
    assert (run.step("a").waiting_for, is_parked(run.state)) == ("signal:go", False)
    run.take(inp.Signal("go", {"n": 1}, by="ada"))
    assert (run.status("a"), run.step("a").result) == (["success"], {"n": 1})
    assert run.events(ev.SignalReceived) == [ev.SignalReceived("go", 1, {"n": 1}, None, "ada")]
    assert run.events(ev.StepSucceeded)[0].signal == 1


def test_a_step_that_waits_holds_nothing_and_no_instant_wakes_it() -> None:
    run = Execution(step("a"))
    listen(run, "a")
    assert (is_parked(run.state), next_wake(run.state)) == (True, None)


def test_the_step_that_waited_first_takes_it_and_the_next_the_next() -> None:
    run = waiting("a", "b")
    run.take(inp.Signal("go", 1))
    assert run.status("a", "b") == ["success", "waiting"]
    run.take(inp.Signal("go", 2))
    assert run.step("b").result == 2


def test_a_signal_of_another_name_is_kept_for_others() -> None:
    run = waiting("a")
    run.take(inp.Signal("stop", 1))
    assert run.status("a") == ["waiting"]
    listen(run, "other", "stop")
    assert run.step("other").result == 1


def test_signals_that_come_early_are_kept_in_order() -> None:
    run = Execution(step("a"), step("b"))
    for number in (1, 2, 3):
        run.take(inp.Signal("go", number))
    listen(run, "b")
    listen(run, "a")
    assert (run.step("b").result, run.step("a").result) == (1, 2)
    assert [signal.payload for signal in run.state.rare.signals["go"]] == [3]


def test_a_signal_that_comes_with_the_wait_in_one_decision_is_taken() -> None:
    run = Execution(step("a"))
    run.take(inp.Signal("go", 1), run.ended("a", inp.Waiting(waiting_for="signal:go", on_time="fail")))
    assert run.step("a").result == 1


def test_a_signal_sent_again_under_its_key_counts_once() -> None:
    run = waiting("a", "b")
    run.take(inp.Signal("go", 1, key="k"))
    again = run.take(inp.Signal("go", 1, key="k"))
    assert (again.events, again.refused, run.status("b")) == ([], [], ["waiting"])
    run.take(inp.Signal("go", 2, key="k2"))
    assert run.step("b").result == 2


def test_a_key_is_of_one_name() -> None:
    run = waiting("a")
    run.take(inp.Signal("stop", 1, key="k"))
    run.take(inp.Signal("go", 2, key="k"))
    assert run.step("a").result == 2


def test_an_ended_execution_takes_none_but_knows_those_it_had() -> None:
    run = Execution(step("a"))
    listen(run, "a")
    run.take(inp.Signal("go", 1, key="k"))
    assert run.state.status == "completed"
    assert why(run.take(inp.Signal("go", 2))) == ["the execution is completed"]
    assert why(run.take(inp.Signal("go", 1, key="k"))) == []


def full(*names: str) -> Execution:
    run = waiting(*names)
    run.take(*(inp.Signal("early", number) for number in range(MOST_SIGNALS)))
    return run


def test_so_many_are_kept_and_no_more() -> None:
    run = full("a")
    refused = run.take(inp.Signal("more")).refused
    assert [(refusal.kind, refusal.why) for refusal in refused] == [
        ("limit", "1000 signals are waiting to be taken already")
    ]
    listen(run, "other", "early")
    assert run.take(inp.Signal("more")).refused == []


def test_a_signal_that_a_step_waits_for_needs_no_room() -> None:
    run = full("a")
    assert run.take(inp.Signal("go", 7)).refused == []
    assert run.step("a").result == 7


# -- time, pauses, ends -----------------------------------------------------------------------------------------------------


def test_a_signal_that_does_not_come_in_time_fails_the_step() -> None:
    run = Execution(step("a"), step("after", "a", join="one_failed"))
    listen(run, "a", until=START + 1_000)
    run.after(1_000)
    assert (run.error("a").type, run.error("a").message) == (
        "timeout",
        "the signal 'go' did not come in time",
    )
    assert run.acting() == ["after"]
    assert run.take(inp.Signal("go", 1)).refused == []
    assert len(run.state.rare.signals["go"]) == 1


def test_a_signal_that_comes_at_its_last_instant_is_in_time() -> None:
    run = Execution(step("a"))
    listen(run, "a", until=START + 1_000)
    run.after(1_000, inp.Signal("go", 1))
    assert run.step("a").result == 1


def test_a_wait_that_was_too_long_may_be_made_again() -> None:
    run = Execution(step("a", retry_policy=RetryPolicy(max_attempts=2)))
    listen(run, "a", until=START + 1_000)
    run.after(1_000)
    assert run.status("a") == ["retrying"]
    run.take(inp.Signal("go", 1))
    run.after(1_000)
    listen(run, "a")
    assert run.step("a").result == 1


def test_a_signal_is_taken_while_paused_and_nothing_follows_before_the_pause_is_over() -> None:
    run = Execution(step("a"), step("after", "a"))
    listen(run, "a")
    run.take(inp.Pause())
    run.take(inp.Signal("go", 1))
    assert run.status("a", "after") == ["success", "pending"]
    run.take(inp.Resume())
    assert run.acting() == ["after"]


@pytest.mark.parametrize("how", ["skipped", "completed", "given up"])
def test_a_step_that_is_ended_otherwise_waits_no_more(how: str) -> None:
    run = waiting("a", "b")
    if how == "skipped":
        run.take(inp.SkipStep("a"))
    elif how == "completed":
        run.take(inp.Complete("a", "by hand"))
    else:
        run.take(inp.Complete("a", error=StepError("x", "no")))
    run.take(inp.Signal("go", 1))
    assert run.step("b").result == 1


def test_a_signal_before_the_execution_begins_is_kept() -> None:
    run = Execution(step("a"), start=inp.Start("e-1", {}, start_at=START + 1_000))
    run.take(inp.Signal("go", 1))
    run.after(1_000)
    listen(run, "a")
    assert run.step("a").result == 1


def test_while_draining_a_step_that_waits_still_has_its_signal() -> None:
    run = Execution(step("a"), step("bad"), on_critical_failure="drain")
    listen(run, "a")
    run.fail("bad")
    run.take(inp.Signal("go", 1))
    assert (run.step("a").result, run.state.status) == (1, "failed")


# -- stopping and starting again ------------------------------------------------------------------------------------------


def test_waits_and_signals_outlast_a_crash() -> None:
    run = waiting("a", "b")
    run.take(inp.Signal("early", 1, key="k"))
    run.crash()
    run.take(inp.Signal("go", 1))
    assert run.status("a", "b") == ["success", "waiting"]
    assert run.take(inp.Signal("early", 1, key="k")).events == []
    listen(run, "other", "early")
    assert run.step("other").result == 1


def test_a_signal_taken_while_a_node_stops_is_gone_on_with_by_the_next() -> None:
    run = Execution(step("a"), step("after", "a"))
    listen(run, "a")
    run.take(inp.Signal("go", 1), hold=True)
    assert run.acting() == []
    run.restart()
    assert run.acting() == ["after"]


def test_items_that_wait_for_one_name_are_served_in_order() -> None:
    run = Execution(step("m", type="map", items=[1]))
    run.end("m", inp.Expanded([1, 2]))
    listen(run, "m[1]")
    listen(run, "m[0]")
    run.take(inp.Signal("go", "first"), inp.Signal("go", "second"))
    assert run.step("m").result == ["second", "first"]


def test_a_retry_keeps_signals_that_nobody_took() -> None:
    run = Execution(step("a"))
    run.take(inp.Signal("go", 1))
    run.fail("a")
    run.take(inp.Retry())
    listen(run, "a")
    assert (run.step("a").result, run.state.status) == (1, "completed")
