"""An outbox in memory, receivers that obey a test, and time that passes only when everybody waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from tenuto.errors import StoreUnavailable
from tenuto.ports.store import OutboxMessage
from tenuto.runtime.outbox import DeliveryResult, OutboxSender

START = 1_800_000_000_000
SENT = DeliveryResult("sent")


def again(error: str = "answered 500", retry_after_ms: int | None = None) -> DeliveryResult:
    """A delivery to be tried again."""
    return DeliveryResult("again", error, retry_after_ms)


class LoopClock:
    """A wall clock that follows the running loop's time."""

    def now(self) -> int:
        return START + round(asyncio.get_running_loop().time() * 1000)


class FakeOutbox:
    """What a store keeps of webhooks. While `is_down`, every method refuses. `largest_page` and `reads` tell how it
    was read."""

    def __init__(self) -> None:
        self.messages: dict[int, OutboxMessage] = {}
        self.is_down = False
        self.reads = 0
        self.updates = 0
        self._next_id = 1

    def put(
        self, key: int, *, url: str = "http://receiver/hook", body: bytes = b"{}", due: int = START
    ) -> int:
        """A new message; its id."""
        message_id = self._next_id
        self._next_id += 1
        self.messages[message_id] = OutboxMessage(
            id=message_id,
            key=key,
            event_id=f"exec-{key}.{message_id}",
            kind="onStep",
            url=url,
            body=body,
            created_at=due,
            next_attempt_at=due,
        )
        return message_id

    async def outbox(
        self, *, dead: bool = False, after_id: int = 0, limit: int = 1000
    ) -> Sequence[OutboxMessage]:
        await self._answer()
        self.reads += 1
        found = (m for _, m in sorted(self.messages.items()) if m.dead is dead and m.id > after_id)
        return [message for message, _ in zip(found, range(limit), strict=False)]

    async def update_outbox(self, sent: Sequence[int], changed: Sequence[OutboxMessage]) -> None:
        await self._answer()
        self.updates += 1
        for message_id in sent:
            self.messages.pop(message_id, None)
        for message in changed:
            kept = self.messages[message.id]
            self.messages[message.id] = replace(
                kept,
                attempts=message.attempts,
                next_attempt_at=message.next_attempt_at,
                dead=message.dead,
                last_error=message.last_error,
            )

    async def _answer(self) -> None:
        await asyncio.sleep(0.0005)
        if self.is_down:
            raise StoreUnavailable("the disk is full")


Answering = Callable[[OutboxMessage], Awaitable[DeliveryResult] | DeliveryResult]


class Deliveries:
    """A `Deliver` that answers as told and remembers: `log` has (ms since the start, message id) of every attempt."""

    def __init__(self, answer: Answering | None = None) -> None:
        self.answer: Answering = answer or (lambda _: SENT)
        self.log: list[tuple[int, int]] = []
        self.seen: list[OutboxMessage] = []
        self.under_way = 0
        self.most_under_way = 0

    async def __call__(self, message: OutboxMessage) -> DeliveryResult:
        self.log.append((round(asyncio.get_running_loop().time() * 1000), message.id))
        self.seen.append(message)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            result = self.answer(message)
            return result if isinstance(result, DeliveryResult) else await result
        finally:
            self.under_way -= 1

    @property
    def ids(self) -> list[int]:
        """Message ids in the order attempted."""
        return [message_id for _, message_id in self.log]


class MiddleRandom(random.Random):
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@asynccontextmanager
async def sending(store: FakeOutbox, deliver: Deliveries, **settings: Any) -> Any:
    """An OutboxSender at work."""
    settings.setdefault("rng", MiddleRandom())
    sender = OutboxSender(store, LoopClock(), deliver, **settings)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def passed(seconds: float) -> None:
    """Simulated time passes."""
    await asyncio.sleep(seconds)
