from __future__ import annotations

from typing import Any

from rich.console import Console

from tenuto.cli.live import choose, draw, line
from tenuto.cli.progress import Progress, Row


def progress(*events: tuple[int, dict[str, Any]]) -> Progress:
    made = Progress("e1", "Order Flow", [("a", "First"), ("b", ""), ("c", "")])
    for at, event in events:
        made.fold(at, event)
    return made


STARTED = (1000, {"type": "execution.started", "workflowId": "w"})
A_RUNS = (1010, {"type": "step.started", "step": "a", "attempt": 1})
BUSY = {"type": "http.503", "message": "busy"}


def test_before_any_fact_every_step_is_pending() -> None:
    assert {row.status for row in progress().rows.values()} == {"pending"}


def test_a_step_is_timed_from_its_first_attempt_to_its_end() -> None:
    told = progress(
        STARTED,
        A_RUNS,
        (1020, {"type": "attempt.failed", "step": "a", "attempt": 1, "error": BUSY, "retryAt": 1500}),
        (1500, {"type": "step.started", "step": "a", "attempt": 2}),
        (1600, {"type": "step.succeeded", "step": "a", "attempt": 2}),
    )
    row = told.rows["a"]
    assert (row.status, row.attempt, row.took(9999), row.note) == ("success", 2, 590, "")


def test_a_retrying_step_says_what_went_wrong() -> None:
    told = progress(
        STARTED, A_RUNS, (1020, {"type": "attempt.failed", "step": "a", "error": BUSY, "retryAt": 1500})
    )
    assert (told.rows["a"].status, told.rows["a"].note) == ("retrying", "http.503: busy")


def test_a_running_step_is_timed_to_now() -> None:
    assert progress(STARTED, A_RUNS).rows["a"].took(1510) == 500


def test_a_skipped_step_says_why_and_because_of_whom() -> None:
    told = progress(
        STARTED, (1020, {"type": "step.skipped", "step": "b", "reason": "upstream_failed", "cause": "a"})
    )
    assert told.rows["b"].note == "a step before it failed (a)"


def test_a_failed_execution_keeps_its_error_although_the_fact_names_a_step() -> None:
    told = progress(STARTED, (1500, {"type": "execution.failed", "step": "a", "error": BUSY}))
    assert (told.status, told.error, told.took(9999), told.rows["a"].status) == (
        "failed",
        "http.503: busy",
        500,
        "pending",
    )


def test_a_retried_execution_runs_again_and_so_do_its_steps() -> None:
    told = progress(
        STARTED,
        A_RUNS,
        (1400, {"type": "step.failed", "step": "a", "attempt": 1, "error": BUSY}),
        (1500, {"type": "execution.failed", "step": "a", "error": BUSY}),
        (2000, {"type": "execution.retried", "steps": ["a"]}),
    )
    assert (told.status, told.error, told.rows["a"].status, told.rows["a"].name) == (
        "running",
        "",
        "pending",
        "First",
    )


def test_a_fact_newer_than_this_program_changes_nothing() -> None:
    told = progress(STARTED, A_RUNS, (1100, {"type": "step.pondered", "step": "a"}))
    assert told.rows["a"].status == "running"


def test_a_line_shows_the_time_since_the_start_the_step_and_how_it_stands() -> None:
    told = progress(STARTED, A_RUNS)
    event = {"type": "step.succeeded", "step": "a", "attempt": 1}
    row = told.fold(1234, event)
    assert line(told, event, row).split() == ["0.234s", "✓", "a", "success", "224", "ms"]


def test_lines_hold_no_escape_sequences_from_outside() -> None:
    told = progress(STARTED, A_RUNS)
    event = {
        "type": "step.failed",
        "step": "a",
        "error": {"type": "http.500", "message": "\x1b[31mred\nline"},
    }
    shown = line(told, event, told.fold(1234, event))
    assert "\x1b" not in shown
    assert shown.count("\n") == 1


def rows(count: int, **status: int) -> list[Row]:
    made = [Row(f"s{number}") for number in range(count)]
    for name, number in status.items():
        made[number].status = name
    return made


def test_all_rows_are_shown_where_there_is_room() -> None:
    assert len(choose(rows(5), 5)) == 5


def test_with_little_room_what_failed_and_what_moves_is_shown_in_its_order() -> None:
    assert [row.step for row in choose(rows(100, failed=90, running=50, retrying=70), 3)] == [
        "s50",
        "s70",
        "s90",
    ]


def test_with_room_left_what_ended_last_comes_before_what_is_to_come() -> None:
    many = rows(100, running=50)
    for number in (1, 2, 3):
        many[number].status, many[number].ended = "success", 1000 + number
    assert [row.step for row in choose(many, 3)] == ["s2", "s3", "s50"]


def test_the_picture_fits_the_terminal_and_counts_what_it_leaves_out() -> None:
    told = Progress("e1", "Large", [(f"s{number}", "") for number in range(1000)])
    told.fold(*STARTED)
    told.fold(1010, {"type": "step.started", "step": "s500", "attempt": 1})
    console = Console(width=80, height=20)
    with console.capture() as captured:
        console.print(draw(told, 20))
    shown = captured.get()
    assert "s500" in shown
    assert "999 pending" in shown
    assert len(shown.splitlines()) < 20
