"""What comes from outside in a rehearsal: when, in which order, and what is refused."""

from __future__ import annotations

from typing import Any

from tests.rehearsal.playing import call, rehearse, statuses, steps

SIGN: dict[str, Any] = {
    "id": "sign",
    "action": "approval",
    "params": {"minApprovals": 2, "approvers": ["ada", "bo", "cy"]},
}


async def test_events_come_as_they_are_waited_for_one_after_the_other() -> None:
    told = await rehearse(
        steps(
            {"id": "before", "action": "delay", "params": {"duration": 100}},
            {**SIGN, "dependencies": ["before"]},
        ),
        events=[
            {"approve": "sign", "by": "ada", "after": 10, "comment": "fine"},
            {"approve": "sign", "by": "bo", "after": 20, "data": {"n": 1}},
        ],
    )
    assert (told["status"], told["duration"]) == ("completed", 130)
    [first, second] = told["document"]["stepResults"]["sign"]["result"]["approvals"]
    assert (first["by"], first["comment"]) == ("ada", "fine")
    assert (second["by"], second["data"]) == ("bo", {"n": 1})
    assert told["ok"]


async def test_events_with_an_instant_come_then_whether_somebody_waits_or_not() -> None:
    wait = {"id": "wait", "action": "signal.wait", "params": {"name": "paid"}, "dependencies": ["slow"]}
    told = await rehearse(
        steps(call("slow"), wait),
        mocks={"slow": {"delay": 500}},
        events=[{"at": 20, "signal": "paid", "payload": 7}],
    )
    assert told["duration"] == 500
    assert told["document"]["output"] == {"wait": 7}


async def test_what_comes_at_the_same_instant_comes_after_what_the_execution_does_by_itself() -> None:
    told = await rehearse(
        steps(
            {"id": "before", "action": "delay", "params": {"duration": 100}},
            {**SIGN, "dependencies": ["before"]},
        ),
        events=[{"at": 100, "approve": "sign", "by": "ada"}, {"at": 100, "reject": "sign", "by": "bo"}],
    )
    assert told["document"]["error"]["type"] == "rejected"
    assert told["ok"]


async def test_an_event_that_is_refused_fails_the_case_unless_it_is_to_be() -> None:
    stranger = {"approve": "sign", "by": "eve"}
    told = await rehearse(steps(SIGN), events=[stranger])
    assert not told["ok"]
    [expectation] = told["expectations"]
    assert expectation["what"] == "events[0]"
    assert expectation["actual"] == "refused: 'eve' is not among the approvers of step 'sign'"
    assert (await rehearse(steps(SIGN), events=[{**stranger, "refused": True}]))["ok"]


async def test_an_event_that_was_to_be_refused_and_is_taken_fails_the_case() -> None:
    told = await rehearse(steps(SIGN), events=[{"approve": "sign", "by": "ada", "refused": True}])
    assert [expectation["actual"] for expectation in told["expectations"]] == ["taken"]


async def test_an_event_that_nothing_waits_for_fails_the_case() -> None:
    told = await rehearse(steps({"id": "a"}), events=[{"complete": "a"}, {"signal": "paid"}])
    assert [expectation["actual"] for expectation in told["expectations"]] == [
        "never came: nothing waited for it"
    ] * 2


async def test_payloads_and_forms_are_held_to_their_schemas() -> None:
    schema = {"type": "object", "required": ["n"]}
    wait = {"id": "wait", "action": "signal.wait", "params": {"name": "paid", "schema": schema}}
    form = {"id": "sign", "action": "approval", "params": {"form": schema}}
    told = await rehearse(
        steps(wait, form),
        events=[
            {"signal": "paid", "payload": {}, "refused": True},
            {"signal": "paid", "payload": {"n": 1}},
            {"approve": "sign", "data": {}, "refused": True},
            {"approve": "sign", "data": {"n": 2}},
        ],
    )
    assert (told["status"], told["ok"]) == ("completed", True)


async def test_a_parked_step_is_retried_and_completed_by_people() -> None:
    told = await rehearse(
        steps(call("a", retryPolicy={"onExhausted": "pause"})),
        mocks={"a": {"error": "http.500"}},
        events=[{"retry": "a", "after": 5}, {"complete": "a", "result": "by hand", "by": "ada", "after": 5}],
    )
    assert (told["duration"], told["ok"]) == (10, True)
    assert told["document"]["output"] == {"a": "by hand"}
    assert len(told["calls"]) == 2


async def test_items_that_wait_are_answered_one_by_one() -> None:
    each = {"id": "each", "type": "map", "items": [1, 2], "steps": [{"id": "sign", "action": "approval"}]}
    told = await rehearse(
        steps(each), events=[{"approve": "sign[1]", "by": "bo"}, {"approve": "sign", "by": "ada"}]
    )
    assert [item["sign"]["by"] for item in told["document"]["output"]["each"]] == ["ada", "bo"]


async def test_callbacks_are_waited_for_and_come_by_hand() -> None:
    step = {
        "id": "a",
        "action": "http.request",
        "params": {"url": "http://x.example/", "completion": "callback"},
    }
    told = await rehearse(steps(step), events=[{"complete": "a", "result": 3, "after": 50}])
    assert told["document"]["output"] == {"a": 3}
    assert told["unmocked"] == ["a"]


async def test_the_execution_is_paused_resumed_cancelled_and_retried() -> None:
    slow, after = call("slow"), call("after", "slow")
    paused = await rehearse(
        steps(slow, after),
        mocks={"slow": {"delay": 100}},
        events=[{"at": 10, "execution": "pause"}, {"at": 400, "execution": "resume"}],
    )
    assert (paused["status"], paused["duration"]) == ("completed", 400)
    cancelled = await rehearse(
        steps(slow, after),
        mocks={"slow": {"delay": 100}},
        events=[{"at": 10, "execution": "cancel", "by": "ada"}],
    )
    assert statuses(cancelled["document"]) == {"slow": "cancelled", "after": "skipped run_cancelled"}
    assert cancelled["duration"] == 10
    retried = await rehearse(
        steps(slow, after), mocks={"slow": [{"error": "x"}]}, events=[{"at": 90, "execution": "retry"}]
    )
    assert [performed["at"] for performed in retried["calls"]] == [0, 90]


async def test_a_paused_execution_stands_still() -> None:
    told = await rehearse(
        steps(call("a"), call("b", "a")), mocks={"a": {"delay": 9}}, events=[{"at": 1, "execution": "pause"}]
    )
    assert (told["status"], told["stopped"]) == (
        "paused",
        "nothing moves it any more: the execution is paused",
    )


async def test_what_comes_after_the_end_is_refused() -> None:
    told = await rehearse(steps({"id": "a"}), events=[{"at": 5, "execution": "cancel", "refused": True}])
    assert (told["ok"], told["duration"]) == (True, 0)
