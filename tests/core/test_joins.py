"""When a step runs, by how the two steps before it ended: the table that users have in their heads."""

from __future__ import annotations

import pytest

from tenuto.core import inputs as inp
from tenuto.core.definition import StepSpec
from tests.core.driven import Driven, step

RUNS = "runs"
PAIRS = ("ok ok", "ok failed", "ok skipped", "failed failed", "failed skipped", "skipped skipped")
FAILED, SKIPPED, NOT_TAKEN, NEEDLESS = "upstream_failed", "upstream_skipped", "branch_not_taken", "not_needed"

TABLE = {
    # of two steps before:   both ok  ok, failed  ok, skipped  both failed  failed, skipped  both skipped
    "auto":                 (RUNS,    FAILED,     RUNS,        FAILED,      FAILED,          SKIPPED),
    "all_success":          (RUNS,    FAILED,     SKIPPED,     FAILED,      FAILED,          SKIPPED),
    "none_failed":          (RUNS,    FAILED,     RUNS,        FAILED,      FAILED,          RUNS),
    "all_done":             (RUNS,    RUNS,       RUNS,        RUNS,        RUNS,            RUNS),
    "one_success":          (RUNS,    RUNS,       RUNS,        FAILED,      FAILED,          SKIPPED),
    "one_failed":           (NEEDLESS, RUNS,      NEEDLESS,    RUNS,        RUNS,            NEEDLESS),
    "all_failed":           (NEEDLESS, NEEDLESS,  NEEDLESS,    RUNS,        NEEDLESS,        NEEDLESS),
}  # fmt: skip
CELLS = [(join, pair, answer) for join, row in TABLE.items() for pair, answer in zip(PAIRS, row, strict=True)]


def end(run: Driven, step_id: str, how: str) -> None:
    """Let the running attempt of the step end so."""
    state = run.state.step(step_id)
    outcome: inp.Outcome | inp.ConditionFalse = inp.ConditionFalse()
    if how != "skipped":
        run.succeed(step_id, 1) if how == "ok" else run.fail(step_id)
        return
    run.take(inp.AttemptEnded(run.state.graph.index[step_id], state.attempts, state.generation, outcome))


def answer_of(run: Driven) -> str | None:
    """What became of the step in question, or None while that is open."""
    joined = run.state.step("joined")
    if joined.status == "pending":
        return None
    return RUNS if joined.status == "running" else joined.reason


def before_and(joined: StepSpec) -> Driven:
    return Driven(step("x", critical=False), step("y", critical=False), joined)


@pytest.mark.parametrize("order", ["x first", "y first"])
@pytest.mark.parametrize(("join", "pair", "answer"), CELLS)
def test_a_join_answers_by_how_the_steps_before_it_ended(
    join: str, pair: str, answer: str, order: str
) -> None:
    run = before_and(step("joined", "x", "y", join=join))
    ends = list(zip(("x", "y"), pair.split(), strict=True))
    for step_id, how in ends if order == "x first" else ends[::-1]:
        assert answer_of(run) in (None, answer), "an answer given early is the answer"
        end(run, step_id, how)
    assert answer_of(run) == answer


@pytest.mark.parametrize(
    ("join", "first", "answer"),
    [
        ("auto", "ok", None),
        ("auto", "failed", FAILED),
        ("all_success", "ok", None),
        ("all_success", "failed", FAILED),
        ("none_failed", "failed", FAILED),
        ("all_done", "failed", None),
        ("one_success", "ok", RUNS),
        ("one_success", "failed", None),
        ("one_failed", "failed", RUNS),
        ("one_failed", "ok", None),
        ("all_failed", "ok", NEEDLESS),
        ("all_failed", "failed", None),
    ],
)
def test_a_join_answers_as_soon_as_no_other_end_can_change_it(
    join: str, first: str, answer: str | None
) -> None:
    run = before_and(step("joined", "x", "y", join=join))
    end(run, "x", first)
    assert answer_of(run) == answer


def test_a_skip_names_the_step_that_brought_it_about() -> None:
    run = before_and(step("joined", "x", "y"))
    run.succeed("x")
    run.fail("y")
    assert run.state.step("joined").cause == "y"


def test_a_failure_reaches_all_that_follow_and_each_names_the_step_that_failed() -> None:
    run = Driven(step("a"), step("b", "a"), step("c", "b"))
    run.fail("a")
    assert [(run.state.step(i).reason, run.state.step(i).cause) for i in ("b", "c")] == [
        ("upstream_failed", "a"), ("upstream_failed", "a"),
    ]  # fmt: skip


def test_a_step_with_only_control_edges_runs_as_soon_as_one_is_live() -> None:
    run = Driven(
        step("x", on_failure=("mend",), critical=False),
        step("y", on_failure=("mend",), critical=False),
        step("mend"),
    )
    run.fail("x")
    assert run.state.step("mend").status == "running"


def test_a_control_edge_that_was_not_taken_is_a_branch_not_taken() -> None:
    run = Driven(step("x", on_failure=("mend",)), step("mend"), step("after", "mend"))
    run.succeed("x")
    assert run.state.step("mend").reason == "branch_not_taken"
    assert run.state.step("after").reason == "upstream_skipped"
    assert run.state.status == "completed"


def test_a_failure_that_was_handled_fails_the_execution_all_the_same_if_the_step_is_critical() -> None:
    run = Driven(step("x", on_failure=("mend",)), step("mend"))
    run.fail("x")
    run.succeed("mend")
    assert run.state.status == "failed"
    assert run.state.error_step == "x"


def test_dependents_of_an_optional_step_that_failed_run_without_its_result() -> None:
    run = Driven(step("x", optional=True), step("after", "x"))
    run.fail("x")
    run.succeed("after", 1)
    assert run.state.status == "completed"
    assert run.state.context == {"after": 1}


def test_a_pair_with_both_kinds_of_edges_is_joined_by_the_control_edge() -> None:
    run = Driven(step("x", on_failure=("y",), critical=False), step("y", "x"))
    run.fail("x")
    assert run.state.step("y").status == "running"
    run = Driven(step("x", on_failure=("y",)), step("y", "x"))
    run.succeed("x")
    assert run.state.step("y").reason == "branch_not_taken"


@pytest.mark.parametrize(("branch", "taken", "other"), [("true", "yes", "no"), ("false", "no", "yes")])
def test_a_condition_takes_the_branch_of_its_truth_and_succeeds_either_way(
    branch: str, taken: str, other: str
) -> None:
    run = Driven(
        step("check", action="condition", on_success=("yes",), on_failure=("no",)), step("yes"), step("no")
    )
    run.succeed("check", {"result": branch == "true", "branch": branch})
    run.succeed(taken)
    assert run.state.step("check").status == "success"
    assert run.state.step(other).reason == "branch_not_taken"
    assert run.state.status == "completed"


def test_a_condition_without_branches_is_a_plain_task() -> None:
    run = Driven(step("check", action="condition"), step("after", "check"))
    run.succeed("check", {"result": False, "branch": "false"})
    assert run.state.step("after").status == "running"
