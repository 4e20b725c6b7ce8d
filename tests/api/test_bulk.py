"""One verb for many executions, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tenuto.bootstrap import Engine
from tests.api.client import Client

Do = Callable[..., Awaitable[dict[str, Any]]]

HELD = {"id": "held", "steps": [{"id": "a", "action": "hold"}]}
ASKING = {"id": "asking", "steps": [{"id": "a", "action": "signal.wait", "params": {"name": "go"}}]}


@pytest.fixture
async def crowd(client: Client) -> list[str]:
    """Three executions of one workflow and two of another, all under way, newest first."""
    for definition in (HELD, ASKING):
        assert (await client.post("/workflows", definition)).status == 201
    for number in range(5):
        workflow = "held" if number < 3 else "asking"
        body = {"workflowId": workflow, "executionId": f"e{number}", "tags": {"batch": str(number % 2)}}
        assert (await client.post("/executions/start", body)).status == 201
    return ["e4", "e3", "e2", "e1", "e0"]


@pytest.fixture
def do(engine: Engine, client: Client) -> Do:
    """Begins a job and answers it once it is over."""

    async def begin_and_wait(**body: Any) -> dict[str, Any]:
        begun = await client.post("/executions/bulk", body)
        assert begun.status == 202, begun.text
        where = begun.headers["location"]
        assert where == f"/executions/bulk/{begun.json()['jobId']}"
        await engine.bulk.wait(begun.json()["jobId"])
        job: dict[str, Any] = (await client.get(where)).json()
        return job

    return begin_and_wait


async def statuses(client: Client) -> dict[str, str]:
    return {found["executionId"]: found["status"] for found in (await client.get("/executions")).json()}


async def test_a_verb_is_done_to_all_that_fit_and_to_no_others(
    client: Client, crowd: list[str], do: Do
) -> None:
    job = await do(filter={"workflowId": "held"}, action="cancel", by="ann", reason="closing")
    assert {name: job[name] for name in ("status", "matched", "done", "failed", "skipped", "errors")} == {
        "status": "done", "matched": 3, "done": 3, "failed": 0, "skipped": 0, "errors": [],
    }  # fmt: skip
    assert job["endedAt"] >= job["startedAt"]
    assert [name for name, status in (await statuses(client)).items() if status == "cancelled"] == crowd[2:]
    document = (await client.get("/executions/e0")).json()
    assert (document["cancelledBy"], document["cancelReason"]) == ("ann", "closing")


async def test_those_in_no_status_for_it_are_skipped(client: Client, crowd: list[str], do: Do) -> None:
    await client.post("/executions/e0/cancel")
    job = await do(filter={"all": True}, action="pause")
    assert (job["matched"], job["done"], job["skipped"]) == (5, 4, 1)
    resumed = await do(filter={"status": "paused", "tag": "batch:1"}, action="resume")
    assert (resumed["matched"], resumed["done"]) == (2, 2)


async def test_a_signal_reaches_all(client: Client, crowd: list[str], do: Do) -> None:
    signal = {"name": "go", "payload": {"n": 1}}
    job = await do(filter={"workflowId": "asking"}, action="signal", signal=signal)
    assert (job["done"], job["action"], job["filter"]) == (2, "signal", {"workflowId": "asking"})
    assert (await client.get("/executions/e4")).json()["context"] == {"a": {"n": 1}}


async def test_what_cannot_be_done_is_told_for_each(client: Client, do: Do) -> None:
    schema = {"name": "go", "schema": {"type": "object"}}
    definition = {"id": "w", "steps": [{"id": "a", "action": "signal.wait", "params": schema}]}
    await client.post("/workflows", definition)
    await client.post("/executions/start", {"workflowId": "w", "executionId": "e"})
    job = await do(filter={"q": "e"}, action="signal", signal={"name": "go", "payload": 5})
    assert (job["done"], job["failed"]) == (0, 1)
    assert job["errors"] == [{"executionId": "e", "message": "payload: Expected an object, got 5."}]


async def test_a_dry_run_says_which_and_does_nothing(client: Client, crowd: list[str]) -> None:
    body = {"filter": {"status": ["running"]}, "action": "terminate", "dryRun": True}
    reply = await client.post("/executions/bulk", body)
    assert (reply.status, reply.json()) == (200, {"matched": 5, "sample": crowd})
    assert (await client.get("/executions/bulk")).json() == []
    assert set((await statuses(client)).values()) == {"running"}


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"filter": {}}, "filter", '{"all": true}'),
        ({"filter": {"all": False}}, "filter", "empty filter"),
        ({"filter": {"all": True, "q": "x"}}, "filter.all", "alone"),
        ({"filter": {"status": "runing"}}, "filter.status", "running"),
        ({"filter": {"status": []}}, "filter.status", ""),
        ({"filter": {"tag": ":x"}}, "filter.tag", ""),
        ({"filter": {"workflow": "w"}}, "filter.workflow", "workflowId"),
        ({"action": "stop"}, "action", "cancel"),
        ({"action": "signal"}, "signal", "needs one"),
        ({"signal": {"name": "go"}}, "signal", "belongs"),
        ({"action": "signal", "signal": {"name": "a/b"}}, "signal.name", ""),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused(
    client: Client, change: dict[str, Any], place: str, words: str
) -> None:
    body = {"filter": {"workflowId": "w"}, "action": "cancel", **change}
    reply = await client.post("/executions/bulk", body)
    assert reply.status == 400
    assert reply.json()["errors"][0]["path"] == place
    assert words in reply.json()["errors"][0]["message"]


async def test_jobs_are_listed_newest_first(client: Client, crowd: list[str], do: Do) -> None:
    first = await do(filter={"all": True}, action="pause")
    second = await do(filter={"all": True}, action="resume")
    listed = (await client.get("/executions/bulk")).json()
    assert [job["jobId"] for job in listed] == [second["jobId"], first["jobId"]]


async def test_a_job_that_is_over_is_not_cancelled(client: Client, crowd: list[str], do: Do) -> None:
    job = await do(filter={"all": True}, action="pause")
    reply = await client.ask("DELETE", f"/executions/bulk/{job['jobId']}")
    assert (reply.status, "is done" in reply.json()["detail"]) == (409, True)


async def test_a_job_that_is_not_there_is_not_found(client: Client) -> None:
    for name in ("bulk-20270115T080000Z", "bulk-20270115T080000.123Z", "nope"):
        assert (await client.get(f"/executions/bulk/{name}")).status == 404
        assert (await client.ask("DELETE", f"/executions/bulk/{name}")).status == 404
