"""Every verb in every status: what it does, or the sentence that refuses it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.decide import decide
from tenuto.core.definition import Definition, RetryPolicy
from tenuto.core.graph import compile_graph
from tenuto.core.state import State
from tests.core.driven import START, Driven, step


def pending() -> State:
    return State(compile_graph(Definition(id="w", steps=(step("a"),))))


def running() -> State:
    return two_steps().state


def paused() -> State:
    run = two_steps()
    run.take(inp.Pause())
    return run.state


def draining() -> State:
    run = two_steps(on_critical_failure="drain")
    run.fail("a")
    return run.state


def draining_and_cancelled() -> State:
    """The step that still runs is given up, so the execution ends; the moment before is what a stopping node keeps."""
    run = two_steps()
    decide(run.state, [inp.Cancel()], run.at, hold=True)
    return run.state


def completed() -> State:
    run = two_steps()
    run.succeed("a")
    run.succeed("b")
    return run.state


def failed() -> State:
    run = two_steps()
    run.fail("a")
    run.succeed("b")
    return run.state


def cancelled() -> State:
    run = two_steps()
    run.take(inp.Cancel())
    return run.state


def two_steps(**fields: object) -> Driven:
    return Driven(step("a"), step("b"), **fields)  # type: ignore[arg-type]  # fields of a definition


STATUSES: dict[str, Callable[[], State]] = {
    "running": running,
    "paused": paused,
    "draining": draining,
    "being cancelled": draining_and_cancelled,
    "completed": completed,
    "failed": failed,
    "cancelled": cancelled,
}
VERBS: dict[str, inp.Input] = {
    "cancel": inp.Cancel("ada", "why"),
    "terminate": inp.Terminate("ada", "why"),
    "pause": inp.Pause("ada", "why"),
    "resume": inp.Resume("ada", "why"),
    "retry": inp.Retry("ada", "why"),
}
ENDED = "the execution has ended"
TABLE: dict[str, dict[str, str]] = {
    # a sentence refuses; a status is what the execution has then
    "running":         {"cancel": "-> cancelled", "terminate": "-> cancelled", "pause": "-> paused",
                        "resume": "the execution is running", "retry": "the execution is running"},
    "paused":          {"cancel": "-> cancelled", "terminate": "-> cancelled", "pause": "the execution is paused",
                        "resume": "-> running", "retry": "the execution is paused"},
    "draining":        {"cancel": "-> cancelled", "terminate": "-> cancelled", "pause": "the execution is being cancelled",
                        "resume": "the execution is being cancelled", "retry": "the execution is being cancelled"},
    "being cancelled": {"cancel": "the execution is being cancelled already", "terminate": "-> cancelled",
                        "pause": "the execution is being cancelled", "resume": "the execution is being cancelled",
                        "retry": "the execution is being cancelled"},
    "completed":       {"cancel": ENDED, "terminate": ENDED, "pause": "the execution is completed",
                        "resume": "the execution is completed", "retry": "the execution is completed"},
    "failed":          {"cancel": ENDED, "terminate": ENDED, "pause": "the execution is failed",
                        "resume": "the execution is failed", "retry": "-> running"},
    "cancelled":       {"cancel": ENDED, "terminate": ENDED, "pause": "the execution is cancelled",
                        "resume": "the execution is cancelled", "retry": "the execution is cancelled"},
}  # fmt: skip
CELLS = [(status, verb) for status in STATUSES for verb in VERBS]


@pytest.mark.parametrize(("status", "verb"), CELLS)
def test_every_verb_in_every_status_does_as_the_table_says(status: str, verb: str) -> None:
    state = STATUSES[status]()
    before = (state.status, state.seq, [step.status for step in state.steps])
    decision = decide(state, [VERBS[verb]], START + 5)
    answer = TABLE[status][verb]
    if answer.startswith("-> "):
        assert decision.refused == []
        assert state.status == answer.removeprefix("-> ")
        assert next(event.by for event in decision.events if hasattr(event, "by")) == "ada"
    else:
        assert [refusal.why for refusal in decision.refused] == [answer]
        assert [refusal.given for refusal in decision.refused] == [VERBS[verb]]
        if status != "being cancelled":  # which goes on to its end at the next look
            assert (decision.events, decision.commands, decision.messages) == ([], [], [])
            assert (state.status, state.seq, [step.status for step in state.steps]) == before


@pytest.mark.parametrize("verb", ["pause", "resume", "retry"])
def test_what_has_not_begun_takes_no_verb_but_to_end_it(verb: str) -> None:
    decision = decide(pending(), [VERBS[verb]], START)
    assert [refusal.why for refusal in decision.refused] == ["the execution is pending"]


def test_cancel_gives_up_what_is_in_progress_and_skips_what_has_not_started() -> None:
    policy = RetryPolicy(max_attempts=2)
    run = Driven(
        step("done"),
        step("running"),
        step("retrying", retry_policy=policy),
        step("waiting"),
        step("next", "running"),
    )
    run.succeed("done", 1)
    run.fail("retrying")
    run.wait("waiting", START + 1_000)
    run.take(inp.Cancel("ada", "wrong order"))
    statuses = {node.id: run.state.steps[node.index].status for node in run.state.graph.nodes}
    assert statuses == {
        "done": "success", "running": "cancelled", "retrying": "cancelled", "waiting": "cancelled", "next": "skipped",
    }  # fmt: skip
    assert run.state.step("next").reason == "run_cancelled"
    assert run.state.status == "cancelled"
    assert run.state.error is None
    assert run.state.context == {"done": 1}


def test_terminate_ends_at_once_with_an_error_that_says_so() -> None:
    run = two_steps()
    run.take(inp.Terminate(reason="enough"))
    assert run.state.status == "cancelled"
    assert run.state.terminated
    assert run.state.error is not None
    assert (run.state.error.type, run.state.error.message) == ("terminated", "enough")
    run = two_steps()
    run.take(inp.Terminate())
    assert run.state.error is not None
    assert run.state.error.message == "ended at once by request"


def test_terminate_works_while_paused_and_while_output_is_computed() -> None:
    run = Driven(step("a"), output="{{ context.a }}")
    run.succeed("a")
    assert run.state.output_requested
    run.take(inp.Terminate())
    assert run.state.status == "cancelled"
    run = two_steps()
    run.take(inp.Pause())
    run.take(inp.Terminate())
    assert run.state.status == "cancelled"


def test_drain_lets_steps_in_progress_finish_with_their_retries_and_starts_nothing_else() -> None:
    run = Driven(
        step("a"),
        step("b", retry_policy=RetryPolicy(max_attempts=2)),
        step("c", "b"),
        on_critical_failure="drain",
    )
    run.fail("a")
    assert run.state.phase == "cancelling"
    assert run.state.step("c").reason == "run_cancelled"
    run.fail("b")
    assert run.state.step("b").status == "retrying"
    run.after(1_000).succeed("b", 1)
    assert run.state.status == "failed"
    assert run.state.error_step == "a"
    assert run.state.step("c").status == "skipped"


def test_a_drain_that_is_cancelled_gives_up_what_was_to_finish() -> None:
    run = two_steps(on_critical_failure="drain")
    run.fail("a")
    run.take(inp.Cancel())
    assert run.state.step("b").status == "cancelled"
    assert run.state.status == "cancelled"


@pytest.mark.parametrize("rule", ["continue", "drain", "cancel"])
def test_what_is_not_critical_stops_nothing(rule: str) -> None:
    run = Driven(step("a", critical=False), step("b"), step("c", "b"), on_critical_failure=rule)
    run.fail("a")
    run.succeed("b")
    run.succeed("c")
    assert run.state.status == "completed"


def test_the_first_of_two_critical_failures_stops_and_names_the_execution() -> None:
    run = Driven(step("a"), step("b"), step("c"), on_critical_failure="drain")
    run.fail("b", message="first")
    run.fail("a", message="second")
    run.succeed("c")
    assert run.state.error_step == "b"
    assert run.state.error is not None
    assert run.state.error.message == "first"


def test_the_timeout_of_the_execution_gives_up_what_runs() -> None:
    run = Driven(step("a"), step("b", "a"), timeout=5_000)
    assert run.after(4_999).state.status == "running"
    assert run.after(1).state.status == "failed"
    assert run.state.error is not None
    assert run.state.error.type == "timeout"
    assert run.state.error.message == "the execution took longer than its timeout of 5000 ms"
    assert run.state.step("a").status == "cancelled"
    assert run.state.step("b").reason == "run_cancelled"


def test_time_spent_paused_moves_deadlines_and_leaves_instants() -> None:
    run = Driven(
        step("total", total_timeout=10_000),
        step("retrying", retry_policy=RetryPolicy(max_attempts=2)),
        step("waiting"),
        timeout=20_000,
    )
    run.fail("retrying")
    run.wait("waiting", START + 60_000)
    run.take(inp.Pause())
    run.after(50_000)
    assert run.state.step("retrying").status == "retrying"
    run.take(inp.Resume())
    assert run.state.step("retrying").status == "running"
    assert run.state.step("total").deadline == START + 60_000
    assert run.state.deadline == START + 70_000
    assert run.state.step("waiting").wake_at == START + 60_000


def test_a_total_timeout_ends_an_attempt_a_retry_and_a_wait() -> None:
    policy = RetryPolicy(max_attempts=9, initial_delay=60_000, max_delay=60_000)
    run = Driven(
        step("attempt", total_timeout=5_000, critical=False),
        step("retry", total_timeout=5_000, retry_policy=policy, critical=False),
        step("wait", total_timeout=5_000, critical=False),
        step("after", "attempt", join="one_failed"),
    )
    run.fail("retry")
    run.wait("wait", START + 60_000)
    run.after(5_000)
    for step_id in ("attempt", "retry", "wait"):
        error = run.state.step(step_id).error
        assert error is not None
        assert error.type == "timeout"
        assert error.message == "all attempts and waits together took longer than totalTimeout, 5000 ms"
    assert run.state.step("after").status == "running"


def test_a_total_timeout_that_was_met_rings_for_nobody() -> None:
    run = Driven(step("a", total_timeout=5_000), step("b"))
    run.succeed("a")
    run.after(10_000)
    assert run.state.step("a").status == "success"
    assert run.state.status == "running"


def test_a_retry_starts_deadlines_anew() -> None:
    run = Driven(step("a", total_timeout=5_000), timeout=8_000)
    run.after(4_000).fail("a")
    run.after(60_000)
    run.take(inp.Retry())
    assert run.state.deadline == run.at + 8_000
    assert run.state.step("a").deadline == run.at + 5_000
    run.after(4_999)
    run.succeed("a")
    assert run.state.status == "completed"


def test_retry_after_a_timeout_does_again_what_was_given_up() -> None:
    run = Driven(step("a"), step("b", "a"), step("c"), timeout=1_000)
    run.succeed("c", 3)
    run.after(1_000)
    run.take(inp.Retry())
    assert [event for event in ("a", "b") if run.state.step(event).generation == 1] == ["a", "b"]
    run.succeed("a", 1)
    run.succeed("b", 2)
    assert run.state.status == "completed"
    assert run.state.context == {"c": 3, "a": 1, "b": 2}


def test_a_cancel_takes_effect_while_the_output_is_computed() -> None:
    run = Driven(step("a"), output="{{ context.a }}")
    run.succeed("a")
    assert run.state.output_requested
    run.take(inp.Cancel())
    assert run.state.status == "cancelled"
    decision = decide(run.state, [inp.OutputComputed(1)], run.at)
    assert (len(decision.refused), decision.events) == (1, [])


def test_a_timeout_takes_effect_while_the_output_is_computed() -> None:
    run = Driven(step("a"), output="{{ context.a }}", timeout=10)
    run.succeed("a")
    run.after(10)
    assert (run.state.status, run.state.error and run.state.error.type) == ("failed", "timeout")


def test_an_output_that_nobody_asked_for_is_refused() -> None:
    run = two_steps()
    decision = decide(run.state, [inp.OutputComputed(1)], run.at)
    assert [refusal.why for refusal in decision.refused] == ["no output is being worked out"]


def test_an_output_that_could_not_be_computed_fails_the_execution() -> None:
    run = Driven(step("a"), output="{{ context.a.b }}")
    run.succeed("a")
    run.take(inp.OutputComputed(error=ev.StepError("expression", "there is no context.a.b")))
    assert (run.state.status, run.state.error_step) == ("failed", None)


def test_a_retry_after_an_output_that_failed_computes_it_again() -> None:
    run = Driven(step("a"), output="{{ context.a.b }}")
    run.succeed("a", {})
    run.take(inp.OutputComputed(error=ev.StepError("expression", "there is no context.a.b")))
    run.take(inp.Retry())
    assert run.state.output_requested
    run.take(inp.OutputComputed("now"))
    assert (run.state.status, run.state.output) == ("completed", "now")
