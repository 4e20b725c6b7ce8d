"""How steps look in pictures, above all those of which there are several: one look for all items, or rounds."""

from __future__ import annotations

from typing import Any

from tenuto.core import inputs as inp
from tenuto.core.definition import Compensate, Handlers, RetryPolicy, StepSpec
from tenuto.core.looks import looks
from tests.core.driven import step
from tests.core.journaled import Execution

UNDO = Compensate(action="undo")


def look(run: Execution, step_id: str) -> tuple[str, str | None]:
    """The status a step is drawn with, and what that leaves out."""
    (node,) = (node for node in run.graph.all_nodes if node.id == step_id)
    found = looks(run.state)[node.number]
    assert found is not None
    return found.status, found.detail


def mapped(count: int, *steps: StepSpec, **fields: Any) -> Execution:
    run = Execution(step("m", type="map", items=[1], steps=steps, **fields))
    run.end("m", inp.Expanded(list(range(count))))
    return run


def test_steps_of_items_look_as_most_of_them_stand() -> None:
    run = mapped(3, step("a"), step("b", "a"))
    assert (look(run, "a"), look(run, "b")) == (("running", "3 running"), ("pending", "3 pending"))
    run.succeed("a[0]")
    assert look(run, "a") == ("running", "2 running, 1 success")
    assert look(run, "b") == ("running", "2 pending, 1 running")
    run.succeed("a[1]")
    run.succeed("a[2]")
    assert look(run, "a") == ("success", "3 success")
    run.fail("b[0]")
    assert (look(run, "m"), look(run, "a")) == (("running", "1 of 3"), ("success", "2 success"))


def test_a_failure_that_its_item_survives_is_seen() -> None:
    run = mapped(2, step("a", critical=False), step("b"))
    run.fail("a[0]")
    run.succeed("a[1]")
    assert look(run, "a") == ("failed", "1 failed, 1 success")


def test_one_item_under_way_looks_as_it_stands() -> None:
    run = mapped(1, step("a", retry_policy=RetryPolicy(max_attempts=2)))
    assert look(run, "a") == ("running", None)
    run.fail("a[0]")
    assert look(run, "a") == ("running", "retrying")


def test_before_its_items_are_known_a_map_has_nothing_to_show_inside() -> None:
    run = Execution(step("m", type="map", items=[1], steps=(step("a"),)))
    assert (look(run, "m"), look(run, "a")) == (("running", None), ("pending", None))


def test_when_all_items_have_ended_their_steps_look_back() -> None:
    run = mapped(1, step("a"), step("b", "a"))
    run.succeed("a[0]")
    run.fail("b[0]")
    assert (look(run, "m"), look(run, "a"), look(run, "b")) == (
        ("failed", None), ("success", None), ("failed", None),
    )  # fmt: skip


def test_a_loop_shows_its_round_and_looks_back_at_the_last() -> None:
    run = Execution(step("l", type="loop", until="x", steps=(step("a"), step("b"))))
    assert (look(run, "l"), look(run, "a")) == (("running", "round 0"), ("running", None))
    run.succeed("a[0]")
    run.fail("b[0]")
    assert (look(run, "l"), look(run, "a"), look(run, "b")) == (
        ("failed", None), ("success", None), ("failed", None),
    )  # fmt: skip


def test_a_loop_that_had_enough_looks_well() -> None:
    run = Execution(step("l", type="loop", until="x", steps=(step("a"),)))
    run.succeed("a[0]")
    run.end("l", inp.Judged(met=True))
    assert (look(run, "l"), look(run, "a")) == (("success", None), ("success", None))


def test_a_container_that_was_given_up_or_skipped_shows_so_inside() -> None:
    run = Execution(step("m", type="map", items=[1], when="x", steps=(step("a"),)), step("other"))
    run.end("m", inp.ConditionFalse())
    assert look(run, "a") == ("skipped", "condition_false")
    run = mapped(2, step("a"))
    run.take(inp.Cancel())
    assert look(run, "m") == look(run, "a") == ("skipped", "cancelled")


def test_what_undoes_items_shows_while_it_does_and_after() -> None:
    run = mapped(2, step("a", compensate=UNDO), step("b", "a"))
    assert look(run, "a:compensate") == ("pending", None)
    run.succeed("a[0]")
    run.succeed("a[1]")
    run.succeed("b[0]")
    run.fail("b[1]")
    assert look(run, "a:compensate") == ("running", None)
    run.succeed("a:compensate[1]")
    run.succeed("a:compensate[0]")
    assert look(run, "a:compensate") == ("success", None)


def test_handlers_that_never_ran_are_not_needed() -> None:
    run = Execution(step("x"), handlers=Handlers(failure=(step("h"),)))
    assert look(run, "h") == ("pending", None)
    run.succeed("x")
    assert look(run, "h") == ("skipped", "not_needed")


def test_between_two_rounds_their_steps_look_as_to_come() -> None:
    run = Execution(step("l", type="loop", until="x", every=1_000, steps=(step("a"),)))
    run.succeed("a[0]")
    assert look(run, "a") == ("pending", None)
    run.end("l", inp.Judged(met=False))
    assert (look(run, "l"), look(run, "a")) == (("running", "waiting"), ("pending", None))
    run.after(1_000)
    assert look(run, "a") == ("running", None)
