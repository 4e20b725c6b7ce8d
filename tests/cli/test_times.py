from __future__ import annotations

import pytest

from tenuto.cli.times import age, duration, parse_duration

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (999, "999 ms"),
        (1250, "1.25 s"),
        (59_940, "59.9 s"),
        (3 * MINUTE + 20 * SECOND, "3 m 20 s"),
        (59 * MINUTE + 59_900, "1 h 0 m"),
        (2 * HOUR + 5 * MINUTE, "2 h 5 m"),
        (4 * DAY + HOUR, "4 d 1 h"),
    ],
)
def test_durations_are_shown_in_two_units_at_most(ms: int | None, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("1.5m", 90_000),
        ("2h", 2 * HOUR),
        ("1h30m", 90 * MINUTE),
        ("1d 2h", DAY + 2 * HOUR),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "30", "s", "-5s", "5 apples", "1e3s", "5ss"])
def test_anything_else_is_no_duration_and_the_error_shows_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="30s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ago_ms", "text"),
    [
        (0, "just now"),
        (-50, "just now"),
        (42_000, "42 s ago"),
        (61 * MINUTE, "1 h ago"),
        (3 * DAY, "3 d ago"),
    ],
)
def test_ages_are_rough(ago_ms: int, text: str) -> None:
    now = 10 * DAY
    assert age(now - ago_ms, now) == text


def test_long_ago_is_a_date() -> None:
    assert age(0, 20 * DAY).startswith(("1969-12-31", "1970-01-01"))
