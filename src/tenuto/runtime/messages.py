"""From the core's messages to outbox rows: who receives them, and the exact bytes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tenuto.core.commands import Message
from tenuto.core.definition import Receiver
from tenuto.ports.store import OutboxMessage
from tenuto.runtime.live import Live

_ATTRIBUTES = {
    "onComplete": "on_complete",
    "onFailure": "on_failure",
    "onStep": "on_step",
    "onCancel": "on_cancel",
}


def outbox_messages(live: Live, messages: Sequence[Message], now: int) -> list[OutboxMessage]:
    """The rows for one decision's messages, in order. Event ids are the same however often a row is sent."""
    state = live.state
    rows = []
    for n, message in enumerate(messages, 1):
        receiver = getattr(live.workflow.definition.webhooks, _ATTRIBUTES[message.kind])
        if isinstance(receiver, str):
            receiver = Receiver(url=receiver)
        rows.append(
            OutboxMessage(
                key=live.key,
                event_id=f"{state.execution_id}.{state.seq}.{n}",
                kind=message.kind,
                url=receiver.url,
                headers=receiver.headers,
                secret=receiver.secret,
                body=msgspec.json.encode(message.body),
                created_at=now,
                next_attempt_at=now,
            )
        )
    return rows
