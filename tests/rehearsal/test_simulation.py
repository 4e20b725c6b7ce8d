"""Which steps are safe to repeat, and what mishaps do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.playing import call, simulated, steps


def request(step_id: str, *dependencies: str, method: str = "GET", **params: Any) -> dict[str, Any]:
    return {
        "id": step_id,
        "action": "http.request",
        "params": {"url": "http://shop.example/", "method": method, **params},
        "dependencies": list(dependencies),
    }


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        ({"id": "a"}, "safe"),
        ({"id": "a", "action": "transform", "params": {"code": "return 1"}}, "safe"),
        ({"id": "a", "action": "condition", "params": {"expression": "1"}}, "safe"),
        ({"id": "a", "action": "set", "params": {"values": {"x": 1}}}, "safe"),
        ({"id": "a", "action": "delay", "params": {"duration": 5}}, "safe"),
        ({"id": "a", "action": "signal.wait", "params": {"name": "x", "timeout": 5}}, "safe"),
        ({"id": "a", "action": "approval", "params": {"timeout": 5}}, "safe"),
        ({"id": "a", "action": "workflow.run", "params": {"workflowId": "w"}}, "safe"),
        (request("a"), "safe"),
        (request("a", method="head"), "safe"),
        (request("a", method="PUT", body={"n": "{{ step.attempt }}"}), "not safe"),
        (request("a", method="PUT"), "safe"),
        (request("a", method="DELETE"), "safe"),
        (request("a", method="POST"), "safe if honoured"),
        (request("a", method="PATCH"), "safe if honoured"),
        (request("a", method="POST", headers={"idempotency-key": "order-7"}), "safe if honoured"),
        (request("a", method="POST", headers={"Idempotency-Key": None}), "not safe"),
        (request("a", method="POST", headers={"Idempotency-Key": "{{ step.attempt }}"}), "not safe"),
        (request("a", method="POST", body={"try": "{{ step.attempt }}"}), "not safe"),
        (request("a", method="GET", query={"try": "{{ step.attempt }}"}), "safe"),
        ({"id": "a", "action": "webhook", "params": {"url": "http://shop.example/"}}, "safe if honoured"),
        (call("a"), "unknown"),
        (call("a", params={"n": "{{ step.attempt }}"}), "not safe"),
    ],
)
async def test_the_verdict_follows_from_what_is_done_the_first_time_and_again(
    step: dict[str, Any], verdict: str
) -> None:
    row = (await simulated(steps(step)))["a"]
    assert (row["verdict"], row["why"]) == (verdict, row["why"])
    assert row["reached"]
    assert row["crash"] == "the same"


async def test_executors_that_are_said_to_recognise_a_repetition_are_safe() -> None:
    rows = await simulated(steps(call("a"), call("b")), idempotent=["a"])
    assert (rows["a"]["verdict"], rows["b"]["verdict"]) == ("safe", "unknown")


async def test_steps_that_only_a_mishap_reaches_are_judged_by_what_they_do_then() -> None:
    definition = steps(
        {**request("charge", method="PUT"), "onFailure": ["mend"], "compensate": {"action": "webhook", "params": {
            "url": "http://shop.example/undo", "headers": {"Idempotency-Key": None}}}},
        request("mend", method="{{ 'GET' }}"),
        call("after", "charge"),
        handlers={"failure": [call("tell")], "cancel": [request("never", method="POST")]},
    )  # fmt: skip
    rows = await simulated(definition)
    assert not any(rows[name]["reached"] for name in ("mend", "charge:compensate", "tell", "never"))
    assert {name: rows[name]["verdict"] for name in ("mend", "charge:compensate", "tell", "never")} == {
        "mend": "safe",
        "charge:compensate": "not safe",
        "tell": "unknown",
        "never": "safe if honoured",
    }


async def test_a_failure_for_good_tells_what_is_skipped_undone_and_left() -> None:
    undo = {"compensate": {"action": "call"}}
    rows = await simulated(
        steps(
            call("reserve", **undo), call("charge", "reserve"), request("look", "reserve"), call("ship", "charge", "look"),
            call("told", "ship"), handlers={"failure": [call("apologise")]},
        )
    )  # fmt: skip
    [failure] = rows["ship"]["failures"]
    assert (failure["status"], failure["error"]) == ("failed", "executor.Error")
    assert failure["skipped"] == ["told"]
    assert failure["alsoRun"] == ["apologise", "reserve:compensate"]
    assert failure["undone"] == ["reserve"]
    assert failure["leftUndone"] == ["charge"]  # looking has changed nothing
    assert failure["summary"] == (
        "the execution fails (executor.Error); skips told; runs apologise; undoes reserve; LEAVES DONE charge"
    )


async def test_each_error_that_a_step_catches_is_tried() -> None:
    caught = {**request("a"), "catch": [{"errors": ["http.402", "http.5xx"], "next": ["b"]}]}
    rows = await simulated(steps(caught, {"id": "b"}))
    assert [
        (failure["cause"], failure["status"], failure["alsoRun"]) for failure in rows["a"]["failures"]
    ] == [
        ("http.500", "completed", ["b"]),
        ("http.402", "completed", ["b"]),
    ]


async def test_a_compensation_that_fails_is_told() -> None:
    rows = await simulated(
        steps(call("a", compensate={"action": "call"}), call("b", "a")),
        mocks={"a:compensate": {"error": "x"}},
    )
    [failure] = rows["b"]["failures"]
    assert failure["undone"] == []
    assert failure["leftUndone"] == ["a"]
    assert "not all could be undone" in failure["summary"]


async def test_a_timeout_leaves_open_whether_it_was_done() -> None:
    rows = await simulated(steps(call("a", timeout=50)))
    assert rows["a"]["timeout"]["summary"] == "the execution fails (timeout); whether a was done is not known"
    rows = await simulated(steps(call("a", timeout=0)))
    assert rows["a"]["timeout"]["summary"].startswith("the execution stands still: ")


async def test_waits_are_left_without_an_answer() -> None:
    sign = {"id": "sign", "action": "approval", "params": {"timeout": 90, "onTimeout": "approve"}}
    paid = {"id": "paid", "action": "signal.wait", "params": {"name": "paid"}}
    asked = request("asked", completion="callback", timeout=500)
    events = [{"reject": "sign"}, {"signal": "paid"}, {"complete": "asked"}]
    rows = await simulated(steps(sign, paid, asked), events=events)
    assert rows["asked"]["timeout"]["cause"] == "no answer"
    assert (
        rows["asked"]["timeout"]["error"] == "rejected"
    )  # which comes before the time of the callback is up
    assert rows["sign"]["timeout"]["status"] == "completed"
    assert rows["paid"]["timeout"]["summary"].endswith(
        "nothing moves it any more: `paid` waits for signal:paid"
    )


async def test_every_attempt_is_lost_once() -> None:
    retried = call("a", retryPolicy={"maxAttempts": 3}, params={"first": "{{ step.attempt < 3 }}"})
    rows = await simulated(steps(retried), mocks={"a": [{"error": "x"}, {"error": "x"}, {"result": 1}]})
    assert rows["a"]["attempts"] == 3
    assert rows["a"]["verdict"] == "not safe"  # only the loss of the second is followed by other params
    assert rows["a"]["crash"] == "the same"


async def test_a_crash_that_changes_the_end_is_told() -> None:
    parity = {
        "id": "b",
        "action": "condition",
        "params": {"expression": "steps.a.attempts === 1"},
        "onSuccess": ["c"],
    }
    rows = await simulated(steps(call("a"), {**parity, "dependencies": ["a"]}, {"id": "c"}))
    assert rows["a"]["crash"] == "otherwise, if attempt 1 is lost: the execution completes"


async def test_the_first_item_stands_for_all() -> None:
    each = {"id": "each", "type": "map", "items": [1, 2, 3], "action": "call", "toleratedFailures": 1}
    rows = await simulated(steps(each))
    assert rows["each"]["attempts"] == 1
    assert [failure["status"] for failure in rows["each"]["failures"]] == ["completed"]


async def test_a_crash_loses_what_runs_besides() -> None:
    rows = await simulated(steps(call("a"), call("b"), call("c", "a", "b")), mocks={"b": {"delay": 70}})
    assert rows["a"]["crash"] == "the same"
