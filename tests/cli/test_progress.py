from __future__ import annotations

from typing import Any

import msgspec
import pytest
from rich.console import Console

from tenuto.cli.anatomy import Anatomy, Item
from tenuto.cli.live import choose, draw, line
from tenuto.cli.progress import Progress, Row
from tests.journal import golden


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


NESTED = {
    "steps": [
        {"id": "first"},
        {
            "id": "orders",
            "type": "map",
            "steps": [{"id": "fetch"}, {"id": "pack", "dependencies": ["fetch"]}],
        },
        {
            "id": "fan",
            "type": "parallel",
            "steps": [{"id": "left"}, {"id": "poll", "type": "loop", "action": "noop"}],
        },
        {"id": "outer", "type": "map", "steps": [{"id": "inner", "type": "map", "action": "noop"}]},
    ],
    "handlers": {"failure": [{"id": "alert"}]},
}


def nested() -> Progress:
    made = Progress("e1", "Shop", [("orders", ""), ("fan", ""), ("left", ""), ("poll", "")], Anatomy(NESTED))
    made.fold(1000, {"type": "execution.started"})
    made.fold(1000, {"type": "step.started", "step": "orders", "attempt": 1})
    made.fold(1010, {"type": "map.expanded", "step": "orders", "attempt": 1, "items": [1, 2, 3]})
    made.fold(1010, {"type": "bodies.started", "step": "orders", "count": 3})
    for number in range(3):
        made.fold(1010, {"type": "step.started", "step": f"fetch[{number}]", "attempt": 1})
    return made


@pytest.mark.parametrize(
    ("instance", "item"),
    [
        ("first", None),
        ("fetch[3]", Item("orders", 3)),
        ("left", None),
        ("poll", None),
        ("poll[2]", Item("poll", 2)),
        ("inner[1]", Item("outer", 1)),
        ("inner[1][7]", Item("inner[1]", 7)),
        ("unheard-of[4]", Item("unheard-of", 4)),
    ],
)
def test_an_instance_id_says_which_item_or_round_the_step_is_part_of(
    instance: str, item: Item | None
) -> None:
    assert Anatomy(NESTED).item(instance) == item


def test_a_map_counts_its_items_as_all_steps_of_them_end() -> None:
    told = nested()
    told.fold(1020, {"type": "step.succeeded", "step": "fetch[0]", "attempt": 1})
    assert told.rows["orders"].told() == "0 of 3 items"
    told.fold(1020, {"type": "step.started", "step": "pack[0]", "attempt": 1})
    told.fold(1030, {"type": "step.succeeded", "step": "pack[0]", "attempt": 1})
    told.fold(1030, {"type": "step.failed", "step": "fetch[1]", "error": BUSY})
    told.fold(
        1030, {"type": "step.skipped", "step": "pack[1]", "reason": "upstream_failed", "cause": "fetch[1]"}
    )
    assert told.rows["orders"].told() == "2 of 3 items, 1 failed"


def test_only_items_under_way_have_rows() -> None:
    told = nested()
    assert list(told.live["orders"]) == ["fetch[0]", "fetch[1]", "fetch[2]"]
    told.fold(1020, {"type": "step.succeeded", "step": "fetch[0]", "attempt": 1})
    assert list(told.live["orders"]) == ["fetch[1]", "fetch[2]"]
    told.fold(1030, {"type": "step.failed", "step": "orders", "attempt": 1, "error": BUSY})
    assert told.live == {}
    assert list(told.rows) == ["orders", "fan", "left", "poll"]


def test_what_is_inside_stands_below_its_container_and_items_held_up_come_first() -> None:
    told = nested()
    told.fold(
        1015, {"type": "attempt.failed", "step": "fetch[2]", "attempt": 1, "error": BUSY, "retryAt": 9000}
    )
    console = Console(width=100, height=40)
    with console.capture() as captured:
        console.print(draw(told, 40))
    names = [line[6:] for line in captured.get().splitlines()[1:]]
    assert [name.split()[0] for name in names] == [
        "orders",
        "fetch[2]",
        "fetch[0]",
        "fetch[1]",
        "fan",
        "left",
        "poll",
    ]
    assert [len(name) - len(name.lstrip()) for name in names] == [1, 5, 5, 5, 1, 3, 3]


def test_a_container_that_is_skipped_leaves_nothing_pending_in_it() -> None:
    told = nested()
    told.fold(1020, {"type": "step.skipped", "step": "fan", "reason": "condition_false"})
    assert {told.rows[step].status for step in ("fan", "left", "poll")} == {"skipped"}


def test_a_loop_says_in_which_round_it_is_while_it_is_under_way() -> None:
    told = nested()
    told.fold(1020, {"type": "bodies.started", "step": "poll"})
    told.fold(1030, {"type": "loop.judged", "step": "poll", "attempt": 1, "nextAt": 2000})
    assert (told.rows["poll"].status, told.rows["poll"].told()) == ("waiting", "for its next round")
    told.fold(2000, {"type": "bodies.started", "step": "poll", "first": 1})
    assert (told.rows["poll"].status, told.rows["poll"].told()) == ("running", "round 1")


@pytest.mark.parametrize(
    ("event", "status", "note"),
    [
        ({"type": "step.queued"}, "queued", "for its slots"),
        ({"type": "step.waiting", "waitingFor": "signal:paid"}, "waiting", "for the signal paid"),
        ({"type": "step.waiting", "waitingFor": "child:e1.a.0"}, "waiting", "for execution e1.a.0"),
        ({"type": "step.parked", "error": BUSY}, "waiting", "for a person, after http.503: busy"),
        ({"type": "step.retried", "by": "ada"}, "retrying", "tried again by ada"),
        ({"type": "attempt.interrupted"}, "retrying", "interrupted; will be tried again"),
        ({"type": "step.succeeded", "cached": True}, "success", "kept from before"),
        ({"type": "step.succeeded", "by": "ada"}, "success", "by ada"),
        ({"type": "step.skipped", "reason": "manual_skip", "by": "ada"}, "skipped", "skipped by hand by ada"),
        ({"type": "step.cancelled", "reason": "not_needed"}, "cancelled", "not needed any more"),
        ({"type": "step.copied", "status": "failed"}, "failed", "as in the execution before"),
    ],
)
def test_a_fact_about_a_step_says_how_it_stands_and_why(
    event: dict[str, Any], status: str, note: str
) -> None:
    told = progress(STARTED, A_RUNS, (1020, {"step": "a", **event}))
    assert (told.rows["a"].status, told.rows["a"].note) == (status, note)


@pytest.mark.parametrize("name", golden.names())
def test_every_journal_there_is_leads_to_what_the_document_shows(name: str) -> None:
    recording = golden.load(name)
    shown = recording.document
    told = Progress(
        "e", "w", [(step["id"], "") for step in recording.definition["steps"]], Anatomy(recording.definition)
    )
    for record in recording.records:
        _, at, events = msgspec.json.decode(record)
        for event in events:
            told.fold(at, event)
    results = {step: result for step, result in shown["stepResults"].items() if "[" not in step}
    assert {step: told.rows[step].status for step in results} == {
        step: result["status"] for step, result in results.items()
    }
    assert (told.status, told.is_final) == (shown["status"], "endTime" in shown)
    counted = {step: result["items"] for step, result in results.items() if "items" in result}
    if name != "large-data-apart":  # its items are not in the record itself
        assert {step: (told.rows[step].total, told.rows[step].done) for step in counted} == {
            step: (items["total"], items["succeeded"] + items["failed"]) for step, items in counted.items()
        }
    live = {step for step, result in shown["stepResults"].items() if "[" in step}
    assert {step for rows in told.live.values() for step in rows} == live


def test_facts_of_the_execution_are_told_in_words() -> None:
    told = progress(STARTED)

    def said(event: dict[str, Any]) -> str:
        return " ".join(line(told, event, told.fold(1000, event)).split()[2:])

    assert (
        said({"type": "execution.handlers-started", "handlers": "failure"})
        == "Order Flow runs its failure handlers"
    )
    assert said({"type": "signal.received", "name": "paid", "number": 1}) == "Order Flow got the signal paid"
    assert said({"type": "execution.queued"}) == "Order Flow waits for its slots"
    assert said({"type": "execution.output-requested"}) == ""
