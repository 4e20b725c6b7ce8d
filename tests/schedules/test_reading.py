from __future__ import annotations

from typing import Any

import pytest

from tenuto.errors import Invalid
from tenuto.wire.schedules import YEAR_MS, read_backfill, read_note, read_schedule, read_trigger

GOOD = {"id": "s", "workflowId": "w", "cron": "0 9 * * *"}


def problems(document: Any, schedule_id: str | None = None) -> dict[str, str]:
    """Paths and codes of all that is wrong."""
    with pytest.raises(Invalid) as refused:
        read_schedule(document, schedule_id)
    return {problem.path: problem.code for problem in refused.value.problems}


def message(document: Any) -> str:
    with pytest.raises(Invalid) as refused:
        read_schedule(document)
    return str(refused.value)


def test_a_short_schedule_gets_the_defaults() -> None:
    spec = read_schedule(GOOD).spec
    assert (spec.timezone, spec.overlap, spec.catch_up_window, spec.jitter) == ("UTC", "skip", YEAR_MS, 0)
    assert spec.cron == ("0 9 * * *",)


def test_every_problem_is_told_at_once_whether_of_shape_or_of_sense() -> None:
    assert problems(
        {
            "cron": ["0 99 * * *", "0 9 * *", "? 9 * * *", "0 9 * * *"],
            "interval": 5,
            "offset": 7,
            "anchor": 0,
            "timezone": "Europe/Berln",
            "tags": {"scheduleId": "x", "team": 7},
            "overlap": "skipp",
            "startAt": 5,
            "endAt": 4,
            "nope": 1,
        }
    ) == {
        "id": "required",
        "workflowId": "required",
        "cron[0]": "cron",
        "cron[1]": "cron",
        "cron[2]": "cron",
        "interval": "range",
        "offset": "range",
        "anchor": "conflict",
        "timezone": "unknown_zone",
        "tags.scheduleId": "reserved",
        "tags.team": "type",
        "overlap": "choice",
        "endAt": "order",
        "nope": "unknown_field",
    }


@pytest.mark.parametrize("document", [None, [], "x", 7, {}, {"id": "s", "workflowId": "w"}])
def test_something_else_is_refused(document: Any) -> None:
    assert problems(document)


def test_an_interval_has_no_zone_and_a_cron_line_no_offset() -> None:
    assert problems({"id": "s", "workflowId": "w", "interval": 60000, "timezone": "UTC"}) == {
        "timezone": "conflict"
    }
    assert problems({**GOOD, "offset": 1000}) == {"offset": "conflict"}
    assert problems({**GOOD, "interval": 60000}) == {"interval": "conflict"}


def test_the_id_of_the_path_is_the_id() -> None:
    assert read_schedule({"workflowId": "w", "interval": 1000}, "s").spec.id == "s"
    assert problems(GOOD, "t") == {"id": "conflict"}
    assert problems({"workflowId": "w", "interval": 1000}, "s" * 81) == {"id": "too_long"}
    assert problems({**GOOD, "id": "s" * 81}) == {"id": "format"}


def test_a_version_is_named_in_one_place() -> None:
    assert read_schedule({**GOOD, "workflowId": "w@3"}).spec.version == 3
    assert problems({**GOOD, "workflowId": "w@3", "version": 2}) == {"version": "conflict"}


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("@every 5m", "interval"),
        ("@dayly", "@daily"),
        ("CRON_TZ=UTC 0 9 * * *", "timezone"),
        ("0 0 9 * * * 2026", "got 7"),
        ("0 9 ? * MON", "write `*`"),
        ("0 9 * * FUNDAY", 'day of week "FUNDAY"'),
        ("0 0 30 2 *", "day of month"),
        ("1-0 9 * * *", "minute"),
        ("0 9 *\n* *", ""),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_with_what_to_do(line: str, hint: str) -> None:
    if hint:
        assert hint in message({**GOOD, "cron": line})
    else:
        assert read_schedule({**GOOD, "cron": line}).spec.cron == ("0 9 * * *",)


@pytest.mark.parametrize("zone", ["", "../../etc/passwd", "Europe", "localtime", "UTC+2", "\0", "x" * 100])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    assert problems({**GOOD, "timezone": zone}) == {"timezone": "unknown_zone"}


def test_an_offset_and_an_anchor_are_two_ways_to_say_one_thing() -> None:
    fields = {"id": "s", "workflowId": "w", "interval": 3_600_000}
    assert (
        read_schedule({**fields, "offset": 300_000}).spec == read_schedule({**fields, "anchor": 300_000}).spec
    )


def test_a_backfill_has_a_range_that_goes_forward() -> None:
    body = read_backfill({"from": 1, "until": 2})
    assert (body.since, body.until, body.concurrency, body.dry_run) == (1, 2, 1, False)
    with pytest.raises(Invalid) as refused:
        read_backfill({"from": 2, "until": 2})
    assert [problem.path for problem in refused.value.problems] == ["until"]
    with pytest.raises(Invalid) as refused:
        read_backfill({"since": 2, "until": "x", "concurrency": 0})
    assert {problem.path for problem in refused.value.problems} == {"from", "since", "until", "concurrency"}


def test_a_note_and_a_trigger_may_be_empty() -> None:
    assert read_note(None).by is None
    assert read_note({"note": "holidays", "by": "ann"}).note == "holidays"
    assert read_trigger({}) == read_trigger(None)
    with pytest.raises(Invalid):
        read_note({"reason": "holidays"})
