"""A retry of a failed execution: what is done again inside containers, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.definition import Compensate, Compensation, ExecutionSlots, RetryPolicy
from tenuto.core.events import StepError
from tenuto.core.state import next_wake
from tests.core.driven import step
from tests.core.journaled import Execution, why


def retried(run: Execution) -> Any:
    """What the last retry says."""
    return run.events(ev.ExecutionRetried)[-1]


# -- parallels ------------------------------------------------------------------------------------------------------------


def parallel(**fields: Any) -> Execution:
    """One in which `b` has failed and `d` was never reached."""
    steps = (step("a"), step("b"), step("c", "a"), step("d", "b"))
    run = Execution(step("box", type="parallel", steps=steps, **fields), step("after", "box"))
    run.succeed("a", 1)
    run.succeed("c", 3)
    run.fail("b")
    assert run.state.status == "failed"
    return run


def test_in_a_parallel_what_failed_and_all_after_it_is_done_again() -> None:
    run = parallel()
    run.take(inp.Retry("ada", "mended"))
    assert (retried(run).steps, retried(run).reopened) == (["after", "b", "d"], ["box"])
    assert run.status("box", "a", "b", "c", "d") == ["running", "success", "running", "success", "pending"]
    run.succeed("b", 2)
    run.succeed("d", 4)
    assert run.step("box").result == {"a": 1, "b": 2, "c": 3, "d": 4}
    run.succeed("after")
    assert run.state.status == "completed"


def test_what_is_done_again_has_new_keys_and_what_is_kept_has_not() -> None:
    run = parallel()
    run.take(inp.Retry())
    assert run.keys("box", "a", "b", "d", "after") == [
        "e-1/box/1", "e-1/a/0", "e-1/b/1", "e-1/d/1", "e-1/after/1",
    ]  # fmt: skip


def test_a_parallel_whose_condition_held_is_not_asked_again() -> None:
    run = Execution(step("box", type="parallel", steps=(step("a"), step("b")), when="x"))
    run.end("box", inp.Opened())
    run.succeed("a")
    run.fail("b")
    run.take(inp.Retry())
    assert run.acting() == ["b"]


def test_a_parallel_may_fail_again_and_be_retried_again() -> None:
    run = parallel()
    for generation in (1, 2, 3):
        run.take(inp.Retry())
        assert (run.step("b").generation, run.step("b").attempts) == (generation, 1)
        run.fail("b", "http.500", f"time {generation}")
        assert run.error("box").message == f"step 'b': time {generation}"
        assert run.state.status == "failed"


def test_what_was_given_up_inside_is_done_again() -> None:
    run = Execution(
        step("box", type="parallel", steps=(step("a"), step("b", "a"))),
        step("bad"),
        on_critical_failure="cancel",
    )
    run.fail("bad")
    assert run.status("box", "a", "b") == ["cancelled", "cancelled", "skipped"]
    run.take(inp.Retry())
    assert (run.acting(), retried(run).reopened) == (["bad", "a"], ["box"])
    run.succeed("bad")
    run.succeed("a", 1)
    run.succeed("b", 2)
    assert (run.step("box").result, run.state.status) == ({"a": 1, "b": 2}, "completed")


def test_a_parallel_after_what_is_done_again_is_done_whole_again() -> None:
    box = step("box", "first", type="parallel", join="all_done", steps=(step("a"), step("b")))
    run = Execution(step("first"), box)
    run.fail("first")
    run.succeed("a", 1)
    run.fail("b")
    run.take(inp.Retry())
    assert (retried(run).steps, retried(run).reopened) == (["first", "box"], [])
    assert run.state.find_step("a") is None
    run.succeed("first")
    assert (run.acting(), run.keys("a", "b")) == (["a", "b"], ["e-1/a/1", "e-1/b/1"])


def test_a_parallel_that_timed_out_goes_on_with_what_had_not_succeeded() -> None:
    steps = (step("a"), step("b"), step("c", "b"))
    run = Execution(step("box", type="parallel", steps=steps, total_timeout=1_000))
    run.succeed("a", 1)
    run.after(1_000)
    run.take(inp.Retry())
    assert (run.acting(), run.status("a")) == (["b"], ["success"])
    assert next_wake(run.state) == run.at + 1_000
    run.after(1_000)
    assert (run.error("box").type, run.state.status) == ("timeout", "failed")
    run.take(inp.Retry())
    run.succeed("b")
    run.succeed("c")
    assert run.state.status == "completed"


def test_a_failure_of_two_levels_is_done_again_at_its_place() -> None:
    inner = step("inner", type="parallel", steps=(step("x"), step("y")))
    run = Execution(step("box", type="parallel", steps=(inner, step("z", "inner"), step("kept"))))
    run.succeed("kept", 1)
    run.succeed("x", 2)
    run.fail("y")
    run.take(inp.Retry())
    assert (run.acting(), retried(run).steps, retried(run).reopened) == (["y"], ["z", "y"], ["box", "inner"])
    run.succeed("y", 3)
    run.succeed("z", 4)
    assert run.step("box").result == {"inner": {"x": 2, "y": 3}, "z": 4, "kept": 1}


def test_a_failure_that_stopped_nothing_inside_is_kept() -> None:
    run = Execution(step("box", type="parallel", steps=(step("a", critical=False), step("b"))))
    run.fail("a")
    run.fail("b")
    run.take(inp.Retry())
    assert (run.status("a"), run.acting()) == (["failed"], ["b"])


def test_one_step_inside_is_retried_by_hand_with_what_comes_after_it() -> None:
    run = Execution(
        step("box", type="parallel", steps=(step("a"), step("b", "a"), step("c"), step("d"))),
        step("after", "box"),
    )
    run.fail("a")
    run.fail("c")
    run.succeed("d", 4)
    run.take(inp.RetryStep("a"))
    assert run.status("box", "a", "b", "c", "d") == ["running", "running", "pending", "failed", "success"]
    run.succeed("a", 1)
    run.succeed("b", 2)
    assert (run.error("box").message, run.state.status) == ("step 'c': down", "failed")
    run.take(inp.RetryStep("c"))
    run.succeed("c", 3)
    assert run.step("box").result == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert run.acting() == ["after"]


def test_a_failed_parallel_is_retried_by_hand_whole() -> None:
    run = parallel()
    run.take(inp.RetryStep("box"))
    assert (retried(run).steps, retried(run).reopened) == (["box", "after"], [])
    assert (run.acting(), run.keys("a", "b")) == (["a", "b"], ["e-1/a/1", "e-1/b/1"])


# -- maps -----------------------------------------------------------------------------------------------------------------


def failed_map(*steps: Any, **fields: Any) -> Execution:
    """A map of four of which item 0 succeeded and item 1 failed; the others were never begun."""
    run = Execution(
        step("m", type="map", items=[1], steps=steps, max_concurrency=1, **fields), step("after", "m")
    )
    run.end("m", inp.Expanded(["w", "x", "y", "z"]))
    run.succeed(run.acting()[0], 0)
    run.fail(run.acting()[0])
    assert run.state.status == "failed"
    return run


def test_a_retry_keeps_the_items_that_succeeded_and_does_the_others() -> None:
    run = failed_map()
    run.take(inp.Retry())
    assert (retried(run).steps, retried(run).reopened) == (["after"], ["m"])
    assert (run.acting(), run.keys("m[1]")) == (["m[1]"], ["e-1/m[1]/1"])
    for number in (1, 2, 3):
        run.succeed(f"m[{number}]", number)
    assert (run.step("m").result, run.acting()) == ([0, 1, 2, 3], ["after"])
    assert [event.first for event in run.events(ev.BodiesStarted)] == [0, 1, 1, 2, 3]


def test_items_are_not_worked_out_again_and_failures_are_counted_anew() -> None:
    run = failed_map(tolerated_failures=0)
    run.take(inp.Retry())
    assert len(run.events(ev.MapExpanded)) == 1
    run.fail("m[1]")
    assert run.error("m").message == "1 of 4 items failed; item 1: down"
    assert (run.step("m").generation, run.state.status) == (1, "failed")


def test_an_item_is_done_whole_again() -> None:
    run = Execution(step("m", type="map", items=[1], steps=(step("a"), step("b", "a"))))
    run.end("m", inp.Expanded([1]))
    run.succeed("a[0]")
    run.fail("b[0]")
    run.take(inp.Retry())
    assert (run.acting(), run.keys("a[0]")) == (["a[0]"], ["e-1/a[0]/1"])


def test_a_map_after_what_is_done_again_is_done_whole_again() -> None:
    run = Execution(step("first"), step("m", "first", type="map", items=[1], join="all_done"))
    run.fail("first")
    run.end("m", inp.Expanded([1, 2]))
    run.succeed("m[0]")
    run.fail("m[1]")
    run.take(inp.Retry())
    assert retried(run).reopened == []
    run.succeed("first")
    assert run.acting() == ["m"]
    run.end("m", inp.Expanded([1]))
    run.succeed("m[0]", "new")
    assert run.step("m").result == ["new"]


def test_a_map_whose_items_could_not_be_worked_out_begins_anew() -> None:
    run = Execution(step("m", type="map", items=[1]))
    run.end("m", inp.Failed(StepError("expression", "no"), retry=False))
    run.take(inp.Retry())
    assert (run.acting(), run.keys("m")) == (["m"], ["e-1/m/1"])


def test_items_given_up_are_done_again() -> None:
    run = Execution(step("m", type="map", items=[1]), timeout=1_000)
    run.end("m", inp.Expanded([1, 2]))
    run.succeed("m[0]", 0)
    run.after(1_000)
    run.take(inp.Retry())
    assert run.acting() == ["m[1]"]
    run.succeed("m[1]", 1)
    assert (run.step("m").result, run.state.status) == ([0, 1], "completed")


def test_tolerated_failures_of_a_map_that_succeeded_are_kept() -> None:
    run = Execution(step("m", type="map", items=[1], tolerated_failures=1), step("bad", "m"))
    run.end("m", inp.Expanded([1]))
    run.fail("m[0]")
    run.fail("bad")
    run.take(inp.Retry())
    assert (run.step("m").result, run.acting()) == ([None], ["bad"])


def test_tolerated_failures_of_a_map_that_failed_are_done_again() -> None:
    run = Execution(step("m", type="map", items=[1], tolerated_failures=1))
    run.end("m", inp.Expanded([1, 2, 3]))
    run.fail("m[0]")
    run.fail("m[2]")
    run.succeed("m[1]", 1)
    run.take(inp.Retry())
    assert run.acting() == ["m[0]", "m[2]"]


def test_a_failed_map_is_retried_by_hand_as_by_a_retry() -> None:
    run = failed_map()
    run.take(inp.RetryStep("m"))
    assert (retried(run).steps, retried(run).reopened, run.acting()) == (["after"], ["m"], ["m[1]"])


def test_of_an_item_that_was_kept_for_undoing_one_step_may_be_retried() -> None:
    charge = step("a", compensate=Compensate(action="undo"))
    run = Execution(
        step("m", type="map", items=[1], steps=(charge, step("b", "a"))),
        compensation=Compensation(on=()),
    )
    run.end("m", inp.Expanded([1, 2]))
    for name in ("a[0]", "a[1]", "b[0]"):
        run.succeed(name)
    run.fail("b[1]")
    run.take(inp.RetryStep("b[1]"))
    assert (retried(run).reopened, run.acting()) == (["m"], ["a[1]"])
    run.succeed("a[1]")
    run.succeed("b[1]")
    assert run.state.status == "completed"


# -- loops ----------------------------------------------------------------------------------------------------------------


def test_a_loop_begins_anew() -> None:
    run = Execution(step("l", type="loop", until="x"), step("after", "l"))
    run.succeed("l[0]")
    run.end("l", inp.Judged(met=False))
    run.fail("l[1]")
    run.take(inp.Retry())
    assert (retried(run).steps, retried(run).reopened) == (["l", "after"], [])
    assert (run.acting(), run.keys("l[0]")) == (["l[0]"], ["e-1/l[0]/1"])
    run.succeed("l[0]", "x")
    run.end("l", inp.Judged(met=True))
    assert run.step("l").result == "x"


def test_containers_beside_it_are_left_alone() -> None:
    run = Execution(step("l", type="loop", until="x"), step("box", type="parallel", steps=(step("a"),)))
    run.succeed("a", 1)
    run.fail("l[0]")
    run.take(inp.Retry())
    assert (run.acting(), run.status("box", "a")) == (["l[0]"], ["success", "success"])


# -- the whole --------------------------------------------------------------------------------------------------------------


def test_nothing_of_the_life_before_reaches_the_new_one() -> None:
    run = Execution(step("box", type="parallel", steps=(step("a"), step("b"))))
    late = [run.ended("a", inp.Succeeded("late")), run.ended("b", inp.Succeeded("late"))]
    run.fail("a")
    run.fail("b")
    run.take(inp.Retry())
    assert why(run.take(*late)) == ["the attempt is not the one that runs"] * 2
    run = Execution(step("m", type="map", items=[1]))
    run.end("m", inp.Expanded([1]))
    late = [run.ended("m[0]", inp.Succeeded("late"))]
    run.fail("m[0]")
    run.take(inp.Retry())
    assert why(run.take(*late)) == ["the attempt is not the one that runs"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_retry_is_recorded_while_a_node_stops_and_made_by_the_next(moment: str) -> None:
    run = parallel()
    if moment == "before":
        run.restart()
    run.take(inp.Retry(), hold=True)
    assert run.acting() == []
    run.restart()
    assert run.acting() == ["b"]


def test_a_retry_survives_a_crash_inside_containers() -> None:
    run = failed_map()
    run.take(inp.Retry())
    run.crash()
    assert (run.acting(), run.step("m[1]").attempts, run.step("m[1]").generation) == (["m[1]"], 2, 1)
    for number in (1, 2, 3):
        run.succeed(f"m[{number}]", number)
    assert run.step("m").result == [0, 1, 2, 3]


def test_a_retry_that_has_to_wait_for_slots_waits_and_goes_on() -> None:
    run = Execution(
        step("box", type="parallel", steps=(step("a"), step("b"))),
        concurrency=(ExecutionSlots(key="k", limit=1),), timeout=1_000,
    )  # fmt: skip
    run.take(inp.ExecutionGranted())
    run.succeed("a", 1)
    run.fail("b")
    run.take(inp.Retry())
    assert (run.state.status, run.state.waits_for_slots, run.acting()) == ("pending", True, [])
    run.restart()
    run.after(60_000)
    run.take(inp.ExecutionGranted())
    assert (run.acting(), run.state.deadline) == (["b"], run.at + 1_000)
    run.succeed("b", 2)
    assert (run.step("box").result, run.state.status) == ({"a": 1, "b": 2}, "completed")


def test_a_retried_step_has_all_its_attempts_again() -> None:
    run = Execution(
        step("box", type="parallel", steps=(step("a", retry_policy=RetryPolicy(max_attempts=2)),))
    )
    for _ in range(2):
        run.fail("a")
        run.after(1_000)
    run.take(inp.Retry())
    run.fail("a")
    assert run.status("a") == ["retrying"]
