"""`startAt`: an execution that begins at an instant to come."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AcquireExecution
from tenuto.core.definition import ExecutionSlots, Handlers
from tenuto.core.state import is_parked, next_wake
from tenuto.core.view import document
from tests.core.driven import START, step
from tests.core.journaled import Execution, why


def later(start_at: int = START + 5_000, **fields: Any) -> Execution:
    return Execution(step("a"), start=inp.Start("e-1", {"n": 1}, start_at=start_at), **fields)


def test_it_is_pending_until_then_and_holds_nothing() -> None:
    run = later()
    assert (run.state.status, run.acting(), is_parked(run.state)) == ("pending", [], True)
    assert next_wake(run.state) == START + 5_000
    assert run.after(4_999).events == []
    run.after(1)
    assert (run.state.status, run.acting()) == ("running", ["a"])
    assert run.events(ev.ExecutionBegan) == [ev.ExecutionBegan()]


@pytest.mark.parametrize("start_at", [START, START - 1, 0])
def test_an_instant_that_has_come_already_is_now(start_at: int) -> None:
    run = later(start_at)
    assert (run.acting(), run.state.start_at) == (["a"], None)


def test_the_instant_outlasts_restarts() -> None:
    run = later()
    run.restart()
    run.at += 2_000
    run.restart()
    assert (run.state.status, next_wake(run.state)) == ("pending", START + 5_000)
    run.at += 60_000
    run.restart()
    assert run.acting() == ["a"]


def test_the_timeout_counts_from_the_beginning() -> None:
    run = later(timeout=1_000)
    run.after(5_000)
    assert run.state.deadline == START + 6_000
    run.after(1_000)
    assert run.state.status == "failed"


@pytest.mark.parametrize("end", [inp.Cancel("ada", "not now"), inp.Terminate("ada", "not now")])
def test_it_can_be_ended_before_and_runs_no_handlers(end: Any) -> None:
    run = later(handlers=Handlers(always=(step("h"),)))
    run.take(end)
    assert (run.state.status, run.statuses(), run.acting()) == ("cancelled", {"a": "skipped"}, [])
    assert run.after(60_000).events == []


@pytest.mark.parametrize("verb", [inp.Pause(), inp.Resume(), inp.Retry()])
def test_no_other_verb_takes_what_has_not_begun(verb: Any) -> None:
    assert why(later().take(verb)) == ["the execution is pending"]


def test_at_its_instant_it_queues_for_the_slots_it_shares() -> None:
    run = later(concurrency=(ExecutionSlots(key="k", limit=1),))
    assert not run.state.waits_for_slots
    assert run.after(5_000).commands == [AcquireExecution()]
    assert (run.state.status, run.state.waits_for_slots) == ("pending", True)
    assert run.after(60_000).events == []
    run.restart()
    run.take(inp.ExecutionGranted())
    assert run.acting() == ["a"]


def test_the_instant_is_shown() -> None:
    run = later()
    assert document(run.state, run.at)["startAt"] == START + 5_000
