"""The `delay` and `noop` actions."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.actions.delay import Delay
from tenuto.actions.noop import Noop
from tests.actions.requests import NOW, failure_of, request, result_of, wait_of


@pytest.mark.parametrize(
    ("params", "delayed"),
    [
        ({"duration": 5000}, 5000),
        ({"duration": 1500.2}, 1501),
        ({"duration": "250"}, 250),
        ({"duration": " 2.5e3 "}, 2500),
        ({"until": NOW + 70}, 70),
        ({"until": str(NOW + 70)}, 70),
        ({"until": "2027-01-15T08:00:01Z"}, 1000),
        ({"until": "2027-01-15T09:00:00.25+01:00"}, 250),
        ({"until": "2027-01-15T08:00:00.000500Z"}, 1),
    ],
)
async def test_it_waits_until_the_instant_and_returns_how_long(params: dict[str, Any], delayed: int) -> None:
    wait = await wait_of(Delay(), request(params))
    assert (wait.until, wait.result, wait.waiting_for) == (NOW + delayed, {"delayed": delayed}, "timer")


@pytest.mark.parametrize("params", [{"duration": 0}, {"until": NOW}, {"until": "2001-01-01T00:00:00Z"}])
async def test_an_instant_that_has_passed_is_no_wait(params: dict[str, Any]) -> None:
    assert await result_of(Delay(), request(params)) == {"delayed": 0}


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({}, "either `duration`"),
        ({"duration": 5, "until": 5}, "not both"),
        ({"duration": -1}, "0 or more, not -1"),
        ({"duration": float("nan")}, "not nan"),
        ({"duration": "nan"}, "0 or more"),
        ({"duration": "1e400"}, "0 or more"),
        ({"duration": None}, "not null"),
        ({"duration": True}, "not true"),
        ({"duration": "5s"}, "not '5s'"),
        ({"duration": [5]}, "not an array"),
        ({"duration": 10**15}, "ten years"),
        ({"until": 10**16}, "ten years"),
        ({"until": 10**400}, "ten years"),
        ({"until": "tomorrow"}, "ISO 8601"),
        ({"until": "2027-01-15T08:00:00"}, "needs a zone"),
        ({"until": "2027-01-15"}, "needs a zone"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "ten years"),
        ({"until": None}, "not null"),
        ({"ms": 5}, "no param `ms`"),
    ],
)
async def test_what_is_no_duration_fails_the_attempt(params: dict[str, Any], part: str) -> None:
    failure = await failure_of(Delay(), request(params))
    assert failure.error.type == "invalid-params"
    assert part in failure.error.message


async def test_noop_returns_its_result_or_null() -> None:
    assert await result_of(Noop(), request()) is None
    assert await result_of(Noop(), request({"result": {"a": 1}})) == {"a": 1}
    assert (await failure_of(Noop(), request({"resul": 1}))).error.type == "invalid-params"
