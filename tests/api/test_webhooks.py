from typing import Any

import pytest

from tenuto.api.app import create_app
from tenuto.bootstrap import Engine
from tenuto.errors import NotFound
from tenuto.ports.store import OutboxMessage
from tests.api.client import Client


class DeadLetters:
    """A host with one dead webhook."""

    def __init__(self) -> None:
        self.asked: tuple[int, int] | None = None
        self.resent: list[int] = []

    async def dead_letters(self, after_id: int = 0, limit: int = 1000) -> list[OutboxMessage]:
        self.asked = (after_id, limit)
        message = OutboxMessage(
            id=7,
            key=1,
            event_id="evt-1",
            kind="onComplete",
            url="http://receiver/hook",
            headers={"authorization": "Bearer hidden"},
            secret="whsec_hidden",
            body=b'{"type":"execution.completed"}',
            created_at=5,
            attempts=9,
            dead=True,
            last_error="the receiver answered 500",
        )
        return [message]

    async def resend(self, message_id: int) -> None:
        if message_id != 7:
            raise NotFound(f"there is no dead webhook {message_id}")
        self.resent.append(message_id)


@pytest.fixture
def host() -> DeadLetters:
    return DeadLetters()


@pytest.fixture
def client(host: Any, engine: Engine) -> Client:
    return Client(create_app(host, schedules=engine.schedules, bulk=engine.bulk, clock=engine.clock))


async def test_dead_webhooks_are_shown_without_secrets(client: Client, host: DeadLetters) -> None:
    reply = await client.get("/webhooks/dead?after=3&limit=10")
    assert reply.json() == [
        {
            "id": 7,
            "eventId": "evt-1",
            "kind": "onComplete",
            "url": "http://receiver/hook",
            "body": {"type": "execution.completed"},
            "createdAt": 5,
            "attempts": 9,
            "lastError": "the receiver answered 500",
        }
    ]
    assert host.asked == (3, 10)


async def test_a_dead_webhook_is_sent_again(client: Client, host: DeadLetters) -> None:
    reply = await client.post("/webhooks/dead/7/resend")
    assert (reply.status, reply.json()) == (202, {"success": True, "id": 7})
    assert host.resent == [7]


@pytest.mark.parametrize("message_id", ["8", "x", "-1", "7.0", "9" * 19])
async def test_a_webhook_that_is_not_dead_is_not_found(
    client: Client, host: DeadLetters, message_id: str
) -> None:
    assert (await client.post(f"/webhooks/dead/{message_id}/resend")).status == 404
    assert host.resent == []
