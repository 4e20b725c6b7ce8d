"""The examples of docs/actions.md and docs/webhooks.md, as a reader would use them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tenuto.actions.registry import Registry
from tenuto.core.params import KNOWN
from tenuto.runtime.signing import webhook_headers
from tenuto.wire.definitions import examine_definition
from tenuto.wire.schema import NOTHING_LATER
from tests.actions.requests import failure_of, request, result_of

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def definition_of(block: str) -> Any:
    """The example as a whole workflow."""
    example = json.loads(block)
    if isinstance(example, dict) and "steps" in example:
        return example
    return {"id": "example", "steps": example if isinstance(example, list) else [example]}


@pytest.mark.parametrize("page", ["actions.md", "webhooks.md"])
def test_every_json_example_is_a_workflow_that_can_be_registered(page: str) -> None:
    examples = blocks(page, "json")
    assert examples
    for block in examples:
        examined = examine_definition(definition_of(block), frozenset(KNOWN), NOTHING_LATER)
        assert examined.problems == [], block


def test_every_built_in_action_has_its_section() -> None:
    sections = re.findall(r"^## (\S+)$", (DOCS / "actions.md").read_text(), re.MULTILINE)
    assert set(KNOWN) <= set(sections)


async def test_the_executors_of_the_example_do_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = blocks("actions.md", "python")
    registry = Registry()

    class FakeEngine:
        executor = staticmethod(registry.register)
        register_executor = staticmethod(registry.register)

    monkeypatch.setattr("tenuto.Engine", lambda _database: FakeEngine(), raising=False)
    exec(compile(example, "docs/actions.md", "exec"), {})  # the example itself is under test
    reserve, price = registry.find("reserve-stock"), registry.find("price")
    assert reserve is not None
    assert price is not None
    made = request({"quantity": 2}, {"orderId": "o-1"})
    assert await result_of(reserve, made) == {"reserved": 2, "order": "o-1"}
    assert await result_of(price, made) == {"total": 19.98}
    refused = await failure_of(price, request({"quantity": 1001}))
    assert (refused.error.type, refused.retry) == ("stock.too_many", False)
    registry.close()


def test_the_example_of_checking_a_signature_accepts_what_is_sent_and_nothing_else() -> None:
    (example,) = blocks("webhooks.md", "python")
    scope: dict[str, Any] = {}
    exec(compile(example, "docs/webhooks.md", "exec"), scope)
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"type":"execution.completed"}'
    headers = webhook_headers("exec-1.4.1", 1_800_000_000, body, secret)
    assert scope["is_genuine"](headers, body, secret)
    assert not scope["is_genuine"](headers, body + b" ", secret)
    assert not scope["is_genuine"](headers | {"webhook-timestamp": "1800000001"}, body, secret)
