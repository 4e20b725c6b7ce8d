"""Schedules as they arrive: from any JSON data to a checked specification, or to every problem at once.

Cron lines and time zones are read here only to be refused early; which instants they mean is for who keeps schedules.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from cronsim import CronSim, CronSimError
from msgspec import UNSET, Meta, Struct, UnsetType, field

from tenuto.core.definition import ID_PATTERN, TEN_YEARS_MS, Id, expects
from tenuto.core.path import quoted
from tenuto.core.suggest import did_you_mean
from tenuto.errors import Invalid, Problem
from tenuto.wire.requests import Body, Text, WorkflowName
from tenuto.wire.schema import Checker

Overlap = Literal["skip", "bufferOne", "bufferAll", "cancelOther", "terminateOther", "allowAll"]

YEAR_MS = 31_536_000_000
SHORTEST_INTERVAL_MS = 1_000
LATEST = 10**14
"""The last instant that a schedule may name: some time in the year 5138."""
MOST_LINES = 100
MOST_CONCURRENT = 1_000
LONGEST_ID = 80
"""Characters of a schedule's id: its executions are named after it and the fire time, in 128."""

TAG_ID, TAG_TIME, TAG_BACKFILL = "scheduleId", "scheduledFor", "backfillId"
RESERVED_TAGS = frozenset({TAG_ID, TAG_TIME, TAG_BACKFILL})

NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
FIELDS = ("second", "minute", "hour", "day of month", "month", "day of week")

ScheduleId = Annotated[
    str,
    Meta(
        pattern=ID_PATTERN.replace("127", str(LONGEST_ID - 1)),
        extra_json_schema=expects(f"1 to {LONGEST_ID} of A-Z a-z 0-9 . _ - with a letter or digit first"),
    ),
]
Instant = Annotated[int, Meta(ge=0, le=LATEST, description="milliseconds since the epoch")]
Line = Annotated[str, Meta(min_length=1, max_length=200)]
Span = Annotated[int, Meta(ge=0, le=TEN_YEARS_MS)]


class ScheduleBody(Body, frozen=True, kw_only=True):
    """What to start and when: `cron` (with `timezone`) or `interval`."""

    id: Annotated[ScheduleId, Meta(description="needed where the path does not name it")] | UnsetType = UNSET
    workflow_id: WorkflowName
    version: (
        Annotated[
            int, Meta(ge=1, le=999_999_999, description="the newest at the time of each fire if not given")
        ]
        | UnsetType
    ) = UNSET
    context: Annotated[dict[str, Any], Meta(description="start context of every execution")] = field(
        default_factory=dict
    )
    tags: Annotated[
        dict[Text, Text],
        Meta(max_length=90, description="of every execution; scheduleId and scheduledFor are added"),
    ] = field(default_factory=dict)
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    cron: (
        Annotated[
            Line | Annotated[list[Line], Meta(min_length=1, max_length=MOST_LINES)],
            Meta(
                description="one line or several: five fields, or six with seconds first; @daily and its like"
            ),
        ]
        | UnsetType
    ) = UNSET
    timezone: Annotated[str, Meta(max_length=100, description="IANA name")] = "UTC"
    interval: (
        Annotated[
            int,
            Meta(
                ge=SHORTEST_INTERVAL_MS, le=TEN_YEARS_MS, description="milliseconds from one time to the next"
            ),
        ]
        | UnsetType
    ) = UNSET
    offset: (
        Annotated[Span, Meta(description="of an interval's times from multiples of it since the epoch")]
        | UnsetType
    ) = UNSET
    anchor: (
        Annotated[Instant, Meta(description="an instant that the interval's times are counted from")]
        | UnsetType
    ) = UNSET
    start_at: Annotated[Instant, Meta(description="no times before")] | UnsetType = UNSET
    end_at: Annotated[Instant, Meta(description="no times from here on")] | UnsetType = UNSET
    jitter: Annotated[Span, Meta(description="each start is late by up to so many milliseconds")] = 0
    overlap: Annotated[Overlap, Meta(description="when the one before has not ended")] = "skip"
    catch_up_window: Annotated[
        Span, Meta(description="times missed by no more than so many milliseconds are made up")
    ] = YEAR_MS
    paused: Annotated[bool, Meta(description="left as it is if not given")] | UnsetType = UNSET
    note: Annotated[Text, Meta(description="left as it is if not given")] | UnsetType = UNSET


class ScheduleSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """A checked schedule, without defaults left open. Exactly one of `cron` and `interval` is set; the times of an
    interval are `anchor` + n × `interval`."""

    id: str
    workflow_id: str
    version: int | None = None
    context: dict[str, Any] = {}
    tags: dict[str, str] = {}
    priority: int = 0
    cron: tuple[str, ...] = ()
    timezone: str = "UTC"
    interval: int | None = None
    anchor: int = 0
    start_at: int | None = None
    end_at: int | None = None
    jitter: int = 0
    overlap: Overlap = "skip"
    catch_up_window: int = YEAR_MS


class Wish(Struct, frozen=True):
    """What a body asks for: the specification, and whether it pauses and notes; None leaves those as they are."""

    spec: ScheduleSpec
    paused: bool | None = None
    note: str | None = None


class NoteBody(Body, frozen=True, kw_only=True):
    """Who pauses or resumes, and why."""

    note: Text | UnsetType = UNSET
    by: Text | None = None


class TriggerBody(Body, frozen=True, kw_only=True):
    """An execution by hand. With an `executionId` of one's own the call can be repeated safely."""

    execution_id: Annotated[Id, Meta(description="an id of your own")] | UnsetType = UNSET


class BackfillBody(Body, frozen=True, kw_only=True):
    """A past range whose fire times are to be started, oldest first."""

    since: Annotated[Instant, Meta(description="first instant of the range (ms)")] = field(name="from")
    until: Annotated[Instant, Meta(description="end of the range (ms), itself not in it")]
    concurrency: Annotated[
        int, Meta(ge=1, le=MOST_CONCURRENT, description="executions of it under way at once")
    ] = 1
    dry_run: Annotated[bool, Meta(description="say which times these are, start nothing")] = False
    by: Text | None = None
    reason: Text | None = None


_SYNONYMS = {
    "schedule": "cron", "cronExpression": "cron", "schedules": "cron", "crons": "cron", "tz": "timezone",
    "timeZone": "timezone", "every": "interval", "workflow": "workflowId", "input": "context", "params": "context",
    "overlapPolicy": "overlap", "concurrencyPolicy": "overlap", "catchup": "catchUpWindow", "catchupWindow": "catchUpWindow",
    "suspend": "paused", "enabled": "paused", "from": "startAt", "until": "endAt", "startTime": "startAt",
    "endTime": "endAt", "phase": "offset",
}  # fmt: skip
_schedule = Checker(msgspec.json.schema(ScheduleBody), synonyms=_SYNONYMS)
_note = Checker(msgspec.json.schema(NoteBody), synonyms={"reason": "note", "why": "note", "user": "by"})
_trigger = Checker(msgspec.json.schema(TriggerBody), synonyms={"id": "executionId"})
_backfill = Checker(
    msgspec.json.schema(BackfillBody),
    synonyms={
        "since": "from", "start": "from", "startTime": "from", "end": "until", "to": "until", "endTime": "until",
        "maxConcurrency": "concurrency", "why": "reason", "user": "by",
    },
)  # fmt: skip

B = TypeVar("B", bound=Body)


def read_schedule(document: object, schedule_id: str | None = None) -> Wish:
    """The document as a schedule; `schedule_id` is the one that the path names, if it does. Raises Invalid with every
    problem of shape and sense."""
    problems = _schedule.problems(document)
    if isinstance(document, dict):
        wrong = {problem.path for problem in problems}
        problems += [problem for problem in _senseless(document, schedule_id) if problem.path not in wrong]
    if problems:
        raise Invalid(problems)
    body = msgspec.convert(document, ScheduleBody, strict=False)  # 5.0 where a whole number stands
    return _wish(body, schedule_id)


def read_note(document: object) -> NoteBody:
    """Who pauses or resumes and why; `document` is None where nothing was sent. Raises Invalid with every problem."""
    return _read(document, NoteBody, _note)


def read_trigger(document: object) -> TriggerBody:
    """How to start by hand; None where nothing was sent. Raises Invalid with every problem."""
    return _read(document, TriggerBody, _trigger)


def read_backfill(document: object) -> BackfillBody:
    """The range and how. Raises Invalid with every problem."""
    body = _read(document, BackfillBody, _backfill)
    if body.until <= body.since:
        raise Invalid([Problem("until", "order", "`until` must be later than `from`.")])
    return body


def _read(document: object, body_type: type[B], checker: Checker) -> B:
    given = {} if document is None else document
    problems = checker.problems(given)
    if problems:
        raise Invalid(problems)
    return msgspec.convert(given, body_type, strict=False)


def _wish(body: ScheduleBody, schedule_id: str | None) -> Wish:
    workflow_id, _, named = body.workflow_id.partition("@")
    lines = () if body.cron is UNSET else (body.cron,) if isinstance(body.cron, str) else tuple(body.cron)
    spec = ScheduleSpec(
        id=schedule_id or str(body.id),
        workflow_id=workflow_id,
        version=int(named) if named else _or_none(body.version),
        context=body.context,
        tags=body.tags,
        priority=body.priority,
        cron=tuple(dict.fromkeys(" ".join(line.split()) for line in lines)),
        timezone=body.timezone,
        interval=_or_none(body.interval),
        anchor=_or_none(body.anchor) or _or_none(body.offset) or 0,
        start_at=_or_none(body.start_at),
        end_at=_or_none(body.end_at),
        jitter=body.jitter,
        overlap=body.overlap,
        catch_up_window=body.catch_up_window,
    )
    return Wish(
        spec,
        None if body.paused is UNSET else body.paused,
        None if body.note is UNSET else body.note,
    )


def _or_none(value: int | UnsetType) -> int | None:
    return None if value is UNSET else value


def _senseless(document: dict[str, Any], schedule_id: str | None) -> Iterator[Problem]:
    """What is wrong with values that may each be of the right shape."""
    yield from _id_problems(document, schedule_id)
    yield from _version_problems(document)
    yield from _timing_problems(document)
    yield from _zone_problems(document)
    yield from _line_problems(document)
    start_at, end_at = document.get("startAt"), document.get("endAt")
    if isinstance(start_at, int) and isinstance(end_at, int) and end_at <= start_at:
        yield Problem("endAt", "order", "`endAt` must be later than `startAt`.")
    tags = document.get("tags")
    for name in sorted(RESERVED_TAGS & tags.keys() if isinstance(tags, dict) else ()):
        yield Problem(f"tags.{name}", "reserved", f"The tag `{name}` is set by the schedule itself.")


def _id_problems(document: dict[str, Any], schedule_id: str | None) -> Iterator[Problem]:
    given = document.get("id")
    if schedule_id is None and given is None:
        yield Problem("id", "required", "`id` is missing; expected the schedule's id.")
    elif schedule_id is not None and given not in (None, schedule_id):
        yield Problem(
            "id", "conflict", f"The path names the schedule `{schedule_id}`; leave `id` out, or say the same."
        )
    elif schedule_id is not None and len(schedule_id) > LONGEST_ID:
        yield Problem("id", "too_long", f"A schedule's id may have {LONGEST_ID} characters at most.")


def _version_problems(document: dict[str, Any]) -> Iterator[Problem]:
    workflow, version = document.get("workflowId"), document.get("version")
    if isinstance(workflow, str) and version is not None:
        _, at, named = workflow.partition("@")
        if at and named != str(version):
            yield Problem(
                "version", "conflict", "`version` and `workflowId` name different versions; name one of them."
            )


def _timing_problems(document: dict[str, Any]) -> Iterator[Problem]:
    has_cron, has_interval = "cron" in document, "interval" in document
    if has_cron == has_interval:
        why = "not both" if has_cron else "neither is there"
        path = "interval" if has_cron else "cron"
        yield Problem(
            path, "conflict" if has_cron else "required", f"Give either `cron` or `interval`; {why}."
        )
    if not has_interval:
        for name in ("offset", "anchor"):
            if name in document:
                yield Problem(name, "conflict", f"`{name}` belongs to an `interval`, which is not there.")
        return
    if "timezone" in document and not has_cron:
        yield Problem(
            "timezone", "conflict", "`timezone` belongs to `cron`; an interval is the same in all zones."
        )
    if "offset" in document and "anchor" in document:
        yield Problem("anchor", "conflict", "Give either `offset` or `anchor`, not both.")
    offset, interval = document.get("offset"), document["interval"]
    if isinstance(offset, int) and isinstance(interval, int) and offset >= interval:
        yield Problem("offset", "range", "`offset` must be less than `interval`.")


def _zone_problems(document: dict[str, Any]) -> Iterator[Problem]:
    name = document.get("timezone", "UTC")
    if isinstance(name, str) and name not in zone_names():
        hint = did_you_mean(name, zone_names()) or " Examples are `UTC`, `Europe/Berlin`, `America/New_York`."
        yield Problem("timezone", "unknown_zone", f"There is no time zone {quoted(name)}.{hint}")


def _line_problems(document: dict[str, Any]) -> Iterator[Problem]:
    cron = document.get("cron")
    lines = [cron] if isinstance(cron, str) else cron if isinstance(cron, list) else []
    for position, line in enumerate(lines[:MOST_LINES]):
        if isinstance(line, str) and 1 <= len(line) <= 200:
            wrong = wrong_with_line(line)
            if wrong:
                yield Problem("cron" if isinstance(cron, str) else f"cron[{position}]", "cron", wrong)


def wrong_with_line(line: str) -> str | None:
    """Why this cannot be a cron line, in a sentence; None if it can."""
    text = " ".join(line.split())
    if text.startswith("@"):
        return _wrong_with_nickname(text)
    if "TZ=" in text:
        return "The time zone goes into the field `timezone`, not into the line."
    count = len(text.split(" "))
    if count not in (5, 6):
        return f"Expected five fields (minute, hour, day of month, month, day of week), or six with seconds first; got {count}."
    if "?" in text:
        return "`?` is not known here; write `*`."
    try:
        CronSim(text, _SOME_DAY)
    except CronSimError as error:
        named = str(error).removeprefix("Bad ").replace("-", " ")
        if named in FIELDS:
            value = text.split(" ")[FIELDS.index(named) - 6 + count]
            return f"The {named} {quoted(value)} of {quoted(text)} cannot be read, or never comes."
        return f"{quoted(text)} cannot be read as a cron line."
    return None


def _wrong_with_nickname(text: str) -> str | None:
    if text.lower() in NICKNAMES:
        return None
    if text.lower().startswith("@every"):
        return "Give `interval` in milliseconds instead of `cron`."
    return f"There is no {quoted(text)}. Known are {', '.join(f'`{name}`' for name in NICKNAMES)}."


def fields_of(line: str) -> str:
    """A checked line with its nickname spelled out."""
    return NICKNAMES.get(line.lower(), line)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every time zone this machine (or the package tzdata) knows."""
    return frozenset(zoneinfo.available_timezones() - {"localtime", "posixrules"})


_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
