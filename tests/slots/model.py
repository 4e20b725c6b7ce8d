"""What the ledger must do, written to be read and not to be fast: after every change it looks at everybody."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import NamedTuple


class Wish(NamedTuple):
    """A ticket with its keys and limits, and its place in line."""

    ticket: Hashable
    limits: dict[str, int]
    rank: tuple[int, int, int]


class Model:
    """The same methods as `Ledger`."""

    def __init__(self) -> None:
        self.waiting: dict[Hashable, Wish] = {}
        self.holding: dict[Hashable, Wish] = {}
        self.overrides: dict[str, int] = {}
        self._count = 0

    def request(
        self, ticket: Hashable, keys: list[tuple[str, int]], priority: int, since_ms: int
    ) -> list[Hashable]:
        limits: dict[str, int] = {}
        for key, limit in keys:
            limits[key] = min(limit, limits.get(key, limit))
        self._count += 1
        self.waiting[ticket] = Wish(ticket, limits, (since_ms - 60_000 * priority, since_ms, self._count))
        return self._settle()

    def release(self, ticket: Hashable) -> list[Hashable]:
        self.holding.pop(ticket, None)
        return self._settle()

    def withdraw(self, ticket: Hashable) -> list[Hashable]:
        self.waiting.pop(ticket, None)
        return self._settle()

    def set_limit(self, key: str, limit: int | None) -> list[Hashable]:
        self.overrides.pop(key, None)
        if limit is not None:
            self.overrides[key] = limit
        return self._settle()

    def limit(self, key: str) -> float:
        named = [
            wish.limits[key]
            for wishes in (self.waiting, self.holding)
            for wish in wishes.values()
            if key in wish.limits
        ]
        return self.overrides.get(key, min(named, default=math.inf))

    def held(self, key: str) -> int:
        return sum(key in wish.limits for wish in self.holding.values())

    def first(self, key: str) -> Wish | None:
        return min((w for w in self.waiting.values() if key in w.limits), key=lambda w: w.rank, default=None)

    def _is_next(self, wish: Wish) -> bool:
        return all(self.first(key) == wish and self.limit(key) > 0 for key in wish.limits)

    def _has_slot(self, wish: Wish, key: str) -> bool:
        first = self.first(key)
        kept = first is not None and first != wish and self._is_next(first)
        return self.limit(key) - self.held(key) - kept > 0

    def _settle(self) -> list[Hashable]:
        granted: list[Hashable] = []
        while True:
            for wish in sorted(self.waiting.values(), key=lambda w: w.rank):
                if all(self._has_slot(wish, key) for key in wish.limits):
                    self.holding[wish.ticket] = self.waiting.pop(wish.ticket)
                    granted.append(wish.ticket)
                    break
            else:
                return granted
