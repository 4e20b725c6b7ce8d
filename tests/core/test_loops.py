"""Loops: rounds one after another until it is enough, too many, or one fails."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AbandonAttempt
from tenuto.core.definition import INFRA_ATTEMPTS, RetryPolicy, StepSpec
from tenuto.core.events import StepError
from tenuto.core.state import is_parked, next_wake
from tests.core.driven import START, step
from tests.core.journaled import Execution, why


def loop(*steps: StepSpec, **fields: Any) -> StepSpec:
    return StepSpec(id="l", type="loop", until="result", steps=steps, **fields)


def rounds(*steps: StepSpec, **fields: Any) -> Execution:
    return Execution(loop(*steps, **fields), step("after", "l", join="all_done"))


def judge(run: Execution, *, met: bool) -> None:
    run.end("l", inp.Judged(met))


def test_a_loop_goes_round_until_it_is_enough_and_returns_the_last_result() -> None:
    run = rounds()
    assert run.acting() == ["l[0]"]
    run.succeed("l[0]", "a")
    assert run.acting() == ["l"]
    judge(run, met=False)
    assert (run.acting(), run.keys("l[1]")) == (["l[1]"], ["e-1/l[1]/0"])
    run.succeed("l[1]", "b")
    judge(run, met=True)
    assert (run.step("l").result, run.acting()) == ("b", ["after"])


def test_a_round_of_steps_returns_what_they_returned() -> None:
    run = rounds(step("a"), step("b", "a"))
    run.succeed("a[0]", 1)
    run.succeed("b[0]", 2)
    judge(run, met=True)
    assert run.step("l").result == {"a": 1, "b": 2}


def test_between_rounds_a_loop_waits_and_holds_nothing() -> None:
    run = rounds(every=5_000)
    run.succeed("l[0]")
    run.at += 300
    judge(run, met=False)
    assert (run.step("l").status, run.step("l").waiting_for) == ("waiting", "round")
    assert next_wake(run.state) == START + 5_300
    assert is_parked(run.state)
    assert run.after(4_999).events == []
    run.after(1)
    assert run.acting() == ["l[1]"]


def test_a_wait_between_rounds_outlasts_a_restart() -> None:
    run = rounds(every=5_000)
    run.succeed("l[0]")
    judge(run, met=False)
    run.crash()
    run.after(4_999)
    assert run.acting() == []
    run.after(1)
    assert run.acting() == ["l[1]"]


@pytest.mark.parametrize("every", [0, 50])
def test_a_loop_that_has_gone_round_too_often_fails(every: int) -> None:
    run = rounds(max_iterations=2, every=every)
    run.succeed("l[0]")
    judge(run, met=False)
    run.after(every)
    run.succeed("l[1]")
    judge(run, met=False)
    assert run.error("l") == StepError(
        "loop_limit", "`until` did not hold after 2 rounds, the most this loop may have"
    )


def test_the_last_round_that_may_be_may_be_enough() -> None:
    run = rounds(max_iterations=1)
    run.succeed("l[0]", "x")
    judge(run, met=True)
    assert run.step("l").result == "x"


def test_a_round_that_fails_fails_the_loop() -> None:
    run = rounds(step("a"), step("b"))
    run.succeed("a[0]")
    run.succeed("b[0]")
    judge(run, met=False)
    run.fail("b[1]", "http.500", "no")
    assert run.status("l") == ["running"]
    run.succeed("a[1]")
    assert run.error("l") == StepError("http.500", "round 1: no", {"stepId": "b[1]"})


def test_a_round_is_tried_again_as_the_policy_says() -> None:
    run = rounds(retry_policy=RetryPolicy(max_attempts=2))
    run.fail("l[0]")
    run.after(1_000)
    run.succeed("l[0]", "x")
    judge(run, met=True)
    assert run.step("l").result == "x"


def test_an_until_that_is_an_error_fails_the_loop() -> None:
    run = rounds(retry_policy=RetryPolicy(max_attempts=9))
    run.succeed("l[0]")
    run.end("l", inp.Failed(StepError("expression", "until: no"), retry=False))
    assert run.error("l").type == "expression"
    assert run.acting() == ["after"]


def test_rounds_that_are_over_take_no_room() -> None:
    run = rounds(step("a"))
    for number in range(20):
        run.succeed(f"a[{number}]")
        assert run.state.nested_steps() == []
        judge(run, met=False)
        assert len(run.state.nested_steps()) == 1


def test_a_condition_is_asked_once_before_the_first_round() -> None:
    run = rounds(when="x")
    assert run.acting() == ["l"]
    run.end("l", inp.Opened())
    run.succeed("l[0]")
    judge(run, met=False)
    assert run.acting() == ["l[1]"]


# -- pausing, ending, time --------------------------------------------------------------------------------------------------


def test_no_round_begins_while_paused_whoever_judged() -> None:
    run = rounds()
    run.take(inp.Pause())
    run.succeed("l[0]")
    assert run.acting() == []
    run.take(inp.Resume())
    assert run.acting() == ["l"]
    run.take(inp.Pause())
    judge(run, met=False)
    assert run.acting() == []
    run.after(60_000)
    assert run.acting() == []
    run.take(inp.Resume())
    assert run.acting() == ["l[1]"]


def test_a_loop_may_have_enough_while_paused() -> None:
    run = rounds()
    run.succeed("l[0]", "x")
    run.take(inp.Pause())
    judge(run, met=True)
    assert run.status("l", "after") == ["success", "pending"]


def test_an_instant_between_rounds_that_passed_while_paused_comes_after() -> None:
    run = rounds(every=1_000)
    run.succeed("l[0]")
    judge(run, met=False)
    run.take(inp.Pause())
    run.after(10_000)
    assert run.acting() == []
    run.take(inp.Resume())
    assert run.acting() == ["l[1]"]


@pytest.mark.parametrize("moment", ["in a round", "judging", "between rounds"])
def test_a_drain_begins_no_further_round(moment: str) -> None:
    run = Execution(loop(every=1_000), step("bad"), on_critical_failure="drain")
    if moment == "in a round":
        run.fail("bad")
        run.succeed("l[0]")
    elif moment == "judging":
        run.succeed("l[0]")
        run.fail("bad")
        judge(run, met=False)
    else:
        run.succeed("l[0]")
        judge(run, met=False)
        run.fail("bad")
        run.after(1_000)
    assert (run.step("l").status, run.step("l").reason) == ("cancelled", "run_cancelled")
    assert run.state.status == "failed"


def test_a_drain_lets_a_loop_have_enough() -> None:
    run = Execution(loop(), step("bad"), on_critical_failure="drain")
    run.succeed("l[0]", "x")
    run.fail("bad")
    judge(run, met=True)
    assert (run.statuses(), run.state.status) == ({"l": "success", "bad": "failed"}, "failed")


@pytest.mark.parametrize("moment", ["in a round", "judging", "between rounds"])
def test_a_loop_is_given_up_at_any_moment(moment: str) -> None:
    run = rounds(every=1_000)
    if moment != "in a round":
        run.succeed("l[0]")
    if moment == "between rounds":
        judge(run, met=False)
    acting = run.acting()
    decision = run.take(inp.Cancel())
    assert len([command for command in decision.commands if isinstance(command, AbandonAttempt)]) == len(
        acting
    )
    assert (run.status("l"), run.state.status) == (["cancelled"], "cancelled")
    assert next_wake(run.state) is None


def test_the_total_timeout_bounds_all_rounds_and_waits_together() -> None:
    run = rounds(every=700, total_timeout=1_000)
    run.succeed("l[0]")
    judge(run, met=False)
    run.after(700)
    assert run.acting() == ["l[1]"]
    run.after(300)
    assert run.error("l").type == "timeout"
    assert run.acting() == ["after"]


def test_the_total_timeout_ends_a_wait_between_rounds() -> None:
    run = rounds(every=60_000, total_timeout=1_000)
    run.succeed("l[0]")
    judge(run, met=False)
    run.after(1_000)
    assert run.error("l").type == "timeout"


# -- stopping and starting again ------------------------------------------------------------------------------------------


def test_after_a_crash_the_round_goes_on_and_earlier_rounds_do_not_come_again() -> None:
    run = rounds(step("a"), step("b", "a"))
    run.succeed("a[0]", 1)
    run.succeed("b[0]", 2)
    judge(run, met=False)
    run.succeed("a[1]", 3)
    run.crash()
    assert run.acting() == ["b[1]"]
    assert run.step("b[1]").attempts == 2


def test_a_judgement_lost_in_a_crash_is_made_again() -> None:
    run = rounds()
    run.succeed("l[0]", "x")
    run.crash()
    assert run.acting() == ["l"]
    judge(run, met=True)
    assert run.step("l").result == "x"


def test_lost_judgements_are_counted_from_one_round_to_the_next_only() -> None:
    run = rounds()
    for number in range(3):
        run.succeed(f"l[{number}]")
        for _ in range(INFRA_ATTEMPTS):
            run.crash()
        judge(run, met=False)
    run.succeed("l[3]")
    for _ in range(INFRA_ATTEMPTS + 1):
        run.crash()
    assert run.error("l").type == "infra"


def test_a_round_that_ends_while_a_node_stops_is_judged_by_the_next() -> None:
    run = rounds()
    run.take(run.ended("l[0]", inp.Succeeded("x")), hold=True)
    run.restart()
    assert run.acting() == ["l"]
    run.take(run.ended("l", inp.Judged(met=False)), hold=True)
    run.restart()
    assert run.acting() == ["l[1]"]


def test_a_late_end_of_a_round_that_is_over_is_refused() -> None:
    run = rounds()
    late = run.ended("l[0]", inp.Succeeded("late"))
    run.succeed("l[0]", "x")
    judge(run, met=False)
    assert why(run.take(late)) == ["the attempt is not the one that runs"]


def test_rounds_are_told_apart_in_the_journal() -> None:
    run = rounds()
    run.succeed("l[0]")
    judge(run, met=False)
    assert [(event.first, event.count) for event in run.events(ev.BodiesStarted)] == [(0, 1), (1, 1)]
