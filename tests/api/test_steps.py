"""Signals, approvals, callbacks and verbs by hand over HTTP: who may, what fits, what is kept, what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tenuto.api import shapes
from tenuto.bootstrap import Engine
from tests.api.client import Client, Reply
from tests.api.conftest import Gate
from tests.api.situations import FAR, HOUR, OTHER, Stage, Stumbling
from tests.receivers import receiver

SIGNAL = {"id": "a", "action": "signal.wait", "params": {"name": "go", "schema": {"type": "object"}}}
FORM = {"type": "object", "required": ["amount"]}
APPROVAL = {
    "id": "a",
    "action": "approval",
    "params": {"title": "Pay?", "approvers": ["ann", "bob"], "minApprovals": 2, "form": FORM},
}
FITTING = {"amount": 5}


@pytest.fixture
async def stage(engine: Engine, client: Client, gate: Gate) -> AsyncIterator[Stage]:
    engine.register_executor("stumble", Stumbling(gate).run)
    async with receiver() as service:
        yield Stage(client, service.url())


async def events(client: Client, path: str, kind: str) -> list[dict[str, Any]]:
    """The facts of that kind in the journal."""
    entries = (await client.get(f"{path}/journal")).json()
    return [event for entry in entries for event in entry["events"] if event["type"] == kind]


async def step(client: Client, path: str, step_id: str = "a") -> dict[str, Any]:
    """How the step stands."""
    found: dict[str, Any] = (await client.get(path)).json()["stepResults"][step_id]
    return found


# -- signals


async def test_a_signal_becomes_the_result_of_the_step_that_waits(client: Client, stage: Stage) -> None:
    path = await stage.with_step(await stage.start(SIGNAL), "a", "waiting")
    sent = await client.post(f"{path}/signals/go", {"payload": {"n": 1}, "by": "bank"})
    assert (sent.status, sent.json()) == (202, {"accepted": True})
    assert (await client.get(path)).json()["output"] == {"a": {"n": 1}}
    (received,) = await events(client, path, "signal.received")
    assert (received["name"], received["by"]) == ("go", "bank")


async def test_an_early_signal_is_kept_and_a_repeated_one_is_the_same(client: Client, stage: Stage) -> None:
    path = await stage.start(SIGNAL, {**SIGNAL, "id": "b"}, begin={"startAt": FAR})
    for _ in range(2):
        sent = await client.post(f"{path}/signals/go", {"payload": {}}, headers={"idempotency-key": "k"})
        assert sent.status == 202
    assert len(await events(client, path, "signal.received")) == 1


async def test_a_repeated_signal_is_answered_alike_after_the_end(client: Client, stage: Stage) -> None:
    path = await stage.with_step(await stage.start(SIGNAL), "a", "waiting")
    key = {"idempotency-key": "k"}
    assert (await client.post(f"{path}/signals/go", {"payload": {}}, headers=key)).status == 202
    await stage.in_status(path, "completed")
    assert (await client.post(f"{path}/signals/go", {"payload": {}}, headers=key)).status == 202
    late = await client.post(f"{path}/signals/go", {"payload": {}}, headers={"idempotency-key": "other"})
    assert (late.status, "completed" in late.json()["detail"]) == (409, True)


async def test_a_signal_without_a_body_says_null(client: Client, stage: Stage) -> None:
    path = await stage.start({**SIGNAL, "params": {"name": "go"}})
    assert (await client.post(f"{path}/signals/go")).status == 202
    assert (await await_output(client, stage, path)) == {"a": None}


async def await_output(client: Client, stage: Stage, path: str) -> Any:
    return (await client.get(await stage.in_status(path, "completed"))).json()["output"]


@pytest.mark.parametrize(
    ("name", "body", "place"),
    [("go", {"payload": 5}, "payload"), ("go", {"paylod": {}}, "paylod"), ("go", [], "")],
)
async def test_a_signal_that_does_not_fit_is_refused(
    client: Client, stage: Stage, name: str, body: object, place: str
) -> None:
    path = await stage.start(SIGNAL)
    reply = await client.post(f"{path}/signals/{name}", body)
    assert (reply.status, reply.json()["errors"][0]["path"]) == (400, place)


async def test_a_thousand_signals_are_kept_and_no_more(client: Client, stage: Stage) -> None:
    path = await stage.start({"id": "a", "action": "hold"})
    for _ in range(1_000):
        await client.post(f"{path}/signals/any name")
    reply = await client.post(f"{path}/signals/go")
    assert (reply.status, reply.json()["title"]) == (429, "Too many requests")
    assert reply.headers["retry-after"] == "1"


async def test_a_signal_to_nobody_is_not_found(client: Client) -> None:
    assert (await client.post("/executions/nope/signals/go")).status == 404


# -- approvals


async def test_a_quorum_approves_and_the_document_shows_who_has(client: Client, stage: Stage) -> None:
    path = await stage.with_step(await stage.start(APPROVAL), "a", "waiting")
    first = await client.post(f"{path}/steps/a/approve", {"by": "ann", "comment": "ok", "data": FITTING})
    assert first.status == 200
    document = msgspec.convert(first.json(), shapes.Execution)
    shown = document.step_results["a"]
    assert isinstance(shown.approvals, list)
    assert [(given.by, given.comment, given.data) for given in shown.approvals] == [("ann", "ok", FITTING)]
    assert isinstance(shown.details, dict)
    assert shown.details["title"] == "Pay?"
    second = (await client.post(f"{path}/steps/a/approve", {"by": "bob", "data": FITTING})).json()
    assert second["output"]["a"]["approved"] is True
    assert [given["by"] for given in second["output"]["a"]["approvals"]] == ["ann", "bob"]
    assert second["stepResults"]["a"]["by"] == "bob"


async def test_one_who_rejects_is_enough(client: Client, stage: Stage) -> None:
    path = await stage.with_step(await stage.start(APPROVAL), "a", "waiting")
    reply = await client.post(f"{path}/steps/a/reject", {"by": "bob", "comment": "too much"})
    error = reply.json()["stepResults"]["a"]["error"]
    assert (error["type"], error["message"]) == ("rejected", "rejected by bob: too much")


@pytest.mark.parametrize(
    ("verb", "body", "status", "words"),
    [
        ("approve", {"by": "eve", "data": FITTING}, 403, "not among the approvers"),
        ("reject", {"by": "eve"}, 403, "not among the approvers"),
        ("approve", {"by": "ann", "data": {}}, 400, "amount"),
        ("approve", {"by": "ann"}, 400, "data"),
        ("approve", {"data": FITTING}, 400, "`by` is missing"),
        ("approve", {"by": ""}, 400, "not empty"),
        ("approve", {"by": "ann", "form": FITTING}, 400, "Did you mean `data`"),
    ],
)
async def test_who_and_what_is_checked_before_an_answer_counts(
    client: Client, stage: Stage, verb: str, body: object, status: int, words: str
) -> None:
    path = await stage.with_step(await stage.start(APPROVAL), "a", "waiting")
    reply = await client.post(f"{path}/steps/a/{verb}", body)
    assert reply.status == status
    assert words in str(reply.json())
    assert "approvals" not in await step(client, path)


async def test_nobody_approves_twice(client: Client, stage: Stage) -> None:
    path = await stage.with_step(await stage.start(APPROVAL), "a", "waiting")
    said = {"by": "ann", "data": FITTING}
    assert (await client.post(f"{path}/steps/a/approve", said)).status == 200
    assert (await client.post(f"{path}/steps/a/approve", said)).status == 409


# -- by hand


async def test_who_and_why_of_every_verb_is_in_the_journal(client: Client, stage: Stage) -> None:
    who = {"by": "ann", "reason": "inventory"}
    holds = [{"id": name, "action": "hold"} for name in ("done", "bad", "out")]
    retried = {
        "id": "again", "action": "stumble", "retryPolicy": {"maxAttempts": 2, "initialDelay": HOUR, "maxDelay": HOUR},
    }  # fmt: skip
    path = await stage.start(*holds, retried)
    await stage.with_step(path, "again", "retrying")
    for name, verb, more in (
        ("done", "complete", {"result": {"n": 1}}),
        ("bad", "fail", {"error": {"type": "stock.none", "message": "sold out", "details": [1]}}),
        ("out", "skip", {}),
        ("again", "retry", {}),
    ):
        assert (await client.post(f"{path}/steps/{name}/{verb}", {**who, **more})).status == 200
    for kind in ("step.succeeded", "step.failed", "step.retried"):
        (fact,) = await events(client, path, kind)
        assert (fact["by"], fact["reason"]) == ("ann", "inventory"), kind
    (skipped,) = await events(client, path, "step.skipped")
    assert (skipped["by"], skipped["why"]) == ("ann", "inventory")
    assert (await step(client, path, "done"))["result"] == {"n": 1}
    assert (await step(client, path, "bad"))["error"] == {
        "type": "stock.none", "message": "sold out", "details": [1],
    }  # fmt: skip


async def test_an_item_is_completed_under_its_own_id(client: Client, stage: Stage) -> None:
    path = await stage.start({"id": "m", "type": "map", "items": ["x", "y"], "action": "hold"})
    await stage.with_step(path, "m[1]", "running")
    await stage.with_step(path, "m[0]", "running")
    assert (await client.post(f"{path}/steps/m%5B1%5D/complete", {"result": 1})).status == 200
    assert (await client.post(f"{path}/steps/m[0]/complete", {"result": 0})).status == 200
    document = (await client.get(path)).json()
    assert document["output"] == {"m": [0, 1]}
    assert document["stepResults"]["m"]["items"] == {"total": 2, "succeeded": 2, "failed": 0, "running": 0}
    gone = await client.post(f"{path}/steps/m%5B1%5D/complete")
    assert gone.status in (404, 409)


BRANCHES = ({"id": "x"}, {"id": "y"})
DECISIONS: dict[str, dict[str, Any]] = {
    "cases": {"type": "decision", "cases": [{"when": "false", "next": ["x"]}], "default": ["y"]},
    "condition": {
        "action": "condition", "params": {"expression": "false"}, "onSuccess": ["x"], "onFailure": ["y"],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "result"), [("cases", {"chosen": ["x"]}), ("condition", {"branch": "true", "result": 1})]
)
async def test_a_decision_that_is_completed_by_hand_chooses_what_its_result_says(
    client: Client, stage: Stage, kind: str, result: Any
) -> None:
    path = await stage.start(OTHER, {"id": "a", "dependencies": ["other"], **DECISIONS[kind]}, *BRANCHES)
    assert (await client.post(f"{path}/steps/a/complete", {"result": result})).status == 200
    await stage.with_step(path, "x", "success")
    assert (await step(client, path, "y"))["reason"] == "branch_not_taken"


@pytest.mark.parametrize("kind", DECISIONS)
@pytest.mark.parametrize("result", [None, {"a": 1}, {"chosen": ["nope"]}, {"chosen": "x"}, {"branch": True}])
async def test_a_decision_is_not_completed_without_a_choice(
    client: Client, stage: Stage, kind: str, result: Any
) -> None:
    path = await stage.start(OTHER, {"id": "a", "dependencies": ["other"], **DECISIONS[kind]}, *BRANCHES)
    reply = await client.post(f"{path}/steps/a/complete", {"result": result})
    assert (reply.status, reply.json()["errors"][0]["path"]) == (400, "result")
    assert "x" not in (await client.get(path)).json()["stepResults"]


@pytest.mark.parametrize(
    ("verb", "body", "place"),
    [
        ("fail", {}, "message"),
        ("fail", {"message": "a", "error": {"message": "b"}}, "message"),
        ("fail", {"error": {"type": "x"}}, "error.message"),
        ("fail", {"message": ""}, "message"),
        ("complete", {"reslt": 1}, "reslt"),
        ("skip", {"by": 1}, "by"),
        ("retry", [], ""),
    ],
)
async def test_a_body_that_does_not_fit_changes_nothing(
    client: Client, stage: Stage, verb: str, body: object, place: str
) -> None:
    path = await stage.with_step(await stage.start({"id": "a", "action": "hold"}), "a", "running")
    reply = await client.post(f"{path}/steps/a/{verb}", body)
    assert (reply.status, reply.json()["errors"][0]["path"]) == (400, place)
    assert (await step(client, path))["status"] == "running"


@pytest.mark.parametrize("step_id", ["nope", "a[1", "a%20b", "-", "nope:compensate"])
@pytest.mark.parametrize("verb", ["approve", "reject", "complete", "skip", "retry"])
async def test_a_step_that_there_is_not_is_not_found(
    client: Client, stage: Stage, step_id: str, verb: str
) -> None:
    path = await stage.start({"id": "a", "action": "hold"})
    assert (await client.post(f"{path}/steps/{step_id}/{verb}", {"by": "ann"})).status == 404


# -- callbacks


async def called(stage: Stage, **fields: Any) -> str:
    """An execution whose step waits for its callback."""
    params = {"url": stage.service, "completion": "callback"}
    path = await stage.start({"id": "a", "action": "http.request", "params": params, **fields}, OTHER)
    return await stage.with_step(path, "a", "waiting")


def target(
    engine: Engine, path: str, *, verb: str = "complete", step_id: str = "a", generation: int = 0
) -> str:
    """The path and query of a callback URL."""
    url = engine.node.callbacks.url(path.rpartition("/")[2], step_id, generation)
    return ("/" + url.partition("://")[2].partition("/")[2]).replace("/complete?", f"/{verb}?")


@pytest.mark.parametrize("report", [{"by": "x", "unknown": [1]}, [1, 2], "text", 5, False, None])
async def test_the_whole_body_of_a_callback_is_the_result(
    engine: Engine, client: Client, stage: Stage, report: Any
) -> None:
    path = await called(stage)
    reply = await client.post(target(engine, path), body=msgspec.json.encode(report))
    assert (reply.status, reply.json()) == (200, {"accepted": True})
    assert (await step(client, path))["result"] == report


async def test_a_callback_without_a_body_returns_null_and_counts_once(
    engine: Engine, client: Client, stage: Stage
) -> None:
    path = await called(stage)
    assert (await client.post(target(engine, path))).status == 200
    assert (await step(client, path))["result"] is None
    for verb in ("complete", "fail"):
        assert (await client.post(target(engine, path, verb=verb))).status == 409


@pytest.mark.parametrize(
    ("report", "error"),
    [
        ({"type": "card.declined", "message": "no money"}, {"type": "card.declined", "message": "no money"}),
        ({"message": "no", "code": 5}, {"type": "callback", "message": "no", "details": {"code": 5}}),
        ("no money", {"type": "callback", "message": "no money"}),
        ([1], {"type": "callback", "message": "the callback reported a failure", "details": [1]}),
        (None, {"type": "callback", "message": "the callback reported a failure"}),
    ],
)
async def test_a_callback_reports_a_failure(
    engine: Engine, client: Client, stage: Stage, report: Any, error: Any
) -> None:
    path = await called(stage)
    reply = await client.post(target(engine, path, verb="fail"), body=msgspec.json.encode(report))
    assert reply.status == 200
    assert (await step(client, path))["error"] == error


async def test_a_failure_by_callback_is_retried_as_the_step_says(
    engine: Engine, client: Client, stage: Stage
) -> None:
    policy = {"maxAttempts": 2, "initialDelay": HOUR, "maxDelay": HOUR}
    path = await called(stage, retryPolicy=policy)
    assert (await client.post(target(engine, path, verb="fail"))).status == 200
    assert (await step(client, path))["status"] == "retrying"


@pytest.mark.parametrize("wrong", ["", "x", "%C3%A9", "A" * 43])
async def test_a_wrong_token_is_forbidden(client: Client, stage: Stage, wrong: str) -> None:
    path = await called(stage)
    reply = await client.post(f"{path}/steps/a/complete?token={wrong}", {"result": 1})
    assert reply.status == (403 if wrong else 400)
    assert (await step(client, path))["status"] == "waiting"


async def test_a_token_is_good_for_its_own_step_only(engine: Engine, client: Client, stage: Stage) -> None:
    one, other = await called(stage), await called(stage)
    token = target(engine, one).partition("token=")[2]
    for place in (f"{other}/steps/a", f"{one}/steps/other"):
        assert (await client.post(f"{place}/complete?token={token}")).status == 403
    assert (await client.post(f"{one}/steps/nope/complete?token={token}")).status == 404


async def test_a_token_of_before_comes_too_late(engine: Engine, client: Client, stage: Stage) -> None:
    path = await called(stage)
    old = target(engine, path)
    assert (await client.post(target(engine, path, verb="fail"))).status == 200
    assert (await client.post(f"{path}/steps/other/fail", {"message": "no"})).status == 200
    await stage.in_status(path, "failed")
    assert (await client.post(f"{path}/steps/a/retry")).status == 200
    await stage.with_step(path, "a", "waiting")
    assert (await client.post(old)).status == 409
    assert (await client.post(target(engine, path, generation=1))).status == 200


async def test_a_callback_is_only_posted(engine: Engine, client: Client, stage: Stage) -> None:
    path = await called(stage)
    reply: Reply = await client.get(target(engine, path))
    assert (reply.status, reply.headers["allow"]) == (405, "OPTIONS, POST")


async def test_a_callback_of_another_media_type_is_refused(
    engine: Engine, client: Client, stage: Stage
) -> None:
    path = await called(stage)
    reply = await client.post(target(engine, path), body=b"a=1", headers={"content-type": "text/plain"})
    assert reply.status == 415
    assert (await step(client, path))["status"] == "waiting"


# -- starts that lie ahead, reruns


async def test_a_start_that_lies_ahead_waits_and_says_so(client: Client, stage: Stage) -> None:
    path = await stage.start({"id": "a"}, begin={"startAt": FAR})
    document = (await client.get(path)).json()
    assert (document["status"], document["startAt"], document["stepResults"]) == ("pending", FAR, {})
    msgspec.convert(document, shapes.Execution)


async def test_a_start_in_the_past_begins_at_once(client: Client, stage: Stage) -> None:
    path = await stage.in_status(await stage.start({"id": "a"}, begin={"startAt": 5}), "completed")
    assert "startAt" not in (await client.get(path)).json()


async def test_a_rerun_copies_what_came_before_and_does_the_rest(client: Client, stage: Stage) -> None:
    first = await stage.start(
        {"id": "a", "params": {"result": 1}},
        {"id": "b", "params": {"result": "{{ context.n }}"}, "dependencies": ["a"]},
        begin={"context": {"n": 1}},
    )
    await stage.in_status(first, "completed")
    wish = {
        "fromStep": "b",
        "context": {"n": 2},
        "executionId": "again",
        "by": "ann",
        "reason": "n was wrong",
    }
    started = await client.post(f"{first}/rerun", wish)
    assert (started.status, started.headers["location"]) == (201, "/executions/again")
    await stage.in_status("/executions/again", "completed")
    document = (await client.get("/executions/again")).json()
    assert document["output"] == {"b": 2}
    assert document["forkOf"] == {"executionId": first.rpartition("/")[2], "fromStep": "b"}
    assert len(await events(client, "/executions/again", "step.copied")) == 1
    msgspec.convert(document, shapes.Execution)
    assert (await client.post(f"{first}/rerun", wish)).status == 200
    assert (await client.post(f"{first}/rerun", {**wish, "fromStep": "a"})).status == 409


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "fromStep"),
        ({"from": "a"}, 400, "Did you mean `fromStep`"),
        ({"fromStep": "nope"}, 404, "no step 'nope'"),
        ({"fromStep": "a", "version": 9}, 404, "9"),
        ({"fromStep": "a", "executionId": "bulk"}, 400, "/executions/bulk"),
        ({"fromStep": "a", "context": {"a": 1}}, 400, "context.a"),
    ],
)
async def test_a_rerun_that_cannot_be_says_why(
    client: Client, stage: Stage, body: object, status: int, words: str
) -> None:
    path = await stage.start({"id": "a"})
    reply = await client.post(f"{path}/rerun", body)
    assert reply.status == status
    assert words in reply.text


async def test_who_cancelled_and_why_stands_in_the_document(client: Client, stage: Stage) -> None:
    path = await stage.start({"id": "a", "action": "hold"})
    document = (await client.post(f"{path}/cancel", {"by": "ann", "reason": "late"})).json()
    assert (document["cancelledBy"], document["cancelReason"]) == ("ann", "late")
    msgspec.convert(document, shapes.Execution)
