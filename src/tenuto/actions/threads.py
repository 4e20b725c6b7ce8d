"""Threads for user code that blocks, so that it never blocks the event loop.

Not the standard library's pool: that one waits at exit for every call it has begun, so a single function that never
returns would keep the server from stopping. These threads are daemons. A call that was given up (its attempt timed
out) cannot be stopped from outside; it no longer counts against the limit, so that calls which hang do not starve the
others, up to a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class _Job(Generic[T]):
    __slots__ = (
        "context",
        "error",
        "function",
        "is_abandoned",
        "is_begun",
        "is_finished",
        "loop",
        "settled",
        "value",
    )

    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[None] = self.loop.create_future()
        self.value: T | None = None
        self.error: BaseException | None = None
        self.is_begun = False
        self.is_finished = False
        self.is_abandoned = False

    def perform(self) -> None:
        try:
            self.value = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised again where it was asked for
            self.error = error
        with contextlib.suppress(RuntimeError):  # the loop has closed, so nobody waits any more
            self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)


class Threads:
    """At most `limit` threads, begun as they are needed, plus one for each call that hangs after it was given up (at
    most `hanging_limit`). Calls beyond that wait their turn."""

    def __init__(self, limit: int = 32, hanging_limit: int = 128) -> None:
        self._limit = limit
        self._hanging_limit = hanging_limit
        self._condition = threading.Condition()
        self._waiting: deque[_Job[Any]] = deque()
        self._count = 0
        self._idle = 0
        self._hanging = 0
        self._is_closed = False

    async def call(self, function: Callable[[], T]) -> T:
        """Call the function in a thread, with the caller's context variables. Cancelling gives the call up."""
        job = _Job(function)
        with self._condition:
            self._is_closed = False
            self._waiting.append(job)
            self._grow()
            self._condition.notify()
        try:
            await job.settled
        except asyncio.CancelledError:
            self._abandon(job)
            raise
        if job.error is not None:
            raise job.error
        return cast("T", job.value)

    def close(self) -> None:
        """Let idle threads end, and the others when their call returns. Calls that wait their turn never start. A
        later call begins anew."""
        with self._condition:
            self._is_closed = True
            self._waiting.clear()
            self._condition.notify_all()

    def _capacity(self) -> int:
        return self._limit + min(self._hanging, self._hanging_limit)

    def _grow(self) -> None:
        if len(self._waiting) > self._idle and self._count < self._capacity():
            self._count += 1
            threading.Thread(target=self._work, name=f"tenuto-executor-{self._count}", daemon=True).start()

    def _abandon(self, job: _Job[Any]) -> None:
        with self._condition:
            if not job.is_begun:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(job)
            elif not job.is_finished:
                job.is_abandoned = True
                self._hanging += 1
                self._grow()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.perform()
            if not self._stays_after(job):
                return

    def _next(self) -> _Job[Any] | None:
        with self._condition:
            while not self._waiting and not self._is_closed:
                self._idle += 1
                self._condition.wait()
                self._idle -= 1
            if self._is_closed:
                self._count -= 1
                return None
            job = self._waiting.popleft()
            job.is_begun = True
            return job

    def _stays_after(self, job: _Job[Any]) -> bool:
        with self._condition:
            job.is_finished = True
            if job.is_abandoned:
                self._hanging -= 1
            if self._count <= self._capacity():
                return True
            self._count -= 1
            return False
