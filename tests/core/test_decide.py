"""Single decisions, looked at closely: what is refused, what is held back, and what a state says of itself."""

from __future__ import annotations

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.apply import apply
from tenuto.core.commands import AbandonAttempt, ComputeOutput, RunAttempt
from tenuto.core.decide import decide, lost_attempts
from tenuto.core.definition import Definition, RetryPolicy
from tenuto.core.graph import compile_graph
from tenuto.core.state import State, is_parked, look_again, next_wake
from tests.core.driven import START, Driven, step

LATE = "the attempt is not the one that runs"


@pytest.mark.parametrize(
    ("attempt", "generation"), [(0, 0), (2, 0), (1, 1)], ids=["earlier", "later", "other generation"]
)
def test_an_outcome_of_another_attempt_is_refused(attempt: int, generation: int) -> None:
    state = Driven(step("a")).state
    late: list[inp.Input] = [
        inp.AttemptEnded(0, attempt, generation, inp.Succeeded(1)),
        inp.AttemptLost(0, attempt, generation),
    ]
    decision = decide(state, late, START)
    assert [refusal.why for refusal in decision.refused] == [LATE, LATE]
    assert decision.events == []


def test_an_outcome_of_a_step_that_waits_or_has_ended_is_refused() -> None:
    run = Driven(step("wait"), step("done"), step("open"))
    run.wait("wait", START + 1_000)
    run.succeed("done")
    again: list[inp.Input] = [inp.AttemptEnded(i, 1, 0, inp.Succeeded("late")) for i in (0, 1)]
    again += [inp.AttemptLost(i, 1, 0) for i in (0, 1)]
    assert [refusal.why for refusal in decide(run.state, again, START).refused] == [LATE] * 4


def test_commands_follow_events() -> None:
    state = State(compile_graph(Definition(id="w", steps=(step("a"), step("b", total_timeout=10)), output=1)))
    assert decide(state, [inp.Start("e", {})], START).commands == [RunAttempt(0, 1, 0), RunAttempt(1, 1, 0)]
    assert decide(state, [inp.TimeCame()], START + 10).commands == [AbandonAttempt(1, 1, 0)]
    decide(state, [inp.AttemptEnded(0, 1, 0, inp.Succeeded(1))], START + 11)
    assert state.status == "failed"


def test_an_output_is_asked_for_once() -> None:
    state = State(compile_graph(Definition(id="w", steps=(step("a"),), output="{{ context.a }}")))
    decide(state, [inp.Start("e", {})], START)
    done = decide(state, [inp.AttemptEnded(0, 1, 0, inp.Succeeded(1))], START)
    assert done.commands == [ComputeOutput()]
    assert decide(state, [inp.TimeCame()], START).commands == []
    assert not is_parked(state)


def test_a_paused_execution_asks_for_its_output_after_the_pause() -> None:
    run = Driven(step("a"), output="{{ context.a }}")
    run.take(inp.Pause())
    run.succeed("a", 1)
    assert not run.state.output_requested
    run.take(inp.Resume())
    assert run.state.output_requested


def test_what_a_stopping_node_records_starts_nothing_and_is_looked_at_later() -> None:
    run = Driven(step("a"), step("b", "a"))
    ended = inp.AttemptEnded(0, 1, 0, inp.Succeeded(1))
    decision = decide(run.state, [ended], START, hold=True)
    assert [type(event) for event in decision.events] == [ev.StepSucceeded]
    assert decision.commands == []
    look_again(run.state)
    assert decide(run.state, [inp.TimeCame()], START).commands == [RunAttempt(1, 1, 0)]


def test_looking_again_at_an_execution_that_has_ended_finds_nothing() -> None:
    run = Driven(step("a"))
    run.take(inp.Cancel())
    look_again(run.state)
    assert run.state.touched == []


def test_attempts_are_lost_only_where_they_ran() -> None:
    policy = RetryPolicy(max_attempts=2)
    run = Driven(step("runs"), step("waits"), step("tries", retry_policy=policy), step("after", "runs"))
    run.wait("waits", START + 1)
    run.fail("tries")
    assert lost_attempts(run.state) == [inp.AttemptLost(0, 1, 0)]
    assert lost_attempts(run.state, counted=False) == [inp.AttemptLost(0, 1, 0, counted=False)]


def test_a_step_lost_four_times_has_failed_and_graceful_stops_do_not_count() -> None:
    run = Driven(step("a"))
    for _ in range(5):
        run.take(*lost_attempts(run.state, counted=False))
    for _ in range(3):
        run.take(*lost_attempts(run.state))
    assert run.state.step("a").status == "running"
    run.take(*lost_attempts(run.state))
    assert run.state.step("a").error == ev.StepError(
        "infra", "the attempt was lost with its process, 4 times in all"
    )


def test_the_next_instant_is_the_earliest_that_still_stands() -> None:
    policy = RetryPolicy(max_attempts=2, initial_delay=3_000)
    run = Driven(step("a", total_timeout=2_000), step("b", retry_policy=policy), step("c"), timeout=9_000)
    assert next_wake(run.state) == START + 2_000
    run.succeed("a")
    assert next_wake(run.state) == START + 9_000
    run.fail("b")
    assert next_wake(run.state) == START + 3_000
    run.wait("c", START + 1_000)
    assert next_wake(run.state) == START + 1_000
    run.take(inp.Pause())
    assert next_wake(run.state) is None
    run.take(inp.Resume())
    run.take(inp.Cancel())
    assert next_wake(run.state) is None


def test_a_wait_for_something_else_than_time_has_no_instant() -> None:
    run = Driven(step("a"))
    state = run.state
    record = ev.StepWaiting("a", 1, "signal:go")
    apply(state, record, START)
    assert next_wake(state) is None
    assert is_parked(state)
    assert state.step("a").waiting_for == "signal:go"


def test_outcomes_decided_together_end_as_those_decided_one_by_one() -> None:
    together, apart = (Driven(step("a"), step("b"), step("c", "a", "b")) for _ in range(2))
    outcomes = [inp.AttemptEnded(i, 1, 0, inp.Succeeded(i)) for i in (0, 1)]
    together.take(*outcomes)
    for outcome in outcomes[::-1]:
        apart.take(outcome)
    for run in (together, apart):
        run.succeed("c", 3)
    assert together.state.context == apart.state.context
    assert together.state.status == apart.state.status == "completed"


def test_a_step_that_failed_for_the_execution_keeps_its_error_until_it_succeeds() -> None:
    run = Driven(step("a", retry_policy=RetryPolicy(max_attempts=2)))
    run.fail("a", message="the first")
    error = run.state.step("a").error
    assert error is not None
    assert error.message == "the first"
    run.after(1_000).succeed("a")
    assert run.state.step("a").error is None
