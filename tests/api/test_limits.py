"""Limits and variables over HTTP."""

from __future__ import annotations

import msgspec
import pytest

from tenuto.api.concurrency import LimitRemoved, LimitSet, SharedLimit
from tenuto.api.variables import Variable, VariableRemoved
from tenuto.bootstrap import Engine
from tests.api.client import Client
from tests.api.conftest import Gate

KEYED = {
    "id": "keyed",
    "concurrency": [{"key": "all", "limit": 7}],
    "steps": [
        {"id": "a", "action": "hold", "concurrency": [{"key": "db/{{ context.n }}", "limit": 1}]},
        {"id": "b", "action": "hold", "concurrency": [{"key": "db/{{ context.n }}", "limit": 1}]},
    ],
}


async def put(client: Client, target: str, data: object) -> int:
    return (await client.ask("PUT", target, data)).status


async def test_keys_are_listed_with_who_holds_and_who_waits(client: Client, gate: Gate) -> None:
    await client.post("/workflows", KEYED)
    await client.post("/executions/start", {"workflowId": "keyed", "context": {"n": 1}})
    await gate.entered.wait()
    rows = msgspec.convert((await client.get("/limits")).json(), list[SharedLimit])
    assert [(row.key, row.of, row.limit, row.override, row.held, row.waiting) for row in rows] == [
        ("all", "executions", 7, None, 1, 0),
        ("db/1", "steps", 1, None, 1, 1),
    ]


async def test_a_limit_set_by_hand_lets_those_who_wait_go_on_at_once(
    client: Client, engine: Engine, gate: Gate
) -> None:
    await client.post("/workflows", KEYED)
    started = await client.post("/executions/start", {"workflowId": "keyed", "context": {"n": 1}})
    await gate.entered.wait()
    reply = await client.ask("PUT", "/limits/db%2F1", {"limit": 2})
    assert (reply.status, msgspec.convert(reply.json(), LimitSet).key) == (200, "db/1")
    [_, row] = (await client.get("/limits")).json()
    assert (row["limit"], row["override"], row["held"], row["waiting"]) == (2, 2, 2, 0)
    gone = await client.ask("DELETE", "/limits/db%2F1")
    assert (gone.status, msgspec.convert(gone.json(), LimitRemoved).key) == (200, "db/1")
    assert (await client.get("/limits")).json()[1]["limit"] == 1
    assert (await client.ask("DELETE", "/limits/db%2F1")).status == 404
    gate.open()
    assert (await engine.wait(started.json()["executionId"]))["status"] == "completed"
    assert (await client.get("/limits")).json() == []


async def test_a_limit_must_be_a_number_and_a_key_must_be_one(client: Client) -> None:
    assert await put(client, "/limits/k", {"limit": -1}) == 400
    assert await put(client, "/limits/k", {"limit": 100_001}) == 400
    assert await put(client, "/limits/k", {}) == 400
    assert await put(client, f"/limits/{'k' * 513}", {"limit": 1}) == 404
    assert await put(client, "/limits/a%00b", {"limit": 1}) == 404
    assert await put(client, "/limits/", {"limit": 1}) == 404
    assert await put(client, "/limits/a/b", {"limit": 1}) == 404
    assert (await client.ask("OPTIONS", "/limits/a%2fb")).headers["allow"] == "DELETE, OPTIONS, PUT"
    assert (await client.get("/limits")).json() == []


@pytest.mark.parametrize("value", [None, 7, "text", ["list"], {"nested": {"on": True}}])
async def test_a_variable_keeps_any_json_value(client: Client, value: object) -> None:
    assert await put(client, "/vars/rates", {"value": value}) == 201
    assert await put(client, "/vars/rates", {"value": value}) == 200
    assert msgspec.convert((await client.get("/vars/rates")).json(), Variable).value == value
    assert (await client.get("/vars")).json() == [{"name": "rates", "value": value}]
    gone = await client.ask("DELETE", "/vars/rates")
    assert msgspec.convert(gone.json(), VariableRemoved).name == "rates"
    assert (await client.get("/vars/rates")).status == 404
    assert (await client.ask("DELETE", "/vars/rates")).status == 404


async def test_a_variable_has_its_bounds(client: Client) -> None:
    assert await put(client, "/vars/a", {"value": "x" * 70_000}) == 413
    assert await put(client, "/vars/a", {}) == 400
    assert await put(client, "/vars/a", {"value": 1, "valeu": 2}) == 400
    assert await put(client, "/vars/.a", {"value": 1}) == 404
    assert (await client.get("/vars")).json() == []


async def test_workflows_read_variables(client: Client) -> None:
    await put(client, "/vars/rates", {"value": {"eur": 2}})
    step = {"id": "a", "params": {"result": "{{ vars.rates.eur }}"}}
    assert (await client.post("/workflows", {"id": "w", "steps": [step]})).status == 201
    done = await client.post("/executions/start?wait=20000", {"workflowId": "w"})
    assert done.json()["output"] == {"a": 2}
