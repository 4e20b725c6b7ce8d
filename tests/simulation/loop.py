"""An event loop without a machine under it: time is a number that jumps to the next timer, and nothing else happens.

The same program on the same seed does the same thing in the same order, however long it waits."""

from __future__ import annotations

import asyncio
import math
from asyncio import base_events
from collections.abc import Callable
from typing import Any

TURNS = 50
"""Turns of the loop in which all that is left must end."""


class Stuck(AssertionError):
    """Nothing is scheduled and something still waits: the program can never go on."""


class SimulatedLoop(base_events.BaseEventLoop):
    """Runs callbacks in the order scheduled; when none is ready, the time of the next timer comes."""

    def __init__(self, *, longest_s: float = 10_000_000.0) -> None:
        super().__init__()
        self._now = 0.0
        self._longest = longest_s
        self._selector: Any = self
        self._clock_resolution = 1e-6
        self._scheduled: list[asyncio.TimerHandle]

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is scheduled, and something still waits")
        self._now += timeout
        if self._now > self._longest:
            raise Stuck(f"still busy after {self._now:.0f} simulated seconds")
        return []

    def give_time(self) -> None:
        """Let no time be too long any more."""
        self._longest = math.inf

    def drop_timers(self) -> None:
        """Forget every timer: the process that set them is dead."""
        for timer in list(self._scheduled):
            timer.cancel()

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def run(main: Callable[[], Any], *, longest_s: float = 10_000_000.0) -> Any:
    """Run a coroutine function to its end on a fresh simulated loop, and answer its result and the loop."""
    loop = SimulatedLoop(longest_s=longest_s)
    trouble: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: trouble.append(context))
    try:
        result = loop.run_until_complete(main())
        for context in trouble:
            raise AssertionError(f"unheard error in the loop: {context}") from context.get("exception")
        return result
    finally:
        loop.give_time()
        for _ in range(TURNS):  # what is cancelled may begin something more
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            if not asyncio.all_tasks(loop):
                break
        loop.close()
