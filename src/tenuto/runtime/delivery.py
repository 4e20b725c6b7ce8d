"""One delivery of a webhook over HTTP: what is sent, and what the receiver's answer means.

As the Standard Webhooks specification recommends: 2xx alone is success; 410 says that nobody wants it any more;
everything else, redirects and other 4xx too, is tried again, since receivers answer so while they are being deployed.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from tenuto.actions.call_params import basic_authorization, parse_url, read_headers
from tenuto.actions.http_client import Answer, Call, HttpCaller
from tenuto.actions.params import BadParams
from tenuto.actions.retry_after import retry_after_ms
from tenuto.ports.action import Failed
from tenuto.ports.clock import Clock
from tenuto.ports.store import OutboxMessage
from tenuto.runtime.outbox import DeliveryResult
from tenuto.runtime.signing import BadSecret, webhook_headers

TIMEOUT_MS = 15_000


class HttpDelivery:
    """Delivers messages; give it an HttpCaller of its own, so that steps never take its connections."""

    def __init__(self, http: HttpCaller, clock: Clock, timeout_ms: int = TIMEOUT_MS) -> None:
        self._http = http
        self._clock = clock
        self._timeout_ms = timeout_ms

    async def __call__(self, message: OutboxMessage) -> DeliveryResult:
        try:
            call = build_delivery(message, self._clock.now())
        except (BadParams, BadSecret) as problem:
            return DeliveryResult("dead", str(problem))
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                # The status decides; a receiver that dawdles over its answer's body has the message all the same.
                answer = await self._http.call(call, lambda _: 0)
        except TimeoutError:
            return DeliveryResult("again", f"no answer within {self._timeout_ms} ms")
        return self._judge(answer)

    def _judge(self, answer: Answer | Failed) -> DeliveryResult:
        if isinstance(answer, Failed):
            is_final = answer.error.type == "invalid-params"
            return DeliveryResult("dead" if is_final else "again", answer.error.message)
        if 200 <= answer.status <= 299:
            return DeliveryResult("sent")
        if answer.status == HTTPStatus.GONE:
            return DeliveryResult("dead", "answered 410 Gone: the receiver wants no more of these")
        wish = retry_after_ms(answer.status, answer.headers.get("Retry-After"), self._clock.now())
        return DeliveryResult("again", f"answered {_status(answer.status)}", wish)


def build_delivery(message: OutboxMessage, now: int) -> Call:
    """The POST that delivers a message at `now` (ms). Headers of the user win over Content-Type and User-Agent, never
    over those of the signature. Raises BadParams, BadSecret; neither repeats URL, headers or secret."""
    url = parse_url(message.url)
    headers = {"content-type": "application/json"}
    if url.user is not None or url.password is not None:
        headers["authorization"] = basic_authorization(url.user or "", url.password or "")
        url = url.with_user(None)
    given = read_headers(message.headers)
    headers |= {name: value for name, (_, value) in given.items() if value is not None}
    headers |= webhook_headers(message.event_id, now // 1000, message.body, message.secret)
    return Call(method="POST", url=url, headers=headers, body=message.body)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
