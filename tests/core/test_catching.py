"""`catch`: failures of certain types lead elsewhere, and fail nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.definition import CatchRule, RetryPolicy, StepSpec
from tests.core.driven import step
from tests.core.journaled import Execution


def catching(*rules: tuple[tuple[str, ...], tuple[str, ...]], **fields: Any) -> StepSpec:
    return step("a", catch=tuple(CatchRule(errors=errors, next=then) for errors, then in rules), **fields)


def test_a_caught_failure_leads_where_its_rule_says_and_fails_nothing() -> None:
    run = Execution(catching((("http.402",), ("ask",))), step("ask"), step("after", "a"))
    run.fail("a", "http.402")
    assert run.acting() == ["ask", "after"]
    run.succeed("ask")
    run.succeed("after")
    assert (run.state.status, run.step("a").status, run.step("a").caught) == ("completed", "failed", True)


def test_what_no_rule_matches_fails_as_ever() -> None:
    run = Execution(catching((("http.402",), ("ask",))), step("ask"), step("after", "a"))
    run.fail("a", "http.500")
    assert [run.step(name).reason for name in ("ask", "after")] == ["branch_not_taken", "upstream_failed"]
    assert (run.state.status, run.state.error_step) == ("failed", "a")


@pytest.mark.parametrize(
    ("error", "taken"),
    [
        ("http.402", ["one", "two"]),
        ("http.404", ["two"]),
        ("network", ["rest"]),
        ("http.503", ["two", "rest"]),
    ],
)
def test_all_rules_that_match_are_taken(error: str, taken: list[str]) -> None:
    rules = [(("http.402",), ("one",)), (("http",), ("two",)), (("network", "http.5xx"), ("rest",))]
    run = Execution(catching(*rules), step("one"), step("two"), step("rest"))
    run.fail("a", error)
    assert run.acting() == taken


def test_a_failure_is_caught_after_its_last_attempt_only() -> None:
    run = Execution(catching((("*",), ("ask",)), retry_policy=RetryPolicy(max_attempts=2)), step("ask"))
    run.fail("a")
    assert run.status("ask") == ["pending"]
    run.after(1_000)
    run.fail("a")
    assert run.acting() == ["ask"]


def test_a_success_leads_to_no_rule() -> None:
    run = Execution(catching((("*",), ("ask",))), step("ask"), step("after", "a"))
    run.succeed("a")
    assert (run.acting(), run.step("ask").reason) == (["after"], "branch_not_taken")


def test_a_catch_and_a_failure_edge_are_both_taken() -> None:
    run = Execution(catching((("*",), ("ask",)), on_failure=("tell",)), step("ask"), step("tell"))
    run.fail("a")
    assert run.acting() == ["ask", "tell"]


@pytest.mark.parametrize("rule", ["drain", "cancel"])
def test_a_caught_failure_stops_nothing_else(rule: str) -> None:
    run = Execution(catching((("*",), ("ask",))), step("ask"), step("b"), on_critical_failure=rule)
    run.fail("a")
    assert run.acting() == ["ask", "b"]


def test_of_a_caught_failure_the_joins_know_that_it_failed() -> None:
    run = Execution(catching((("*",), ("ask",))), step("ask"), step("sorry", "a", join="one_failed"))
    run.fail("a")
    assert run.acting() == ["ask", "sorry"]


def test_a_step_given_up_or_skipped_is_not_caught() -> None:
    run = Execution(catching((("*",), ("ask",))), step("ask"))
    run.take(inp.SkipStep("a"))
    assert (run.step("ask").status, run.state.status) == ("skipped", "completed")


def test_a_timeout_of_all_attempts_is_caught() -> None:
    run = Execution(catching((("timeout",), ("ask",)), total_timeout=1_000), step("ask"))
    run.after(1_000)
    assert run.acting() == ["ask"]


def test_a_retry_of_the_execution_keeps_what_was_caught() -> None:
    run = Execution(catching((("*",), ("ask",))), step("ask"), step("bad", "ask"))
    run.fail("a")
    run.succeed("ask", 1)
    run.fail("bad")
    run.take(inp.Retry())
    assert (run.status("a", "ask"), run.acting()) == (["failed", "success"], ["bad"])
    run.succeed("bad")
    assert run.state.status == "completed"
