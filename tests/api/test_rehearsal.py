"""POST /workflows/{id}/test: what it answers, and what it refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tenuto.api.rehearsal import Rehearsed
from tests.api.client import Client

ORDER: dict[str, Any] = {
    "id": "order",
    "steps": [
        {"id": "check", "action": "condition", "params": {"expression": "context.amount > 100"}, "onSuccess": ["sign"]},
        {"id": "sign", "action": "approval", "params": {"timeout": 60_000}, "onFailure": ["close"]},
        {"id": "close"},
        {
            "id": "charge",
            "action": "http.request",
            "params": {"url": "http://shop.example/{{ context.amount }}", "method": "POST"},
            "dependencies": ["sign"],
            "retryPolicy": {"maxAttempts": 3, "initialDelay": 500},
        },
    ],
}  # fmt: skip


@pytest.fixture
async def order(client: Client) -> str:
    assert (await client.post("/workflows", ORDER)).status == 201
    return "/workflows/order/test"


async def rehearsed(client: Client, where: str, body: Any) -> Rehearsed:
    reply = await client.post(where, body)
    assert reply.status == 200, reply.text
    return msgspec.convert(reply.json(), Rehearsed)


async def test_a_registered_workflow_is_played_and_nothing_is_kept(client: Client, order: str) -> None:
    body = {
        "context": {"amount": 120},
        "mocks": {"charge": [{"error": "http.503"}, {"result": {"id": 7}, "delay": 20}]},
        "events": [{"approve": "sign", "by": "ada", "after": 3_000}],
        "expect": {
            "status": "completed",
            "calls": {"charge": 2},
            "steps": {"close": "skipped branch_not_taken"},
        },
    }
    told = await rehearsed(client, order, body)
    assert told.ok
    assert told.duration == 3_000 + 500 + 20
    assert told.document.context["charge"] == {"id": 7}
    assert [(call.at, call.params["url"]) for call in told.calls if call.step == "charge"] == [
        (3_000, "http://shop.example/120"),
        (3_500, "http://shop.example/120"),
    ]
    assert (await client.get("/executions")).json() == []


async def test_the_same_body_is_answered_with_the_same_bytes(client: Client, order: str) -> None:
    body = {"context": {"amount": 120}}
    one, other = await client.post(order, body), await client.post(order, body)
    assert one.body == other.body


async def test_what_is_not_as_expected_is_told_and_is_no_error(client: Client, order: str) -> None:
    told = await rehearsed(
        client, order, {"context": {"amount": 1}, "expect": {"steps": {"charge": "success"}}}
    )
    assert not told.ok
    [expectation] = told.expectations
    assert (expectation.expected, expectation.actual) == ("success", "skipped")


async def test_a_definition_that_nobody_registered_is_played(client: Client) -> None:
    definition = {"steps": [{"id": "a", "params": {"result": "{{ context.x + 1 }}"}}]}
    told = await rehearsed(client, "/workflows/new/test", {"definition": definition, "context": {"x": 1}})
    assert told.document.output == {"a": 2}
    assert told.workflow_version == 0


async def test_versions_are_named_in_the_path_and_in_the_query(client: Client, order: str) -> None:
    await client.post("/workflows", {"id": "order", "steps": [{"id": "a"}]})
    assert (await rehearsed(client, "/workflows/order/test", {})).workflow_version == 2
    for where in ("/workflows/order@1/test", "/workflows/order/test?version=1"):
        assert (await rehearsed(client, where, {"context": {"amount": 1}})).workflow_version == 1
    assert (await client.post("/workflows/order/test?version=9", {})).status == 404
    assert (await client.post("/workflows/nothing/test", {})).status == 404


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"mocks": {"chrge": {"result": 1}}}, "mocks.chrge"),
        ({"mocks": {"charge": {"rsult": 1}}}, "mocks.charge.rsult"),
        ({"mocks": {"charge": {"result": 1, "error": "x"}}}, "mocks.charge"),
        ({"mocks": {"charge": {"items": [{}]}}}, "mocks.charge.items"),
        ({"mocks": {"charge": {"choose": ["close"]}}}, "mocks.charge.choose"),
        ({"mocks": {"charge[0]": {}}}, 'mocks["charge[0]"]'),
        ({"fail": ["nobody"]}, "fail[0]"),
        ({"events": [{"approve": "nobody"}]}, "events[0].approve"),
        ({"events": [{"execution": "cancel"}]}, "events[0].at"),
        ({"events": [{"skip": "sign", "payload": 1}]}, "events[0].payload"),
        ({"expect": {"steps": {"nobody": "success"}}}, "expect.steps.nobody"),
        ({"expect": {"order": [["sign", "nobody"]]}}, "expect.order[0][1]"),
        ({"context": {"sign": 1}}, "context.sign"),
        ({"definition": {"id": "other", "steps": [{"id": "a"}]}}, "definition.id"),
        ({"definition": {"steps": [{"id": "a", "tmeout": 1}]}}, "definition.steps[0].tmeout"),
        ([], ""),
    ],
)
async def test_bad_bodies_are_refused_with_the_place(
    client: Client, order: str, body: Any, path: str
) -> None:
    reply = await client.post(order, body)
    assert reply.status == 400
    assert [problem["path"] for problem in reply.json()["errors"]] == [path]


async def test_a_context_that_does_not_fit_is_refused(client: Client) -> None:
    schema = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}
    definition = {"inputSchema": schema, "steps": [{"id": "a"}]}
    reply = await client.post("/workflows/w/test", {"definition": definition, "context": {"amount": "7"}})
    assert reply.status == 400
    assert [problem["path"] for problem in reply.json()["errors"]] == ["context.amount"]
