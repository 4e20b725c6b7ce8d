"""One delivery of a webhook to a receiver on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from tenuto.actions.http_client import HttpCaller
from tenuto.ports.store import OutboxMessage
from tenuto.runtime.delivery import HttpDelivery
from tenuto.runtime.outbox import DeliveryResult
from tests.receivers import RawReceiver, answer, raw_receiver, receiver, says

NOW = 1_800_000_000_123


class FixedClock:
    def now(self) -> int:
        return NOW


@pytest.fixture
async def deliver() -> AsyncIterator[HttpDelivery]:
    http = HttpCaller()
    yield HttpDelivery(http, FixedClock())
    await http.close()


def message(url: str, **fields: Any) -> OutboxMessage:
    return OutboxMessage(
        key=1, event_id="exec-1.4.1", kind="onComplete", url=url, body=b'{"type":"execution.completed"}', created_at=NOW,
        **fields,
    )  # fmt: skip


async def test_the_body_is_posted_as_it_is_with_id_and_timestamp(deliver: HttpDelivery) -> None:
    async with receiver(answer(204)) as service:
        assert await deliver(message(service.url("/hook"))) == DeliveryResult("sent")
    got = service.received[0]
    assert (got.method, got.path, got.body) == ("POST", "/hook", b'{"type":"execution.completed"}')
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["webhook-id"] == "exec-1:4:1"
    assert got.headers["webhook-timestamp"] == "1800000000"
    assert "webhook-signature" not in got.headers


async def test_with_a_secret_the_receiver_can_verify_what_it_got(deliver: HttpDelivery) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    async with receiver() as service:
        assert (await deliver(message(service.url(), secret=secret))).verdict == "sent"
    got = service.received[0]
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"


async def test_headers_of_the_user_are_sent_but_cannot_forge_the_signature(deliver: HttpDelivery) -> None:
    headers = {
        "Authorization": "Bearer t",
        "content-type": "application/cloudevents+json",
        "Webhook-Id": "forged",
    }
    async with receiver() as service:
        await deliver(message(service.url(), headers=headers))
    got = service.received[0].headers
    assert got["Authorization"] == "Bearer t"
    assert got.getall("Content-Type") == ["application/cloudevents+json"]
    assert got.getall("webhook-id") == ["exec-1:4:1"]


async def test_user_and_password_in_the_url_become_basic_authorization(deliver: HttpDelivery) -> None:
    async with receiver() as service:
        await deliver(message(service.url().replace("http://", "http://ann:pw@")))
    assert service.received[0].headers["Authorization"] == "Basic YW5uOnB3"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, DeliveryResult("sent")),
        (299, DeliveryResult("sent")),
        (302, DeliveryResult("again", "answered 302 Found")),
        (400, DeliveryResult("again", "answered 400 Bad Request")),
        (404, DeliveryResult("again", "answered 404 Not Found")),
        (410, DeliveryResult("dead", "answered 410 Gone: the receiver wants no more of these")),
        (429, DeliveryResult("again", "answered 429 Too Many Requests")),
        (500, DeliveryResult("again", "answered 500 Internal Server Error")),
        (599, DeliveryResult("again", "answered 599")),
    ],
)
async def test_the_status_decides(deliver: HttpDelivery, status: int, result: DeliveryResult) -> None:
    async with receiver(answer(status, "x" * 100_000, headers={"Location": "/elsewhere"})) as service:
        assert await deliver(message(service.url())) == result
        assert len(service.received) == 1


async def test_retry_after_is_passed_on_in_both_forms(deliver: HttpDelivery) -> None:
    when = format_datetime(datetime.fromtimestamp(NOW // 1000 + 60, UTC), usegmt=True)
    async with receiver(answer(503, headers={"Retry-After": "5"})) as service:
        assert (await deliver(message(service.url()))).retry_after_ms == 5000
        service.handler = answer(429, headers={"Retry-After": when})
        assert (await deliver(message(service.url()))).retry_after_ms == 60_000 - 123
        service.handler = answer(429, headers={"Retry-After": "soon"})
        assert (await deliver(message(service.url()))).retry_after_ms is None


async def test_a_receiver_that_accepts_and_then_dawdles_has_the_message(deliver: HttpDelivery) -> None:
    async def dawdle(
        service: RawReceiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await service.send(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        await reader.read()

    async with raw_receiver(dawdle) as service:
        assert (await deliver(message(service.url()))).verdict == "sent"
        await service.hung_up.wait()


async def test_a_receiver_that_does_not_answer_in_time_is_tried_again() -> None:
    async def hang(
        _service: RawReceiver, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()

    http = HttpCaller()
    async with raw_receiver(hang) as service:
        result = await HttpDelivery(http, FixedClock(), timeout_ms=1)(message(service.url()))
        assert result == DeliveryResult("again", "no answer within 1 ms")
    await http.close()


async def test_a_receiver_that_speaks_no_http_is_tried_again(deliver: HttpDelivery) -> None:
    async with raw_receiver(says(b"SSH-2.0-OpenSSH_9.6\r\n")) as service:
        result = await deliver(message(service.url("/secret?token=hidden")))
    assert result.verdict == "again"
    assert result.error is not None
    assert "hidden" not in result.error
    assert "/secret" not in result.error


async def test_deliveries_to_one_receiver_share_a_connection(deliver: HttpDelivery) -> None:
    async with receiver(answer(200, "ok")) as service:
        for _ in range(3):
            await deliver(message(service.url()))
    assert len({id(got.connection) for got in service.received}) == 1


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("ftp://host/hidden", {}),
        ("not a url hidden", {}),
        ("http://host:99999/hidden", {}),
        ("http://127.0.0.1:9/", {"secret": "whsec_hidden!"}),
        ("http://127.0.0.1:9/", {"headers": {"A": "hidden\r\nB: c"}}),
        ("http://127.0.0.1:9/", {"headers": {"Content-Length": "hidden"}}),
    ],
)
async def test_what_can_never_be_sent_is_dead_at_once_without_repeating_it(
    deliver: HttpDelivery, url: str, fields: dict[str, Any]
) -> None:
    result = await deliver(message(url, **fields))
    assert result.verdict == "dead"
    assert result.error
    assert "hidden" not in result.error
