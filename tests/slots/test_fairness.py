"""Nobody waits for ever, whatever comes after them; and nobody waits for what does not concern them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Hashable

import pytest

from tenuto.runtime.slots import Ledger

KEYS = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("seed", range(5))
def test_one_who_wants_every_key_gets_them_although_small_requests_never_stop(seed: int) -> None:
    rng = random.Random(seed)
    ledger = Ledger()
    holding: deque[Hashable] = deque()
    now = 0
    for number in range(40):
        holding += ledger.request(number, [(rng.choice(KEYS), 2)], 0, now)
    holding += ledger.request("large", [(key, 2) for key in KEYS], 0, now)
    for number in range(40, 400):
        now += 10
        holding += ledger.request(number, [(rng.choice(KEYS), 2)], 0, now)
        holding.rotate(rng.randrange(len(holding)))
        holding += ledger.release(holding.popleft())
        if "large" in holding:
            return
    pytest.fail("the large request was never granted")


def test_one_of_low_priority_is_passed_only_by_those_who_came_before_its_age_made_up_for_it() -> None:
    ledger = Ledger()
    ledger.request("holder", [("k", 1)], 0, 0)
    ledger.request("low", [("k", 1)], 0, 0)
    holder: Hashable = "holder"
    passed = 0
    for number in range(100):
        ledger.request(number, [("k", 1)], 10, number * 30_000)
        [holder] = ledger.release(holder)
        if holder == "low":
            break
        passed += 1
    assert passed == 20  # ten points are ten minutes: as many as come in that time


def test_a_thousand_full_tenants_do_not_keep_a_shared_key_from_the_one_that_is_not() -> None:
    ledger = Ledger()
    for tenant in range(1000):
        ledger.hold(("before", tenant), [(f"tenant {tenant}", 1)])
        assert ledger.request(tenant, [(f"tenant {tenant}", 1), ("api", 2)], 0, tenant) == []
    assert ledger.request("other", [("tenant x", 1), ("api", 2)], 0, 5000) == ["other"]
