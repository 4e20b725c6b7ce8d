"""Approvals: who may, how many must, and what comes of silence."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.decide import Refusal
from tenuto.core.definition import RetryPolicy
from tenuto.core.events import StepError
from tenuto.core.view import document
from tests.core.driven import START, step
from tests.core.journaled import Execution, why


def asked(
    *approvers: str, quorum: int = 1, until: int | None = None, on_time: Any = "fail", **fields: Any
) -> Execution:
    run = Execution(
        step("a", action="approval", **fields), step("b", "a"), step("no", "a", join="one_failed")
    )
    details = {"title": "Pay?", "approvers": list(approvers), "minApprovals": quorum}
    run.wait("a", "approval", until, on_time=on_time, details=details)
    return run


def yes(by: str, **fields: Any) -> inp.Approve:
    return inp.Approve("a", by, **fields)


def refusal(run: Execution, given: inp.Approve) -> Refusal:
    decision = run.take(given)
    assert decision.events == []
    return decision.refused[0]


def test_one_who_approves_is_enough_if_nothing_is_said() -> None:
    run = asked()
    run.at += 5
    run.take(yes("ada", comment="fine", data={"limit": 5}))
    said = {"by": "ada", "comment": "fine", "data": {"limit": 5}, "at": START + 5}
    assert run.step("a").result == {"approved": True, **said, "approvals": [said]}
    assert (run.acting(), run.step("a").by) == (["b"], "ada")


def test_a_quorum_takes_so_many_different_people() -> None:
    run = asked(quorum=2)
    run.take(yes("ada", comment="one"))
    assert run.status("a") == ["waiting"]
    assert document(run.state, run.at)["stepResults"]["a"]["approvals"] == [
        {"by": "ada", "comment": "one", "data": None, "at": START}
    ]
    assert refusal(run, yes("ada")) == Refusal(yes("ada"), "'ada' has approved already")
    run.take(yes("bob"))
    result = run.step("a").result
    assert (result["by"], [given["by"] for given in result["approvals"]]) == ("bob", ["ada", "bob"])


def test_only_those_who_are_named_may() -> None:
    run = asked("ada", "bob")
    assert refusal(run, yes("eve")) == Refusal(
        yes("eve"), "'eve' is not among the approvers of step 'a'", "forbidden"
    )
    assert refusal(run, yes("eve", approved=False)).kind == "forbidden"
    run.take(yes("bob"))
    assert run.status("a") == ["success"]


@pytest.mark.parametrize(
    ("comment", "message"), [(None, "rejected by ada"), ("too dear", "rejected by ada: too dear")]
)
def test_one_who_rejects_fails_it_and_it_is_not_asked_again(comment: str | None, message: str) -> None:
    run = asked(quorum=3, retry_policy=RetryPolicy(max_attempts=5))
    run.take(yes("bob"))
    run.take(yes("ada", approved=False, comment=comment, data=1))
    assert run.error("a") == StepError("rejected", message, {"by": "ada", "data": 1})
    assert (run.acting(), run.step("a").by) == (["no"], "ada")


def test_one_who_has_approved_cannot_reject_as_well() -> None:
    run = asked(quorum=2)
    run.take(yes("ada"))
    assert refusal(run, yes("ada", approved=False)).why == "'ada' has approved already"


def test_a_step_that_does_not_wait_for_an_approval_takes_none() -> None:
    run = asked()
    run.take(yes("ada"))
    assert refusal(run, yes("bob")).why == "step 'a' has ended already: success"
    assert (
        refusal(run, inp.Approve("b", "bob")).why == "step 'b' does not wait for an approval; it is running"
    )
    assert refusal(run, inp.Approve("c", "bob")) == Refusal(
        inp.Approve("c", "bob"), "there is no step 'c' now", "unknown"
    )
    run.succeed("b")
    assert refusal(run, inp.Approve("b", "bob")).why == "the execution is completed"


@pytest.mark.parametrize(
    ("on_time", "error"),
    [("fail", StepError("timeout", "the approval did not come in time")),
     ("reject", StepError("rejected", "nobody approved in time"))],
)  # fmt: skip
def test_silence_fails_it_as_was_said(on_time: str, error: StepError) -> None:
    run = asked(until=START + 1_000, on_time=on_time)
    run.after(1_000)
    assert (run.error("a"), run.acting()) == (error, ["no"])


def test_silence_may_be_consent() -> None:
    run = asked(quorum=3, until=START + 1_000, on_time="approve")
    run.take(yes("ada"))
    run.after(1_000)
    silent = {"by": None, "comment": "approved when its time was up", "data": None, "at": START + 1_000}
    result = run.step("a").result
    assert {name: result[name] for name in silent} == silent
    assert (result["approved"], [given["by"] for given in result["approvals"]]) == (True, ["ada", None])


def test_an_answer_at_the_last_instant_counts() -> None:
    run = asked(until=START + 1_000)
    run.after(1_000, yes("ada"))
    assert run.status("a") == ["success"]


def test_when_it_is_asked_again_nobody_has_answered_yet() -> None:
    run = asked(quorum=2, until=START + 1_000, retry_policy=RetryPolicy(max_attempts=2))
    run.take(yes("ada"))
    run.after(1_000)
    assert run.status("a") == ["retrying"]
    run.after(1_000)
    run.wait("a", "approval", None, on_time="fail", details={"minApprovals": 2})
    run.take(yes("ada"))
    assert run.status("a") == ["waiting"]
    run.take(yes("bob"))
    assert len(run.step("a").result["approvals"]) == 2


def test_answers_outlast_a_crash() -> None:
    run = asked(quorum=2)
    run.take(yes("ada"))
    run.crash()
    assert refusal(run, yes("ada")).why == "'ada' has approved already"
    run.take(yes("bob"))
    assert run.status("a") == ["success"]


def test_answers_are_taken_while_paused() -> None:
    run = asked()
    run.take(inp.Pause())
    run.take(yes("ada"))
    assert run.status("a", "b") == ["success", "pending"]


def test_an_item_is_approved_by_its_own_name() -> None:
    run = Execution(step("m", type="map", items=[1]))
    run.end("m", inp.Expanded([1, 2]))
    for number in (0, 1):
        run.wait(f"m[{number}]", "approval", on_time="fail", details={})
    run.take(inp.Approve("m[1]", "ada"))
    assert run.status("m[0]", "m") == ["waiting", "running"]
    run.take(inp.Approve("m[0]", "bob"))
    assert [result["by"] for result in run.step("m").result] == ["bob", "ada"]


def test_an_execution_that_has_not_begun_takes_none() -> None:
    run = Execution(step("a"), start=inp.Start("e-1", {}, start_at=START + 1))
    assert why(run.take(yes("ada"))) == ["the execution has not begun"]
