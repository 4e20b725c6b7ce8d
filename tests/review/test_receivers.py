"""Webhooks that could never be delivered are refused when they are registered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import tenuto
from tenuto.errors import DefinitionInvalid


@pytest.fixture
async def engine() -> AsyncIterator[tenuto.Engine]:
    async with tenuto.Engine("memory:") as engine:
        yield engine


@pytest.mark.parametrize(
    "receiver",
    [
        "http://[::1",
        "http://x:99999/",
        "http://x/\r\nHost: y",
        {"url": "http://x/", "headers": {"bad name": "x"}},
        {"url": "http://x/", "headers": {"x": "a\nb"}},
        {"url": "http://x/", "headers": {"Content-Length": "5"}},
        {"url": "http://x/", "headers": {"X": "1", "x": "2"}},
    ],
)
async def test_a_receiver_that_nothing_can_be_sent_to_is_refused(
    engine: tenuto.Engine, receiver: Any
) -> None:
    document = {"id": "w", "steps": [{"id": "a", "action": ""}], "webhooks": {"onStep": receiver}}
    with pytest.raises(DefinitionInvalid) as refused:
        await engine.register_workflow(document)
    assert {problem.path for problem in refused.value.problems} == {"steps[0].action", "webhooks.onStep"}


@pytest.mark.parametrize("secret", ["whsec_AA==", "whsec_AB==", "whsec_AAA=", "whsec_" + "AbC/" * 200])
async def test_every_secret_that_is_taken_can_sign(engine: tenuto.Engine, secret: str) -> None:
    receiver = {"url": "https://user:password@x/?y", "secret": secret, "headers": {"X-Team": "ä"}}
    document = {"id": "w", "steps": [{"id": "a"}], "webhooks": {"onStep": receiver, "onCancel": None}}
    assert (await engine.register_workflow(document)).created


@pytest.mark.parametrize(
    "webhooks",
    [None, [], {"onStep": 5}, {"onStep": {"url": 5}}, {"onStep": {"url": "http://x", "headers": []}}],
)
async def test_what_is_of_another_shape_is_reported_once(engine: tenuto.Engine, webhooks: Any) -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        await engine.register_workflow({"id": "w", "steps": [{"id": "a"}], "webhooks": webhooks})
    assert {problem.code for problem in refused.value.problems}.isdisjoint({"undeliverable"})
