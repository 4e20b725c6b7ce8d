"""Maps: items in order, so many at once, failures that are tolerated and those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.containers import tolerated
from tenuto.core.definition import CatchRule, RetryPolicy, StepSpec
from tenuto.core.events import StepError
from tenuto.core.view import document
from tests.core.driven import step
from tests.core.journaled import Execution, why


def each(*steps: StepSpec, **fields: Any) -> StepSpec:
    return StepSpec(id="m", type="map", items="{{ context.items }}", steps=steps, **fields)


def mapped(count: int, *steps: StepSpec, **fields: Any) -> Execution:
    """An execution whose map has just been given the items 0, 10, 20 …"""
    run = Execution(each(*steps, **fields), step("after", "m", join="all_done"))
    run.end("m", inp.Expanded([10 * n for n in range(count)]))
    return run


def items_acting(run: Execution) -> list[int]:
    """The numbers of the items whose attempts run."""
    return [int(name[2:-1]) for name in run.acting() if name.startswith("m[")]


def errors_in(run: Execution) -> Any:
    return document(run.state, run.at)["stepResults"]["m"].get("errors")


def test_one_attempt_of_the_map_works_out_its_items() -> None:
    run = Execution(each())
    assert run.acting() == ["m"]
    run.end("m", inp.Expanded(["a", "b"]))
    assert run.acting() == ["m[0]", "m[1]"]
    assert (run.step("m").attempts, run.step("m").status) == (1, "running")
    assert run.keys("m[0]", "m[1]") == ["e-1/m[0]/0", "e-1/m[1]/0"]


def test_a_map_of_an_action_returns_results_in_the_order_of_its_items() -> None:
    run = mapped(3)
    for number in (2, 0, 1):
        run.succeed(f"m[{number}]", f"r{number}")
    assert run.step("m").result == ["r0", "r1", "r2"]
    assert run.state.context["m"] == ["r0", "r1", "r2"]
    assert run.acting() == ["after"]


def test_a_map_of_steps_returns_for_each_item_what_they_returned() -> None:
    run = mapped(2, step("a"), step("b", "a"))
    run.succeed("a[1]", 1)
    run.succeed("a[0]", 0)
    run.succeed("b[0]", "x")
    run.succeed("b[1]", "y")
    assert run.step("m").result == [{"a": 0, "b": "x"}, {"a": 1, "b": "y"}]


def test_a_map_without_items_succeeds_with_an_empty_list() -> None:
    run = mapped(0, max_concurrency=0)
    assert (run.status("m"), run.step("m").result) == (["success"], [])


def test_so_many_items_are_worked_on_at_once_and_the_next_begins_when_one_ends() -> None:
    run = mapped(5, max_concurrency=2)
    assert items_acting(run) == [0, 1]
    run.succeed("m[1]")
    assert items_acting(run) == [0, 2]
    run.take(run.ended("m[0]", inp.Succeeded()), run.ended("m[2]", inp.Succeeded()))
    assert items_acting(run) == [3, 4]
    assert [(event.first, event.count) for event in run.events(ev.BodiesStarted)] == [(0, 2), (2, 1), (3, 2)]


@pytest.mark.parametrize(("most", "begun"), [(100, 100), (0, 130)], ids=["the default", "no limit"])
def test_without_a_word_a_hundred_items_are_worked_on_at_once(most: int, begun: int) -> None:
    assert len(items_acting(mapped(130, max_concurrency=most))) == begun


def test_an_item_with_several_steps_counts_once_until_all_of_them_have_ended() -> None:
    run = mapped(3, step("a"), step("b"), max_concurrency=1)
    run.succeed("a[0]")
    assert run.acting() == ["b[0]"]
    run.succeed("b[0]")
    assert run.acting() == ["a[1]", "b[1]"]


def test_items_are_tried_again_as_the_policy_says_each_for_itself() -> None:
    run = mapped(2, retry_policy=RetryPolicy(max_attempts=2))
    run.fail("m[0]")
    assert run.step("m[0]").status == "retrying"
    run.after(1_000)
    run.fail("m[0]")
    run.succeed("m[1]", 1)
    assert run.error("m").message == "1 of 2 items failed; item 0: down"
    assert run.step("m").attempts == 1


def test_items_that_cannot_be_worked_out_fail_the_map_at_once() -> None:
    run = Execution(each(retry_policy=RetryPolicy(max_attempts=5)))
    run.end("m", inp.Failed(StepError("expression", "items: expected a list, got null"), retry=False))
    assert run.error("m").type == "expression"
    assert run.state.status == "failed"


# -- failures -----------------------------------------------------------------------------------------------------------


def test_beyond_what_is_tolerated_no_item_starts_and_those_in_progress_finish() -> None:
    run = mapped(6, max_concurrency=3, tolerated_failures=1)
    run.fail("m[0]", "http.500", "first")
    assert items_acting(run) == [1, 2, 3]
    run.fail("m[3]", "http.404", "second")
    assert items_acting(run) == [1, 2]
    run.succeed("m[1]", 1)
    assert run.status("m") == ["running"]
    run.succeed("m[2]", 2)
    assert run.error("m") == StepError("http.500", "2 of 6 items failed; item 0: first", {"failed": [0, 3]})
    assert run.acting() == ["after"]


def test_a_tolerated_failure_leaves_null_and_is_told_of() -> None:
    run = mapped(3, tolerated_failures=1)
    run.succeed("m[0]", "a")
    run.fail("m[1]", "http.500", "no")
    run.succeed("m[2]", "c")
    assert (run.status("m"), run.step("m").result) == (["success"], ["a", None, "c"])
    assert errors_in(run) == [{"index": 1, "stepId": "m[1]", "type": "http.500", "message": "no"}]
    run.succeed("after")
    assert run.state.status == "completed"


def test_of_an_item_with_steps_it_is_told_which_failed() -> None:
    run = mapped(1, step("a"), step("b", "a"), tolerated_failures=1)
    run.fail("a[0]", "network", "gone")
    assert run.step("m").result == [None]
    assert errors_in(run) == [{"index": 0, "stepId": "a[0]", "type": "network", "message": "gone"}]


def test_a_failure_caught_inside_an_item_is_none_of_the_map() -> None:
    run = mapped(1, step("a", catch=(CatchRule(errors=("*",), next=("mend",)),)), step("mend"))
    run.fail("a[0]")
    run.succeed("mend[0]", "ok")
    assert run.step("m").result == [{"mend": "ok"}]
    assert errors_in(run) is None


def test_all_items_may_fail_where_all_are_tolerated() -> None:
    run = mapped(2, tolerated_failures="100%")
    run.fail("m[0]")
    run.fail("m[1]")
    assert (run.status("m"), run.step("m").result) == (["success"], [None, None])


@pytest.mark.parametrize(
    ("rule", "items", "allowed"),
    [(0, 9, 0), (3, 2, 3), ("5%", 19, 0), ("5%", 20, 1), ("5%", 39, 1), ("33.333%", 3, 0), ("33.334%", 3, 1),
     ("100%", 7, 7), ("0%", 7, 0), ("0.001%", 100_000, 1), ("0.1%", 999, 0), ("29%", 100, 29), ("57.7%", 1_000, 577)],
)  # fmt: skip
def test_a_share_of_the_items_is_rounded_down(rule: int | str, items: int, allowed: int) -> None:
    run = Execution(each(tolerated_failures=rule))
    assert tolerated(run.step("m"), items) == allowed


def test_a_thousand_errors_are_kept_and_a_hundred_items_named() -> None:
    run = mapped(1_200, max_concurrency=0)
    run.take(
        *(run.ended(f"m[{number}]", inp.Failed(StepError("x", "no"))) for number in range(1_199, -1, -1))
    )
    assert run.error("m").message == "1200 of 1200 items failed; item 1199: no"
    assert run.error("m").details == {"failed": list(range(1_100, 1_200))}
    assert len(errors_in(run)) == 1_000


# -- pausing, ending, time --------------------------------------------------------------------------------------------------


def test_no_item_begins_while_paused() -> None:
    run = mapped(4, max_concurrency=2)
    run.take(inp.Pause())
    run.succeed("m[0]", 0)
    run.succeed("m[1]", 1)
    assert run.acting() == []
    run.take(inp.Resume())
    assert items_acting(run) == [2, 3]


def test_items_that_become_known_while_paused_begin_after() -> None:
    run = Execution(each())
    run.take(inp.Pause())
    run.end("m", inp.Expanded([1, 2]))
    assert run.acting() == []
    run.take(inp.Resume())
    assert items_acting(run) == [0, 1]


def test_the_last_item_may_end_while_paused() -> None:
    run = mapped(1)
    run.take(inp.Pause())
    run.succeed("m[0]", "x")
    assert run.status("m", "after") == ["running", "pending"]
    run.take(inp.Resume())
    assert (run.step("m").result, run.acting()) == (["x"], ["after"])


def drained(count: int, **fields: Any) -> Execution:
    """An execution that drains while its map is under way."""
    run = Execution(each(**fields), step("bad"), on_critical_failure="drain")
    run.end("m", inp.Expanded(list(range(count))))
    run.fail("bad")
    return run


def test_a_drain_lets_items_in_progress_finish_and_begins_no_other() -> None:
    run = drained(3, max_concurrency=2)
    run.succeed("m[0]")
    run.succeed("m[1]")
    assert (run.step("m").status, run.step("m").reason) == ("cancelled", "run_cancelled")
    assert run.state.status == "failed"


def test_a_drain_lets_a_map_succeed_all_of_whose_items_were_in_progress() -> None:
    run = drained(2)
    run.succeed("m[0]", "a")
    run.succeed("m[1]", "b")
    assert run.step("m").result == ["a", "b"]


def test_a_map_that_fails_while_drained_has_failed() -> None:
    run = drained(3, max_concurrency=1)
    run.fail("m[0]")
    assert run.statuses() == {"m": "failed", "bad": "failed"}
    assert run.state.error_step == "bad"


def test_a_map_whose_items_become_known_while_drained_is_given_up() -> None:
    run = Execution(each(), step("bad"), on_critical_failure="drain")
    run.fail("bad")
    run.end("m", inp.Expanded([1]))
    assert (run.status("m"), run.state.status) == (["cancelled"], "failed")


def test_a_step_of_an_item_that_a_drain_skips_leaves_the_item_undone() -> None:
    run = Execution(each(step("a"), step("b", "a")), step("bad"), on_critical_failure="drain")
    run.end("m", inp.Expanded([1]))
    run.fail("bad")
    run.succeed("a[0]")
    assert run.status("m") == ["cancelled"]


def test_a_cancel_gives_up_items_in_progress_and_forgets_the_rest() -> None:
    run = mapped(4, max_concurrency=2)
    run.succeed("m[0]")
    assert len(run.take(inp.Cancel()).commands) == 2
    assert (run.status("m", "after"), run.state.status) == (["cancelled", "skipped"], "cancelled")
    assert [event.step for event in run.events(ev.StepCancelled)] == ["m", "m[1]", "m[2]"]


def test_the_total_timeout_bounds_all_items_together() -> None:
    run = mapped(3, max_concurrency=1, total_timeout=1_000)
    run.at += 600
    run.succeed("m[0]", 0)
    run.after(400)
    assert run.error("m").type == "timeout"
    assert run.acting() == ["after"]


def test_a_late_item_of_a_map_that_has_ended_is_refused() -> None:
    run = mapped(2, total_timeout=1_000)
    late = run.ended("m[1]", inp.Succeeded("late"))
    run.after(1_000)
    assert why(run.take(late)) == ["the attempt is not the one that runs"]
    assert run.state.find_step("m[1]") is None


# -- stopping and starting again ------------------------------------------------------------------------------------------


def test_after_a_crash_ended_items_are_kept_and_those_under_way_made_again() -> None:
    run = mapped(4, max_concurrency=2)
    run.succeed("m[0]", "kept")
    run.crash()
    assert items_acting(run) == [1, 2]
    assert [run.step(f"m[{number}]").attempts for number in (1, 2)] == [2, 2]
    for number in (1, 2, 3):
        run.succeed(f"m[{number}]", number)
    assert run.step("m").result == ["kept", 1, 2, 3]


def test_items_are_worked_out_again_if_a_crash_came_between() -> None:
    run = Execution(each())
    run.crash()
    assert (run.acting(), run.step("m").attempts) == (["m"], 2)
    run.end("m", inp.Expanded([1]))
    run.succeed("m[0]", "x")
    assert run.step("m").result == ["x"]


def test_items_that_end_while_a_node_stops_are_kept_and_the_next_begin_after() -> None:
    run = mapped(3, max_concurrency=1)
    run.take(run.ended("m[0]", inp.Succeeded("a")), hold=True)
    assert run.acting() == []
    run.restart()
    assert items_acting(run) == [1]


def test_items_that_become_known_while_a_node_stops_begin_after() -> None:
    run = Execution(each())
    run.take(run.ended("m", inp.Expanded([1])), hold=True)
    run.restart()
    assert items_acting(run) == [0]


def test_items_that_have_ended_take_no_room() -> None:
    run = mapped(50, step("a"), step("b", "a"), max_concurrency=1)
    for number in range(50):
        run.succeed(f"a[{number}]")
        assert len(run.state.nested_steps()) == 2
        run.succeed(f"b[{number}]")
    assert run.state.nested_steps() == []


# -- maps in containers -----------------------------------------------------------------------------------------------------


def test_a_map_in_a_map_names_items_by_both_numbers() -> None:
    inner = step("n", type="map", items=[1, 2])
    run = Execution(each(inner))
    run.end("m", inp.Expanded(["a", "b"]))
    run.end("n[0]", inp.Expanded([1, 2]))
    run.end("n[1]", inp.Expanded([3]))
    assert run.acting() == ["n[0][0]", "n[0][1]", "n[1][0]"]
    for name in run.acting():
        run.succeed(name, name)
    assert run.step("m").result == [{"n": ["n[0][0]", "n[0][1]"]}, {"n": ["n[1][0]"]}]


def test_a_map_in_a_map_that_fails_names_the_way_to_what_failed() -> None:
    run = Execution(each(step("n", type="map", items=[1])))
    run.end("m", inp.Expanded([1, 2]))
    run.end("n[1]", inp.Expanded([1]))
    run.fail("n[1][0]", "http.500", "no")
    run.end("n[0]", inp.Expanded([]))
    assert run.error("m") == StepError(
        "http.500", "1 of 2 items failed; item 1: 1 of 1 items failed; item 0: no", {"failed": [1]}
    )


def test_a_map_given_up_around_one_that_is_under_way_ends_both() -> None:
    run = Execution(each(step("n", type="map", items=[1]), total_timeout=1_000), step("other"))
    run.end("m", inp.Expanded([1]))
    run.end("n[0]", inp.Expanded([1]))
    run.after(1_000)
    assert run.acting() == ["other"]
    assert [event.step for event in run.events(ev.StepCancelled)] == ["n[0]", "n[0][0]"]
    assert (run.status("m"), run.state.open) == (["failed"], 1)
