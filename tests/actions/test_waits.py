"""The `signal.wait` and `approval` actions: what they wait for, how long, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.actions.approval import Approval
from tenuto.actions.signal_wait import SignalWait
from tenuto.core.inputs import Waiting
from tests.actions.requests import NOW, failure_of, request, wait_of

FORM = {"type": "object", "required": ["reason"]}


async def test_a_signal_is_waited_for_by_its_name_for_ever() -> None:
    assert await wait_of(SignalWait(), request({"name": "paid"})) == Waiting(
        None, waiting_for="signal:paid", on_time="fail", details={"name": "paid", "schema": None}
    )


@pytest.mark.parametrize(
    ("timeout", "until"), [(0, None), (None, None), (500, NOW + 500), ("500", NOW + 500)]
)
async def test_a_timeout_bounds_the_wait(timeout: Any, until: int | None) -> None:
    for action, params in ((SignalWait(), {"name": "paid"}), (Approval(), {})):
        wait = await wait_of(action, request({**params, "timeout": timeout}))
        assert (wait.until, wait.on_time) == (until, "fail")


async def test_a_schema_of_the_payload_goes_along() -> None:
    wait = await wait_of(SignalWait(), request({"name": "paid", "schema": FORM}))
    assert wait.details == {"name": "paid", "schema": FORM}


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({}, "`name` is missing"),
        ({"name": 5}, "not 5"),
        ({"name": ""}, "1 to 200 characters"),
        ({"name": "  "}, "1 to 200 characters"),
        ({"name": "a/b"}, "slash"),
        ({"name": "a\nb"}, "line break"),
        ({"name": "x" * 201}, "a text of 201 characters"),
        ({"name": "a", "timeout": -1}, "0 or more"),
        ({"name": "a", "timeout": "soon"}, "`timeout` must be a number of milliseconds"),
        ({"name": "a", "timeout": 10**15}, "ten years"),
        ({"name": "a", "schema": []}, "`schema` is no JSON Schema"),
        ({"name": "a", "schema": {"type": "text"}}, "`schema` is no JSON Schema"),
        ({"name": "a", "key": "b"}, "no param `key`"),
    ],
)
async def test_signal_wait_refuses_what_does_not_fit(params: dict[str, Any], part: str) -> None:
    failed = await failure_of(SignalWait(), request(params))
    assert (failed.error.type, part in failed.error.message) == ("invalid-params", True), failed


async def test_an_approval_that_says_nothing_asks_anybody_once() -> None:
    assert await wait_of(Approval(), request(step_id="release")) == Waiting(
        None,
        waiting_for="approval",
        on_time="fail",
        details={"title": "release", "details": None, "form": None, "approvers": [], "minApprovals": 1},
    )


async def test_an_approval_says_what_it_asks_and_whom() -> None:
    params = {
        "title": "Release 2.0?",
        "details": {"notes": ["a"]},
        "form": FORM,
        "approvers": ["ann", "bo", "ann"],
        "minApprovals": 2,
        "timeout": 1000,
        "onTimeout": "reject",
    }
    wait = await wait_of(Approval(), request(params))
    assert (wait.until, wait.on_time) == (NOW + 1000, "reject")
    assert wait.details == {
        "title": "Release 2.0?",
        "details": {"notes": ["a"]},
        "form": FORM,
        "approvers": ["ann", "bo"],
        "minApprovals": 2,
    }


@pytest.mark.parametrize("on_timeout", ["fail", "reject", "approve"])
async def test_an_approval_says_what_comes_of_it_at_its_time(on_timeout: str) -> None:
    wait = await wait_of(Approval(), request({"timeout": 1, "onTimeout": on_timeout}))
    assert wait.on_time == on_timeout


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"title": 5}, "`title` must be a text"),
        ({"approvers": "ann"}, "`approvers` must be a list"),
        ({"approvers": ["ann", 5]}, "has 5 in it"),
        ({"approvers": [" "]}, "has ' ' in it"),
        ({"approvers": ["x"] * 1001}, "at most 1,000"),
        ({"minApprovals": 0}, "from 1 to 1,000"),
        ({"minApprovals": 1.5}, "not 1.5"),
        ({"minApprovals": float("inf")}, "not inf"),
        ({"minApprovals": True}, "not true"),
        ({"minApprovals": 3, "approvers": ["a", "b", "a"]}, "only 2 may approve"),
        ({"form": {"required": 5}}, "`form` is no JSON Schema"),
        ({"onTimeout": "ignore"}, "`fail`, `reject` or `approve`"),
        ({"timeout": {}}, "not an object"),
        ({"approver": "ann"}, "no param `approver`"),
    ],
)
async def test_approval_refuses_what_does_not_fit(params: dict[str, Any], part: str) -> None:
    failed = await failure_of(Approval(), request(params))
    assert (failed.error.type, part in failed.error.message) == ("invalid-params", True), failed


async def test_what_an_approval_shows_is_bounded_as_results_are() -> None:
    failed = await failure_of(Approval(result_limit=500), request({"details": "x" * 500}))
    assert failed.error.type == "limit"
