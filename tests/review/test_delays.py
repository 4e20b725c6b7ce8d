"""Delays at the edges of what a policy may say."""

from __future__ import annotations

import pytest

from tenuto.core.definition import RetryPolicy
from tenuto.core.retry import delay_before


@pytest.mark.parametrize(("initial_delay", "expected"), [(0, 0), (1, 30_000)])
def test_the_last_of_a_thousand_attempts_waits_as_the_formula_says(initial_delay: int, expected: int) -> None:
    policy = RetryPolicy(initial_delay=initial_delay, backoff_multiplier=1000.0, max_attempts=1000)
    assert delay_before(policy, 1000) == expected
