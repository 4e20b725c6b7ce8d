"""Corners of the checks that few definitions come to."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core.params import KNOWN, NOTHING_WITHHELD, Withheld
from tenuto.core.template import PlainPath, names_read, parse_expression, parse_template, references
from tenuto.core.validate import check_definition
from tests.core.test_validate import Step, call, definition_of, noop

WITHHELD = Withheld(frozenset({"approval"}), frozenset(), frozenset({"completion"}))


def found(*steps: Step, withheld: Withheld = NOTHING_WITHHELD, **fields: Any) -> list[tuple[str, str]]:
    problems, _ = check_definition(definition_of(*steps, **fields), set(KNOWN), withheld)
    return [(problem.path, problem.code) for problem in problems]


def codes_of_doubts(*steps: Step, **fields: Any) -> list[str]:
    problems, doubts = check_definition(definition_of(*steps, **fields), set(KNOWN), NOTHING_WITHHELD)
    assert problems == []
    return [doubt.code for doubt in doubts]


def test_twenty_cycles_are_named_and_no_more() -> None:
    knots = [noop(f"{side}{n}", f"{other}{n}") for n in range(25) for side, other in (("a", "b"), ("b", "a"))]
    assert [code for _, code in found(*knots)].count("cycle") == 20


@pytest.mark.parametrize(("action", "param"), [("signal.wait", "schema"), ("approval", "form")])
def test_what_comes_from_outside_is_checked_where_it_comes_in(action: str, param: str) -> None:
    step = noop("a", action=action, params={"name": "go"} if action == "signal.wait" else {}, outputSchema={})
    problems, _ = check_definition(definition_of(step), set(KNOWN), NOTHING_WITHHELD)
    assert [problem.code for problem in problems] == ["conflict"]
    assert f"give its params a `{param}`" in problems[0].message


def test_items_that_do_not_parse_are_told_once() -> None:
    assert found(noop("m", type="map", items="{{ }}")) == [("steps[0].items", "template")]


def test_what_undoes_a_step_may_read_a_result_by_its_key_and_no_later_one() -> None:
    def undone_by(key: str) -> list[tuple[str, str]]:
        undo = {"action": "transform", "params": {"inputKey": key, "code": "return 1"}}
        return found(noop("a"), noop("b", "a", compensate=undo), noop("c", "b"))

    assert undone_by("a") == undone_by("b") == []
    assert undone_by("c") == [("steps[1].compensate.params.inputKey", "not_upstream")]


def test_what_is_not_served_yet_is_refused_where_it_stands() -> None:
    assert found(noop("a", action="approval"), withheld=WITHHELD) == [("steps[0].action", "not_supported")]
    calling = call(url="https://example.com", completion="callback")
    assert found(calling, withheld=WITHHELD) == [("steps[0].params.completion", "not_supported")]


def test_white_space_is_no_condition() -> None:
    assert found(noop("a", when="  ")) == [("steps[0].when", "script")]


def test_null_is_no_authorization_and_no_number() -> None:
    assert found(call(url="https://example.com", auth=None)) == []
    assert found(noop("a", action="delay", params={"duration": [1]})) == [
        ("steps[0].params.duration", "param")
    ]


def test_a_key_of_executions_without_a_template_reads_nothing() -> None:
    assert found(noop("a"), concurrency=[{"key": "all", "limit": 1}]) == []


def test_a_wait_for_a_callback_has_no_bound_that_can_be_told() -> None:
    calling = call(url="https://example.com", completion="callback", timeout=60_000) | {"timeout": 5_000}
    assert codes_of_doubts(calling, timeout=10) == []
    bounded = calling | {"totalTimeout": 20}
    assert codes_of_doubts(bounded, timeout=10) == ["worst_case_duration"]


@pytest.mark.parametrize(
    ("source", "path"),
    [("context.a ?? 5", True), ("context.a ?? null", True), ("context.a ?? b", False), ("context.a ?? 'x'", True),
     ("context.a ??", False), ("context.a || 5", False), ("", False), ("if", False)],
)  # fmt: skip
def test_a_plain_path_may_have_a_literal_for_what_is_absent(source: str, path: bool) -> None:
    assert isinstance(parse_expression(source).path, PlainPath) == path


def test_a_template_reads_what_its_expressions_read() -> None:
    template = parse_template("{{ context.a }} and {{ vars.x + steps.b.result }}")
    assert names_read(template) == {"context", "vars", "steps"}
    assert [reference.step for reference in references(template)] == ["a", "b"]
