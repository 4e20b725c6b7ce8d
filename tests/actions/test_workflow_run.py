"""The `workflow.run` action."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tenuto.actions.workflow_run import MAX_DEPTH, WorkflowRun
from tenuto.core.events import ParentLink, StepError
from tenuto.core.inputs import Failed, Succeeded, Waiting
from tenuto.errors import Conflict, Invalid, NotFound, Overloaded, Problem
from tenuto.ports.action import ActionRequest
from tenuto.ports.children import ChildEnd
from tests.actions.children import FakeChildren, Start
from tests.actions.requests import failure_of, outcome_of, request


def of_item(params: dict[str, Any], **given: Any) -> ActionRequest:
    made = request({"workflowId": "refund", **params}, step_id="pay")
    return msgspec.structs.replace(made, instance_id="pay[3]", generation=2, **given)


async def test_a_child_is_started_under_an_id_of_its_parent_and_waited_for() -> None:
    children = FakeChildren()
    outcome = await outcome_of(WorkflowRun(children), of_item({"context": {"a": 1}, "version": 4}, depth=1))
    child = "exec-1.pay.3.2"
    assert children.started == [
        Start(ParentLink("exec-1", "pay[3]", 2, 2, True), "refund", 4, {"a": 1}, child)
    ]
    assert outcome == Waiting(
        waiting_for=f"child:{child}", on_time="fail", details={"child": child, "onParentClose": "cancel"}
    )


async def test_every_attempt_starts_the_same_child() -> None:
    children = FakeChildren()
    for attempt in (1, 2):
        await outcome_of(WorkflowRun(children), of_item({}, attempt=attempt))
    assert children.started[0] == children.started[1]


@pytest.mark.parametrize(
    ("params", "version"),
    [({}, None), ({"workflowId": "refund@2"}, 2), ({"version": 3.0}, 3), ({"version": None}, None)],
)
async def test_a_version_can_be_named_in_two_ways(params: dict[str, Any], version: int | None) -> None:
    children = FakeChildren()
    await outcome_of(WorkflowRun(children), of_item(params))
    assert (children.started[0].workflow_id, children.started[0].version) == ("refund", version)


@pytest.mark.parametrize(("on_close", "child"), [("cancel", "exec-1.pay.3.2"), ("abandon", None)])
async def test_a_child_that_nobody_waits_for_is_the_result(on_close: str, child: str | None) -> None:
    children = FakeChildren()
    outcome = await outcome_of(WorkflowRun(children), of_item({"wait": False, "onParentClose": on_close}))
    assert outcome == Succeeded({"executionId": "exec-1.pay.3.2"}, child=child)
    assert children.started[0].parent.wait is False


async def test_a_child_that_was_started_before_and_has_ended_ends_the_step() -> None:
    ended = await outcome_of(WorkflowRun(FakeChildren(ChildEnd({"n": 1}))), of_item({}))
    assert ended == Succeeded({"n": 1})
    failed = await outcome_of(
        WorkflowRun(FakeChildren(ChildEnd(None, StepError("http.500", "no")))), of_item({})
    )
    assert failed == Failed(StepError("http.500", "no", {"childExecutionId": "exec-1.pay.3.2"}))


async def test_executions_start_one_another_only_so_deep() -> None:
    children = FakeChildren()
    failed = await failure_of(WorkflowRun(children), of_item({}, depth=MAX_DEPTH))
    assert (failed.error.type, failed.retry, children.started) == ("limit", False, [])
    assert isinstance(await outcome_of(WorkflowRun(children), of_item({}, depth=MAX_DEPTH - 1)), Waiting)


async def test_a_start_that_the_store_does_not_answer_is_made_again() -> None:
    children = FakeChildren(unanswered=2)
    assert isinstance(await outcome_of(WorkflowRun(children, again_s=0), of_item({})), Waiting)
    assert len(children.started) == 3
    assert len(set(map(repr, children.started))) == 1


@pytest.mark.parametrize(
    ("problem", "kind", "retry"),
    [
        (NotFound("there is no workflow refund"), "unknown-workflow", False),
        (Invalid([Problem("context.id", "required", "`id` is missing.")]), "invalid-params", False),
        (Conflict("that id is taken"), "conflict", False),
        (Overloaded("too many", 3), "unavailable", True),
    ],
)
async def test_a_child_that_cannot_be_started_fails_the_attempt(
    problem: Exception, kind: str, retry: bool
) -> None:
    failed = await failure_of(WorkflowRun(FakeChildren(problem)), of_item({}))
    assert (failed.error.type, failed.retry, str(problem) in failed.error.message) == (kind, retry, True)
    assert failed.retry_after_ms == (3000 if isinstance(problem, Overloaded) else None)


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"workflowId": None}, "`workflowId` must be"),
        ({"workflowId": ""}, "`workflowId` is empty"),
        ({"workflowId": "@2"}, "`workflowId` is empty"),
        ({"workflowId": "refund@x"}, "refund@2"),
        ({"workflowId": "refund@²"}, "refund@2"),
        ({"workflowId": "refund@1", "version": 2}, "refund@2"),
        ({"version": 0}, "from 1"),
        ({"version": float("inf")}, "not inf"),
        ({"version": "2"}, "not '2'"),
        ({"context": []}, "`context` must be an object"),
        ({"wait": "no"}, "`wait` must be true or false"),
        ({"onParentClose": "ignore"}, "`cancel` or `abandon`"),
        ({"input": {}}, "no param `input`"),
    ],
)
async def test_params_that_do_not_fit_start_nothing(params: dict[str, Any], part: str) -> None:
    children = FakeChildren()
    failed = await failure_of(WorkflowRun(children), of_item(params))
    assert (failed.error.type, part in failed.error.message) == ("invalid-params", True), failed
    assert children.started == []
