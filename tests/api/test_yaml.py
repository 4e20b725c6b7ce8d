"""Definitions as YAML over HTTP."""

from __future__ import annotations

import pytest

from tests.api.client import Client

TEXT = b"""\
id: shop
name: on
steps:
  - id: charge
    params: {result: 012}
  - id: ship
    dependencies: [charge]
"""


@pytest.mark.parametrize(
    "kind", ["application/yaml", "application/x-yaml", "text/yaml", "Text/YAML; charset=utf-8"]
)
async def test_a_definition_may_be_yaml(client: Client, kind: str) -> None:
    headers = {"content-type": kind}
    assert (await client.post("/workflows/validate", body=TEXT, headers=headers)).json()["valid"]
    reply = await client.post("/workflows", body=TEXT, headers=headers)
    assert (reply.status, reply.json()["workflowId"]) == (201, "shop")
    kept = (await client.get("/workflows/shop")).json()
    assert (kept["name"], kept["steps"][0]["params"]) == ("on", {"result": "012"})


async def test_the_same_content_in_json_is_the_same_version(client: Client) -> None:
    steps = [{"id": "charge", "params": {"result": "012"}}, {"id": "ship", "dependencies": ["charge"]}]
    assert (await client.post("/workflows", {"id": "shop", "name": "on", "steps": steps})).status == 201
    reply = await client.post("/workflows", body=TEXT, headers={"content-type": "application/yaml"})
    assert (reply.status, reply.json()["version"]) == (200, 1)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"id: a\nid: b\n", 400, 'Line 2, column 1: the key "id" appears twice'),
        (b"id: a\n---\nid: b\n", 400, "second document"),
        (b"", 400, "empty"),
        (b"id: !!python/name:os.system x\n", 400, "is not read"),
        (b"#" * (1024 * 1024 + 1), 413, "at most 1,048,576"),
        (b"id: a\nsteps: [{id: s, timeout: 1s}]\n", 400, "steps[0].timeout"),
    ],
)
async def test_yaml_that_goes_wrong_is_refused(client: Client, body: bytes, status: int, told: str) -> None:
    reply = await client.post("/workflows", body=body, headers={"content-type": "application/yaml"})
    assert (reply.status, told in reply.text.replace('\\"', '"')) == (status, True)


async def test_large_yaml_is_read_beside_the_loop(client: Client) -> None:
    steps = "".join(f"  - {{id: s{number}, name: step number {number}}}\n" for number in range(1000))
    body = f"id: large\nsteps:\n{steps}".encode()
    reply = await client.post("/workflows", body=body, headers={"content-type": "application/yaml"})
    assert reply.status == 201


async def test_other_calls_take_json_only(client: Client) -> None:
    reply = await client.post(
        "/executions/start", body=b"workflowId: a", headers={"content-type": "application/yaml"}
    )
    assert reply.status == 415
    assert "Only definitions may be YAML" in reply.text
