"""Executions over HTTP: starting, waiting, listing and reading."""

from __future__ import annotations

import re
from typing import get_args
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from tenuto.api import query, shapes
from tenuto.api.bodies import read_start
from tenuto.api.call import Call, answer
from tenuto.api.pictures import FORMATS, picture
from tenuto.api.routing import Reply, Route
from tenuto.core.explain import explain, summary
from tenuto.core.state import ExecutionStatus
from tenuto.core.view import document, visualize
from tenuto.errors import Invalid, Problem
from tenuto.ports.host import StartRequest
from tenuto.ports.store import ExecutionQuery
from tenuto.wire.requests import StartBody

TAG = "Executions"
_CURSOR_PATTERN = re.compile(r"^[0-9]{1,18}\.[0-9]{1,18}$", re.ASCII)
LONGEST_WAIT = 300_000
LATEST = 10**14
"""The last instant that a filter takes: some time in the year 5138."""


async def start(call: Call) -> Response:
    """Start an execution; with `wait`, answer its document when it has ended or the time is up."""
    request = read_start(await call.read_json(), call.find_header(b"idempotency-key"))
    wait, until = call.query["wait"], call.query["until"]
    if until is not None:
        await _check_until(call, request, wait, until)
    started = await call.host.start(request)
    status = 201 if started.created else 200
    headers = {"location": f"/executions/{started.execution_id}"}
    if wait is None:
        return answer({"executionId": started.execution_id}, status, headers)
    state = await call.host.wait(started.execution_id, wait, until)
    return answer(document(state, call.now()), status, headers)


async def list_executions(call: Call) -> Response:
    """A page of executions, newest first."""
    asked = call.query
    wanted = ExecutionQuery(
        workflow_id=asked["workflowId"],
        status=asked["status"],
        tag=asked["tag"],
        since=asked["since"],
        until=asked["until"],
        q=asked["q"],
        limit=asked["limit"],
        after=asked["cursor"],
    )
    briefs, after = await call.host.list_executions(wanted)
    return answer(briefs, 200, None if after is None else _next_page(call, "cursor", _cursor(after)))


async def get_execution(call: Call) -> Response:
    """The document."""
    return answer(document(await call.host.read(call.path["executionId"]), call.now()))


async def draw(call: Call) -> Response:
    """The execution as a picture's data, or as a picture."""
    state = await call.host.read(call.path["executionId"])
    if call.query["format"] == "json":
        return answer(visualize(state, call.now()))
    return await picture(call.query["format"], state.graph, state)


async def journal(call: Call) -> Response:
    """The facts, decision by decision."""
    limit = call.query["limit"]
    entries = await call.host.journal(call.path["executionId"], call.query["after"], limit)
    more = _next_page(call, "after", str(entries[-1].seq)) if len(entries) == limit else None
    return answer([entry._asdict() for entry in entries], 200, more)


async def explanation(call: Call) -> Response:
    """Why each unfinished step is where it is."""
    state = await call.host.read(call.path["executionId"])
    now = call.now()
    told = {
        "executionId": state.execution_id,
        "status": state.status,
        "summary": summary(state, now),
        "steps": explain(state, now),
    }
    return answer(told)


async def _check_until(call: Call, request: StartRequest, wait: int | None, until: str) -> None:
    """Refuse a step that will never end before anything is started. Raises Invalid, NotFound."""
    if wait is None:
        raise Invalid([Problem("query.until", "needs_wait", "`until` says how far `wait` waits; give both.")])
    stored = await call.host.get_workflow(request.workflow_id, request.version)
    steps = _step_ids(stored.definition).steps
    if all(step.id != until for step in steps):
        message = f"The workflow `{request.workflow_id}` has no step `{until[:128]}`."
        raise Invalid([Problem("query.until", "unknown_step", message)])


class _Step(msgspec.Struct):
    id: str


class _Steps(msgspec.Struct):
    steps: list[_Step]


_step_ids = msgspec.json.Decoder(_Steps).decode


def _cursor(after: tuple[int, int]) -> str:
    return f"{after[0]}.{after[1]}"


def _read_cursor(values: list[str]) -> tuple[int, int]:
    if not _CURSOR_PATTERN.fullmatch(values[0]):
        raise ValueError("This is not a cursor that a Link header gave.")
    start_time, _, key = values[0].partition(".")
    return int(start_time), int(key)


def _read_tag(values: list[str]) -> tuple[str, str | None]:
    name, colon, value = values[0].partition(":")
    if not name:
        raise ValueError("Expected name:value, or a name alone for any value.")
    return name, value if colon else None


def _next_page(call: Call, name: str, value: str) -> dict[str, str]:
    """A Link header to the same query with one parameter replaced."""
    pairs = [pair for pair in call.url.query.split("&") if pair and pair.partition("=")[0] != name]
    joined = "&".join([*pairs, f"{name}={value}"])
    return {"link": f'<{quote(call.scope["path"])}?{joined}>; rel="next"'}


_STATUSES = get_args(ExecutionStatus)
_NEXT = (("Link", "the next page, rel=next; absent on the last"),)
_LIMIT = query.integer("limit", "the most items in the answer", 1, 1000, 1000)
_CURSOR = query.Parameter(
    "cursor",
    "where the page starts, from the Link of the page before; its form may change",
    {"type": "string", "pattern": _CURSOR_PATTERN.pattern},
    _read_cursor,
)
_TAG = query.Parameter(
    "tag", "name:value, or a name alone for any value", {"type": "string", "pattern": "^[^:]"}, _read_tag
)
_KEY = query.text("Idempotency-Key", "the same key and request again answer the same execution", 255)

ROUTES = (
    Route(
        "POST", "/executions/start", start, tag=TAG, summary="Start an execution",
        description="When this answers 2xx the execution is on disk. The same `executionId` or `Idempotency-Key` with the "
        "same request answers the same execution; with another request, 409.",
        body=StartBody,
        parameters=[
            query.integer("wait", "answer with the document when the execution has ended, or after so many ms", 0, LONGEST_WAIT),
            query.name("until", "with `wait`: when this step has ended"),
        ],
        header_parameters=[_KEY],
        replies=[
            Reply(201, "started; with `wait` the document", (shapes.StartedExecution, shapes.Execution),
                  headers=(("Location", "the execution's path"),)),
            Reply(200, "this start had been made before", (shapes.StartedExecution, shapes.Execution),
                  headers=(("Location", "the execution's path"),)),
            Reply(404, "no such workflow or version", shapes.ProblemDetails),
            Reply(409, "the id or key was used for another request", shapes.ProblemDetails),
            Reply(429, "too many executions are under way", shapes.ProblemDetails,
                  headers=(("Retry-After", "seconds"),)),
        ],
    ),
    Route(
        "GET", "/executions", list_executions, tag=TAG, summary="List executions, newest first",
        parameters=[
            query.name("workflowId", "of this workflow"),
            query.choices("status", "in one of these statuses; again and again, or with commas", _STATUSES),
            _TAG,
            query.integer("since", "started at or after this instant (ms)", 0, LATEST),
            query.integer("until", "started before this instant (ms)", 0, LATEST),
            query.text("q", "found in the execution's or the workflow's id"),
            _LIMIT,
            _CURSOR,
        ],
        replies=[Reply(200, "documents without contexts and results", list[shapes.ExecutionBrief], headers=_NEXT)],
    ),
    Route(
        "GET", "/executions/{executionId}", get_execution, tag=TAG, summary="Get an execution",
        replies=[Reply(200, "the document", shapes.Execution)],
    ),
    Route(
        "GET", "/executions/{executionId}/visualize", draw, tag=TAG, summary="Draw an execution",
        parameters=[query.choice("format", "how", ("json", *FORMATS), "json")],
        replies=[Reply(200, "the picture", shapes.Visualization, ("application/json", *FORMATS.values()))],
    ),
    Route(
        "GET", "/executions/{executionId}/journal", journal, tag=TAG, summary="Read the journal",
        description="Every fact of the execution, in the order in which it was written.",
        parameters=[query.integer("after", "decisions after this one", 0, 10**15, 0), _LIMIT],
        replies=[Reply(200, "decisions", list[shapes.JournalEntry], headers=_NEXT)],
    ),
    Route(
        "GET", "/executions/{executionId}/explain", explanation, tag=TAG, summary="Why it is where it is",
        description="A sentence for each step that has not ended.",
        replies=[Reply(200, "the explanation", shapes.Explanation)],
    ),
)  # fmt: skip
