"""Parallels with nested steps, and what holds of every container: pause, drain, cancel, its own timeout."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AbandonAttempt, RunAttempt
from tenuto.core.definition import CatchRule, RetryPolicy, Slots, StepSpec, Webhooks
from tenuto.core.events import StepError
from tenuto.core.state import is_parked, next_wake
from tests.core.driven import START, step
from tests.core.journaled import Execution, why


def box(*steps: StepSpec, **fields: Any) -> StepSpec:
    return StepSpec(id="box", type="parallel", steps=steps, **fields)


def test_a_parallel_opens_at_once_and_returns_what_its_steps_returned() -> None:
    run = Execution(box(step("a"), step("b"), step("c", "a")), step("after", "box"))
    assert run.acting() == ["a", "b"]
    run.succeed("a", 1)
    run.succeed("c", 3)
    assert run.status("box", "after") == ["running", "pending"]
    run.succeed("b", 2)
    assert run.step("box").result == {"a": 1, "b": 2, "c": 3}
    assert run.acting() == ["after"]
    assert run.state.context == {"box": {"a": 1, "b": 2, "c": 3}}
    assert run.step("box").attempts == 1


def test_results_of_nested_steps_are_read_inside_and_not_outside() -> None:
    run = Execution(box(step("a"), step("b", "a")))
    run.succeed("a", 1)
    assert run.step("b").frame.context == {"a": 1}
    assert run.state.context == {}


def test_what_a_parallel_returns_leaves_out_what_did_not_succeed() -> None:
    run = Execution(box(step("a"), step("b", critical=False), step("c", "b"), step("d", when="false")))
    run.succeed("a", 1)
    run.fail("b")
    run.end("d", inp.ConditionFalse())
    assert run.status("a", "b", "c", "d") == ["success", "failed", "skipped", "skipped"]
    assert run.step("box").result == {"a": 1}
    assert run.state.status == "completed"


def test_a_parallel_fails_with_its_first_critical_failure_once_all_in_it_has_ended() -> None:
    run = Execution(box(step("a"), step("b"), step("c"), step("d", "a")))
    run.fail("b", "http.500", "first")
    run.fail("a", "http.404", "second")
    assert run.status("box", "d") == ["running", "skipped"]
    run.succeed("c")
    assert run.error("box") == StepError("http.500", "step 'b': first", {"stepId": "b"})
    assert (run.state.status, run.state.error_step) == ("failed", "box")


def test_a_failure_inside_may_be_caught_inside_or_by_the_container() -> None:
    rule = (CatchRule(errors=("http",), next=("mend",)),)
    inside = Execution(box(step("a", catch=rule), step("mend")))
    inside.fail("a")
    inside.succeed("mend", 1)
    assert (inside.state.status, inside.step("box").result) == ("completed", {"mend": 1})
    outside = Execution(box(step("a"), catch=rule), step("mend"))
    outside.fail("a")
    outside.succeed("mend", 1)
    assert outside.statuses() == {"box": "failed", "mend": "success"}
    assert outside.state.status == "completed"


def test_a_nested_failure_stops_nothing_outside_before_its_container_has_failed() -> None:
    run = Execution(box(step("a"), step("b")), step("c"), on_critical_failure="cancel")
    run.fail("a")
    assert run.status("b", "c") == ["running", "running"]
    run.succeed("b")
    assert run.statuses() == {"box": "failed", "c": "cancelled"}


def test_the_condition_of_a_container_is_asked_before_anything_in_it_begins() -> None:
    run = Execution(box(step("a"), when="x"))
    assert run.acting() == ["box"]
    assert run.end("box", inp.Opened()).commands == [RunAttempt(1, 1, 0)]
    run.succeed("a", 1)
    assert (run.step("box").result, run.step("box").attempts) == ({"a": 1}, 1)


def test_a_container_whose_condition_does_not_hold_is_skipped_and_never_opens() -> None:
    run = Execution(box(step("a"), when="x"))
    run.end("box", inp.ConditionFalse())
    assert (run.step("box").reason, run.state.find_step("a")) == ("condition_false", None)
    assert run.state.status == "completed"


def test_containers_stand_in_containers() -> None:
    inner = step("inner", type="parallel", steps=(step("x"), step("y", "x")))
    run = Execution(box(inner, step("z", "inner")))
    run.succeed("x", 1)
    run.succeed("y", 2)
    run.succeed("z", 3)
    assert run.step("box").result == {"inner": {"x": 1, "y": 2}, "z": 3}


def test_a_failure_two_levels_down_names_the_way_to_it() -> None:
    run = Execution(box(step("inner", type="parallel", steps=(step("x"),))))
    run.fail("x", "network", "gone")
    assert run.error("box").message == "step 'inner': step 'x': gone"
    assert run.error("box").type == "network"


def test_a_parallel_without_steps_is_a_fork() -> None:
    run = Execution(step("fork", type="parallel"), step("a", "fork"))
    run.succeed("fork")
    assert run.acting() == ["a"]


# -- pausing ------------------------------------------------------------------------------------------------------------


def test_nothing_inside_starts_while_paused_and_all_goes_on_after() -> None:
    run = Execution(box(step("a"), step("b", "a")), step("after", "box"))
    run.take(inp.Pause())
    run.succeed("a", 1)
    assert (run.status("a", "b"), run.acting()) == (["success", "pending"], [])
    run.take(inp.Resume())
    assert run.acting() == ["b"]
    run.take(inp.Pause())
    run.succeed("b", 2)
    assert run.status("box", "after") == ["running", "pending"]
    run.take(inp.Resume())
    assert run.status("box", "after") == ["success", "running"]


def test_a_container_that_opens_while_paused_begins_after() -> None:
    run = Execution(box(step("a"), when="x"))
    run.take(inp.Pause())
    run.end("box", inp.Opened())
    assert run.acting() == []
    run.take(inp.Resume())
    assert run.acting() == ["a"]


def test_a_pause_outlasts_a_restart_inside_a_container() -> None:
    run = Execution(box(step("a"), step("b", "a")))
    run.take(inp.Pause())
    run.succeed("a", 1)
    run.restart()
    assert run.acting() == []
    run.take(inp.Resume())
    run.succeed("b", 2)
    assert run.step("box").result == {"a": 1, "b": 2}


# -- draining, cancelling, ending at once -----------------------------------------------------------------------------------


def test_a_drain_lets_nested_steps_in_progress_finish_and_starts_no_other() -> None:
    policy = RetryPolicy(max_attempts=2)
    run = Execution(
        box(step("a", retry_policy=policy), step("b", "a")), step("bad"), on_critical_failure="drain"
    )
    run.fail("bad")
    assert run.status("box", "a", "b") == ["running", "running", "skipped"]
    run.fail("a")
    assert run.after(1_000).commands == [RunAttempt(2, 2, 0)]
    run.succeed("a", 1)
    assert (run.step("box").status, run.step("box").reason) == ("cancelled", "run_cancelled")
    assert (run.state.status, run.state.error_step) == ("failed", "bad")


def test_a_drain_lets_a_container_succeed_in_which_everything_was_in_progress() -> None:
    run = Execution(box(step("a"), step("b")), step("bad"), on_critical_failure="drain")
    run.fail("bad")
    run.succeed("a", 1)
    run.succeed("b", 2)
    assert (run.step("box").result, run.state.status) == ({"a": 1, "b": 2}, "failed")


@pytest.mark.parametrize("kind", ["parallel", "loop"])
def test_a_container_that_has_not_opened_when_a_drain_begins_does_not_open(kind: str) -> None:
    run = Execution(
        step("box", type=kind, steps=(step("a"),), when="x", until="true"),
        step("bad"),
        on_critical_failure="drain",
    )
    run.fail("bad")
    run.end("box", inp.Opened())
    assert (run.step("box").status, run.step("box").reason) == ("cancelled", "run_cancelled")
    assert run.state.status == "failed"


def test_a_cancel_gives_up_a_container_and_all_that_is_in_it() -> None:
    inner = step("inner", type="parallel", steps=(step("x"), step("y", "x")))
    run = Execution(box(inner, step("z", "inner"), step("done")), step("after", "box"))
    run.succeed("done")
    decision = run.take(inp.Cancel("ada"))
    assert decision.commands == [AbandonAttempt(5, 1, 0)]
    assert run.status("box", "inner", "x") == ["cancelled"] * 3
    assert [run.step(name).reason for name in ("y", "z", "after")] == ["run_cancelled"] * 3
    assert run.status("done") == ["success"]
    assert run.state.status == "cancelled"


def test_a_cancel_ends_a_pause_inside_a_container() -> None:
    run = Execution(box(step("a"), step("b", "a")))
    run.take(inp.Pause())
    run.succeed("a")
    run.take(inp.Cancel())
    assert (run.state.status, run.status("box", "b")) == ("cancelled", ["cancelled", "skipped"])


def everywhere() -> list[StepSpec]:
    """A step of every kind under way, or waiting in every way."""
    item = step("item", retry_policy=RetryPolicy(max_attempts=2))
    return [
        step("plain"),
        step("retrying", retry_policy=RetryPolicy(max_attempts=2)),
        step("parked", retry_policy=RetryPolicy(on_exhausted="pause")),
        step("timer"),
        step("sought", action="signal.wait"),
        step("asked", action="approval"),
        step("child", action="workflow.run"),
        step("queued", concurrency=(Slots(key="k", limit=1),)),
        box(step("nested"), step("later", "nested")),
        step("map", type="map", items=[1, 2, 3], max_concurrency=2, steps=(item, step("next", "item"))),
        step("loop", type="loop", until="x", every=1_000),
        step("judging", type="loop", until="x"),
        step("pending", "plain"),
    ]


def under_way() -> Execution:
    run = Execution(*everywhere())
    run.fail("retrying")
    run.fail("parked")
    run.wait("timer", "timer", START + 60_000)
    run.wait("sought", "signal:go", on_time="fail")
    run.wait("asked", "approval", on_time="fail")
    run.wait("child", "child:c-1", on_time="fail", details={"child": "c-1"})
    run.end("map", inp.Expanded([1, 2, 3]))
    run.fail("item[0]")
    run.succeed("loop[0]")
    run.end("loop", inp.Judged(met=False))
    run.succeed("judging[0]")
    return run


LATER = ("item[1]", "nested", "plain", "judging")


def test_the_moment_before_has_something_of_every_kind() -> None:
    run = under_way()
    assert {each.status for each in run.state.steps} >= {
        "running",
        "retrying",
        "waiting",
        "pending",
        "queued",
    }
    assert {each.waiting_for for each in run.state.steps} >= {
        "timer", "person", "signal:go", "approval", "child:c-1", "round",
    }  # fmt: skip
    assert set(LATER) <= set(run.acting())


@pytest.mark.parametrize("end", [inp.Cancel("ada", "why"), inp.Terminate("ada", "why")])
@pytest.mark.parametrize("moment", ["running", "paused", "restarted", "crashed"])
def test_everything_can_be_ended_at_any_moment(end: inp.Cancel | inp.Terminate, moment: str) -> None:
    run = under_way()
    if moment == "paused":
        run.take(inp.Pause())
    elif moment == "restarted":
        run.restart()
    elif moment == "crashed":
        run.crash()
    started = {(each.slot, each.attempts) for each in run.state.steps if each.acting}
    decision = run.take(end)
    given_up = {(command.step, command.attempt) for command in decision.commands}  # type: ignore[union-attr]
    assert given_up == started
    assert run.state.status == "cancelled"
    assert run.state.terminated == isinstance(end, inp.Terminate)
    assert all(each.has_ended for each in run.state.steps)
    assert (run.state.open, run.state.running, run.state.queued) == (0, 0, 0)
    assert [post.to for post in run.posts] == ["c-1"]
    assert next_wake(run.state) is None
    assert is_parked(run.state)


def test_the_executions_timeout_gives_up_what_is_inside() -> None:
    run = Execution(box(step("a"), step("b", "a")), timeout=1_000)
    run.after(1_000)
    assert run.status("box", "a", "b") == ["cancelled", "cancelled", "skipped"]
    assert run.state.error == StepError("timeout", "the execution took longer than its timeout of 1000 ms")


# -- the container's own timeout ----------------------------------------------------------------------------------------


def test_the_total_timeout_of_a_container_ends_all_that_is_in_it() -> None:
    inner = step("inner", type="parallel", steps=(step("x"), step("y", "x")))
    run = Execution(
        box(inner, step("z", "inner"), total_timeout=1_000), step("after", "box", join="one_failed")
    )
    assert run.after(999).events == []
    decision = run.after(1)
    assert AbandonAttempt(4, 1, 0) in decision.commands
    assert run.error("box").type == "timeout"
    assert run.status("inner", "x", "y", "z") == ["cancelled", "cancelled", "skipped", "skipped"]
    assert run.acting() == ["after"]


def test_the_total_timeout_of_a_container_counts_from_when_it_begins_and_not_while_paused() -> None:
    run = Execution(step("first"), box(step("a"), dependencies=("first",), total_timeout=1_000))
    run.at += 5_000
    run.succeed("first")
    run.after(500)
    run.take(inp.Pause())
    run.after(60_000)
    run.take(inp.Resume())
    assert run.after(499).events == []
    run.after(1)
    assert run.error("box").type == "timeout"


def test_a_total_timeout_holds_while_the_condition_is_asked() -> None:
    run = Execution(box(step("a"), when="x", total_timeout=1_000))
    assert run.after(1_000).commands == [AbandonAttempt(0, 1, 0)]
    assert run.status("box") == ["failed"]


def test_a_late_end_inside_a_container_that_timed_out_is_refused() -> None:
    run = Execution(box(step("a"), total_timeout=1_000), step("other"))
    late = run.ended("a", inp.Succeeded(1))
    run.after(1_000)
    assert why(run.take(late, late)) == ["the attempt is not the one that runs"] * 2


# -- stopping and starting again ------------------------------------------------------------------------------------------


def test_what_ends_inside_while_a_node_stops_is_gone_on_with_by_the_next() -> None:
    run = Execution(box(step("a"), step("b", "a"), step("c")), step("after", "box"))
    held = run.take(run.ended("a", inp.Succeeded(1)), hold=True)
    assert (held.commands, len(held.events)) == ([], 1)
    run.restart()
    assert run.acting() == ["b", "c"]
    run.take(run.ended("b", inp.Succeeded(2)), run.ended("c", inp.Succeeded(3)), hold=True)
    assert run.status("box") == ["running"]
    run.restart()
    assert run.step("box").result == {"a": 1, "b": 2, "c": 3}
    assert run.acting() == ["after"]


def test_a_container_opened_while_a_node_stops_is_gone_on_with_by_the_next() -> None:
    run = Execution(box(step("a"), when="x"))
    run.take(run.ended("box", inp.Opened()), hold=True)
    assert run.acting() == []
    run.restart()
    assert run.acting() == ["a"]


def test_a_crash_makes_only_what_ran_again() -> None:
    run = Execution(box(step("a"), step("b"), step("c", "a")))
    run.succeed("a", 1)
    run.crash()
    assert run.acting() == ["b", "c"]
    assert [run.step(name).attempts for name in ("box", "a", "b", "c")] == [1, 1, 2, 2]
    assert run.keys("b", "c") == ["e-1/b/0", "e-1/c/0"]


def test_a_crash_while_the_condition_is_asked_asks_again() -> None:
    run = Execution(box(step("a"), when="x"))
    run.crash()
    assert (run.acting(), run.step("box").attempts, run.step("box").infra) == (["box"], 2, 1)
    run.end("box", inp.Opened())
    run.succeed("a")
    assert run.state.status == "completed"


# -- webhooks -----------------------------------------------------------------------------------------------------------


def test_steps_of_a_parallel_are_told_of_by_their_own_names() -> None:
    run = Execution(box(step("a")), webhooks=Webhooks(on_step="https://example.com/steps"))
    messages = run.succeed("a", 1).messages
    assert [(message.body["stepId"], message.body["result"]) for message in messages] == [
        ("a", 1),
        ("box", {"a": 1}),
    ]


def test_nested_steps_are_events_of_their_own() -> None:
    run = Execution(box(step("a")))
    run.succeed("a", 1)
    assert [event.step for event in run.events(ev.StepSucceeded)] == ["a", "box"]
    assert run.events(ev.BodiesStarted) == [ev.BodiesStarted("box")]
    assert run.events(ev.StepSucceeded)[1].gathered
