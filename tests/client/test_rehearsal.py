from __future__ import annotations

from tenuto.client import Client
from tests.client.fake_server import FakeServer

ANSWER = {
    "workflowId": "w",
    "workflowVersion": 2,
    "status": "running",
    "duration": 40,
    "stopped": "nothing moves it any more",
    "ok": False,
    "document": {"executionId": "rehearsal", "workflowId": "w", "status": "running"},
    "timeline": [{"at": 0, "step": None, "what": "started"}],
    "calls": [{"step": "a", "attempt": 1, "at": 0, "action": "call", "params": {"n": 1}}],
    "unmocked": ["a"],
    "expectations": [{"what": "status", "ok": False, "expected": "completed", "actual": "running"}],
}


async def test_a_rehearsal_sends_the_case_and_reads_how_it_went(client: Client, server: FakeServer) -> None:
    server.answer(ANSWER)
    told = await client.rehearse("w", {"context": {"n": 1}}, version=2)
    assert (told.ok, told.stopped, told.execution.status) == (False, "nothing moves it any more", "running")
    assert (told.calls[0].params, told.timeline[0].step, told.expectations[0].actual) == (
        {"n": 1},
        None,
        "running",
    )
    [asked] = server.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/workflows/w/test", {"version": "2"})
    assert asked.body == {"context": {"n": 1}}


async def test_a_definition_goes_with_the_case(client: Client, server: FakeServer) -> None:
    server.answer(ANSWER)
    await client.rehearse("w", definition={"steps": [{"id": "a"}]})
    assert server.asked[0].body == {"definition": {"steps": [{"id": "a"}]}}
