"""The store's row of an execution, made from its state: what lists, searches and wake-ups read."""

from __future__ import annotations

import msgspec

from tenuto.core.state import State
from tenuto.core.view import brief
from tenuto.ports.store import NewExecution, SummaryChange
from tenuto.runtime.live import Live

NEVER = 1 << 62
"""The stored wake-up of an execution that only a person moves."""

_encoder = msgspec.json.Encoder()


def new_row(live: Live, now: int, wake_at: int | None) -> NewExecution:
    """The row of an execution whose first decision is about to be written."""
    state, start = live.state, live.start
    assert start is not None, "a new execution knows how it was asked for"
    return NewExecution(
        key=live.key,
        execution_id=state.execution_id,
        workflow_id=state.workflow_id,
        version=state.version,
        status=state.status,
        start_time=state.start_time,
        priority=state.priority,
        tags=state.tags,
        wake_at=wake_at,
        idempotency_key=start.idempotency_key,
        request_hash=start.request_hash,
        brief=_brief(state, now),
    )


def changed_row(live: Live, now: int, wake_at: int | None, *, is_resting: bool = False) -> SummaryChange:
    """The row after a decision. The brief is written when the execution ends or leaves memory (`is_resting`): while it
    is in memory, lists show it from there."""
    state = live.state
    shown = _brief(state, now) if is_resting or state.is_terminal else None
    return SummaryChange(live.key, state.status, state.end_time, wake_at, shown)


def has_moved(live: Live, wake_at: int | None) -> bool:
    """Whether the stored row says something else than the state."""
    return wake_at != live.wake_at or live.state.status != live.status


def _brief(state: State, now: int) -> bytes:
    return _encoder.encode(brief(state, now))
