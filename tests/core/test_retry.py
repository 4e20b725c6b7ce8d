"""Which errors are tried again, and after how long."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.definition import RetryPolicy
from tenuto.core.events import StepError
from tenuto.core.retry import NEVER_BY_DEFAULT, delay_before, is_retryable, matches
from tests.core.driven import START, Driven, step


def delays(attempts: int, **fields: Any) -> list[int]:
    """The delays before attempts 2, 3, …"""
    return [delay_before(RetryPolicy(**fields), attempt) for attempt in range(2, attempts + 1)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"backoff_multiplier": 2, "initial_delay": 1_000, "max_delay": 30_000}, [1_000, 2_000, 4_000, 8_000]),
        ({}, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]),
        ({"backoff_multiplier": 1, "initial_delay": 250}, [250, 250, 250]),
        ({"backoff_multiplier": 1.5, "initial_delay": 1}, [1, 2, 2, 3, 5]),
        ({"initial_delay": 0}, [0, 0, 0]),
        ({"initial_delay": 5_000, "max_delay": 2_000}, [2_000, 2_000]),
        ({"max_delay": 0}, [0, 0]),
        ({"initial_delay": 2_000, "backoff_multiplier": 10, "max_delay": 30_000}, [2_000, 20_000, 30_000]),
    ],
)  # fmt: skip
def test_delays_grow_by_the_multiplier_up_to_the_longest(policy: dict[str, Any], expected: list[int]) -> None:
    assert delays(len(expected) + 1, **policy) == expected


def test_a_delay_beyond_all_numbers_is_the_longest() -> None:
    policy = RetryPolicy(initial_delay=1, backoff_multiplier=1_000.0, max_delay=60_000)
    assert delay_before(policy, 1_000) == 60_000


@pytest.mark.parametrize(
    ("noise", "expected"), [(-1, 800), (-0.5, 900), (0, 1_000), (0.5, 1_100), (1, 1_200)]
)
def test_jitter_spreads_a_delay_to_both_sides(noise: float, expected: int) -> None:
    assert delay_before(RetryPolicy(jitter=0.2), 2, noise) == expected


@pytest.mark.parametrize("noise", [-1, 0, 1])
def test_without_jitter_noise_changes_nothing(noise: float) -> None:
    assert delay_before(RetryPolicy(), 2, noise) == 1_000


@pytest.mark.parametrize(
    ("wish", "expected"), [(None, 1_000), (0, 1_000), (999, 1_000), (5_000, 5_000), (3_600_000, 30_000)]
)
def test_a_receivers_wish_lengthens_a_delay_up_to_the_longest(wish: int | None, expected: int) -> None:
    assert delay_before(RetryPolicy(), 2, 0.0, wish) == expected


def test_jitter_never_shortens_what_a_receiver_wished_for() -> None:
    assert delay_before(RetryPolicy(jitter=1), 2, -1, 5_000) == 5_000


@pytest.mark.parametrize(
    ("pattern", "error", "fits"),
    [
        ("*", "anything.at.all", True),
        ("http.503", "http.503", True),
        ("http.503", "http.500", False),
        ("http.5xx", "http.503", True),
        ("http.5xx", "http.403", False),
        ("http.5xx", "http.5ab", False),
        ("http.5xx", "http.5033", False),
        ("http", "http.503", True),
        ("http", "http", True),
        ("http", "https.503", False),
        ("http", "network", False),
        ("worker.ValueError", "worker.ValueError", True),
        ("worker.ValueError", "worker.ValueErrors", False),
        ("network", "network.reset", True),
        ("timeout", "timeout", True),
        ("", "http", False),
    ],
)
def test_a_pattern_names_an_error_whole_or_by_class(pattern: str, error: str, fits: bool) -> None:
    assert matches(pattern, error) is fits


@pytest.mark.parametrize("error", NEVER_BY_DEFAULT)
def test_what_trying_again_cannot_mend_is_tried_again_only_if_named(error: str) -> None:
    assert not is_retryable(RetryPolicy(), error)
    assert not is_retryable(RetryPolicy(retry_on=("http",)), error)
    assert is_retryable(RetryPolicy(retry_on=(error,)), error)
    assert is_retryable(RetryPolicy(retry_on=("*",)), error)


@pytest.mark.parametrize(
    "error", ["http.503", "http.404", "network", "timeout", "script", "infra", "executor.KeyError"]
)
def test_all_other_errors_are_tried_again(error: str) -> None:
    assert is_retryable(RetryPolicy(), error)


def test_no_retry_on_beats_retry_on() -> None:
    policy = RetryPolicy(retry_on=("http",), no_retry_on=("http.402", "http.5xx"))
    assert [
        error for error in ("http.429", "http.402", "http.503", "network") if is_retryable(policy, error)
    ] == ["http.429"]


# -- in an execution ------------------------------------------------------------------------------------------


def test_the_table_of_delays_in_the_documentation_holds() -> None:
    policy = RetryPolicy(max_attempts=5, backoff_multiplier=2, initial_delay=1_000, max_delay=30_000)
    run = Driven(step("a", retry_policy=policy))
    waited = []
    for _ in range(4):
        run.fail("a")
        wake_at = run.state.step("a").wake_at
        assert wake_at is not None
        waited.append(wake_at - run.at)
        assert run.after(waited[-1] - 1).state.step("a").status == "retrying"
        assert run.after(1).state.step("a").status == "running"
    assert waited == [1_000, 2_000, 4_000, 8_000]
    run.fail("a")
    assert run.state.status == "failed"
    assert run.state.step("a").attempts == 5


def test_the_default_policy_makes_one_attempt() -> None:
    run = Driven(step("a"))
    run.fail("a")
    assert (run.state.step("a").status, run.state.step("a").attempts) == ("failed", 1)


def test_whoever_performed_the_attempt_may_say_that_none_can_succeed() -> None:
    run = Driven(step("a", retry_policy=RetryPolicy(max_attempts=5, retry_on=("*",))))
    run.take(inp.AttemptEnded(0, 1, 0, inp.Failed(StepError("http.503", "gone"), retry=False)))
    assert run.state.step("a").status == "failed"


def test_lost_attempts_use_up_no_attempts_and_do_not_lengthen_delays() -> None:
    run = Driven(step("a", retry_policy=RetryPolicy(max_attempts=3)))
    run.take(inp.AttemptLost(0, 1, 0))
    run.take(inp.AttemptLost(0, 2, 0))
    run.fail("a")
    assert run.state.step("a").wake_at == START + 1_000
    run.after(1_000).fail("a")
    assert run.state.step("a").wake_at == START + 1_000 + 2_000
    run.after(2_000).fail("a")
    assert (run.state.step("a").status, run.state.step("a").attempts) == ("failed", 5)
