"""One timer for any number of names, each with one instant of the wall clock at which it rings."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from tenuto.ports.clock import Clock

LONGEST_SLEEP_MS = 10_000
"""The wall clock is looked at so often: somebody may set it, and the event loop's clock does not tell."""


class Alarm:
    """Calls `ring(name)` when the instant set for the name has come, never before it, and once. Made inside a running
    event loop."""

    def __init__(self, clock: Clock, ring: Callable[[str], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._set: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._is_closed = False

    def set(self, name: str, at: int | None) -> None:
        """Ring at that instant, and at no other that was set before; None: not at all."""
        if self._is_closed or self._set.get(name) == at:
            return
        if at is None:
            del self._set[name]
            return
        self._set[name] = at
        heapq.heappush(self._heap, (at, name))
        if self._timer is None or at < self._timer_at:
            self._arm()

    def close(self) -> None:
        """Ring no more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        """Sleep until the first instant, forgetting those that hold no longer."""
        heap = self._heap
        while heap and self._set.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        if len(heap) > 2 * len(self._set) + 64:
            self._heap = heap = sorted((at, name) for name, at in self._set.items())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if heap:
            now = self._clock.now()
            wait = max(1, min(heap[0][0] - now, LONGEST_SLEEP_MS))
            self._timer_at = now + wait
            self._timer = asyncio.get_running_loop().call_later(wait / 1000, self._look)

    def _look(self) -> None:
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            at, name = heapq.heappop(self._heap)
            if self._set.get(name) == at:
                del self._set[name]
                self._ring(name)
        self._arm()
