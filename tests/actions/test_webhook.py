"""The `webhook` action."""

from __future__ import annotations

import pytest

from tenuto.actions.webhook import Webhook
from tests.actions.requests import failure_of, request, result_of
from tests.receivers import answer, receiver


async def test_the_payload_is_posted_and_the_result_says_so(webhook: Webhook) -> None:
    async with receiver(answer(202, "whatever it says")) as service:
        made = request({"url": service.url("/notify"), "payload": {"event": "step-complete"}})
        assert await result_of(webhook, made) == {"status": 202, "sent": True}
    got = service.received[0]
    assert (got.method, got.path, got.json) == ("POST", "/notify", {"event": "step-complete"})
    assert got.headers["Idempotency-Key"] == "exec-1/charge-payment/0"


async def test_without_a_payload_it_says_which_step_of_which_execution_speaks(webhook: Webhook) -> None:
    async with receiver() as service:
        await result_of(webhook, request({"url": service.url()}, context={"card": "secret"}))
    assert service.received[0].json == {
        "executionId": "exec-1",
        "workflowId": "order-processing",
        "stepId": "charge-payment",
    }


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_an_answer_that_is_not_2xx_is_a_failure(webhook: Webhook, status: int) -> None:
    async with receiver(answer(status, "no")) as service:
        failure = await failure_of(webhook, request({"url": service.url()}))
    assert failure.error.type == f"http.{status}"
    assert "no" in failure.error.message


async def test_retry_after_is_passed_on(webhook: Webhook) -> None:
    async with receiver(answer(429, headers={"Retry-After": "3"})) as service:
        assert (await failure_of(webhook, request({"url": service.url()}))).retry_after_ms == 3000


async def test_what_the_receiver_says_at_length_does_not_matter(webhook: Webhook) -> None:
    async with receiver(answer(200, "x" * 5_000_000)) as service:
        assert await result_of(webhook, request({"url": service.url(), "payload": "text"})) == {
            "status": 200,
            "sent": True,
        }
    assert service.received[0].body == b"text"
