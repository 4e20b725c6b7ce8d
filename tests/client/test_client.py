from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from aiohttp import web

from tenuto.client import ApiError, Client, ServerUnreachable
from tenuto.errors import Problem
from tests.client.fake_server import FakeServer

EXECUTION = {
    "executionId": "e1",
    "workflowId": "w",
    "workflowVersion": 2,
    "status": "running",
    "startTime": 5,
}


async def test_registering_sends_the_document_and_says_whether_it_was_new(
    client: Client, server: FakeServer
) -> None:
    server.answer({"success": True, "workflowId": "w", "version": 2, "warnings": []}, 201)
    server.answer({"success": True, "workflowId": "w", "version": 2, "warnings": []}, 200)
    document = {"id": "w", "steps": [{"id": "a"}]}
    first, second = await client.register(document), await client.register(document)
    assert (first.workflow_id, first.version, first.created, second.created) == ("w", 2, True, False)
    assert (server.asked[0].method, server.asked[0].path, server.asked[0].body) == (
        "POST",
        "/workflows",
        document,
    )


async def test_warnings_of_a_definition_are_typed(client: Client, server: FakeServer) -> None:
    doubt = {"path": "steps[0].action", "code": "unserved", "message": "nobody serves it yet"}
    server.answer({"valid": True, "warnings": [doubt]})
    checked = await client.validate({"id": "w"})
    assert [(w.path, w.code, w.message) for w in checked.warnings] == [tuple(doubt.values())]


async def test_a_refusal_lists_every_problem_with_its_place(client: Client, server: FakeServer) -> None:
    errors = [
        {"path": "id", "code": "required", "message": "is missing"},
        {"path": "steps[3].timeout", "code": "range", "message": "must be at least 0"},
    ]
    server.answer(
        {
            "title": "Invalid definition",
            "status": 400,
            "detail": "2 problems; …",
            "errors": errors,
            "error": "…",
        },
        400,
    )
    with pytest.raises(ApiError) as refused:
        await client.register({})
    assert refused.value.status == 400
    assert refused.value.errors[1] == Problem("steps[3].timeout", "range", "must be at least 0")
    assert str(refused.value).splitlines() == [
        "Invalid definition, 2 problems:",
        "  id: is missing",
        "  steps[3].timeout: must be at least 0",
    ]


async def test_a_refusal_with_one_problem_is_one_sentence(client: Client, server: FakeServer) -> None:
    problem = {"title": "Conflict", "error": "the id is taken", "detail": "the id is taken", "errors": []}
    server.answer(problem, 409)
    with pytest.raises(ApiError, match=r"^the id is taken$"):
        await client.start("w")


async def test_a_refusal_for_now_says_when_to_come_back(client: Client, server: FakeServer) -> None:
    server.answer({"title": "Too many requests"}, 429, {"Retry-After": "3"})
    with pytest.raises(ApiError) as refused:
        await client.start("w")
    assert refused.value.retry_after_s == 3


async def test_an_error_page_of_something_else_is_shown_with_its_address(
    client: Client, server: FakeServer
) -> None:
    server.answer_raw(b"<h1>Bad Gateway</h1>", 502, {"content-type": "text/html"})
    with pytest.raises(
        ApiError, match=r"GET http://127.0.0.1:\d+/executions/e1 answered 502 Bad Gateway: <h1>"
    ):
        await client.get("e1")


async def test_an_answer_that_is_not_json_is_not_from_tenuto(client: Client, server: FakeServer) -> None:
    server.answer_raw(b"<html>hello</html>", 200, {"content-type": "text/html"})
    with pytest.raises(ServerUnreachable, match="text/html"):
        await client.get("e1")


async def test_an_answer_of_another_shape_is_not_from_tenuto(client: Client, server: FakeServer) -> None:
    server.answer({"hello": "world"})
    with pytest.raises(ServerUnreachable, match="does not speak Tenuto"):
        await client.get("e1")


async def test_nobody_listening_is_said_with_the_address(dead_url: str) -> None:
    async with Client(dead_url) as client:
        with pytest.raises(ServerUnreachable, match=f"{dead_url}: connection refused"):
            await client.get("e1")


async def test_a_server_that_never_answers_is_given_up(server: FakeServer) -> None:
    asked_to_end = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        await asked_to_end.wait()
        return web.Response()

    server.answer_by(silent)
    async with Client(server.url, timeout_ms=30) as client:
        with pytest.raises(ServerUnreachable, match="did not answer in time"):
            await client.get("e1")
    asked_to_end.set()


async def test_a_connection_that_breaks_is_unreachable(client: Client, server: FakeServer) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    server.answer_by(hang_up)
    with pytest.raises(ServerUnreachable):
        await client.start("w")
    assert len(server.asked) == 1


async def test_starting_sends_only_what_was_given(client: Client, server: FakeServer) -> None:
    server.answer({"executionId": "e1"}, 201)
    started = await client.start("w")
    assert (started.execution_id, started.created) == ("e1", True)
    assert server.asked[0].body == {"workflowId": "w", "context": {}}
    assert "Idempotency-Key" not in server.asked[0].headers


async def test_starting_sends_all_that_was_given(client: Client, server: FakeServer) -> None:
    server.answer({"executionId": "mine"}, 200)
    started = await client.start(
        "w", {"a": 1}, version=3, execution_id="mine", idempotency_key="k", priority=-2, tags={"team": "x"}
    )
    assert not started.created
    assert server.asked[0].body == {
        "workflowId": "w",
        "context": {"a": 1},
        "version": 3,
        "executionId": "mine",
        "priority": -2,
        "tags": {"team": "x"},
    }
    assert server.asked[0].headers["Idempotency-Key"] == "k"


async def test_starting_and_waiting_answers_the_execution(client: Client, server: FakeServer) -> None:
    server.answer(EXECUTION | {"status": "completed", "output": {"a": 1}}, 201)
    ended = await client.start_and_wait("w", wait_ms=500, until_step="a")
    assert (ended.is_final, ended.output) == (True, {"a": 1})
    assert server.asked[0].query == {"wait": "500", "until": "a"}


async def test_an_execution_is_typed_and_keeps_what_this_client_does_not_know(
    client: Client, server: FakeServer
) -> None:
    step = {
        "stepId": "a",
        "status": "failed",
        "attempts": 2,
        "error": {"type": "http.503", "message": "busy"},
    }
    server.answer(EXECUTION | {"stepResults": {"a": step}, "novelty": 7})
    execution = await client.get("e1")
    assert (execution.workflow_version, execution.is_final) == (2, False)
    error = execution.step_results["a"].error
    assert error is not None
    assert (error.type, error.message) == ("http.503", "busy")
    assert execution.raw["novelty"] == 7


async def test_ids_are_quoted_in_addresses(client: Client, server: FakeServer) -> None:
    server.answer(EXECUTION)
    await client.get("a/b?c=d e%2F")
    assert server.asked[0].path == "/executions/a%2Fb%3Fc%3Dd%20e%252F"


async def test_lists_are_followed_from_page_to_page(client: Client, server: FakeServer) -> None:
    link = {"Link": '</executions?status=failed&cursor=abc>; rel="next"'}
    server.answer([EXECUTION, EXECUTION | {"executionId": "e2"}], 200, link)
    server.answer([EXECUTION | {"executionId": "e3"}])
    found = [
        execution.execution_id async for execution in client.list_executions(status="failed", page_size=2)
    ]
    assert found == ["e1", "e2", "e3"]
    assert server.asked[0].query == {"status": "failed", "limit": "2"}
    assert server.asked[1].query == {"status": "failed", "cursor": "abc"}


async def test_a_list_is_fetched_only_as_far_as_it_is_read(client: Client, server: FakeServer) -> None:
    server.answer([EXECUTION], 200, {"Link": '</executions?cursor=abc>; rel="next"'})
    async for _ in client.list_executions():
        break
    assert len(server.asked) == 1


async def test_the_journal_is_read_whole(client: Client, server: FakeServer) -> None:
    server.answer(
        [{"seq": 1, "at": 1, "events": []}], 200, {"Link": '</executions/e1/journal?after=1>; rel="next"'}
    )
    server.answer([{"seq": 2, "at": 2, "events": []}])
    assert [entry.seq for entry in await client.journal("e1")] == [1, 2]


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "resume", "retry"])
async def test_a_verb_is_posted_with_its_reason(client: Client, server: FakeServer, verb: str) -> None:
    server.answer(EXECUTION, 202)
    assert (await getattr(client, verb)("e1", reason="too late")).execution_id == "e1"
    assert (server.asked[0].method, server.asked[0].path) == ("POST", f"/executions/e1/{verb}")
    assert server.asked[0].body == {"reason": "too late"}


async def test_pictures_come_as_text(client: Client, server: FakeServer) -> None:
    server.answer_raw(b"flowchart TD", 200, {"content-type": "text/plain"})
    server.answer_raw("<svg>✓</svg>".encode(), 200, {"content-type": "image/svg+xml; charset=utf-8"})
    assert await client.draw_graph("w", "mermaid", version=2) == "flowchart TD"
    assert await client.draw("e1", "svg") == "<svg>✓</svg>"
    assert (server.asked[0].path, server.asked[0].query) == (
        "/workflows/w/graph",
        {"format": "mermaid", "version": "2"},
    )
    assert (server.asked[1].path, server.asked[1].query) == ("/executions/e1/visualize", {"format": "svg"})


async def test_own_headers_go_out_with_every_request(server: FakeServer) -> None:
    server.answer(EXECUTION)
    async with Client(f"{server.url}/", headers={"Authorization": "Bearer x"}) as client:
        await client.get("e1")
    assert server.asked[0].headers["Authorization"] == "Bearer x"
    assert server.asked[0].path == "/executions/e1"


def test_the_client_needs_no_server_code() -> None:
    program = (
        "import sys, tenuto.client; "
        "rooms = ('api', 'core', 'runtime', 'ports', 'stores', 'journal', 'bootstrap', 'actions', 'scripting'); "
        "sys.exit(', '.join(m for m in sys.modules if m.startswith('tenuto.') and m.split('.')[1] in rooms) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
