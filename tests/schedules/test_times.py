"""Which instants a schedule means, above all on days on which clocks are changed. The wall clocks stand in the expected
values with their offsets, as a clock on the wall of each place showed them."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.runtime.schedules.times import fire_times, first_times, instant_name, iso_text, local_text
from tenuto.wire.schedules import ScheduleSpec
from tests.schedules.lab import DAY, HOUR, MINUTE, instant

NEW_YORK, BERLIN, LONDON = "America/New_York", "Europe/Berlin", "Europe/London"
LORD_HOWE, APIA = "Australia/Lord_Howe", "Pacific/Apia"


def times(cron: str | list[str], zone: str, since: str, count: int) -> list[str]:
    """The first times from `since` on, on the clocks of the zone."""
    lines = (cron,) if isinstance(cron, str) else tuple(cron)
    spec = ScheduleSpec(id="s", workflow_id="w", cron=lines, timezone=zone)
    return [local_text(at, zone) for at in islice(fire_times(spec, instant(since) - 1), count)]


@pytest.mark.parametrize(
    ("cron", "zone", "since", "expected"),
    [
        ("30 2 * * *", NEW_YORK, "2026-03-07T02:30-05:00",
         ["2026-03-07T02:30:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]),
        ("30 2 * * *", BERLIN, "2026-03-29T00:00+01:00", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("30 1 * * *", LONDON, "2026-03-29T00:00+00:00", ["2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-04T00:00+10:30", ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]),
        ("45 2 * * *", LORD_HOWE, "2026-10-04T00:00+10:30", ["2026-10-04T02:45:00+11:00", "2026-10-05T02:45:00+11:00"]),
    ],
)  # fmt: skip
def test_a_named_time_that_clocks_skip_comes_as_soon_as_they_have_jumped(
    cron: str, zone: str, since: str, expected: list[str]
) -> None:
    assert times(cron, zone, since, len(expected)) == expected


def test_several_named_times_in_the_skipped_hour_come_once() -> None:
    assert times("0,20,40 2 * * *", NEW_YORK, "2026-03-08T00:00-05:00", 2) == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:00:00-04:00",
    ]


def test_a_skipped_time_and_one_right_after_the_jump_are_one() -> None:
    assert times("0 2,3 * * *", NEW_YORK, "2026-03-08T00:00-05:00", 2) == [
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:00:00-04:00",
    ]


@pytest.mark.parametrize(
    ("cron", "zone", "since", "expected"),
    [
        ("30 1 * * *", NEW_YORK, "2026-11-01T00:00-04:00", ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]),
        ("30 2 * * *", BERLIN, "2026-10-25T00:00+02:00", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
        ("30 1 * * *", LONDON, "2026-10-25T00:00+01:00", ["2026-10-25T01:30:00+01:00", "2026-10-26T01:30:00+00:00"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-05T00:00+11:00", ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]),
        ("15 1 * * *", LORD_HOWE, "2026-04-05T00:00+11:00", ["2026-04-05T01:15:00+11:00", "2026-04-06T01:15:00+10:30"]),
    ],
)  # fmt: skip
def test_a_named_time_that_clocks_show_twice_comes_the_first_time(
    cron: str, zone: str, since: str, expected: list[str]
) -> None:
    assert times(cron, zone, since, len(expected)) == expected


def test_asked_between_the_two_a_named_time_that_has_been_does_not_come_again() -> None:
    assert times("30 1 * * *", NEW_YORK, "2026-11-01T01:10-05:00", 1) == ["2026-11-02T01:30:00-05:00"]


def test_every_hour_goes_by_real_time_when_clocks_are_set_back() -> None:
    assert times("30 * * * *", NEW_YORK, "2026-11-01T00:00-04:00", 4) == [
        "2026-11-01T00:30:00-04:00",
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T01:30:00-05:00",
        "2026-11-01T02:30:00-05:00",
    ]


def test_every_hour_leaves_out_the_hour_that_clocks_skip() -> None:
    assert times("30 * * * *", BERLIN, "2026-03-29T01:00+01:00", 2) == [
        "2026-03-29T01:30:00+01:00",
        "2026-03-29T03:30:00+02:00",
    ]


@pytest.mark.parametrize(
    "since", ["2026-04-05T01:15+11:00", "2026-04-05T01:16+11:00", "2026-04-05T01:59+11:00"]
)
def test_half_an_hour_that_clocks_show_twice_counts_twice_for_every_quarter(since: str) -> None:
    found = times("*/15 * * * *", LORD_HOWE, since, 12)
    whole = [
        "2026-04-05T01:15:00+11:00",
        "2026-04-05T01:30:00+11:00",
        "2026-04-05T01:45:00+11:00",
        "2026-04-05T01:30:00+10:30",
        "2026-04-05T01:45:00+10:30",
        "2026-04-05T02:00:00+10:30",
        "2026-04-05T02:15:00+10:30",
    ]
    expected = [at for at in whole if instant(at) >= instant(since)]
    assert found[: len(expected)] == expected


def test_every_second_hour_keeps_to_the_wall_clock_where_clocks_move_by_half_an_hour() -> None:
    assert times("0 */2 * * *", LORD_HOWE, "2026-04-04T23:00+11:00", 3) == [
        "2026-04-05T00:00:00+11:00",
        "2026-04-05T02:00:00+10:30",
        "2026-04-05T04:00:00+10:30",
    ]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 9 * * *", ["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"]),
        ("0 9 * * FRI", ["2011-12-31T00:00:00+14:00", "2012-01-06T09:00:00+14:00"]),
        ("0 9 30 12 *", ["2011-12-31T00:00:00+14:00", "2012-12-30T09:00:00+14:00"]),
        ("0 */12 * * *", ["2011-12-29T00:00:00-10:00", "2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00"]),
    ],
)  # fmt: skip
def test_the_day_that_samoa_skipped(cron: str, expected: list[str]) -> None:
    assert times(cron, APIA, "2011-12-29T00:00-10:00", len(expected)) == expected


@pytest.mark.parametrize("cron", ["30 2 * * *", "30 1 * * *", "*/20 * * * *", "0 */3 * * *"])
@pytest.mark.parametrize("day", ["2026-03-08T00:00-05:00", "2026-11-01T00:00-04:00"])
def test_a_line_with_seconds_means_the_same_as_without(cron: str, day: str) -> None:
    assert times(f"0 {cron}", NEW_YORK, day, 30) == times(cron, NEW_YORK, day, 30)


def test_times_of_several_lines_come_in_order_and_each_once() -> None:
    assert times(["0 9 * * MON-FRI", "0 9,17 * * *"], "UTC", "2026-06-05T00:00+00:00", 4) == [
        "2026-06-05T09:00:00+00:00",
        "2026-06-05T17:00:00+00:00",
        "2026-06-06T09:00:00+00:00",
        "2026-06-06T17:00:00+00:00",
    ]


def test_nicknames_and_last_days_are_known() -> None:
    assert times("@monthly", "UTC", "2026-06-05T00:00+00:00", 1) == ["2026-07-01T00:00:00+00:00"]
    assert times("0 0 L 2 *", "UTC", "2028-01-01T00:00+00:00", 1) == ["2028-02-29T00:00:00+00:00"]


def test_an_interval_is_counted_from_its_anchor() -> None:
    anchor = instant("2026-06-01T08:00+00:00")
    spec = ScheduleSpec(id="s", workflow_id="w", interval=36 * HOUR, anchor=anchor)
    assert list(islice(fire_times(spec, anchor - 1), 2)) == [anchor, anchor + 36 * HOUR]
    assert next(fire_times(spec, anchor - 40 * HOUR)) == anchor - 36 * HOUR


def test_times_lie_from_start_at_to_before_end_at() -> None:
    start = instant("2026-06-01T00:00+00:00")
    spec = ScheduleSpec(
        id="s", workflow_id="w", cron=("0 * * * *",), start_at=start + HOUR, end_at=start + 4 * HOUR
    )
    assert list(fire_times(spec, 0)) == [start + HOUR, start + 2 * HOUR, start + 3 * HOUR]


def test_a_line_that_never_comes_has_no_times() -> None:
    assert (
        times("0 0 31 2-2 MON#5", "UTC", "2026-06-05T00:00+00:00", 1) != []
    )  # one of the two days is enough
    assert times("0 0 29 2 *", "UTC", "2097-01-01T00:00+00:00", 1) == ["2104-02-29T00:00:00+00:00"]


@pytest.mark.parametrize(
    "fields", [{"interval": 300_000_000_000}, {"cron": ("0 0 29 2 *",)}, {"cron": ("0 0 */29 2 SUN",)}]
)
def test_times_end_before_the_calendar_does(fields: dict[str, Any]) -> None:
    found = first_times(ScheduleSpec(id="s", workflow_id="w", **fields), 10**14, 10_000)
    assert local_text(found[-1].at, "UTC")[:2] == "89"


def test_jitter_is_the_same_each_time_and_stays_before_the_next_time() -> None:
    start = instant("2026-06-01T00:00+00:00")
    spec = ScheduleSpec(id="s", workflow_id="w", interval=MINUTE, jitter=HOUR)
    found = first_times(spec, start, 200)
    assert found == first_times(spec, start, 200)
    assert all(0 <= fire.due_at - fire.at < MINUTE for fire in found)
    assert len({fire.due_at - fire.at for fire in found}) > 100
    other = ScheduleSpec(id="t", workflow_id="w", interval=MINUTE, jitter=HOUR)
    assert first_times(other, start, 200) != found


def test_an_instant_has_a_name_that_sorts_and_fits_into_an_id() -> None:
    assert instant_name(instant("2026-11-23T17:50:04+00:00")) == "20261123T175004Z"
    assert instant_name(instant("2026-11-23T17:50:04+00:00") + 7) == "20261123T175004.007Z"
    assert iso_text(instant("2026-11-23T17:50:04+00:00")) == "2026-11-23T17:50:04Z"


zones = st.sampled_from(
    [NEW_YORK, BERLIN, LONDON, LORD_HOWE, "Africa/Casablanca", "Antarctica/Troll", "Asia/Tehran"]
)
lines = st.sampled_from(
    [
        "30 2 * * *",
        "*/15 * * * *",
        "0 */2 * * *",
        "5,35 1-3 * * *",
        "0 * * * SUN",
        "*/30 1 * * *",
        "10 0,2 * * *",
    ]
)
instants = st.integers(instant("2009-01-01T00:00+00:00"), instant("2030-01-01T00:00+00:00"))


@given(lines, zones, instants)
def test_asking_time_by_time_gives_what_asking_at_once_gives(line: str, zone: str, since: int) -> None:
    spec = ScheduleSpec(id="s", workflow_id="w", cron=(line,), timezone=zone)
    at_once = list(islice(fire_times(spec, since), 20))
    after, one_by_one = since, []
    for _ in at_once:
        after = next(fire_times(spec, after))
        one_by_one.append(after)
    assert one_by_one == at_once
    assert at_once == sorted(set(at_once))
    assert at_once[0] > since


@given(zones, instants)
def test_every_minute_is_every_minute_whatever_clocks_do(zone: str, since: int) -> None:
    spec = ScheduleSpec(id="s", workflow_id="w", cron=("* * * * *",), timezone=zone)
    found = list(islice(fire_times(spec, since), 300))
    assert {later - at for at, later in pairwise(found)} == {MINUTE}
    assert found[0] - since <= MINUTE


@given(zones, instants)
def test_a_named_time_comes_once_for_each_day(zone: str, since: int) -> None:
    spec = ScheduleSpec(id="s", workflow_id="w", cron=("30 2 * * *",), timezone=zone)
    found = list(islice(fire_times(spec, since), 400))
    days = [local_text(at, zone)[:10] for at in found]
    assert len(days) == len(set(days))
    assert found[-1] - found[0] < 400 * DAY
