"""The API's description is exact: what is answered is what it says, type by type, unknown fields refused."""

from typing import Any

import msgspec
import pytest

from tenuto.api import shapes
from tenuto.api.docs import ALL_ROUTES
from tenuto.api.problems import KINDS
from tests.api.client import Client
from tests.api.conftest import CHAIN, Gate
from tests.api.test_control import FAILING, HELD


async def document(client: Client) -> dict[str, Any]:
    described: dict[str, Any] = (await client.get("/openapi.json")).json()
    return described


async def test_every_route_is_described(client: Client) -> None:
    paths = (await document(client))["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == {(route.method, route.path) for route in ALL_ROUTES}


async def test_every_operation_has_its_own_id_and_every_reference_leads_somewhere(client: Client) -> None:
    described = await document(client)
    ids = [
        operation["operationId"] for methods in described["paths"].values() for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))
    references = set(msgspec.json.encode(described).decode().split('"#/components/schemas/')[1:])
    for reference in references:
        assert reference.partition('"')[0] in described["components"]["schemas"]


async def test_the_page_loads_nothing_and_lists_every_call_and_error(client: Client) -> None:
    reply = await client.get("/docs")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in reply.text
    for loading in ("src=", "url(", "@import", "<link", 'href="http'):
        assert loading not in reply.text
    for route in ALL_ROUTES:
        assert f"<code>{route.path}</code>" in reply.text
    for kind in KINDS:
        assert f'id="{kind.slug}"' in reply.text


async def test_the_front_door_is_readable_in_a_terminal(client: Client) -> None:
    reply = await client.get("/")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert "/openapi.json" in reply.text


async def test_health_and_readiness(client: Client) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = (await client.get("/readyz")).json()
    assert ready["status"] == "ready"
    assert {"noop", "http.request", "hold"} <= set(ready["actions"])


async def test_metrics_count_requests_by_route_and_status(client: Client, chain: str) -> None:
    await client.get("/workflows/chain")
    await client.get("/workflows/nope")
    reply = await client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert 'tenuto_http_request_seconds_count{route="/workflows/{workflowId}",status="200"} 1.0' in reply.text
    assert 'tenuto_http_request_seconds_count{route="/workflows/{workflowId}",status="404"} 1.0' in reply.text
    assert "nope" not in reply.text


async def replies(client: Client, gate: Gate) -> list[tuple[str, Any]]:
    """Answers of every kind, with the type that each must have."""
    told: list[tuple[str, Any]] = []

    async def note(method: str, target: str, shape: Any, body: Any = None) -> Any:
        reply = await client.ask(method, target, body)
        told.append((f"{method} {target}: {reply.text}", (reply.body, shape)))
        return reply

    for workflow in (CHAIN, HELD, FAILING):
        await note("POST", "/workflows", shapes.Registered, workflow)
    await note("POST", "/workflows/validate", shapes.Validated, CHAIN)
    await note("GET", "/workflows", list[shapes.Workflow])
    await note("GET", "/workflows/chain", shapes.Workflow)
    await note("GET", "/workflows/chain/versions", list[shapes.WorkflowVersion])
    await note("GET", "/workflows/chain/graph", shapes.Graph)
    await note("POST", "/executions/start", shapes.StartedExecution, {"workflowId": "chain"})
    done = await note("POST", "/executions/start?wait=20000", shapes.Execution, {"workflowId": "chain"})
    failed = await note("POST", "/executions/start?wait=20000", shapes.Execution, {"workflowId": "failing"})
    held = await client.post("/executions/start", {"workflowId": "held"})
    await gate.entered.wait()
    for path in (done.headers["location"], failed.headers["location"], held.headers["location"]):
        await note("GET", path, shapes.Execution)
        await note("GET", f"{path}/visualize", shapes.Visualization)
        await note("GET", f"{path}/explain", shapes.Explanation)
        await note("GET", f"{path}/journal", list[shapes.JournalEntry])
    await note("GET", "/executions", list[shapes.ExecutionBrief])
    await note("POST", f"{held.headers['location']}/pause", shapes.Execution)
    await note("GET", f"{held.headers['location']}/explain", shapes.Explanation)
    await note("POST", f"{held.headers['location']}/cancel", shapes.Execution)
    await note("GET", f"{held.headers['location']}/journal", list[shapes.JournalEntry])
    await note("POST", f"{held.headers['location']}/cancel", shapes.ProblemDetails)
    await note("GET", "/nope", shapes.ProblemDetails)
    await note("POST", "/workflows", shapes.ProblemDetails, {})
    await note("GET", "/webhooks/dead", list[shapes.DeadWebhook])
    await note("GET", "/healthz", shapes.Health)
    await note("GET", "/readyz", shapes.Ready)
    await note("DELETE", "/workflows/chain", shapes.Archived)
    return told


async def test_every_answer_is_of_the_type_that_is_described(client: Client, gate: Gate) -> None:
    for what, (body, shape) in await replies(client, gate):
        try:
            msgspec.json.decode(body, type=shape)
        except msgspec.ValidationError as error:
            pytest.fail(f"{error}: {what}")
