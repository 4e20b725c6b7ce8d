"""An execution as it happens: its journal as server-sent events, from the beginning or from where a client left off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response, StreamingResponse

from tenuto.api import query
from tenuto.api.call import Call
from tenuto.api.routing import Reply, Route
from tenuto.errors import Invalid, Problem
from tenuto.ports.host import JournalEntry

EVENT_STREAM = "text/event-stream"
HEARTBEAT = b": still here\n\n"

_encode = msgspec.json.Encoder().encode


async def follow(call: Call) -> Response:
    """A stream with one message for each decision, its id the decision's number; `event: end` closes it. A client that
    comes back after the end gets 204, which tells a browser to stay away."""
    execution_id = call.path["executionId"]
    after = _resume_after(call)
    state = await call.host.read(execution_id)
    if after > 0 and state.is_terminal and after >= state.seq:
        return Response(status_code=204)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_stream(call, execution_id, after), 200, headers, EVENT_STREAM)


def _resume_after(call: Call) -> int:
    """The last decision the client has: by the browser's header, else by the query. Raises Invalid."""
    header = call.find_header(b"last-event-id")
    if not header:
        after: int = call.query["after"]
        return after
    try:
        last: int = _LAST_EVENT_ID.parse([header])
    except ValueError as error:
        raise Invalid([Problem("headers.Last-Event-ID", "invalid", str(error))]) from None
    return last


async def _stream(call: Call, execution_id: str, after: int) -> AsyncIterator[bytes]:
    async for entry in _with_pauses(call.host.follow(execution_id, after), call.around.limits.heartbeat_s):
        yield HEARTBEAT if entry is None else _message(entry)
    state = await call.host.read(execution_id)
    if state.is_terminal:
        end = {"executionId": execution_id, "status": state.status}
        yield b"event: end\ndata: %s\n\n" % _encode(end)


async def _with_pauses(
    entries: AsyncIterator[JournalEntry], pause_s: float
) -> AsyncIterator[JournalEntry | None]:
    """The entries, and None whenever none came for so long. Waiting is never broken off, for that would end the source."""
    upcoming = asyncio.ensure_future(_next(entries))
    try:
        while True:
            await asyncio.wait([upcoming], timeout=pause_s)
            if not upcoming.done():
                yield None
                continue
            entry = upcoming.result()
            if entry is None:
                return
            upcoming = asyncio.ensure_future(_next(entries))
            yield entry
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _next(entries: AsyncIterator[JournalEntry]) -> JournalEntry | None:
    return await anext(entries, None)


def _message(entry: JournalEntry) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (entry.seq, _encode(entry._asdict()))


_LATEST = 10**15
_LAST_EVENT_ID = query.integer("Last-Event-ID", "as `after`; browsers send it by themselves", 0, _LATEST)

ROUTES = (
    Route(
        "GET", "/executions/{executionId}/events", follow, tag="Executions", summary="Follow an execution",
        description="Server-sent events: one for each decision, `id` its number and `data` a journal entry; a comment as "
        "heartbeat; `event: end` when the execution has ended. Resume with `Last-Event-ID` or `after`.",
        parameters=[query.integer("after", "events after this one", 0, _LATEST, 0)],
        header_parameters=[_LAST_EVENT_ID],
        replies=[
            Reply(200, "the stream", None, (EVENT_STREAM,)),
            Reply(204, "the client has it all and the execution has ended", None, ()),
        ],
        is_stream=True,
    ),
)  # fmt: skip
