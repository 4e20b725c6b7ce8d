import pytest

from tests.api.client import Client
from tests.api.conftest import Gate

HELD = {"id": "held", "steps": [{"id": "slow", "action": "hold"}, {"id": "after", "dependencies": ["slow"]}]}
FAILING = {"id": "failing", "steps": [{"id": "a", "action": "fail"}]}


@pytest.fixture
async def held(client: Client, gate: Gate) -> str:
    """The path of an execution whose first step is held."""
    await client.post("/workflows", HELD)
    reply = await client.post("/executions/start", {"workflowId": "held"})
    await gate.entered.wait()
    return reply.headers["location"]


async def test_a_cancelled_execution_ends_and_keeps_who_and_why(client: Client, held: str) -> None:
    reply = await client.post(f"{held}/cancel", {"by": "ann", "reason": "wrong order"})
    assert reply.status == 200
    assert (reply.json()["status"], reply.json()["cancelledSteps"]) == ("cancelled", ["slow"])
    events = [event for entry in (await client.get(f"{held}/journal")).json() for event in entry["events"]]
    asked = next(event for event in events if event["type"] == "execution.cancel-requested")
    assert (asked["by"], asked["reason"]) == ("ann", "wrong order")


async def test_a_terminated_execution_says_so(client: Client, held: str) -> None:
    reply = await client.post(f"{held}/terminate")
    assert (reply.status, reply.json()["error"]["type"]) == (200, "terminated")


async def test_a_paused_execution_goes_on_when_resumed(client: Client, held: str, gate: Gate) -> None:
    paused = await client.post(f"{held}/pause", {})
    assert (paused.status, paused.json()["status"]) == (200, "paused")
    assert (await client.post(f"{held}/pause")).status == 409
    resumed = await client.post(f"{held}/resume")
    assert (resumed.status, resumed.json()["status"]) == (200, "running")
    gate.open()
    async with client.stream(f"{held}/events") as stream:
        assert b'"status":"completed"' in await stream.rest()


async def test_a_failed_execution_is_retried(client: Client) -> None:
    await client.post("/workflows", FAILING)
    failed = await client.post("/executions/start?wait=20000", {"workflowId": "failing"})
    assert failed.json()["status"] == "failed"
    again = await client.post(f"{failed.headers['location']}/retry", {"by": "ann"})
    assert (again.status, again.json()["status"]) == (200, "running")


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "resume"])
async def test_an_ended_execution_is_past_control(client: Client, chain: str, verb: str) -> None:
    ended = await client.post("/executions/start?wait=20000", {"workflowId": "chain"})
    reply = await client.post(f"{ended.headers['location']}/{verb}")
    assert reply.status == 409
    assert "completed" in reply.json()["detail"]
    assert reply.json()["detail"].endswith(".")


async def test_only_a_failed_execution_is_retried(client: Client, held: str) -> None:
    reply = await client.post(f"{held}/retry")
    assert (reply.status, reply.json()["title"]) == (409, "Conflict")


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "resume", "retry"])
async def test_what_is_not_there_cannot_be_controlled(client: Client, verb: str) -> None:
    assert (await client.post(f"/executions/nope/{verb}")).status == 404


async def test_curl_may_send_no_body_at_all(client: Client, held: str) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client.post(f"{held}/pause", body=b"", headers=form)).status == 200
    assert (await client.post(f"{held}/resume", chunks=[b""])).status == 200


@pytest.mark.parametrize(
    ("body", "path"),
    [({"bye": "x"}, "bye"), ({"by": 5}, "by"), ({"reason": "x" * 1001}, "reason"), ("x", "")],
)
async def test_a_bad_body_changes_nothing(client: Client, held: str, body: object, path: str) -> None:
    reply = await client.post(f"{held}/cancel", body)
    assert (reply.status, reply.json()["errors"][0]["path"]) == (400, path)
    assert (await client.get(held)).json()["status"] == "running"


async def test_a_wrong_media_type_changes_nothing(client: Client, held: str) -> None:
    reply = await client.post(f"{held}/cancel", body=b"reason=x", headers={"content-type": "text/plain"})
    assert reply.status == 415
    assert (await client.get(held)).json()["status"] == "running"
