"""The model itself, on examples worked by hand: one for each row of the join table and each rule of an
edge."""

from __future__ import annotations

import ast
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.model import rules
from tests.model.attempts import attempts_made, delay_before, is_retried, matches
from tests.model.generate import Case, cases, random_case

OK, FAIL = rules.SUCCESS, rules.FAIL
INDEPENDENT = (
    "rules.py",
    "attempts.py",
    "needs.py",
    "generate.py",
    "nested.py",
    "script.py",
    "plays.py",
    "people.py",
)


def step(step_id: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "dependencies": list(dependencies), **more}


def flow(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"id": "example", "steps": list(steps)}


def ends(
    definition: dict[str, Any], conditions: dict[str, rules.Truth] | None = None, **outcomes: rules.Outcome
) -> dict[str, str]:
    """How every step ends; those not named succeed."""
    oracle = {written["id"]: OK for written in definition["steps"]} | outcomes
    return {
        step_id: rules.kind_of(end)
        for step_id, end in rules.predict(definition, oracle, conditions or {}).steps.items()
    }


def outcome_of(definition: dict[str, Any], **outcomes: rules.Outcome) -> str | None:
    oracle = {written["id"]: OK for written in definition["steps"]} | outcomes
    return rules.predict(definition, oracle, {}).execution


def reasons(definition: dict[str, Any], step_id: str, **outcomes: rules.Outcome) -> set[str]:
    oracle = {written["id"]: OK for written in definition["steps"]} | outcomes
    end = rules.predict(definition, oracle, {}).steps[step_id]
    assert isinstance(end, rules.End)
    return set(end.reasons)


def so_far(definition: dict[str, Any], **outcomes: rules.Outcome) -> dict[str, str]:
    """What follows when only these outcomes are known."""
    known = rules.predict(definition, outcomes, {}).steps
    return {step_id: rules.kind_of(standing) for step_id, standing in known.items()}


# --- edges of a step that succeeded, failed or was skipped


def test_a_success_makes_dependencies_and_on_success_live_and_on_failure_dead() -> None:
    definition = flow(
        step("a", onSuccess=["yes"], onFailure=["no"]), step("yes"), step("no"), step("after", "a")
    )
    assert ends(definition) == {"a": "success", "yes": "success", "no": "benign", "after": "success"}


def test_a_failure_makes_on_failure_live_on_success_dead_and_blocks_dependencies() -> None:
    definition = flow(
        step("a", onSuccess=["yes"], onFailure=["no"]), step("yes"), step("no"), step("after", "a")
    )
    assert ends(definition, a=FAIL) == {
        "a": "failed",
        "yes": "benign",
        "no": "success",
        "after": "upstream_failed",
    }


def test_a_failure_that_is_continued_makes_dependencies_live_but_not_on_success() -> None:
    definition = flow(step("a", continueOnFailure=True, onSuccess=["yes"]), step("yes"), step("after", "a"))
    assert ends(definition, a=FAIL) == {"a": "failed", "yes": "benign", "after": "success"}


def test_a_benign_skip_makes_every_edge_dead() -> None:
    definition = flow(
        step("a", when="x", onSuccess=["yes"], onFailure=["no"]), step("yes"), step("no"), step("after", "a")
    )
    assert ends(definition, {"a": False}) == {
        "a": "benign",
        "yes": "benign",
        "no": "benign",
        "after": "benign",
    }


def test_a_step_skipped_for_a_failure_blocks_on_and_fires_no_handlers() -> None:
    definition = flow(step("a"), step("b", "a", onFailure=["h"]), step("h"), step("c", "b"))
    assert ends(definition, a=FAIL) == {
        "a": "failed",
        "b": "upstream_failed",
        "h": "benign",
        "c": "upstream_failed",
    }


def test_a_step_skipped_for_a_failure_blocks_on_even_if_it_would_continue_on_its_own() -> None:
    definition = flow(step("a"), step("b", "a", continueOnFailure=True), step("c", "b"))
    assert ends(definition, a=FAIL)["c"] == "upstream_failed"


def test_a_control_edge_overrides_a_dependency_of_the_same_pair() -> None:
    definition = flow(step("a", onFailure=["b"]), step("b", "a"))
    assert ends(definition) == {"a": "success", "b": "benign"}
    assert ends(definition, a=FAIL) == {"a": "failed", "b": "success"}


def test_only_the_chosen_side_of_a_condition_lives() -> None:
    definition = flow(
        step("d", action="condition", onSuccess=["yes"], onFailure=["no"]), step("yes"), step("no")
    )
    assert ends(definition, d=("branch", True)) == {"d": "success", "yes": "success", "no": "benign"}
    assert ends(definition, d=("branch", False)) == {"d": "success", "yes": "benign", "no": "success"}


def test_a_condition_that_is_an_error_fails_and_so_takes_on_failure() -> None:
    definition = flow(
        step("d", action="condition", onSuccess=["yes"], onFailure=["no"]), step("yes"), step("no")
    )
    assert ends(definition, d=FAIL) == {"d": "failed", "yes": "benign", "no": "success"}


def test_a_condition_without_targets_is_a_plain_task() -> None:
    definition = flow(step("d", action="condition"), step("after", "d"))
    assert ends(definition, d=("branch", False)) == {"d": "success", "after": "success"}


def test_a_dependency_on_a_decision_is_not_live_unless_a_case_names_the_step() -> None:
    definition = flow(
        step("d", type="decision", cases=[{"when": "x", "next": ["named"]}]),
        step("named", "d"),
        step("unnamed", "d"),
    )
    assert ends(definition, d=("chose", ("named",))) == {
        "d": "success",
        "named": "success",
        "unnamed": "benign",
    }


def test_a_dependency_on_a_decision_that_failed_is_not_live_even_if_that_is_let_pass() -> None:
    decision = step("d", type="decision", cases=[{"when": "x", "next": ["named"]}], continueOnFailure=True)
    definition = flow(decision, step("named"), step("t", "d", join="all_done"), step("u", "d", "t"))
    assert ends(definition, d=FAIL) == {"d": "failed", "named": "benign", "t": "success", "u": "success"}
    assert reasons(flow(decision, step("named"), step("t", "d")), "t", d=FAIL) == {"branch_not_taken"}


@pytest.mark.parametrize(
    ("mode", "truths", "chosen"),
    [
        ("first", (True, True), ("chose", ("a",))),
        ("first", (False, True), ("chose", ("b", "c"))),
        ("all", (True, True), ("chose", ("a", "b", "c"))),
        ("all", (False, False), ("chose", ("d",))),
        ("first", (False, False), ("chose", ("d",))),
    ],
)
def test_a_decision_chooses_by_the_first_case_or_all_that_hold_else_its_default(
    mode: str, truths: tuple[bool, ...], chosen: rules.Outcome
) -> None:
    decision = {"cases": [{"next": ["a"]}, {"next": ["b", "c"]}], "default": ["d"], "mode": mode}
    assert rules.chosen_by_cases(decision, truths) == chosen


def test_a_decision_without_a_match_or_default_fails() -> None:
    assert rules.chosen_by_cases({"cases": [{"next": ["a"]}]}, (False,)) == rules.NO_CASE
    assert rules.chosen_by_cases({"cases": [{"next": ["a"]}], "default": []}, (False,)) == ("chose", ())


# --- joins


def three(join: str, **third: Any) -> dict[str, Any]:
    """`t` after `ok`, which succeeds, `bad`, which may fail, and `off`, whose condition may be false."""
    return flow(
        step("ok"), step("bad"), step("off", when="x"), step("t", "ok", "bad", "off", join=join, **third)
    )


@pytest.mark.parametrize(
    ("join", "bad", "off", "expected"),
    [
        ("auto", OK, True, "success"),
        ("auto", OK, False, "success"),
        ("auto", FAIL, True, "upstream_failed"),
        ("auto", FAIL, False, "upstream_failed"),
        ("all_success", OK, True, "success"),
        ("all_success", OK, False, "benign"),
        ("all_success", FAIL, True, "upstream_failed"),
        ("all_success", FAIL, False, "upstream_failed"),
        ("none_failed", OK, False, "success"),
        ("none_failed", FAIL, False, "upstream_failed"),
        ("all_done", OK, False, "success"),
        ("all_done", FAIL, False, "success"),
        ("one_success", FAIL, False, "success"),
        ("one_failed", FAIL, False, "success"),
        ("one_failed", OK, False, "benign"),
        ("all_failed", FAIL, True, "benign"),
        ("all_failed", OK, True, "benign"),
    ],
)
def test_each_join_of_a_success_a_second_step_and_a_third(
    join: str, bad: rules.Outcome, off: bool, expected: str
) -> None:
    assert ends(three(join), {"off": off}, bad=bad)["t"] == expected


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("auto", "benign"),
        ("all_success", "benign"),
        ("none_failed", "success"),
        ("all_done", "success"),
        ("one_success", "benign"),
        ("one_failed", "benign"),
        ("all_failed", "benign"),
    ],
)
def test_each_join_when_all_edges_are_dead(join: str, expected: str) -> None:
    definition = flow(step("a", when="x"), step("b", when="x"), step("t", "a", "b", join=join))
    assert ends(definition, {"a": False, "b": False})["t"] == expected


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("auto", "upstream_failed"),
        ("all_success", "upstream_failed"),
        ("none_failed", "upstream_failed"),
        ("all_done", "success"),
        ("one_success", "upstream_failed"),
        ("one_failed", "success"),
        ("all_failed", "success"),
    ],
)
def test_each_join_when_all_sources_failed(join: str, expected: str) -> None:
    definition = flow(step("a"), step("b"), step("t", "a", "b", join=join))
    assert ends(definition, a=FAIL, b=FAIL)["t"] == expected


@pytest.mark.parametrize("join", ["one_failed", "all_failed"])
def test_one_failed_and_all_failed_ask_how_the_source_itself_ended(join: str) -> None:
    behind = flow(step("a"), step("b", "a"), step("t", "b", join=join))
    assert ends(behind, a=FAIL)["t"] == "benign"
    assert reasons(behind, "t", a=FAIL) == {"not_needed"}
    let_pass = flow(step("a", continueOnFailure=True), step("t", "a", join=join))
    assert ends(let_pass, a=FAIL)["t"] == "success"
    by_dead_edge = flow(step("a", onSuccess=["t"]), step("t", join=join))
    assert ends(by_dead_edge, a=FAIL)["t"] == "success"


@pytest.mark.parametrize("join", ["auto", "all_success", "none_failed", "all_done"])
def test_a_step_without_edges_runs(join: str) -> None:
    assert ends(flow(step("a", join=join))) == {"a": "success"}


def test_auto_with_one_dependency_wants_every_edge_decided_and_none_blocked() -> None:
    definition = flow(step("a", onFailure=["t"]), step("b"), step("t", "b"))
    assert ends(definition, a=FAIL)["t"] == "success"
    assert ends(definition, b=FAIL)["t"] == "upstream_failed"
    assert ends(definition, a=FAIL, b=FAIL)["t"] == "upstream_failed"
    assert "t" not in so_far(definition, a=FAIL)


def test_auto_with_control_edges_only_runs_as_soon_as_one_is_live() -> None:
    definition = flow(step("a", onFailure=["t"]), step("b", onFailure=["t"]), step("t"))
    assert so_far(definition, a=FAIL)["t"] == "running"
    assert "t" not in so_far(definition, a=OK)
    assert ends(definition)["t"] == "benign"


@pytest.mark.parametrize(("join", "outcome"), [("one_success", OK), ("one_failed", FAIL)])
def test_one_success_and_one_failed_run_at_once(join: str, outcome: rules.Outcome) -> None:
    definition = flow(step("a"), step("b"), step("t", "a", "b", join=join))
    assert so_far(definition, a=outcome)["t"] == "running"
    assert "t" not in so_far(definition, a=FAIL if outcome == OK else OK)


@pytest.mark.parametrize("join", ["auto", "all_success", "none_failed", "all_done", "all_failed"])
def test_the_other_joins_wait_for_every_edge(join: str) -> None:
    definition = flow(step("a"), step("b"), step("t", "a", "b", join=join))
    assert "t" not in so_far(definition, a=OK)


def test_a_skip_says_whether_a_branch_was_not_taken_or_its_sources_did_not_run() -> None:
    definition = flow(step("a", onFailure=["b"]), step("b"), step("c", "b"))
    assert reasons(definition, "b") == {"branch_not_taken"}
    assert reasons(definition, "c") == {"upstream_skipped"}


# --- conditions, and the end of an execution


def test_a_condition_is_asked_after_the_join() -> None:
    definition = flow(step("a"), step("b", "a", when="x"))
    assert ends(definition, {"b": False}) == {"a": "success", "b": "benign"}
    assert ends(definition, {"b": "error"}) == {"a": "success", "b": "failed"}
    assert ends(definition, {"b": "error"}, a=FAIL) == {"a": "failed", "b": "upstream_failed"}


def test_an_execution_fails_if_a_critical_step_failed_whatever_handled_it() -> None:
    definition = flow(step("a", onFailure=["h"]), step("h"))
    assert outcome_of(definition) == "completed"
    assert outcome_of(definition, a=FAIL) == "failed"


@pytest.mark.parametrize(
    ("lenience", "execution", "after"),
    [
        ({}, "failed", "upstream_failed"),
        ({"critical": False}, "completed", "upstream_failed"),
        ({"continueOnFailure": True}, "failed", "success"),
        ({"optional": True}, "completed", "success"),
        ({"optional": True, "critical": True}, "failed", "success"),
        ({"optional": True, "continueOnFailure": False}, "completed", "upstream_failed"),
    ],
)
def test_optional_is_short_for_not_critical_and_continued(
    lenience: dict[str, bool], execution: str, after: str
) -> None:
    definition = flow(step("a", **lenience), step("b", "a"))
    assert outcome_of(definition, a=FAIL) == execution
    assert ends(definition, a=FAIL)["b"] == after


def test_an_execution_has_no_end_while_a_step_has_none() -> None:
    assert rules.predict(flow(step("a"), step("b")), {"a": OK}, {}).execution is None


def test_what_a_stopping_execution_may_come_to_is_only_wider_than_what_follows() -> None:
    definition = flow(step("a"), step("b")) | {"onCriticalFailure": "drain"}
    kinds = rules.possible_ends(definition, {"a": FAIL, "b": OK}, {})
    assert kinds == {"a": {"failed", "run_cancelled"}, "b": {"success", "run_cancelled"}}
    assert rules.possible_ends(definition, {"a": OK, "b": OK}, {}) == {"a": {"success"}, "b": {"success"}}


def test_retry_takes_up_what_failed_or_was_given_up_and_all_after_it() -> None:
    definition = flow(step("a"), step("b", "a"), step("c", "b"), step("d", critical=False), step("e"))
    stopped = {"a": "success", "b": "failed", "c": "upstream_failed", "d": "failed", "e": "run_cancelled"}
    assert rules.redone_by_retry(definition, stopped) == {"b", "c", "e"}


# --- attempts


@pytest.mark.parametrize(
    ("pattern", "error", "covered"),
    [
        ("http.503", "http.503", True),
        ("http.5xx", "http.503", True),
        ("http.4xx", "http.503", False),
        ("http", "http.503", True),
        ("htt", "http.503", False),
        ("*", "anything", True),
        ("worker", "worker.Broken", True),
        ("worker.Broken", "worker", False),
        ("http.5xx", "http.5000", False),
        ("http.5xx", "network", False),
    ],
)
def test_error_patterns_cover_a_type_whole_by_class_or_all(pattern: str, error: str, covered: bool) -> None:
    assert matches(pattern, error) is covered


def test_no_retry_on_beats_retry_on_and_an_empty_retry_on_means_what_can_be_mended() -> None:
    assert not is_retried({"retryOn": ["*"], "noRetryOn": ["http.4xx"]}, "http.404")
    assert not is_retried({"retryOn": ["http"]}, "network")
    assert is_retried({}, "script")
    assert not is_retried({}, "rejected")
    assert is_retried({"retryOn": ["rejected"]}, "rejected")


def test_attempts_go_on_until_success_the_last_or_an_error_that_is_not_retried() -> None:
    assert attempts_made({"maxAttempts": 3}, ("network", "ok")) == (2, "ok")
    assert attempts_made({"maxAttempts": 2}, ("network", "network", "ok")) == (2, "network")
    assert attempts_made({"maxAttempts": 3}, ("network", "rejected", "ok")) == (2, "rejected")
    assert attempts_made({"maxAttempts": 3}, ("network",)) == (3, "network")


def test_delays_double_from_the_second_attempt_up_to_the_longest() -> None:
    policy = {"initialDelay": 1000, "backoffMultiplier": 2, "maxDelay": 5000}
    assert [delay_before(policy, attempt) for attempt in (2, 3, 4, 5)] == [1000, 2000, 4000, 5000]


# --- the model as a whole


def imports_of(path: Path) -> set[str]:
    """Every name that the file imports, dotted."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("name", sorted(INDEPENDENT))
def test_the_model_imports_nothing_of_what_it_judges(name: str) -> None:
    path = Path(__file__).parent / name
    own = {other.removesuffix(".py") for other in INDEPENDENT}
    imported = imports_of(path)
    assert imported
    assert not {module for module in imported if module.split(".")[0] == "tenuto"}
    assert {module.split(".")[2] for module in imported if module.startswith("tests")} <= own
    assert not re.search(r"__import__|import_module", path.read_text())


@given(cases())
@settings(max_examples=100, deadline=None, print_blob=True)
def test_the_order_in_which_steps_are_written_changes_no_end(case: Case) -> None:
    backwards = case.definition | {"steps": case.definition["steps"][::-1]}
    assert rules.predict(case.definition, case.oracle, case.conditions) == rules.predict(
        backwards, case.oracle, case.conditions
    )


def test_a_seed_brings_the_same_case_back() -> None:
    assert random_case(random.Random(7)) == random_case(random.Random(7))


def test_random_cases_reach_every_join_every_kind_of_edge_and_every_kind_of_end() -> None:
    joins, edges, kinds, executions = set(), set(), set(), set()
    for seed in range(200):
        case = random_case(random.Random(seed))
        prediction = rules.predict(case.definition, case.oracle, case.conditions)
        joins |= {written.get("join", "auto") for written in case.definition["steps"]}
        edges |= {edge.kind for edge in rules.edges_of(case.definition)}
        for end in prediction.steps.values():
            assert isinstance(end, rules.End)
            kinds |= {end.status} | end.reasons
        executions.add(prediction.execution)
    assert joins == set(rules.JOINS)
    assert edges == {"dependencies", "onSuccess", "onFailure", "case"}
    assert kinds >= {"success", "failed", "condition_false", "branch_not_taken", "upstream_skipped"}
    assert kinds >= {"upstream_failed", "not_needed"}
    assert executions == {"completed", "failed"}


# --- catch, and joins that count


CATCHES = [{"errors": ["http.5xx"], "next": ["h"]}, {"errors": ["http", "timeout"], "next": ["g"]}]


@pytest.mark.parametrize(
    ("error", "h", "g", "after", "execution"),
    [
        ("http.503", "success", "success", "success", "completed"),
        ("http.404", "benign", "success", "success", "completed"),
        ("network", "benign", "benign", "upstream_failed", "failed"),
    ],
)
def test_every_catch_rule_that_covers_the_error_leads_on_and_the_failure_counts_no_more(
    error: str, h: str, g: str, after: str, execution: str
) -> None:
    definition = flow(step("a", catch=CATCHES), step("h"), step("g"), step("after", "a"))
    assert ends(definition, a=("fail", error)) == {"a": "failed", "h": h, "g": g, "after": after}
    assert outcome_of(definition, a=("fail", error)) == execution
    assert ends(definition)["h"] == "benign"


def test_a_failure_by_its_condition_is_caught_as_an_expression() -> None:
    definition = flow(step("a", when="x", catch=[{"errors": ["expression"], "next": ["h"]}]), step("h"))
    assert ends(definition, {"a": "error"}) == {"a": "failed", "h": "success"}


def test_a_caught_failure_still_takes_on_failure() -> None:
    definition = flow(step("a", catch=CATCHES, onFailure=["f"]), step("h"), step("g"), step("f"))
    assert ends(definition, a=("fail", "timeout"))["f"] == "success"


@pytest.mark.parametrize(
    ("count", "bad", "off", "expected"),
    [
        (1, FAIL, False, "success"),
        (2, FAIL, True, "success"),
        (2, OK, False, "success"),
        (3, OK, True, "success"),
        (3, OK, False, "benign"),
        (3, FAIL, True, "upstream_failed"),
        (2, FAIL, False, "upstream_failed"),
    ],
)
def test_at_least_so_many_edges_must_live(count: int, bad: rules.Outcome, off: bool, expected: str) -> None:
    definition = three("auto")
    definition["steps"][-1]["join"] = {"atLeast": count}
    assert ends(definition, {"off": off}, bad=bad)["t"] == expected


def test_at_least_runs_at_once_and_is_skipped_for_what_all_edges_say() -> None:
    definition = flow(step("a", when="x"), step("b"), step("t", "a", "b", join={"atLeast": 1}))
    assert so_far(definition, b=OK)["t"] == "running"
    both = flow(step("a", onFailure=["t"]), step("b"), step("t", "b", join={"atLeast": 2}))
    assert "t" not in so_far(both, a=OK)
    assert ends(both, b=FAIL)["t"] == "upstream_failed"


def test_what_was_given_up_makes_every_edge_dead() -> None:
    definition = flow(step("a", onSuccess=["b"], onFailure=["c"]), step("b"), step("c"), step("d", "a"))
    given = {"a": rules.End("cancelled", rules.NOT_NEEDED)}
    kinds = {n: rules.kind_of(end) for n, end in rules.predict(definition, {}, {}, given).steps.items()}
    assert kinds == {"a": "cancelled", "b": "benign", "c": "benign", "d": "benign"}
