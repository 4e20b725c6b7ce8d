"""Webhooks that were given up, for people to look at and send again."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from tenuto.api import query, shapes
from tenuto.api.call import Call, answer
from tenuto.api.routing import Reply, Route
from tenuto.ports.store import OutboxMessage

TAG = "Webhooks"


async def list_dead(call: Call) -> Response:
    """Dead webhooks, oldest first. Secrets and headers stay with the server."""
    dead = await call.host.dead_letters(call.query["after"], call.query["limit"])
    return answer([_shown(message) for message in dead])


async def resend(call: Call) -> Response:
    """Make a dead webhook due again."""
    message_id = int(call.path["messageId"])
    await call.host.resend(message_id)
    return answer({"success": True, "id": message_id}, 202)


def _shown(message: OutboxMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "eventId": message.event_id,
        "kind": message.kind,
        "url": message.url,
        "body": msgspec.Raw(message.body),
        "createdAt": message.created_at,
        "attempts": message.attempts,
        "lastError": message.last_error,
    }


ROUTES = (
    Route(
        "GET", "/webhooks/dead", list_dead, tag=TAG, summary="List dead webhooks",
        parameters=[
            query.integer("after", "with ids after this one", 0, 10**18, 0),
            query.integer("limit", "the most items in the answer", 1, 1000, 1000),
        ],
        replies=[Reply(200, "dead webhooks, oldest first", list[shapes.DeadWebhook])],
    ),
    Route(
        "POST", "/webhooks/dead/{messageId}/resend", resend, tag=TAG, summary="Send a dead webhook again",
        replies=[Reply(202, "it is due now", shapes.Resent)],
    ),
)  # fmt: skip
