"""One execution in full, as `tenuto show` has it: what is said of containers, items, waits, handlers and links."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console

from tenuto.cli.options import Format
from tenuto.cli.tables import execution_view
from tenuto.client.results import Execution, answer
from tenuto.core import inputs as inp
from tenuto.core.view import document, visualize
from tests.journal.recorder import Recorder
from tests.journal.scenarios import SCENARIOS
from tests.journal.scenarios.registry import definition, step


def shown(run: Recorder) -> str:
    """The view of the execution as it stands."""
    execution = answer(Execution, msgspec.to_builtins(document(run.state, run.now)))
    console = Console(width=400, no_color=True, color_system=None)
    with console.capture() as captured:
        for part in execution_view(execution, visualize(run.state, run.now), Format.PLAIN):
            console.print(part)
    return captured.get()


def told(run: Recorder) -> dict[str, str]:
    """By step what its row says after how long it took; indented as it stands."""
    lines = shown(run).partition("\noutput")[0].splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("STEP"))
    where = lines[at].index("TOOK")
    return {line[: lines[at].index("STATUS")].rstrip(): line[where + 6 :].strip() for line in lines[at + 1 :]}


def test_a_map_counts_its_items_and_a_few_under_way_follow() -> None:
    run = SCENARIOS["items-and-rounds-under-way"]()
    rows = told(run)
    assert list(rows)[:1] == ["orders"]
    assert set(rows) == {"orders", "fetch[0]", "rounds[1]", "rounds[1][1]"}
    assert rows["orders"].endswith("0 of 4 items, 2 under way")
    assert rows["rounds[1]"].endswith("round 1")


def test_of_many_items_under_way_those_held_up_are_shown_and_the_rest_counted() -> None:
    policy = {"retryPolicy": {"maxAttempts": 2}}
    run = Recorder(definition(step("each", type="map", items="{{ x }}", steps=[step("a", **policy)])))
    run.end("each", inp.Expanded(list(range(30))))
    run.fail("a[27]")
    names = list(told(run))
    assert names[:3] == ["each", "a[27]", "a[0]"]
    assert names[-1] == "and 20 more in items and rounds"


def test_a_map_that_tolerated_a_failure_says_so_beside_its_result() -> None:
    rows = told(SCENARIOS["map-with-a-tolerated-failure"]())
    assert '2 of 3 items, 1 failed; [{"paid":10},null,{"paid":30}]' in rows["charge"]


def test_steps_of_a_parallel_stand_further_in() -> None:
    assert list(told(SCENARIOS["parallel-with-nested-steps"]())) == [
        "fan",
        "  left",
        "  right",
        "  both",
        "    one",
        "    two",
        "end",
    ]


def test_handlers_that_are_not_needed_have_no_rows() -> None:
    assert list(told(SCENARIOS["handlers-after-a-failure"]())) == ["a", "b", "alert", "clean"]


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("signal-awaited", "one", "for the signal paid"),
        ("approval-under-way", "ask", "1 of 2 approvals (ada); for an approval (due in "),
        ("child-awaited-by-a-child", "one", "for execution exec-golden.one.0"),
        ("parked-for-a-person", "left", "for a person; http.503: left is out of order"),
        ("parked-for-a-person", "completed", '{"by":"phone"}; by ben'),
        ("parked-for-a-person", "skipped", "skipped by hand; by dora"),
        ("steps-that-wait-for-slots", "c", "for its slots"),
        ("loop-between-two-rounds", "poll", "round 0; for its next round (due in "),
        ("join-of-some-that-gives-up-the-rest", "slow", "not needed any more"),
        ("vars-and-kept-results", "kept", '{"price":12} (kept from before)'),
    ],
)
def test_a_row_says_what_the_step_waits_for_and_how_it_ended(name: str, row: str, words: str) -> None:
    assert words in told(SCENARIOS[name]())[row]


def test_a_step_with_nothing_to_follow_names_the_failure_behind_that() -> None:
    run = Recorder(
        definition(
            step("check", onFailure=["sorry"], onSuccess=["charge"], critical=False),
            step("charge"),
            step("sorry"),
            step("ship", "charge"),
        )
    )
    run.fail("check")
    assert told(run)["charge"] == "branch not taken: check failed"
    assert told(run)["ship"] == "nothing to follow: check failed"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rerun-with-copies", "rerun of   exec-before, from step load"),
        ("child-awaited-by-a-child", "parent     exec-above, step sub"),
        ("start-that-is-awaited", "begins     2027-01-15"),
        ("cancelled-by-a-person", "cancelled  ada: wrong order"),
        ("compensation-that-stops-half-way", "undone     not all that had succeeded"),
        ("handlers-under-way", "status     running (handlers)"),
    ],
)
def test_what_only_some_executions_have_stands_above_their_steps(name: str, words: str) -> None:
    assert words in shown(SCENARIOS[name]())


def test_the_attempts_of_a_loop_say_no_more_than_its_rounds_and_are_left_out() -> None:
    run = SCENARIOS["loop-with-pauses-between-rounds"]()
    assert run.state.step("poll").attempts == 2
    [row] = [line for line in shown(run).splitlines() if line.startswith("poll")]
    assert row.split()[:3] == ["poll", "success", "5.04"]
