import pytest

from tenuto.client import ApiError, Client
from tests.client.fake_server import FakeServer

EXECUTION = {"executionId": "e1", "workflowId": "w", "status": "running"}


async def test_a_signal_carries_its_payload_and_key(client: Client, server: FakeServer) -> None:
    server.answer({"accepted": True}, 202)
    await client.signal("e1", "paid in", {"amount": 5}, idempotency_key="k-1", by="bank")
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("POST", "/executions/e1/signals/paid%20in")
    assert asked.body == {"payload": {"amount": 5}, "by": "bank"}
    assert asked.headers["Idempotency-Key"] == "k-1"


async def test_the_id_of_an_item_is_quoted(client: Client, server: FakeServer) -> None:
    server.answer(EXECUTION)
    await client.skip_step("e1", "charge[3]")
    assert server.asked[0].path == "/executions/e1/steps/charge%5B3%5D/skip"


@pytest.mark.parametrize(
    ("call", "arguments", "options", "body"),
    [
        ("approve", ("ann",), {"comment": "yes"}, {"by": "ann", "comment": "yes"}),
        ("reject", ("ann",), {"data": {"a": 1}}, {"by": "ann", "data": {"a": 1}}),
        ("complete_step", (None,), {"by": "ann"}, {"result": None, "by": "ann"}),
        ("fail_step", ("no",), {"error_type": "stock"}, {"error": {"type": "stock", "message": "no"}}),
        ("skip_step", (), {"reason": "late"}, {"reason": "late"}),
        ("retry_step", (), {}, {}),
    ],
)
async def test_what_is_said_of_a_step_is_sent_and_the_execution_comes_back(
    client: Client,
    server: FakeServer,
    call: str,
    arguments: tuple[str],
    options: dict[str, str],
    body: object,
) -> None:
    server.answer(EXECUTION)
    answered = await getattr(client, call)("e1", "a", *arguments, **options)
    assert (answered.execution_id, server.asked[0].body) == ("e1", body)
    assert server.asked[0].path == f"/executions/e1/steps/a/{call.removesuffix('_step')}"


async def test_a_rerun_says_whether_it_is_new(client: Client, server: FakeServer) -> None:
    server.answer({"executionId": "e2"}, 201)
    server.answer({"executionId": "e2"}, 200)
    first = await client.rerun("e1", "b", new_id="e2", context={})
    second = await client.rerun("e1", "b", new_id="e2", context={})
    assert (first.execution_id, first.created, second.created) == ("e2", True, False)
    assert server.asked[0].body == {"fromStep": "b", "context": {}, "executionId": "e2"}


async def test_verbs_carry_who_asks(client: Client, server: FakeServer) -> None:
    server.answer(EXECUTION)
    await client.cancel("e1", by="ann", reason="late")
    assert server.asked[0].body == {"by": "ann", "reason": "late"}


async def test_a_start_may_lie_ahead(client: Client, server: FakeServer) -> None:
    server.answer({"executionId": "e1"}, 201)
    await client.start("w", start_at=7)
    assert server.asked[0].body["startAt"] == 7


async def test_a_bulk_job_is_begun_followed_and_cancelled(client: Client, server: FakeServer) -> None:
    job = {"jobId": "bulk-1", "status": "running", "action": "cancel", "matched": 3, "startedAt": 1}
    failed = [{"executionId": "e1", "message": "gone"}]
    server.answer(job, 202)
    server.answer([job])
    server.answer(job | {"status": "done", "failed": 1, "errors": failed})
    server.answer({"error": "it is done"}, 409)
    begun = await client.begin_bulk("cancel", {"workflowId": "w"}, by="ann")
    assert (begun.job_id, begun.matched, begun.is_over) == ("bulk-1", 3, False)
    assert [found.job_id for found in await client.list_bulk()] == ["bulk-1"]
    over = await client.get_bulk("bulk-1")
    assert (over.is_over, over.errors[0].message) == (True, "gone")
    with pytest.raises(ApiError):
        await client.cancel_bulk("bulk-1")
    assert server.asked[0].body == {"action": "cancel", "filter": {"workflowId": "w"}, "by": "ann"}
    assert (server.asked[3].method, server.asked[3].path) == ("DELETE", "/executions/bulk/bulk-1")


async def test_a_rehearsal_begins_nothing(client: Client, server: FakeServer) -> None:
    server.answer({"matched": 2, "sample": ["e2", "e1"]})
    found = await client.rehearse_bulk("signal", {"all": True}, signal={"name": "go"})
    assert (found.matched, found.sample) == (2, ["e2", "e1"])
    assert server.asked[0].body["dryRun"] is True
