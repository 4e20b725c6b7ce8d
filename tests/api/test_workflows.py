import msgspec

from tests.api.client import Client
from tests.api.conftest import CHAIN


async def test_a_new_workflow_is_version_one(client: Client) -> None:
    reply = await client.post("/workflows", CHAIN)
    assert reply.status == 201
    assert reply.json() == {"success": True, "workflowId": "chain", "version": 1, "warnings": []}
    assert reply.headers["location"] == "/workflows/chain?version=1"


async def test_the_same_content_again_is_the_version_there_is(client: Client, chain: str) -> None:
    again = await client.post("/workflows", dict(reversed(CHAIN.items())))
    assert (again.status, again.json()["version"]) == (200, 1)


async def test_other_content_is_the_next_version(client: Client, chain: str) -> None:
    other = await client.post("/workflows", CHAIN | {"name": "Another"})
    assert (other.status, other.json()["version"]) == (201, 2)


async def test_what_is_served_can_be_sent_back(client: Client, chain: str) -> None:
    served = (await client.get("/workflows/chain")).json()
    assert served["version"] == 1
    again = await client.post("/workflows", served)
    assert (again.status, again.json()["version"]) == (200, 1)


async def test_a_doubtful_definition_is_kept_with_warnings(client: Client) -> None:
    reply = await client.post("/workflows", {"id": "w", "steps": [{"id": "a", "action": "nobody.serves"}]})
    assert reply.status == 201
    assert [warning["path"] for warning in reply.json()["warnings"]] == ["steps[0].action"]


async def test_a_bad_definition_is_refused_with_every_problem(client: Client) -> None:
    steps = [
        {"id": "a", "dependsOn": []},
        {"id": "b", "dependencies": ["c"], "retryPolicy": {"maxAttempts": 0}},
    ]
    reply = await client.post("/workflows", {"id": "w", "steps": steps})
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert told["type"] == "/docs#definition-invalid"
    assert told["title"] == "Invalid definition"
    assert told["status"] == 400
    assert {(problem["path"], problem["code"]) for problem in told["errors"]} == {
        ("steps[0].dependsOn", "unknown_field"),
        ("steps[1].dependencies[0]", "unknown_step"),
        ("steps[1].retryPolicy.maxAttempts", "range"),
    }
    assert told["detail"].startswith("3 problems; the first: steps[0].dependsOn: ")
    assert told["error"] == told["detail"]
    assert (await client.get("/workflows")).json() == []


async def test_a_script_that_does_not_parse_is_refused(client: Client) -> None:
    step = {"id": "a", "action": "transform", "params": {"code": "return )"}}
    reply = await client.post("/workflows", {"id": "w", "steps": [step]})
    assert reply.status == 400
    assert reply.json()["errors"][0]["path"] == "steps[0].params.code"


async def test_validating_keeps_nothing(client: Client) -> None:
    reply = await client.post("/workflows/validate", CHAIN)
    assert (reply.status, reply.json()) == (200, {"valid": True, "warnings": []})
    assert (await client.get("/workflows")).json() == []
    assert (await client.post("/workflows/validate", {"id": "w"})).status == 400


async def test_workflows_are_listed_in_their_newest_version(client: Client, chain: str) -> None:
    await client.post("/workflows", CHAIN | {"name": "Second"})
    await client.post("/workflows", CHAIN | {"id": "other", "name": "Something else"})
    listed = (await client.get("/workflows")).json()
    assert [(w["id"], w["version"], w["name"]) for w in listed] == [
        ("chain", 2, "Second"),
        ("other", 1, "Something else"),
    ]
    assert [w["id"] for w in (await client.get("/workflows?q=something")).json()] == ["other"]


async def test_a_version_is_read_by_query_or_by_name(client: Client, chain: str) -> None:
    await client.post("/workflows", CHAIN | {"name": "Second"})
    assert (await client.get("/workflows/chain")).json()["name"] == "Second"
    assert (await client.get("/workflows/chain?version=1")).json()["name"] == "A chain"
    assert (await client.get("/workflows/chain@1")).json()["name"] == "A chain"
    versions = (await client.get("/workflows/chain/versions")).json()
    assert [v["version"] for v in versions] == [1, 2]
    assert versions[0]["digest"] != versions[1]["digest"]


async def test_an_archived_workflow_is_gone_from_lists_and_comes_back_when_registered(
    client: Client, chain: str
) -> None:
    reply = await client.ask("DELETE", "/workflows/chain")
    assert (reply.status, reply.json()) == (200, {"success": True, "workflowId": "chain"})
    assert (await client.get("/workflows")).json() == []
    assert (await client.get("/workflows/chain")).status == 404
    assert (await client.post("/executions/start", {"workflowId": "chain"})).status == 404
    assert (await client.get("/workflows/chain?version=1")).status == 200
    assert (await client.get("/workflows/chain/versions")).json()[0]["archived"] is True
    assert (await client.post("/workflows", CHAIN)).json()["version"] == 2
    assert (await client.get("/workflows/chain")).status == 200


async def test_the_graph_comes_as_data_and_as_pictures(client: Client, chain: str) -> None:
    graph = (await client.get("/workflows/chain/graph")).json()
    assert graph["edges"] == [{"from": "a", "to": "b", "kind": "dependency"}]
    for picture_format, media_type, start in (
        ("mermaid", "text/plain; charset=utf-8", b"flowchart TD"),
        ("dot", "text/vnd.graphviz; charset=utf-8", b'digraph "chain"'),
        ("svg", "image/svg+xml", b"<svg "),
    ):
        reply = await client.get(f"/workflows/chain/graph?format={picture_format}")
        assert (reply.status, reply.headers["content-type"]) == (200, media_type)
        assert reply.body.startswith(start)
        assert "default-src 'none'" in reply.headers["content-security-policy"]


async def test_a_large_graph_is_drawn_too(client: Client) -> None:
    steps = [{"id": f"step-{i}", "dependencies": [f"step-{i - 1}"] if i else []} for i in range(2000)]
    assert (await client.post("/workflows", {"id": "large", "steps": steps})).status == 201
    reply = await client.get("/workflows/large/graph?format=svg")
    assert (reply.status, reply.text.count('class="dependency"')) == (200, 1999)
    assert len((await client.get("/workflows/large/graph")).json()["edges"]) == 1999


async def test_what_is_not_there_is_named(client: Client, chain: str) -> None:
    for target, words in (
        ("/workflows/nope", "'nope'"),
        ("/workflows/chain?version=9", "version 9"),
        ("/workflows/nope/versions", "'nope'"),
        ("/workflows/nope/graph", "'nope'"),
        ("/workflows/..%2e", "`...`"),
        ("/workflows/%E2%98%83", "`☃`"),
        ("/workflows/a%00b", "workflow"),
    ):
        reply = await client.get(target)
        assert reply.status == 404, target
        assert words in reply.json()["detail"]
    assert (await client.ask("DELETE", "/workflows/nope")).status == 404


async def test_a_workflow_called_like_a_call_is_read_by_version(client: Client) -> None:
    await client.post("/workflows", CHAIN | {"id": "validate"})
    assert (await client.get("/workflows/validate")).status == 405
    assert (await client.get("/workflows/validate@1")).json()["id"] == "validate"
    assert (await client.get("/workflows/validate/graph")).status == 200


async def test_params_are_served_as_they_were_sent(client: Client) -> None:
    params = {
        "__proto__": {"x": 1},
        "constructor": None,
        "big": 2**70,
        "text": "\u2028</script>",
        "half": 0.5,
    }
    await client.post("/workflows", {"id": "w", "steps": [{"id": "a", "params": {"result": params}}]})
    served = msgspec.json.decode((await client.get("/workflows/w")).body)
    assert served["steps"][0]["params"] == {"result": params}
