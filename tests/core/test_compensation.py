"""Compensation: what succeeded is undone, the last first, when it did not end well."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.definition import Compensate, Compensation, Handlers, RetryPolicy, StepSpec
from tenuto.core.view import document
from tests.core.driven import step
from tests.core.journaled import Execution, why


def undoable(step_id: str, *dependencies: str, **fields: Any) -> StepSpec:
    return step(step_id, *dependencies, compensate=Compensate(action="undo"), **fields)


def undone(run: Execution) -> list[str]:
    return [event.step for event in run.events(ev.UndoStarted)]


def trip(**fields: Any) -> Execution:
    """A trip of which flight and hotel are booked and the car has failed."""
    run = Execution(
        undoable("flight"), undoable("hotel", "flight"), undoable("car", "hotel"), step("x"), **fields
    )
    run.succeed("x")
    run.succeed("flight", "f-1")
    run.succeed("hotel", "h-1")
    run.fail("car")
    return run


def finish_undoing(run: Execution) -> None:
    while run.acting():
        run.succeed(run.acting()[0])


def test_what_succeeded_is_undone_one_by_one_the_last_first() -> None:
    run = trip()
    assert (run.acting(), run.state.phase, run.state.status) == (
        ["hotel:compensate"],
        "compensating",
        "running",
    )
    run.succeed("hotel:compensate")
    assert run.acting() == ["flight:compensate"]
    run.succeed("flight:compensate")
    assert (run.state.status, run.state.compensation, run.state.error_step) == ("failed", "complete", "car")
    assert document(run.state, run.at)["compensation"] == "complete"


def test_the_order_is_that_of_successes_and_not_of_the_definition() -> None:
    run = Execution(undoable("a"), undoable("b"), undoable("c"), step("bad"))
    for name in ("b", "c", "a"):
        run.succeed(name)
    run.fail("bad")
    finish_undoing(run)
    assert undone(run) == ["a", "c", "b"]


def test_what_did_not_succeed_is_not_undone() -> None:
    run = Execution(
        undoable("failed", critical=False), undoable("skipped", when="x"), undoable("done"), undoable("later", "bad"),
        step("bad"),
    )  # fmt: skip
    run.fail("failed")
    run.end("skipped", inp.ConditionFalse())
    run.succeed("done")
    run.fail("bad")
    finish_undoing(run)
    assert undone(run) == ["done"]


def test_with_nothing_to_undo_there_is_no_compensation() -> None:
    run = Execution(undoable("a"))
    run.fail("a")
    assert (run.state.status, run.state.compensation) == ("failed", None)
    assert "compensation" not in document(run.state, run.at)


def test_what_undoes_a_step_reads_its_result_and_what_the_step_read() -> None:
    run = trip()
    frame = run.step("hotel:compensate").frame
    assert frame.parent is not None
    assert frame.parent.context["flight"] == "f-1"
    assert frame.parent.context["hotel"] == "h-1"
    assert run.keys("hotel:compensate") == ["e-1/hotel:compensate/0"]


def test_what_undoing_returns_is_nobodys_to_read() -> None:
    run = trip()
    run.succeed("hotel:compensate", "gone")
    assert run.state.context == {"x": None, "flight": "f-1", "hotel": "h-1"}


def test_a_cancel_undoes_too() -> None:
    run = Execution(undoable("a"), step("b", "a"))
    run.succeed("a")
    run.take(inp.Cancel("ada"))
    assert (run.status("b"), run.acting()) == (["cancelled"], ["a:compensate"])
    run.succeed("a:compensate")
    assert (run.state.status, run.state.compensation) == ("cancelled", "complete")


@pytest.mark.parametrize("end", ["failed", "cancelled", "completed"])
@pytest.mark.parametrize("on", [(), ("failed",), ("cancelled",), ("failed", "cancelled")])
def test_it_is_undone_after_the_ends_that_are_named(end: str, on: tuple[Any, ...]) -> None:
    run = Execution(undoable("a"), step("b", "a"), compensation=Compensation(on=on))
    run.succeed("a")
    {
        "failed": lambda: run.fail("b"),
        "cancelled": lambda: run.take(inp.Cancel()),
        "completed": lambda: run.succeed("b"),
    }[end]()
    assert run.acting() == (["a:compensate"] if end in on else [])
    finish_undoing(run)
    assert run.state.status == end


def test_a_termination_undoes_nothing() -> None:
    run = Execution(undoable("a"), step("b", "a"))
    run.succeed("a")
    run.take(inp.Terminate())
    assert (run.state.status, run.acting(), run.state.compensation) == ("cancelled", [], None)


def test_it_stops_where_undoing_fails_for_good() -> None:
    run = trip()
    run.fail("hotel:compensate", "http.500", "no")
    assert (run.acting(), run.state.status, run.state.compensation) == ([], "failed", "partial")
    assert (run.state.error_step, undone(run)) == ("car", ["hotel"])


def test_undoing_is_tried_again_as_its_own_policy_says() -> None:
    undo = Compensate(action="undo", retry_policy=RetryPolicy(max_attempts=2, initial_delay=500))
    run = Execution(step("a", compensate=undo, retry_policy=RetryPolicy(max_attempts=9)), step("b", "a"))
    run.succeed("a")
    run.fail("b")
    run.fail("a:compensate")
    run.after(500)
    run.fail("a:compensate")
    assert run.state.compensation == "partial"


def test_handlers_run_before() -> None:
    run = trip(handlers=Handlers(always=(step("h"),), failure=(step("f"),)))
    assert run.acting() == ["f"]
    run.succeed("f")
    run.succeed("h")
    assert run.acting() == ["hotel:compensate"]


def test_a_handler_that_fails_what_was_a_success_has_it_undone() -> None:
    run = Execution(undoable("a"), handlers=Handlers(always=(step("h"),)))
    run.succeed("a")
    run.fail("h")
    assert run.acting() == ["a:compensate"]
    run.succeed("a:compensate")
    assert (run.state.status, run.state.error_step) == ("failed", "h")


# -- in containers ------------------------------------------------------------------------------------------------------------


def test_steps_in_a_parallel_are_undone_although_it_failed() -> None:
    run = Execution(step("box", type="parallel", steps=(undoable("a"), step("b", "a"))))
    run.succeed("a", 1)
    run.fail("b")
    assert run.acting() == ["a:compensate"]
    frame = run.step("a:compensate").frame
    assert frame.parent is not None
    assert frame.parent.context == {"a": 1}


def test_items_of_a_map_are_undone_one_by_one() -> None:
    run = Execution(step("m", type="map", items=[1], steps=(undoable("charge"), step("ship", "charge"))))
    run.end("m", inp.Expanded([1, 2, 3]))
    for number in (1, 0, 2):
        run.succeed(f"charge[{number}]", number)
    run.succeed("ship[0]")
    run.succeed("ship[1]")
    run.fail("ship[2]")
    names = []
    while run.acting():
        names += run.acting()
        run.succeed(names[-1])
    assert names == ["charge:compensate[2]", "charge:compensate[0]", "charge:compensate[1]"]
    assert run.state.compensation == "complete"


def test_of_an_item_that_was_kept_the_results_around_it_are_still_there() -> None:
    inner = step("n", type="map", items=[1], steps=(step("look"), undoable("charge", "look")))
    run = Execution(step("m", type="map", items=[1], steps=(step("first"), inner)), step("bad", "m"))
    run.end("m", inp.Expanded([1]))
    run.succeed("first[0]", "f")
    run.end("n[0]", inp.Expanded([1]))
    run.succeed("look[0][0]", "l")
    run.succeed("charge[0][0]", "c")
    run.fail("bad")
    assert run.acting() == ["charge:compensate[0][0]"]
    frame = run.step("charge:compensate[0][0]").frame.parent
    assert frame is not None
    assert frame.parent is not None
    assert frame.context == {"look": "l", "charge": "c"}
    assert frame.parent.context["first"] == "f"


def test_every_round_of_a_loop_is_undone() -> None:
    run = Execution(step("l", type="loop", until="x", steps=(undoable("a"),)), step("bad", "l"))
    for met in (False, True):
        run.succeed(run.acting()[0])
        run.end("l", inp.Judged(met))
    run.fail("bad")
    finish_undoing(run)
    assert undone(run) == ["a[1]", "a[0]"]


def test_a_map_of_an_action_is_undone_as_a_whole() -> None:
    run = Execution(undoable("m", type="map", items=[1]), step("bad", "m"))
    run.end("m", inp.Expanded([1, 2]))
    run.succeed("m[0]")
    run.succeed("m[1]")
    run.fail("bad")
    assert run.acting() == ["m:compensate"]


# -- people -----------------------------------------------------------------------------------------------------------------


def test_a_cancel_is_refused_and_a_termination_stops_undoing() -> None:
    run = trip()
    assert "terminate ends it at once" in why(run.take(inp.Cancel()))[0]
    run.take(inp.Terminate())
    assert (run.state.status, run.acting(), run.state.compensation) == ("cancelled", [], None)


def test_undoing_can_be_paused() -> None:
    run = trip()
    run.take(inp.Pause())
    run.succeed("hotel:compensate")
    assert run.acting() == []
    run.take(inp.Resume())
    assert run.acting() == ["flight:compensate"]


def test_undoing_may_be_parked_for_a_person() -> None:
    undo = Compensate(action="undo", retry_policy=RetryPolicy(on_exhausted="pause"))
    run = Execution(step("a", compensate=undo), undoable("b"), step("bad", "a"))
    run.succeed("b")
    run.succeed("a")
    run.fail("bad")
    run.fail("a:compensate")
    assert run.step("a:compensate").waiting_for == "person"
    run.take(inp.Complete("a:compensate", by="ada"))
    assert run.acting() == ["b:compensate"]


# -- stopping and starting again ------------------------------------------------------------------------------------------


def test_undoing_goes_on_after_a_crash_and_nothing_is_undone_twice() -> None:
    run = trip()
    run.crash()
    assert (run.acting(), run.step("hotel:compensate").attempts) == (["hotel:compensate"], 2)
    run.take(run.ended("hotel:compensate", inp.Succeeded()), hold=True)
    run.restart()
    assert run.acting() == ["flight:compensate"]
    run.crash()
    run.succeed("flight:compensate")
    assert (undone(run), run.state.compensation) == (["hotel", "flight"], "complete")


def test_a_retry_does_what_was_undone_again() -> None:
    run = trip()
    finish_undoing(run)
    run.take(inp.Retry())
    assert run.statuses() == {"flight": "running", "hotel": "pending", "car": "pending", "x": "success"}
    assert run.keys("flight") == ["e-1/flight/1"]
    for name in ("flight", "hotel", "car"):
        run.succeed(name, 2)
    assert (run.state.status, run.state.compensation) == ("completed", None)


def test_a_retry_keeps_what_was_not_undone() -> None:
    run = trip()
    run.fail("hotel:compensate")
    run.take(inp.Retry())
    assert run.statuses() == {"flight": "success", "hotel": "success", "car": "running", "x": "success"}
    run.fail("car")
    assert run.keys("hotel:compensate") == ["e-1/hotel:compensate/1"]
    finish_undoing(run)
    assert (undone(run), run.state.compensation) == (["hotel", "hotel", "flight"], "complete")


def test_a_retry_of_one_step_does_what_was_undone_again_too() -> None:
    run = trip()
    finish_undoing(run)
    run.take(inp.RetryStep("car", "ada"))
    assert run.statuses() == {"flight": "running", "hotel": "pending", "car": "pending", "x": "success"}


def test_a_retry_does_a_map_with_undone_items_whole_again() -> None:
    run = Execution(step("m", type="map", items=[1], steps=(undoable("a"), step("b", "a"))))
    run.end("m", inp.Expanded([1, 2]))
    run.succeed("a[0]")
    run.succeed("b[0]")
    run.fail("a[1]")
    finish_undoing(run)
    assert undone(run) == ["a[0]"]
    run.take(inp.Retry())
    assert run.acting() == ["m"]
    run.end("m", inp.Expanded([1, 2]))
    assert run.keys("a[0]", "a[1]") == ["e-1/a[0]/1", "e-1/a[1]/1"]
    run.succeed("a[0]")
    run.fail("a[1]")
    assert run.step("b[0]").status == "running"
    run.succeed("b[0]")
    finish_undoing(run)
    assert undone(run) == ["a[0]", "a[0]"]


def cancelled_after_a_retry(run: Execution) -> list[str]:
    """What is undone if a retry that has just begun is cancelled."""
    run.take(inp.Retry())
    run.take(inp.Cancel())
    finish_undoing(run)
    return undone(run)


ON_CANCEL = Compensation(on=("cancelled",))


def test_of_items_that_are_done_again_what_had_succeeded_is_forgotten_and_of_others_kept() -> None:
    steps = (undoable("a"), step("b", "a"))
    run = Execution(step("m", type="map", items=[1], steps=steps), compensation=ON_CANCEL)
    run.end("m", inp.Expanded([1, 2]))
    for name in ("a[0]", "a[1]", "b[0]"):
        run.succeed(name)
    run.fail("b[1]")
    assert cancelled_after_a_retry(run) == ["a[0]"]


def test_of_containers_that_are_done_whole_again_what_had_succeeded_is_forgotten() -> None:
    inner = step("n", type="map", items=[1], steps=(undoable("a"),))
    run = Execution(
        step("l", type="loop", until="x", steps=(inner, step("b", "n"))),
        undoable("kept"),
        compensation=ON_CANCEL,
    )
    run.succeed("kept")
    run.end("n[0]", inp.Expanded([1, 2]))
    run.succeed("a[0][0]")
    run.succeed("a[0][1]")
    run.fail("b[0]")
    assert cancelled_after_a_retry(run) == ["kept"]
    assert run.state.find_step("a[0][0]") is None


def test_in_a_parallel_what_is_kept_can_still_be_undone() -> None:
    inner = step("n", type="map", items=[1], steps=(undoable("a"),))
    run = Execution(step("box", type="parallel", steps=(inner, step("b"))), compensation=ON_CANCEL)
    run.end("n", inp.Expanded([1]))
    run.succeed("a[0]")
    run.fail("b")
    assert cancelled_after_a_retry(run) == ["a[0]"]


def test_a_step_that_succeeded_again_is_undone_once_by_its_last_result() -> None:
    run = trip()
    finish_undoing(run)
    run.take(inp.Retry())
    run.succeed("flight", "f-2")
    run.succeed("hotel", "h-2")
    run.fail("car")
    assert run.keys("hotel:compensate") == ["e-1/hotel:compensate/1"]
    finish_undoing(run)
    assert undone(run) == ["hotel", "flight"] * 2


@pytest.mark.parametrize("moment", range(6))
def test_at_every_moment_of_a_saga_a_crash_loses_nothing(moment: int) -> None:
    run = Execution(undoable("flight"), undoable("hotel", "flight"), undoable("car", "hotel"))
    plan = ["flight", "hotel", "car", "hotel:compensate", "flight:compensate"]
    for number, name in enumerate(plan):
        if number == moment:
            run.crash()
        run.fail(name) if name == "car" else run.succeed(name)
    run.crash()
    assert (run.state.status, run.state.compensation) == ("failed", "complete")
    attempts = {event.step: event.attempt for event in run.events(ev.StepStarted)}
    assert sum(attempts.values()) == 5 + (moment < 5)


def test_what_succeeded_inside_what_is_done_again_is_undone_no_more() -> None:
    run = Execution(
        step("bad"), step("p", "bad", join="all_done", type="parallel", steps=(undoable("a"), undoable("b")))
    )
    run.fail("bad")
    run.succeed("a")
    run.succeed("b")
    run.succeed("b:compensate")
    run.fail("a:compensate")
    assert (run.state.status, run.state.compensation) == ("failed", "partial")
    run.take(inp.Retry())
    run.fail("bad")
    run.take(inp.SkipStep("p", "ada"))
    assert (run.state.status, run.state.compensation) == ("failed", None)


def test_an_output_that_comes_while_steps_are_undone_is_refused() -> None:
    run = Execution(undoable("a"), output="{{ context.a }}", timeout=10)
    run.succeed("a")
    assert run.state.output_requested
    run.after(10)
    assert run.acting() == ["a:compensate"]
    assert why(run.take(inp.OutputComputed(1))) == ["no output is being worked out"]
    run.succeed("a:compensate")
    assert (run.state.status, run.state.compensation) == ("failed", "complete")
