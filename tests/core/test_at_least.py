"""`{"atLeast": n}`: on as soon as so many have come, with or without giving up the rest."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.commands import AbandonAttempt
from tenuto.core.definition import AtLeast, RetryPolicy, StepSpec
from tests.core.driven import START, step
from tests.core.journaled import Execution


def join(*sources: str, least: int, cancel: bool = False, **fields: Any) -> StepSpec:
    return step("j", *sources, join=AtLeast(at_least=least, cancel_remaining=cancel), **fields)


def test_it_runs_as_soon_as_so_many_have_succeeded() -> None:
    run = Execution(step("a"), step("b"), step("c"), join("a", "b", "c", least=2))
    run.succeed("c")
    assert run.status("j") == ["pending"]
    run.succeed("a")
    assert run.acting() == ["b", "j"]
    run.succeed("b")
    assert run.step("j").attempts == 1


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_it_is_skipped_when_so_many_can_no_longer_come(order: tuple[str, str]) -> None:
    run = Execution(step("a"), step("b", critical=False), step("c"), join("a", "b", "c", least=3))
    for name in order:
        run.succeed(name) if name == "a" else run.fail(name)
    assert (run.step("j").reason, run.step("j").cause) == ("upstream_failed", "b")
    assert run.status("c") == ["running"]


def test_it_is_skipped_kindly_where_nothing_failed() -> None:
    run = Execution(step("a", when="x"), step("b"), join("a", "b", least=2))
    run.end("a", inp.ConditionFalse())
    assert run.status("j") == ["pending"]  # what `b` comes to may yet say why
    run.succeed("b")
    assert (run.step("j").reason, run.step("j").cause) == ("upstream_skipped", "a")


def test_a_failure_that_comes_later_is_the_reason() -> None:
    run = Execution(step("a", when="x"), step("b", critical=False), join("a", "b", least=2))
    run.end("a", inp.ConditionFalse())
    run.fail("b")
    assert run.step("j").reason == "upstream_failed"


def race(*more: StepSpec, **fields: Any) -> Execution:
    policy = RetryPolicy(max_attempts=2)
    return Execution(
        step("a"), step("b", retry_policy=policy), step("c"), step("d", "c"),
        join("a", "b", "d", least=1, cancel=True), *more, **fields,
    )  # fmt: skip


def test_once_it_is_met_the_rest_is_given_up() -> None:
    run = race(step("other", "b", join="all_done"))
    decision = run.succeed("a", 1)
    assert (decision.commands[1], run.acting()) == (AbandonAttempt(1, 1, 0), ["c", "j", "other"])
    assert (run.step("b").status, run.step("b").reason) == ("cancelled", "not_needed")
    assert (run.step("d").status, run.step("d").reason, run.step("d").cause) == ("skipped", "not_needed", "j")
    for name in ("c", "j", "other"):
        run.succeed(name)
    assert run.state.status == "completed"


def test_giving_up_the_rest_cancels_no_execution() -> None:
    run = race()
    run.succeed("a")
    assert (run.state.cancel, run.state.phase) == (None, "normal")
    run.succeed("c")
    run.fail("j")
    run.take(inp.Retry())
    assert (run.acting(), run.status("b", "d")) == (["j"], ["cancelled", "skipped"])


def test_what_retries_or_waits_is_given_up_too() -> None:
    run = Execution(
        step("a"), step("b", retry_policy=RetryPolicy(max_attempts=2)), step("c"),
        join("a", "b", "c", least=1, cancel=True),
    )  # fmt: skip
    run.fail("b")
    run.wait("c", "timer", START + 60_000)
    run.succeed("a")
    assert run.status("b", "c") == ["cancelled", "cancelled"]
    assert run.after(100_000).events == []


@pytest.mark.parametrize("kind", ["parallel", "map", "loop"])
def test_a_container_that_is_not_needed_is_given_up_with_all_in_it(kind: str) -> None:
    box = step("box", type=kind, items=[1], until="x", steps=(step("x"), step("y", "x")))
    run = Execution(step("a"), box, join("a", "box", least=1, cancel=True))
    if kind == "map":
        run.end("box", inp.Expanded([1]))
    run.succeed("a")
    assert (run.step("box").status, run.step("box").reason) == ("cancelled", "not_needed")
    assert run.acting() == ["j"]
    run.succeed("j")
    assert run.state.status == "completed"


def test_without_a_word_the_rest_goes_on() -> None:
    run = Execution(step("a"), step("b"), join("a", "b", least=1))
    run.succeed("a")
    assert run.acting() == ["b", "j"]


def test_two_that_come_together_are_both_kept() -> None:
    run = Execution(step("a"), step("b"), step("c"), join("a", "b", "c", least=1, cancel=True))
    run.take(run.ended("a", inp.Succeeded(1)), run.ended("b", inp.Succeeded(2)))
    assert (run.status("a", "b", "c"), run.acting()) == (["success", "success", "cancelled"], ["j"])


def test_in_a_parallel_it_gives_up_its_own_item_only() -> None:
    inside = (step("a"), step("b"), join("a", "b", least=1, cancel=True))
    run = Execution(step("m", type="map", items=[1], steps=inside))
    run.end("m", inp.Expanded([1, 2]))
    run.succeed("a[1]")
    assert run.acting() == ["a[0]", "b[0]", "j[1]"]
    run.succeed("j[1]")
    assert run.step("m").work is not None
    run.succeed("b[0]")
    run.succeed("j[0]", 1)
    assert run.step("m").result == [{"b": None, "j": 1}, {"a": None, "j": None}]


def test_while_paused_nothing_is_given_up_for_it() -> None:
    run = race()
    run.take(inp.Pause())
    run.succeed("a")
    assert run.status("j", "b") == ["pending", "running"]
    run.take(inp.Resume())
    assert run.status("j", "b") == ["running", "cancelled"]


def test_a_condition_that_does_not_hold_gives_up_the_rest_all_the_same() -> None:
    run = Execution(step("a"), step("b"), join("a", "b", least=1, cancel=True, when="x"))
    run.succeed("a")
    run.end("j", inp.ConditionFalse())
    assert (run.status("b", "j"), run.state.status) == (["cancelled", "skipped"], "completed")


def test_a_child_that_is_not_needed_is_told() -> None:
    run = Execution(step("a"), step("b", action="workflow.run"), join("a", "b", least=1, cancel=True))
    run.wait("b", "child:c-1", on_time="fail", details={"child": "c-1"})
    run.succeed("a")
    assert [post.to for post in run.posts] == ["c-1"]
