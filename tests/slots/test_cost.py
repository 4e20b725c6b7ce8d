"""What an operation costs, counted in comparisons of ranks and in function calls, whatever the machine is busy with."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from tenuto.runtime.slots import Ledger

MANY = 100_000
SOME = 500


def calls_of(work: Callable[[], object]) -> int:
    """How many calls of functions, Python's and built in, the work made."""
    count = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


class Instant(int):
    """An instant that counts how often it is compared."""

    compared = 0

    def __sub__(self, other: int) -> Instant:
        return Instant(int(self) - other)

    def __lt__(self, other: object) -> bool:
        Instant.compared += 1
        return isinstance(other, int) and int(self) < int(other)


def full(keys_of: Callable[[int], list[tuple[str, int]]]) -> Ledger:
    ledger = Ledger()
    ledger.hold("holder", [("k", 1)])
    for number in range(MANY):
        assert ledger.request(number, keys_of(number), 0, Instant(number)) == []
    return ledger


def cost_of_each(ledger: Ledger, keys_of: Callable[[int], list[tuple[str, int]]]) -> tuple[float, float]:
    """Comparisons and calls per operation, of as many requests, withdrawals and releases."""
    Instant.compared = 0
    done = 0

    def work() -> None:
        nonlocal done
        holder: Any = "holder"
        for number in range(MANY, MANY + SOME):
            ledger.request(number, keys_of(number), number % 3 - 1, Instant(number))
            ledger.withdraw(number - MANY // 2)
            [holder] = ledger.release(holder)
            done += 3

    calls = calls_of(work)
    return Instant.compared / done, calls / done


def test_an_operation_among_a_hundred_thousand_waiting_on_one_key_costs_their_logarithm() -> None:
    comparisons, calls = cost_of_each(full(lambda _: [("k", 1)]), lambda _: [("k", 1)])
    assert comparisons < 3 * math.log2(MANY)
    assert calls < 100


def test_so_it_does_where_everybody_wants_a_key_of_their_own_besides() -> None:
    def keys_of(number: int) -> list[tuple[str, int]]:
        return [("k", 1), (f"tenant {number % 10_000}", 1)]

    comparisons, calls = cost_of_each(full(keys_of), keys_of)
    assert comparisons < 6 * math.log2(MANY)
    assert calls < 300


def test_what_left_a_line_does_not_pile_up_behind_one_who_stays_first() -> None:
    ledger = Ledger()
    ledger.hold("x", [("x", 1)])
    ledger.request("first", [("x", 1), ("k", 9)], 0, 0)
    for number in range(20_000):
        ledger.request(number, [("x", 1), ("k", 9)], 0, number + 1)
        ledger.withdraw(number)
    entries = [len(key.line._heap) for key in ledger._keys.values()]
    assert max(entries) < 100
