"""Which instants a schedule means. Cron lines speak of wall clocks, which skip some times and show others twice.

cronsim says which wall-clock times a line matches; what clock changes make of them is decided here, as Debian's cron
does and the same for every line: a line that names its hours and minutes runs once for each, a skipped one as soon as
the clocks have jumped; one with `*` in hour or minute follows real time. (cronsim's own treatment leaves out times in
zones whose clocks move by half an hour, and treats lines with seconds differently.)
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

from tenuto.wire.schedules import ScheduleSpec, fields_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_LARGEST_FOLD = timedelta(hours=4)
"""No clock has been set back by more than three hours since 1970."""


LAST = 221_845_392_000_000
"""No schedule has times after the year 8999: dates of the standard library end soon after."""


class Fire(NamedTuple):
    """A time of a schedule, and the instant its execution starts: later by the jitter."""

    at: int
    due_at: int


def fire_times(spec: ScheduleSpec, after: int) -> Iterator[int]:
    """The times of a schedule later than `after`, in order, each once. Cron lines that match nothing within fifty years
    have no more."""
    if spec.start_at is not None:
        after = max(after, spec.start_at - 1)
    if spec.interval is not None:
        return _until(spec.end_at, _interval_times(spec.interval, spec.anchor, after))
    zone = ZoneInfo(spec.timezone)
    merged = heapq.merge(*(_line_times(fields_of(line), zone, after) for line in spec.cron))
    return _until(spec.end_at, _distinct(merged, after))


def fires(spec: ScheduleSpec, after: int) -> Iterator[Fire]:
    """The times later than `after` with their jitter, which is the same whenever it is asked for and never brings a
    fire past the next one."""
    times = fire_times(spec, after)
    if not spec.jitter:
        yield from (Fire(at, at) for at in times)
        return
    at = next(times, None)
    while at is not None:
        following = next(times, None)
        most = spec.jitter if following is None else min(spec.jitter, following - at - 1)
        yield Fire(at, at + _noise(spec.id, at) % (most + 1))
        at = following


def first_times(spec: ScheduleSpec, after: int, count: int) -> list[Fire]:
    """The next `count` of them."""
    return list(islice(fires(spec, after), count))


def local_text(at: int, zone_name: str) -> str:
    """An instant as ISO 8601 on the wall clock of a zone, with its offset."""
    return (
        _at(at).astimezone(ZoneInfo(zone_name)).isoformat(timespec="milliseconds" if at % 1000 else "seconds")
    )


def instant_name(at: int) -> str:
    """An instant in UTC as part of an id: `20261123T175004Z`, with milliseconds where there are any."""
    text = _at(at).strftime("%Y%m%dT%H%M%S")
    return f"{text}.{at % 1000:03}Z" if at % 1000 else f"{text}Z"


def iso_text(at: int) -> str:
    """An instant in UTC as ISO 8601: `2026-11-23T17:50:04Z`, with milliseconds where there are any."""
    return local_text(at, "UTC").replace("+00:00", "Z")


def _at(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _noise(schedule_id: str, at: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{schedule_id}/{at}".encode()).digest()[:8])


def _until(end_at: int | None, times: Iterator[int]) -> Iterator[int]:
    last = LAST if end_at is None else end_at
    for at in times:
        if at >= last:
            return
        yield at


def _distinct(times: Iterator[int], after: int) -> Iterator[int]:
    for at in times:
        if at > after:
            yield at
            after = at


def _interval_times(interval: int, anchor: int, after: int) -> Iterator[int]:
    at = anchor + ((after - anchor) // interval + 1) * interval
    while True:
        yield at
        at += interval


def _line_times(line: str, zone: ZoneInfo, after: int) -> Iterator[int]:
    """The instants of one line from about `after` on, in order, perhaps some of before and some twice."""
    names_times = not any(part.startswith("*") for part in line.split()[-5:-3])
    repeated: deque[int] = deque()
    for wall in CronSim(line, _first_wall(after, zone)):
        first, second = wall.replace(tzinfo=zone), wall.replace(tzinfo=zone, fold=1)
        change = _offset(second) - _offset(first)
        if change > timedelta(0) and not names_times:
            continue  # the clocks never show this
        at = _ms(first.astimezone(UTC) if change <= timedelta(0) else _jump(second, first))
        while repeated and repeated[0] < at:
            yield repeated.popleft()
        yield at
        if change < timedelta(0) and not names_times:
            repeated.append(_ms(second.astimezone(UTC)))
    yield from repeated


def _first_wall(after: int, zone: ZoneInfo) -> datetime:
    """Where to begin on the wall clock. Shortly before clocks are set back, so much earlier: those times come again."""
    at = _at(after).astimezone(zone)
    fold = _offset(at) - _offset((_at(after) + _LARGEST_FOLD).astimezone(zone))
    if fold > timedelta(0) and _offset((_at(after) + fold).astimezone(zone)) < _offset(at):
        at -= fold + _SECOND
    return at.replace(tzinfo=None, fold=0)


def _jump(early: datetime, late: datetime) -> datetime:
    """The instant at which clocks skipped a wall-clock time, between the two readings of that time."""
    low, high = early.astimezone(UTC), late.astimezone(UTC)
    after = _offset(high.astimezone(late.tzinfo))
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        if _offset(middle.astimezone(late.tzinfo)) == after:
            high = middle
        else:
            low = middle
    return high


def _offset(at: datetime) -> timedelta:
    offset = at.utcoffset()
    assert offset is not None, "a zone gives every time an offset"
    return offset
