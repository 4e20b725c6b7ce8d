"""Starting an execution of a schedule, and learning of its end."""

from __future__ import annotations

import asyncio

import structlog

from tenuto.core.state import State
from tenuto.errors import Conflict, NotFound, Overloaded, StoreError, TenutoError, UnreadableRecord
from tenuto.ports.host import Host, StartRequest
from tenuto.runtime.schedules.times import instant_name, iso_text
from tenuto.wire.schedules import TAG_BACKFILL, TAG_ID, TAG_TIME, ScheduleSpec

log = structlog.get_logger(__name__)

LONGEST_WAIT_MS = 600_000
BETWEEN_QUESTIONS_S = 1.0


def execution_name(schedule_id: str, at: int) -> str:
    """The id of the execution of a time: the same whoever starts it, and however often."""
    return f"{schedule_id}-{instant_name(at)}"


def request_of(
    spec: ScheduleSpec, at: int, execution_id: str, backfill_id: str | None = None
) -> StartRequest:
    """What to ask the host for."""
    tags = spec.tags | {TAG_ID: spec.id, TAG_TIME: iso_text(at)}
    if backfill_id is not None:
        tags[TAG_BACKFILL] = backfill_id
    return StartRequest(
        workflow_id=spec.workflow_id,
        version=spec.version,
        context=spec.context,
        execution_id=execution_id,
        priority=spec.priority,
        tags=tags,
    )


async def start_once(host: Host, request: StartRequest) -> str | None:
    """Start it unless it was before: None, or why it cannot be. Raises Overloaded and StoreError: try again later."""
    try:
        await host.start(request)
    except (Overloaded, StoreError):
        raise
    except Conflict as error:
        assert request.execution_id is not None, "executions of schedules have ids of ours"
        return None if await is_ours(host, request.execution_id, request.tags[TAG_ID]) else str(error)
    except TenutoError as error:
        return str(error)
    return None


async def find(host: Host, execution_id: str) -> State | None:
    """Its state, if there is such an execution."""
    try:
        return await host.read(execution_id)
    except NotFound:
        return None


async def is_ours(host: Host, execution_id: str, schedule_id: str) -> bool:
    """Whether the execution is there and was started by the schedule, as by a server that crashed right after, and
    perhaps with other fields than the schedule has by now. Raises StoreUnavailable."""
    try:
        state = await find(host, execution_id)
    except UnreadableRecord:  # it is there, and has the name that only the schedule gives
        return execution_id.startswith(f"{schedule_id}-")
    return state is not None and state.tags.get(TAG_ID) == schedule_id


async def has_ended(host: Host, execution_id: str) -> bool:
    """Whether it goes on no more; one that is not there, or stands still for good as nobody can read it, holds nothing
    up. Raises StoreUnavailable."""
    try:
        state = await find(host, execution_id)
    except UnreadableRecord as error:
        log.warning("scheduled_execution_unreadable", execution=execution_id, error=str(error))
        return True
    return state is None or state.is_terminal


async def ended(host: Host, execution_id: str) -> State | None:
    """Return when it has ended, with its last state if there is one. Nothing is polled: the host says when."""
    while True:
        try:
            state = await host.wait(execution_id, LONGEST_WAIT_MS)
        except (NotFound, UnreadableRecord):
            return None
        except StoreError as error:
            log.warning("scheduled_execution_not_watched", execution=execution_id, error=str(error))
        else:
            if state.is_terminal:
                return state
        await asyncio.sleep(BETWEEN_QUESTIONS_S)  # a host that stops answers at once
