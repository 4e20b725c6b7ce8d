"""The actions that evaluate JavaScript: `transform`, `condition`, and steps of type `decision`."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.actions.condition import Condition
from tenuto.actions.decision import Decision
from tenuto.actions.transform import Transform
from tenuto.core.definition import Case, StepSpec
from tenuto.core.truth import is_truthy
from tenuto.ports.action import Succeeded
from tenuto.ports.script import Script
from tests.actions.requests import failure_of, outcome_of, request, result_of
from tests.actions.scripts import FakeScripts


def echo_input() -> FakeScripts:
    return FakeScripts(code=lambda scope: scope["input"])


@pytest.mark.parametrize(
    ("params", "seen"),
    [
        ({"inputKey": "extract"}, {"users": [1]}),
        ({"inputKey": "nothing"}, None),
        ({"inputKey": "extract", "input": 5}, {"users": [1]}),
        ({"input": [1, 2]}, [1, 2]),
        ({"input": None}, None),
        ({"inputKey": None, "input": 0}, 0),
        ({}, {"orderId": "o-1"}),
    ],
)
async def test_transform_sees_the_key_or_the_input_or_the_start_context(
    params: dict[str, Any], seen: Any
) -> None:
    engine = echo_input()
    context = {"orderId": "o-1", "extract": {"users": [1]}, "nothing": None}
    made = request({"code": "code", **params}, context, start_context={"orderId": "o-1"})
    assert await result_of(Transform(engine), made) == seen
    script, scope = engine.asked[0]
    assert script == Script("body", "code")
    assert dict(scope) == {"input": seen, "context": context}


async def test_an_absent_input_key_is_named_with_what_there_is() -> None:
    made = request({"code": "code", "inputKey": "extrakt"}, {"orderId": 1, "extract": 2})
    failure = await failure_of(Transform(echo_input()), made)
    assert failure.error.type == "expression"
    assert "'extrakt'" in failure.error.message
    assert "it has orderId, extract" in failure.error.message


async def test_a_broken_script_fails_with_what_the_engine_says() -> None:
    failure = await failure_of(Transform(FakeScripts()), request({"code": "nope()"}))
    assert (failure.error.type, failure.error.message) == ("script", "nope() is not defined")
    failure = await failure_of(Condition(FakeScripts()), request({"expression": "nope"}))
    assert (failure.error.type, failure.error.message) == ("expression", "nope is not defined")


async def test_a_transform_larger_than_the_limit_is_no_result() -> None:
    action = Transform(FakeScripts(code=lambda _: "x" * 100), result_limit=101)
    failure = await failure_of(action, request({"code": "code"}))
    assert failure.error.type == "limit"
    assert "102 bytes" in failure.error.message


@pytest.mark.parametrize(
    "params", [{}, {"code": 5}, {"code": "code", "inputkey": "a"}, {"code": "code", "inputKey": 1}]
)
async def test_transform_refuses_params_it_cannot_use(params: dict[str, Any]) -> None:
    assert (await failure_of(Transform(echo_input()), request(params))).error.type == "invalid-params"


@pytest.mark.parametrize(
    ("value", "branch"),
    [
        (True, "true"), (1, "true"), ("0", "true"), ([], "true"), ({}, "true"), (-1.5, "true"),
        (False, "false"), (0, "false"), (0.0, "false"), ("", "false"), (None, "false"),
    ],
)  # fmt: skip
async def test_condition_names_the_branch_by_the_truth_of_javascript(value: Any, branch: str) -> None:
    engine = FakeScripts(test=lambda _: value)
    result = await result_of(
        Condition(engine), request({"expression": "test"}, steps={"a": {"status": "failed"}})
    )
    assert result == {"result": value, "branch": branch}
    assert engine.asked[0][1]["steps"] == {"a": {"status": "failed"}}
    assert is_truthy(value) is (branch == "true")


@pytest.mark.parametrize("params", [{}, {"expression": True}, {"expression": "a", "else": "b"}])
async def test_condition_refuses_params_it_cannot_use(params: dict[str, Any]) -> None:
    assert (await failure_of(Condition(FakeScripts(a=bool)), request(params))).error.type == "invalid-params"


CASES = (Case(when="no", next=("a",)), Case(when="yes", next=("b", "c")), Case(when="also", next=("c", "d")))


def decision(**fields: Any) -> tuple[Decision, FakeScripts]:
    engine = FakeScripts(no=lambda _: 0, yes=lambda _: "y", also=lambda _: [])
    step = StepSpec(id="choose", type="decision", **fields)
    return Decision(step, engine), engine


@pytest.mark.parametrize(
    ("fields", "chosen", "matched"),
    [
        ({"cases": CASES}, ["b", "c"], [1]),
        ({"cases": CASES, "mode": "all"}, ["b", "c", "d"], [1, 2]),
        ({"cases": CASES[:1], "default": ("z",)}, ["z"], []),
        ({"cases": CASES[:1], "default": ()}, [], []),
        ({"cases": CASES, "default": ("z",)}, ["b", "c"], [1]),
    ],
)
async def test_a_decision_chooses_by_its_cases(
    fields: dict[str, Any], chosen: list[str], matched: list[int]
) -> None:
    action, _ = decision(**fields)
    outcome = await outcome_of(action, request())
    assert outcome == Succeeded({"chosen": chosen, "matched": matched}, chosen=chosen)


async def test_in_mode_first_later_cases_are_not_evaluated() -> None:
    action, engine = decision(cases=CASES)
    await outcome_of(action, request())
    assert [script.source for script, _ in engine.asked] == ["no", "yes"]


async def test_no_matching_case_and_no_default_is_a_failure() -> None:
    action, _ = decision(cases=CASES[:1])
    assert (await failure_of(action, request())).error.type == "no_case_matched"


async def test_a_case_that_cannot_be_evaluated_is_named() -> None:
    action, _ = decision(cases=(CASES[0], Case(when="broken", next=("a",))))
    failure = await failure_of(action, request())
    assert failure.error.type == "expression"
    assert failure.error.message == "cases[1].when: broken is not defined"
