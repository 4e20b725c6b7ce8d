"""Steps and executions that share limits with others: they queue, are granted, and give back."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AcquireExecution, AcquireSlots, RunAttempt
from tenuto.core.decide import pending_commands
from tenuto.core.definition import ExecutionSlots, Handlers, RetryPolicy, Slots
from tenuto.core.events import StepError
from tenuto.core.state import is_parked, next_wake
from tests.core.driven import START, step
from tests.core.journaled import Execution, why

SLOTS = (Slots(key="k", limit=1),)
SHARED = (ExecutionSlots(key="k", limit=1),)


def queued(**fields: Any) -> Execution:
    run = Execution(step("a", concurrency=SLOTS, **fields), step("b", "a", join="all_done"))
    assert run.status("a") == ["queued"]
    return run


# -- steps ----------------------------------------------------------------------------------------------------------------


def test_a_step_queues_and_its_attempt_begins_when_it_has_its_slots() -> None:
    run = Execution(step("first"), step("a", "first", concurrency=SLOTS))
    decision = run.succeed("first")
    assert (decision.commands, run.status("a")) == ([AcquireSlots(1, 0)], ["queued"])
    assert (run.state.queued, run.state.running, is_parked(run.state)) == (1, 0, False)
    assert run.grant("a").commands == [RunAttempt(1, 1, 0)]
    assert (run.state.queued, run.state.running) == (0, 1)
    run.succeed("a")
    assert run.state.status == "completed"


def test_every_attempt_asks_for_its_own_slots() -> None:
    run = queued(retry_policy=RetryPolicy(max_attempts=2))
    run.grant("a")
    run.fail("a")
    assert run.after(1_000).commands == [AcquireSlots(0, 0)]
    run.grant("a")
    assert run.step("a").attempts == 2


def test_an_attempt_lost_in_a_crash_asks_again() -> None:
    run = queued()
    run.grant("a")
    assert run.crash().commands == [AcquireSlots(0, 0)]
    assert run.status("a") == ["queued"]


def test_what_queued_when_a_node_went_asks_again_and_keeps_its_age() -> None:
    run = queued()
    run.at += 5_000
    run.crash()
    assert pending_commands(run.state) == [AcquireSlots(0, 0)]
    assert (run.step("a").since, run.step("a").infra) == (START, 0)


def test_a_grant_that_nobody_waits_for_is_refused() -> None:
    run = queued()
    assert why(run.take(inp.SlotsGranted(0, 1))) == ["the step does not wait for slots"]
    run.grant("a")
    assert why(run.grant("a")) == ["the step does not wait for slots"]
    run.succeed("a")
    assert why(run.grant("a")) == ["the step does not wait for slots"]


def test_a_key_that_cannot_be_worked_out_fails_the_step() -> None:
    run = queued(retry_policy=RetryPolicy(max_attempts=5))
    error = StepError("expression", "concurrency: no")
    run.take(inp.SlotsGranted(0, 0, error))
    assert (run.error("a"), run.acting()) == (error, ["b"])


def test_one_that_queues_too_long_fails_and_does_not_ask_again() -> None:
    run = queued(queue_timeout=1_000, retry_policy=RetryPolicy(max_attempts=5))
    assert next_wake(run.state) == START + 1_000
    assert run.after(999).events == []
    run.after(1)
    assert run.error("a") == StepError("timeout", "it waited for its slots longer than queueTimeout, 1000 ms")
    assert run.acting() == ["b"]


def test_each_attempt_may_queue_so_long() -> None:
    run = queued(queue_timeout=1_000, retry_policy=RetryPolicy(max_attempts=2, initial_delay=0))
    run.at += 900
    run.grant("a")
    run.after(5_000)
    run.fail("a")
    run.after(0)
    assert run.status("a") == ["queued"]
    run.after(999)
    assert run.status("a") == ["queued"]
    run.after(1)
    assert run.status("a") == ["failed"]


def test_a_grant_at_the_last_instant_is_in_time() -> None:
    run = queued(queue_timeout=1_000)
    run.after(1_000, inp.SlotsGranted(0, 0))
    assert run.acting() == ["a"]


def test_the_total_timeout_runs_while_it_queues() -> None:
    run = queued(total_timeout=1_000)
    run.after(1_000)
    assert run.error("a").message.startswith("all attempts and waits together")


def test_while_paused_no_grant_is_taken_and_all_that_queue_ask_again_after() -> None:
    run = queued()
    run.take(inp.Pause())
    assert why(run.grant("a")) == ["the execution is paused"]
    assert run.take(inp.Resume()).commands == [AcquireSlots(0, 0)]
    run.grant("a")
    assert run.acting() == ["a"]


def test_time_spent_paused_is_not_time_spent_queueing() -> None:
    run = queued(queue_timeout=1_000)
    run.at += 400
    run.take(inp.Pause())
    run.after(60_000)
    run.take(inp.Resume())
    assert run.after(599).events == []
    run.after(1)
    assert run.status("a") == ["failed"]


def test_a_drain_lets_what_queues_have_its_turn() -> None:
    run = Execution(step("a", concurrency=SLOTS), step("bad"), on_critical_failure="drain")
    run.fail("bad")
    run.grant("a")
    run.succeed("a")
    assert (run.statuses(), run.state.status) == ({"a": "success", "bad": "failed"}, "failed")


@pytest.mark.parametrize("end", [inp.Cancel(), inp.Terminate()])
def test_what_queues_is_given_up_with_the_execution(end: Any) -> None:
    run = queued()
    run.take(end)
    assert (run.status("a"), run.state.queued, run.state.status) == (["cancelled"], 0, "cancelled")
    assert pending_commands(run.state) == []


def test_items_queue_each_for_itself() -> None:
    run = Execution(step("m", type="map", items=[1], concurrency=SLOTS))
    assert run.acting() == ["m"]
    run.end("m", inp.Expanded([1, 2]))
    assert (run.status("m[0]", "m[1]"), run.state.queued) == (["queued", "queued"], 2)
    run.grant("m[1]")
    run.succeed("m[1]", 1)
    run.grant("m[0]")
    run.succeed("m[0]", 0)
    assert run.step("m").result == [0, 1]


def test_rounds_queue_each_for_itself_and_judging_does_not() -> None:
    run = Execution(step("l", type="loop", until="x", concurrency=SLOTS))
    run.grant("l[0]")
    run.succeed("l[0]")
    assert run.acting() == ["l"]
    run.end("l", inp.Judged(met=False))
    assert run.status("l[1]") == ["queued"]


def test_a_grant_recorded_while_a_node_stops_starts_with_the_next() -> None:
    run = queued()
    run.take(inp.SlotsGranted(0, 0), hold=True)
    run.crash()
    assert (run.status("a"), run.step("a").infra) == (["queued"], 1)


# -- executions -------------------------------------------------------------------------------------------------------------


def sharing(**fields: Any) -> Execution:
    return Execution(step("a"), step("b", "a"), concurrency=SHARED, **fields)


def test_an_execution_is_pending_until_it_has_its_slots() -> None:
    run = sharing(timeout=1_000)
    assert (run.state.status, run.acting(), is_parked(run.state)) == ("pending", [], False)
    assert pending_commands(run.state) == [AcquireExecution()]
    run.at += 60_000
    assert run.take(inp.ExecutionGranted()).commands == [RunAttempt(0, 1, 0)]
    assert (run.state.status, run.state.deadline) == ("running", run.at + 1_000)


def test_its_timeout_does_not_run_while_it_waits() -> None:
    run = sharing(timeout=1_000)
    assert run.after(60_000).events == []
    assert next_wake(run.state) is None


def test_an_execution_that_is_refused_is_cancelled_and_says_why() -> None:
    run = sharing(handlers=Handlers(cancel=(step("h"),)))
    run.take(inp.ExecutionGranted("one too many"))
    assert (run.state.status, run.events(ev.HandlersStarted)) == ("cancelled", [])
    assert run.events(ev.ExecutionCancelled) == [ev.ExecutionCancelled(reason="one too many")]


def test_an_execution_that_waits_for_no_slots_is_granted_none() -> None:
    run = sharing()
    run.take(inp.ExecutionGranted())
    assert why(run.take(inp.ExecutionGranted())) == ["the execution does not wait for slots"]
    run.take(inp.Cancel())
    assert why(run.take(inp.ExecutionGranted())) == ["the execution does not wait for slots"]


@pytest.mark.parametrize("end", [inp.Cancel("ada"), inp.Terminate("ada")])
def test_an_execution_that_waits_can_be_ended(end: Any) -> None:
    run = sharing()
    run.take(end)
    assert (run.state.status, run.state.waits_for_slots, run.statuses()) == (
        "cancelled", False, {"a": "skipped", "b": "skipped"},
    )  # fmt: skip


def test_an_execution_that_waits_cannot_be_paused() -> None:
    assert why(sharing().take(inp.Pause())) == ["the execution is pending"]


def test_a_wait_for_slots_outlasts_a_restart() -> None:
    run = sharing()
    run.restart()
    assert pending_commands(run.state) == [AcquireExecution()]
    run.take(inp.ExecutionGranted())
    assert run.acting() == ["a"]
