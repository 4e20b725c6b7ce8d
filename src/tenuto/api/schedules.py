"""Schedules over HTTP: keeping, pausing, triggering and backfilling what starts workflows as time passes."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from starlette.responses import Response

from tenuto.api import query, shapes
from tenuto.api.call import Call, answer
from tenuto.api.routing import Reply, Route
from tenuto.ports.schedules import (
    BackfillView,
    DryRun,
    NextTime,
    Put,
    ScheduleBrief,
    Schedules,
    ScheduleView,
)
from tenuto.wire.schedules import (
    LATEST,
    BackfillBody,
    NoteBody,
    ScheduleBody,
    TriggerBody,
    read_backfill,
    read_note,
    read_schedule,
    read_trigger,
)

TAG = "Schedules"
MOST_TIMES = 1_000


class Triggered(shapes.Shape, kw_only=True):
    """An execution was started by hand, and is on disk."""

    execution_id: str


class Deleted(shapes.Shape, kw_only=True):
    """A schedule is gone."""

    success: Literal[True]
    id: str


async def create(call: Call) -> Response:
    """Keep a new schedule."""
    return _kept(await _schedules(call).create(read_schedule(await call.read_json(unique_keys=True))))


async def put(call: Call) -> Response:
    """Keep a schedule in place of any that has the id."""
    wish = read_schedule(await call.read_json(unique_keys=True), call.path.get("scheduleId"))
    return _kept(await _schedules(call).put(wish))


async def list_schedules(call: Call) -> Response:
    """A page of schedules, by id."""
    workflow_id, limit = call.query["workflowId"], call.query["limit"]
    found = await _schedules(call).list_schedules(workflow_id, call.query["after"] or "", limit)
    if len(found) < limit:
        return answer(found)
    of = f"workflowId={quote(workflow_id)}&" if workflow_id else ""
    link = f'</schedules?{of}limit={limit}&after={quote(found[-1].id)}>; rel="next"'
    return answer(found, 200, {"link": link})


async def get(call: Call) -> Response:
    """One schedule."""
    return answer(await _schedules(call).get(call.path["scheduleId"]))


async def delete(call: Call) -> Response:
    """Forget a schedule."""
    schedule_id = call.path["scheduleId"]
    await _schedules(call).delete(schedule_id)
    return answer({"success": True, "id": schedule_id})


async def trigger(call: Call) -> Response:
    """Start an execution now."""
    body = read_trigger(await call.read_optional_json())
    execution_id = body.execution_id if isinstance(body.execution_id, str) else None
    started = await _schedules(call).trigger(call.path["scheduleId"], execution_id)
    where = {"location": f"/executions/{started.execution_id}"}
    return answer({"executionId": started.execution_id}, 201 if started.created else 200, where)


async def pause(call: Call) -> Response:
    """Start nothing until resumed."""
    body = read_note(await call.read_optional_json())
    return answer(await _schedules(call).pause(call.path["scheduleId"], _note(body), body.by))


async def resume(call: Call) -> Response:
    """Start executions again."""
    body = read_note(await call.read_optional_json())
    return answer(await _schedules(call).resume(call.path["scheduleId"], _note(body), body.by))


async def next_times(call: Call) -> Response:
    """The times to come."""
    asked = call.query
    times = await _schedules(call).next_times(call.path["scheduleId"], asked["count"], asked["after"])
    return answer(times)


async def backfill(call: Call) -> Response:
    """Start the times of a past range, or say which these are."""
    schedule_id = call.path["scheduleId"]
    body = read_backfill(await call.read_json())
    if body.dry_run:
        return answer(await _schedules(call).rehearse(schedule_id, body))
    begun = await _schedules(call).backfill(schedule_id, body)
    return answer(begun, 202, {"location": f"/schedules/{schedule_id}/backfills/{begun.id}"})


async def get_backfill(call: Call) -> Response:
    """How far a backfill is."""
    return answer(await _schedules(call).get_backfill(call.path["scheduleId"], call.path["backfillId"]))


async def cancel_backfill(call: Call) -> Response:
    """Start no more of a backfill."""
    return answer(await _schedules(call).cancel_backfill(call.path["scheduleId"], call.path["backfillId"]))


def _schedules(call: Call) -> Schedules:
    return call.around.schedules


def _kept(put: Put) -> Response:
    return answer(put.view, 201 if put.created else 200, {"location": f"/schedules/{put.view.id}"})


def _note(body: NoteBody) -> str | None:
    return body.note if isinstance(body.note, str) else None


_PLACE = (("Location", "the schedule's path"),)
_KEPT = (
    Reply(201, "a new schedule", ScheduleView, headers=_PLACE),
    Reply(200, "there was one with this id", ScheduleView, headers=_PLACE),
)
_BACKFILL = "/schedules/{scheduleId}/backfills/{backfillId}"

ROUTES = (
    Route(
        "POST", "/schedules", create, tag=TAG, summary="Create a schedule",
        description="The same schedule again changes nothing; another with the same id is refused.", body=ScheduleBody,
        replies=[*_KEPT, Reply(409, "there is another schedule with this id", shapes.ProblemDetails)],
    ),
    Route(
        "PUT", "/schedules", put, tag=TAG, summary="Create or replace a schedule that names its id", body=ScheduleBody,
        description="As PUT /schedules/{scheduleId}.", replies=_KEPT,
    ),
    Route(
        "GET", "/schedules", list_schedules, tag=TAG, summary="List schedules, by id",
        parameters=[
            query.name("workflowId", "that start this workflow"),
            query.integer("limit", "the most items in the answer", 1, 1000, 1000),
            query.name("after", "with ids after this one"),
        ],
        replies=[Reply(200, "schedules", list[ScheduleBrief],
                       headers=(("Link", "the next page, rel=next; absent on the last"),))],
    ),
    Route(
        "GET", "/schedules/{scheduleId}", get, tag=TAG, summary="Get a schedule",
        replies=[Reply(200, "the schedule, with what it does and has done", ScheduleView)],
    ),
    Route(
        "PUT", "/schedules/{scheduleId}", put, tag=TAG, summary="Create or replace a schedule", body=ScheduleBody,
        description="Other times count from now on. `paused` and `note` stay as they are where the body does not name them; "
        "what runs goes on.",
        replies=_KEPT,
    ),
    Route(
        "DELETE", "/schedules/{scheduleId}", delete, tag=TAG, summary="Delete a schedule",
        description="Its backfills end with it. Executions that it has started go on.",
        replies=[Reply(200, "deleted", Deleted)],
    ),
    Route(
        "POST", "/schedules/{scheduleId}/trigger", trigger, tag=TAG, summary="Start an execution of it now",
        description="Whatever pause and overlap policy say. With an `executionId` of your own the call can be repeated.",
        body=TriggerBody, body_required=False,
        replies=[
            Reply(201, "started", Triggered, headers=(("Location", "the execution's path"),)),
            Reply(200, "this execution had been started by this schedule before", Triggered,
                  headers=(("Location", "the execution's path"),)),
            Reply(409, "something else has this execution id", shapes.ProblemDetails),
            Reply(429, "too many executions are under way", shapes.ProblemDetails,
                  headers=(("Retry-After", "seconds"),)),
        ],
    ),
    Route(
        "POST", "/schedules/{scheduleId}/pause", pause, tag=TAG, summary="Pause a schedule",
        description="Times pass and are not made up. What waits for its turn is dropped, what runs goes on.",
        body=NoteBody, body_required=False, replies=[Reply(200, "the schedule", ScheduleView)],
    ),
    Route(
        "POST", "/schedules/{scheduleId}/resume", resume, tag=TAG, summary="Resume a paused schedule",
        description="Times from now on count.",
        body=NoteBody, body_required=False, replies=[Reply(200, "the schedule", ScheduleView)],
    ),
    Route(
        "GET", "/schedules/{scheduleId}/next", next_times, tag=TAG, summary="The times to come",
        description="Also while it is paused.",
        parameters=[
            query.integer("count", "how many", 1, MOST_TIMES, 10),
            query.integer("after", "after this instant (ms); now if not given", 0, LATEST),
        ],
        replies=[Reply(200, "times, the nearest first; none after the last", list[NextTime])],
    ),
    Route(
        "POST", "/schedules/{scheduleId}/backfill", backfill, tag=TAG, summary="Start the times of a past range",
        description="Oldest first, at most `concurrency` under way at once, beside what the schedule itself does. Times that "
        "have an execution are left alone. With `dryRun` it says which times these are.",
        body=BackfillBody,
        replies=[
            Reply(202, "begun", BackfillView, headers=(("Location", "the backfill's path"),)),
            Reply(200, "with `dryRun`: what it would start", DryRun),
            Reply(409, "too many backfills of this schedule are under way", shapes.ProblemDetails),
        ],
    ),
    Route(
        "GET", _BACKFILL, get_backfill, tag=TAG, summary="Get a backfill",
        replies=[Reply(200, "how far it is", BackfillView)],
    ),
    Route(
        "DELETE", _BACKFILL, cancel_backfill, tag=TAG, summary="Cancel a backfill",
        description="Nothing more of it is started; what it has started goes on.",
        replies=[
            Reply(200, "cancelled", BackfillView),
            Reply(409, "it is over", shapes.ProblemDetails),
        ],
    ),
)  # fmt: skip
