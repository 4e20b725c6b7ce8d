"""What is expected of a rehearsal, and what is said when it is not so."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.runtime.rehearsal.expectations import same
from tests.rehearsal.playing import call, rehearse, steps

CHAIN = steps(
    call("a"), call("b", "a"), {"id": "c", "when": "context.a > 5", "dependencies": ["a"]},
    {"id": "m", "type": "map", "items": [1, 2], "action": "call", "dependencies": ["b"]},
)  # fmt: skip
MOCKS = {"a": {"result": 1, "delay": 10}}


@pytest.mark.parametrize(
    ("expect", "actual"),
    [
        ({"status": "completed"}, None),
        ({"status": "failed"}, "completed"),
        ({"error": "timeout"}, None),
        ({"steps": {"c": "skipped"}}, None),
        ({"steps": {"c": "skipped condition_false"}}, None),
        ({"steps": {"c": "skipped not_needed"}}, "skipped condition_false"),
        ({"steps": {"b": "failed"}}, "success"),
        ({"results": {"a": 1}}, None),
        ({"results": {"a": True}}, 1),
        ({"results": {"c": None}}, "no result: skipped condition_false"),
        ({"results": {"m": [None, None]}}, None),
        ({"output": {"m": [None, None]}}, None),
        ({"output": None}, {"m": [None, None]}),
        ({"order": [["a", "b"], ["b", "m[1]"]]}, None),
        ({"order": [["b", "a"]]}, "a begins before b ends"),
        ({"order": [["a", "c"]]}, "c never begins"),
        ({"calls": {"a": 1, "m": 2, "m[0]": 1}}, None),
        ({"calls": {"m": 1}}, 2),
        ({"never": ["m[2]"]}, None),
        ({"never": ["m"]}, "m, m[0], m[1]"),
        ({"duration": 10}, None),
        ({"duration": 11}, 10),
    ],
)
async def test_what_is_not_so_is_told_with_what_is(expect: dict[str, Any], actual: Any) -> None:
    told = await rehearse(CHAIN, mocks=MOCKS, expect=expect)
    wrong = [expectation for expectation in told["expectations"] if not expectation["ok"]]
    is_right = actual is None and expect != {"error": "timeout"}
    assert told["ok"] == is_right
    assert [expectation["actual"] for expectation in wrong] == ([] if is_right else [actual])


async def test_a_step_whose_condition_does_not_hold_never_begins() -> None:
    assert (await rehearse(CHAIN, mocks=MOCKS, expect={"never": ["c"], "calls": {"c": 0}}))["ok"]


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ([1, {"a": [2]}], [1.0, {"a": [2]}], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1], [1, 1], False),
        ("1", 1, False),
    ],
)
def test_values_are_compared_as_json(one: Any, other: Any, are_same: bool) -> None:
    assert same(one, other) is are_same
    assert same(other, one) is are_same
