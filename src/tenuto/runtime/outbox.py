"""Delivers the webhooks that commits have written to the outbox: at least once, in order within an execution, for
about a day, and then keeps them as dead.

One task decides what is sent next; deliveries run beside it. What became of them is written in batches, and the next
message of an execution starts only when that is on disk, so that a crash repeats the last message and never an older
one. Messages are read in pages and again when their turn comes: what waits is kept as an index only.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import structlog
from msgspec.structs import replace

from tenuto.errors import NotFound, StoreError
from tenuto.ports.clock import Clock
from tenuto.ports.store import OutboxMessage
from tenuto.runtime.outbox_queue import Entry, OutboxQueue

log = structlog.get_logger(__name__)

FIRST_DELAY_MS = 1_000
LONGEST_DELAY_MS = 3_600_000
MOST_ATTEMPTS = 35
"""12 attempts in the first 70 minutes, then one an hour: with the last one, 24 hours have passed. Attempts are counted
rather than hours, so that a message does not die untried because this server was off for a day."""

TELL_AGAIN_AT = 12
"""The log says at the first failed attempt, and once more at this one, that a webhook does not get through."""

JITTER = 0.2
STORE_PAUSE_MS = 1_000
_PAGE = 100
_KEPT_BYTES = 8 * 1024 * 1024


class DeliveryResult(NamedTuple):
    """How one delivery went: `sent`, to be tried `again`, or `dead` because no attempt can succeed. `error` is a
    sentence without secrets; `retry_after_ms` is the receiver's wish."""

    verdict: Literal["sent", "again", "dead"]
    error: str | None = None
    retry_after_ms: int | None = None


Deliver = Callable[[OutboxMessage], Awaitable[DeliveryResult]]


class Outbox(Protocol):
    """What the sender asks of the store; see `Store`."""

    async def outbox(
        self, *, dead: bool = False, after_id: int = 0, limit: int = 1000
    ) -> Sequence[OutboxMessage]: ...

    async def update_outbox(self, sent: Sequence[int], changed: Sequence[OutboxMessage]) -> None: ...


class OutboxSender:
    """Sends what is in the outbox. At most `parallel` deliveries are under way, and `per_receiver` to one host and
    port. Being cancelled, `run` lets deliveries under way finish for `grace_ms`."""

    def __init__(
        self,
        store: Outbox,
        clock: Clock,
        deliver: Deliver,
        *,
        rng: random.Random,
        parallel: int = 64,
        per_receiver: int = 8,
        grace_ms: int = 2_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._deliver = deliver
        self._rng = rng
        self._grace_ms = grace_ms
        self._queue = OutboxQueue(parallel, per_receiver)
        self._read_to = 0
        self._has_unread = True
        self._at_hand: dict[int, OutboxMessage] = {}
        self._ended: list[tuple[Entry, OutboxMessage, DeliveryResult]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._resending = asyncio.Lock()

    def notify(self) -> None:
        """A commit has brought messages."""
        self._has_unread = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled, beginning with what was left over."""
        try:
            while True:
                try:
                    await self._round()
                except StoreError as error:
                    log.warning("outbox_unreachable", error=str(error))
                    await asyncio.sleep(STORE_PAUSE_MS / 1000)
                except (
                    Exception
                ):  # the top of a task nobody waits for: a mistake of ours must not end all webhooks
                    log.exception("outbox_round_broken")
                    await asyncio.sleep(STORE_PAUSE_MS / 1000)
        finally:
            await self._wind_down()

    async def resend(self, message_id: int) -> None:
        """Make a dead message due now, with all its attempts before it; it goes behind what waits of its execution.
        Raises NotFound where no dead message has that id."""
        async with self._resending:
            found = await self._store.outbox(dead=True, after_id=message_id - 1, limit=1)
            if not found or found[0].id != message_id:
                raise NotFound(f"there is no dead webhook {message_id}")
            again = replace(
                found[0], dead=False, attempts=0, next_attempt_at=self._clock.now(), last_error=None
            )
            await self._store.update_outbox([], [again])
            if message_id <= self._read_to:
                self._add(again)
                self._woken.set()

    async def _round(self) -> None:
        await self._record()
        await self._start()
        if self._has_unread and not self._queue.is_full:
            await self._read_page()
        else:
            await self._sleep()

    async def _start(self) -> None:
        entries = self._queue.take(self._clock.now())
        try:
            messages = await self._load(entries)
        except BaseException:
            for entry in reversed(entries):
                self._queue.given_back(entry)
            raise
        for entry in entries:
            message = messages.get(entry.id)
            if message is None:  # somebody else has removed it
                self._queue.finished(entry, is_well=True)
                self._queue.gone(entry)
                self._woken.set()
            else:
                task = asyncio.create_task(self._attempt(entry, message))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _load(self, entries: list[Entry]) -> dict[int, OutboxMessage]:
        loaded = {entry.id: self._at_hand[entry.id] for entry in entries if entry.id in self._at_hand}
        missing = sorted(entry.id for entry in entries if entry.id not in loaded)
        while missing:
            rows = await self._store.outbox(after_id=missing[0] - 1, limit=len(missing))
            loaded.update((row.id, row) for row in rows)
            read_to = rows[-1].id if rows else missing[-1]
            missing = [message_id for message_id in missing if message_id > read_to]
        for entry in entries:
            self._at_hand.pop(entry.id, None)
        return loaded

    async def _read_page(self) -> None:
        self._has_unread = False
        try:
            page = await self._store.outbox(after_id=self._read_to, limit=_PAGE)
        except BaseException:
            self._has_unread = True
            raise
        if len(page) == _PAGE:
            self._has_unread = True
        self._at_hand.clear()
        size = 0
        for message in page:
            self._read_to = message.id
            self._add(message)
            size += len(message.body)
            if size <= _KEPT_BYTES:
                self._at_hand[message.id] = message

    def _add(self, message: OutboxMessage) -> None:
        self._queue.add(message.id, message.key, receiver_name(message.url), message.next_attempt_at)

    async def _attempt(self, entry: Entry, message: OutboxMessage) -> None:
        try:
            result = await self._deliver(message)
        except Exception as error:  # the boundary to whatever delivers: if it breaks, that costs an attempt
            log.exception("webhook_delivery_broken", event_id=message.event_id)
            result = DeliveryResult("again", f"the delivery broke ({type(error).__name__})")
        self._queue.finished(entry, is_well=result.verdict == "sent")
        self._ended.append((entry, message, result))
        self._woken.set()

    async def _record(self) -> None:
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        sent = [message.id for _, message, result in ended if result.verdict == "sent"]
        failed = [
            (entry, self._failed(message, result))
            for entry, message, result in ended
            if result.verdict != "sent"
        ]
        try:
            await self._store.update_outbox(sent, [message for _, message in failed])
        except BaseException:
            # It may have taken effect or not; to write it once more does no harm.
            self._ended = ended + self._ended
            raise
        for entry, _, result in ended:
            if result.verdict == "sent":
                self._queue.gone(entry)
        for entry, message in failed:
            self._settle_failed(entry, message)

    def _failed(self, message: OutboxMessage, result: DeliveryResult) -> OutboxMessage:
        attempts = message.attempts + 1
        is_dead = result.verdict == "dead" or attempts >= MOST_ATTEMPTS
        due = self._clock.now() + self._delay(attempts, result.retry_after_ms)
        return replace(
            message,
            attempts=attempts,
            dead=is_dead,
            next_attempt_at=message.next_attempt_at if is_dead else due,
            last_error=result.error,
        )

    def _settle_failed(self, entry: Entry, message: OutboxMessage) -> None:
        if not message.dead:
            if message.attempts in (1, TELL_AGAIN_AT):
                log.warning(
                    "webhook_not_delivered",
                    event_id=message.event_id,
                    kind=message.kind,
                    receiver=entry.receiver.name,
                    attempts=message.attempts,
                    error=message.last_error,
                )
            self._queue.again(entry, message.next_attempt_at)
            return
        # The URL is left out: its path may be a secret.
        log.warning(
            "webhook_dead",
            message_id=message.id,
            event_id=message.event_id,
            kind=message.kind,
            receiver=entry.receiver.name,
            attempts=message.attempts,
            error=message.last_error,
        )
        self._queue.gone(entry)

    def _delay(self, attempts: int, retry_after_ms: int | None) -> int:
        delay = min(FIRST_DELAY_MS << (attempts - 1), LONGEST_DELAY_MS)
        delay = round(delay * (1 + self._rng.uniform(-JITTER, JITTER)))
        return max(delay, min(retry_after_ms or 0, LONGEST_DELAY_MS))

    async def _sleep(self) -> None:
        due = self._queue.next_due()
        alarm = None
        if due is not None:
            ahead_ms = max(0, due - self._clock.now()) + 1  # the clock counts whole milliseconds
            alarm = asyncio.get_running_loop().call_later(ahead_ms / 1000, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            if alarm is not None:
                alarm.cancel()
        self._woken.clear()

    async def _wind_down(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._grace_ms / 1000)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        try:
            await self._record()
        except StoreError as error:
            log.warning("outbox_unreachable", error=str(error))


def receiver_name(url: str) -> str:
    """Who is called by a URL, as host:port; the rest of it may hold secrets."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
