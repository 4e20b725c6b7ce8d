import re

import pytest

from tests.api.client import Client
from tests.api.conftest import CHAIN, Gate

HELD = {"id": "held", "steps": [{"id": "first"}, {"id": "slow", "action": "hold", "dependencies": ["first"]}]}


@pytest.fixture
async def held(client: Client) -> str:
    """A registered workflow whose second step is held."""
    assert (await client.post("/workflows", HELD)).status == 201
    return "held"


async def started(client: Client, workflow_id: str, **more: object) -> str:
    reply = await client.post("/executions/start", {"workflowId": workflow_id} | more)
    assert reply.status == 201, reply.text
    return str(reply.json()["executionId"])


async def test_a_start_answers_the_id_alone(client: Client, chain: str) -> None:
    reply = await client.post("/executions/start", {"workflowId": "chain", "context": {"orderId": "7"}})
    assert reply.status == 201
    assert set(reply.json()) == {"executionId"}
    assert reply.headers["location"] == f"/executions/{reply.json()['executionId']}"


async def test_a_waiting_start_answers_the_ended_execution(client: Client, chain: str) -> None:
    reply = await client.post(
        "/executions/start?wait=20000", {"workflowId": "chain", "context": {"orderId": "7"}}
    )
    assert reply.status == 201
    told = reply.json()
    assert (told["status"], told["completedSteps"]) == ("completed", ["a", "b"])
    assert told["context"] == {"orderId": "7", "a": None, "b": None}
    assert (await client.get(reply.headers["location"])).json() == told


async def test_a_wait_that_is_too_short_answers_what_there_is(client: Client, held: str) -> None:
    reply = await client.post("/executions/start?wait=0", {"workflowId": "held"})
    assert (reply.status, reply.json()["status"]) == (201, "running")


async def test_one_may_wait_for_a_step(client: Client, held: str) -> None:
    reply = await client.post("/executions/start?wait=20000&until=first", {"workflowId": "held"})
    told = reply.json()
    assert (told["status"], told["completedSteps"], told["currentSteps"]) == ("running", ["first"], ["slow"])


async def test_waiting_for_a_step_that_is_not_there_starts_nothing(client: Client, held: str) -> None:
    reply = await client.post("/executions/start?wait=20000&until=nope", {"workflowId": "held"})
    assert reply.status == 400
    assert reply.json()["errors"] == [
        {"path": "query.until", "code": "unknown_step", "message": "The workflow `held` has no step `nope`."}
    ]
    assert (await client.post("/executions/start?until=first", {"workflowId": "held"})).status == 400
    assert (await client.get("/executions")).json() == []


async def test_a_version_may_be_named_in_two_ways(client: Client, chain: str) -> None:
    await client.post("/workflows", CHAIN | {"name": "Second"})
    for body, version in (
        ({"workflowId": "chain"}, 2),
        ({"workflowId": "chain", "version": 1}, 1),
        ({"workflowId": "chain@1"}, 1),
        ({"workflowId": "chain@1", "version": 1}, 1),
    ):
        reply = await client.post("/executions/start?wait=0", body)
        assert reply.json()["workflowVersion"] == version
    torn = await client.post("/executions/start", {"workflowId": "chain@1", "version": 2})
    assert (torn.status, torn.json()["errors"][0]["path"]) == (400, "version")
    assert (await client.post("/executions/start", {"workflowId": "chain@9"})).status == 404


async def test_the_same_start_again_is_the_same_execution(client: Client, chain: str) -> None:
    body = {"workflowId": "chain", "executionId": "order-7", "context": {"a1": 1, "b1": 2}}
    first = await client.post("/executions/start", body)
    again = await client.post("/executions/start", body | {"context": {"b1": 2, "a1": 1}})
    other = await client.post("/executions/start", body | {"context": {}})
    assert [first.status, again.status, other.status] == [201, 200, 409]
    assert again.json() == {"executionId": "order-7"}
    assert "order-7" in other.json()["detail"]


async def test_an_idempotency_key_gives_one_execution(client: Client, chain: str) -> None:
    key = {"idempotency-key": "k-1"}
    first = await client.post("/executions/start", {"workflowId": "chain"}, headers=key)
    again = await client.post("/executions/start?wait=20000", {"workflowId": "chain"}, headers=key)
    other = await client.post("/executions/start", {"workflowId": "chain", "priority": 1}, headers=key)
    assert [first.status, again.status, other.status] == [201, 200, 409]
    assert again.json()["executionId"] == first.json()["executionId"]


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "tab\t"])
async def test_an_odd_idempotency_key_is_refused(client: Client, chain: str, key: str) -> None:
    reply = await client.post("/executions/start", {"workflowId": "chain"}, headers={"idempotency-key": key})
    assert (reply.status, reply.json()["errors"][0]["path"]) == (400, "headers.Idempotency-Key")


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({}, "workflowId", "missing"),
        ({"workflowId": 5}, "workflowId", "string"),
        ({"workflowId": "a b"}, "workflowId", ""),
        ({"workflowId": "chain", "context": [1]}, "context", "object"),
        ({"workflowId": "chain", "context": None}, "context", "object"),
        ({"workflowId": "chain", "contxt": {}}, "contxt", "context"),
        ({"workflowId": "chain", "version": 0}, "version", ""),
        ({"workflowId": "chain", "version": "1"}, "version", ""),
        ({"workflowId": "chain", "executionId": ".x"}, "executionId", ""),
        ({"workflowId": "chain", "executionId": "start"}, "executionId", "/executions/start"),
        ({"workflowId": "chain", "tags": {"a": 1}}, "tags.a", "string"),
        ({"workflowId": "chain", "executionId": "bulk"}, "executionId", "/executions/bulk"),
        ({"workflowId": "chain", "startAt": "soon"}, "startAt", "whole number"),
        ({"workflowId": "chain", "startAt": -1}, "startAt", "0"),
        ({"workflowId": "chain", "context": {"a": 1}}, "context.a", "id of a step"),
        ([], "", "object"),
    ],
)
async def test_a_bad_start_names_the_place(
    client: Client, chain: str, body: object, path: str, words: str
) -> None:
    reply = await client.post("/executions/start", body)
    assert reply.status == 400
    problem = reply.json()["errors"][0]
    assert problem["path"] == path
    assert words in problem["message"]
    assert (await client.get("/executions")).json() == []


async def test_a_bad_start_names_every_place(client: Client, chain: str) -> None:
    reply = await client.post("/executions/start", {"context": 1, "version": -1, "priority": "high", "x": 1})
    assert {p["path"] for p in reply.json()["errors"]} == {
        "workflowId",
        "context",
        "version",
        "priority",
        "x",
    }


async def test_an_unknown_workflow_is_not_found(client: Client) -> None:
    reply = await client.post("/executions/start", {"workflowId": "nope"})
    assert reply.status == 404
    assert reply.json()["error"] == "There is no workflow 'nope'."


async def test_executions_are_listed_newest_first_without_contexts_and_results(
    client: Client, chain: str
) -> None:
    ids = [await started(client, "chain", executionId=f"e-{i}", context={"n": i}) for i in range(3)]
    listed = (await client.get("/executions")).json()
    assert [e["executionId"] for e in listed] == ids[::-1]
    assert not {"context", "stepResults", "output"} & set(listed[0])


async def test_pages_follow_the_link_to_the_end(client: Client, chain: str) -> None:
    ids = [await started(client, "chain", executionId=f"e-{i}") for i in range(7)]
    target: str | None = "/executions?workflowId=chain&limit=3&status=completed,running"
    pages = []
    while target is not None:
        reply = await client.get(target)
        pages.append([e["executionId"] for e in reply.json()])
        link = reply.headers.get("link")
        found = re.fullmatch(r'<(.+)>; rel="next"', link) if link else None
        target = found[1] if found else None
    assert [e for page in pages for e in page] == ids[::-1]
    assert len(pages) == 3


async def test_a_full_last_page_leads_to_an_empty_one(client: Client, chain: str) -> None:
    await started(client, "chain")
    reply = await client.get("/executions?limit=1")
    following = re.fullmatch(r'<(.+)>; rel="next"', reply.headers["link"])
    assert following is not None
    last = await client.get(following[1])
    assert (last.json(), "link" in last.headers) == ([], False)


async def test_lists_are_filtered(client: Client, chain: str, held: str) -> None:
    a = await started(client, "chain", executionId="alpha", tags={"team": "pay", "env": "dev"})
    b = await started(client, "held", executionId="beta", tags={"team": "ship"})
    await client.post("/executions/start?wait=20000", {"workflowId": "chain", "executionId": "gamma"})
    start_of_b = (await client.get(f"/executions/{b}")).json()["startTime"]

    async def listed(query: str) -> list[str]:
        reply = await client.get(f"/executions?{query}")
        assert reply.status == 200, reply.text
        return sorted(e["executionId"] for e in reply.json())

    assert await listed("workflowId=held") == [b]
    assert await listed("workflowId=nope") == []
    assert await listed("status=running") == [b]
    assert await listed("status=running&status=completed") == [a, b, "gamma"]
    assert await listed("status=running,completed") == [a, b, "gamma"]
    assert await listed("tag=team") == [a, b]
    assert await listed("tag=team:ship") == [b]
    assert await listed("tag=env:prod") == []
    assert await listed("q=AMM") == ["gamma"]
    assert await listed("q=held") == [b]
    assert set(await listed(f"since={start_of_b}")) >= {b}
    assert b not in await listed(f"until={start_of_b}")


@pytest.mark.parametrize(
    ("query", "path", "message"),
    [
        ("limit=0", "query.limit", "Expected a whole number from 1 to 1000."),
        ("limit=1001", "query.limit", "Expected a whole number from 1 to 1000."),
        ("limit=ten", "query.limit", "Expected a whole number from 1 to 1000."),
        ("limit=%D9%A3", "query.limit", "Expected a whole number from 1 to 1000."),
        ("limit=1&limit=2", "query.limit", "This parameter may be given only once."),
        (
            "status=done",
            "query.status",
            "`done` is not one of pending, running, paused, completed, failed, cancelled.",
        ),
        (
            "status=",
            "query.status",
            "`` is not one of pending, running, paused, completed, failed, cancelled.",
        ),
        ("tag=:x", "query.tag", "Expected name:value, or a name alone for any value."),
        ("since=-1", "query.since", "Expected a whole number from 0 to 100000000000000."),
        (
            "workflowId=a%20b",
            "query.workflowId",
            "Expected an id: 1 to 128 of A-Z a-z 0-9 . _ - ; the first alphanumeric.",
        ),
        ("cursor=zzz", "query.cursor", "This is not a cursor that a Link header gave."),
        ("cursor=%00", "query.cursor", "This is not a cursor that a Link header gave."),
        ("q=", "query.q", "Expected 1 to 200 characters."),
        ("q=%FF", "query", "The query must be percent-encoded UTF-8."),
        ("&".join(f"a{i}=1" for i in range(101)), "query", "At most 100 parameters are read."),
        (
            "worklfowId=x",
            "query.worklfowId",
            "This call has no such parameter; it takes workflowId, status, tag, since, until, q, limit, cursor. "
            "Did you mean `workflowId`?",
        ),
    ],
)
async def test_a_bad_query_says_what_was_expected(
    client: Client, query: str, path: str, message: str
) -> None:
    reply = await client.get(f"/executions?{query}")
    assert reply.status == 400
    assert [(p["path"], p["message"]) for p in reply.json()["errors"]] == [(path, message)]


async def test_every_problem_of_a_query_is_told_at_once(client: Client) -> None:
    reply = await client.get("/executions?limit=x&since=y&z=1")
    assert {p["path"] for p in reply.json()["errors"]} == {"query.limit", "query.since", "query.z"}


@pytest.mark.parametrize("rest", ["", "/visualize", "/journal", "/events", "/explain"])
@pytest.mark.parametrize("execution_id", ["nope", "..", "a%20b", "%E2%98%83", "x" * 129, "%00"])
async def test_an_execution_that_is_not_there_is_not_found(
    client: Client, execution_id: str, rest: str
) -> None:
    reply = await client.get(f"/executions/{execution_id}{rest}")
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert "execution" in reply.json()["detail"]


async def test_the_picture_is_data_or_a_drawing(client: Client, held: str) -> None:
    execution = await started(client, "held")
    shown = (await client.get(f"/executions/{execution}/visualize")).json()
    assert [step["id"] for step in shown["steps"]] == ["first", "slow"]
    svg = await client.get(f"/executions/{execution}/visualize?format=svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert (await client.get(f"/executions/{execution}/visualize?format=png")).status == 400


async def test_the_journal_is_read_in_pages(client: Client, chain: str) -> None:
    ended = (await client.post("/executions/start?wait=20000", {"workflowId": "chain"})).json()
    target = f"/executions/{ended['executionId']}/journal"
    whole = (await client.get(target)).json()
    assert [entry["seq"] for entry in whole] == list(range(1, len(whole) + 1))
    assert whole[0]["events"][0]["type"] == "execution.started"
    assert whole[-1]["events"][-1]["type"] == "execution.completed"
    page = await client.get(f"{target}?limit=1&after=1")
    assert page.json() == whole[1:2]
    assert page.headers["link"] == f'<{target}?limit=1&after=2>; rel="next"'


async def test_explain_says_what_is_waited_for(client: Client, held: str, gate: Gate) -> None:
    execution = await started(client, "held")
    await gate.entered.wait()
    told = (await client.get(f"/executions/{execution}/explain")).json()
    assert told["summary"].startswith("The execution is running; 1 step of 2 still to end")
    assert [step["stepId"] for step in told["steps"]] == ["slow"]
    assert told["steps"][0]["sentence"].startswith("`slow` is running its attempt 1 of action hold since ")
