"""The `set` and `finish` actions."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.actions.finish import LONGEST_MESSAGE, Finish
from tenuto.actions.set_vars import Set
from tenuto.core.inputs import Finished, Succeeded
from tests.actions.requests import failure_of, outcome_of, request


async def test_what_is_set_is_the_result_and_is_written() -> None:
    values = {"total": 5, "seen": ["a"]}
    assert await outcome_of(Set(), request({"values": values})) == Succeeded(values, vars=values)


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({}, "`values` is missing"),
        ({"values": ["a"]}, "not an array"),
        ({"values": None}, "not null"),
        ({"values": {}, "value": 1}, "no param `value`"),
    ],
)
async def test_only_an_object_can_be_set(params: dict[str, Any], part: str) -> None:
    failed = await failure_of(Set(), request(params))
    assert (failed.error.type, part in failed.error.message) == ("invalid-params", True), failed


async def test_what_is_set_is_bounded_as_results_are() -> None:
    failed = await failure_of(Set(result_limit=100), request({"values": {"a": "x" * 100}}))
    assert failed.error.type == "limit"


async def test_finish_ends_well_unless_it_says_otherwise() -> None:
    assert await outcome_of(Finish(), request()) == Finished("completed", None, None)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_finish_says_how_and_with_what(status: Any) -> None:
    params = {"status": status, "output": {"n": 1}, "message": "enough"}
    assert await outcome_of(Finish(), request(params)) == Finished(status, {"n": 1}, "enough")


@pytest.mark.parametrize(
    ("params", "kind", "part"),
    [
        ({"status": "success"}, "invalid-params", "`completed`, `failed` or `cancelled`, not 'success'"),
        ({"status": ["failed"]}, "invalid-params", "not an array"),
        ({"message": 5}, "invalid-params", "`message` must be a text"),
        ({"result": 5}, "invalid-params", "no param `result`"),
        ({"output": "x" * 200}, "limit", "bytes as JSON"),
    ],
)
async def test_finish_refuses_what_does_not_fit(params: dict[str, Any], kind: str, part: str) -> None:
    failed = await failure_of(Finish(result_limit=100), request(params))
    assert (failed.error.type, part in failed.error.message) == (kind, True), failed


async def test_a_message_is_cut_where_it_is_no_message_any_more() -> None:
    outcome = await outcome_of(Finish(), request({"message": "x" * 5_000}))
    assert isinstance(outcome, Finished)
    assert outcome.message == "x" * LONGEST_MESSAGE
