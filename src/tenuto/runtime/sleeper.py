"""Brings executions that left memory back shortly before time moves them. Inside the horizon they wait in memory on
timers of the event loop, so the store is asked rarely and timers are precise all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from tenuto.errors import StoreError
from tenuto.ports.clock import Clock
from tenuto.ports.store import Store, StoredExecution
from tenuto.runtime.settings import NodeSettings

log = structlog.get_logger(__name__)

LONGEST_SLEEP_MS = 30_000
SHORTEST_SLEEP_MS = 1_000
PAGE = 50_000


class Sleeper:
    """Sleeps until an execution in the store is nearly due."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: NodeSettings,
        take_up: Callable[[StoredExecution], Awaitable[None]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._take_up = take_up
        self._nudged = asyncio.Event()

    def parked(self, wake_at: int) -> None:
        """An execution has left memory and is due at that instant."""
        if wake_at - self._clock.now() < LONGEST_SLEEP_MS + self._settings.horizon:
            self._nudged.set()

    async def watch(self) -> None:
        """Until cancelled: take up what is nearly due, then sleep until the next is."""
        while True:
            try:
                pause = await self._round()
            except StoreError as error:
                log.warning("wake_ups_unreadable", error=str(error))
                pause = SHORTEST_SLEEP_MS
            except (
                Exception
            ):  # the top of a task nobody waits for: a mistake of ours must not let all sleep on
                log.exception("wake_ups_broken")
                pause = LONGEST_SLEEP_MS
            try:
                async with asyncio.timeout(pause / 1000):
                    await self._nudged.wait()
            except TimeoutError:
                pass
            self._nudged.clear()

    async def _round(self) -> int:
        for row in await self._store.due(self._clock.now() + self._settings.horizon, PAGE):
            await self._take_up(row)
        wake = await self._store.next_wake()
        if wake is None:
            return LONGEST_SLEEP_MS
        ahead = wake - self._clock.now() - self._settings.horizon
        return max(SHORTEST_SLEEP_MS, min(ahead, LONGEST_SLEEP_MS))
