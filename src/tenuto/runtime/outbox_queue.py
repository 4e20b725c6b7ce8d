"""Which webhooks may be sent now: an index of what waits, without the messages themselves.

Messages of one execution form a chain of which only the head may be sent. Heads wait for their instant, then for a
turn of their receiver; receivers take turns, and each has a few deliveries under way at most, so a slow one holds up
nobody but itself. Pure: it reads no clock and does no I/O.
"""

from __future__ import annotations

import heapq
from collections import deque
from weakref import WeakValueDictionary

TROUBLED_LIMIT = 2
"""Deliveries under way to a receiver whose last one failed."""


class Receiver:
    """One receiver of webhooks: its host and port, and what is ready for it."""

    __slots__ = ("__weakref__", "has_turn", "limit", "name", "ready", "sending")

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.sending = 0
        self.has_turn = False
        self.ready: deque[Entry] = deque()


class Entry:
    """One message that waits. `following` is the next message of the same execution."""

    __slots__ = ("following", "id", "key", "receiver")

    def __init__(self, message_id: int, key: int, receiver: Receiver) -> None:
        self.id = message_id
        self.key = key
        self.receiver = receiver
        self.following: tuple[Entry, int] | None = None


class OutboxQueue:
    """At most `parallel` deliveries at once in all and `per_receiver` to one receiver. Instants in ms."""

    def __init__(self, parallel: int, per_receiver: int) -> None:
        self._parallel = parallel
        self._per_receiver = per_receiver
        self._sending = 0
        self._receivers: WeakValueDictionary[str, Receiver] = WeakValueDictionary()
        self._turns: deque[Receiver] = deque()
        self._timers: list[tuple[int, int, Entry]] = []
        self._last: dict[int, Entry] = {}

    @property
    def is_full(self) -> bool:
        """Whether nothing more may start, whoever the receiver."""
        return self._sending >= self._parallel

    def add(self, message_id: int, key: int, receiver_name: str, due: int) -> None:
        """A message that waits, behind all others of its execution that do."""
        entry = Entry(message_id, key, self._receiver(receiver_name))
        last = self._last.get(key)
        self._last[key] = entry
        if last is None:
            self._wait(entry, due)
        else:
            last.following = (entry, due)

    def take(self, now: int) -> list[Entry]:
        """What may be sent now; each counts as under way until it is `finished` or `given_back`."""
        while self._timers and self._timers[0][0] <= now:
            _, _, entry = heapq.heappop(self._timers)
            entry.receiver.ready.append(entry)
            self._offer_turn(entry.receiver)
        taken = []
        while self._turns and not self.is_full:
            receiver = self._turns.popleft()
            receiver.has_turn = False
            taken.append(receiver.ready.popleft())
            receiver.sending += 1
            self._sending += 1
            self._offer_turn(receiver)
        return taken

    def given_back(self, entry: Entry) -> None:
        """The delivery did not begin: it is the first in turn of its receiver again."""
        entry.receiver.ready.appendleft(entry)
        self._not_under_way(entry)

    def finished(self, entry: Entry, *, is_well: bool) -> None:
        """The delivery is over; its message still blocks the ones behind it until it is `gone` or waits `again`."""
        entry.receiver.limit = self._per_receiver if is_well else min(TROUBLED_LIMIT, self._per_receiver)
        self._not_under_way(entry)

    def gone(self, entry: Entry) -> None:
        """The message was sent, or given up: the next of its execution comes forward."""
        if entry.following is None:
            if self._last.get(entry.key) is entry:
                del self._last[entry.key]
        else:
            self._wait(*entry.following)

    def again(self, entry: Entry, due: int) -> None:
        """The message is to be sent again at that instant."""
        self._wait(entry, due)

    def next_due(self) -> int | None:
        """When the next message becomes ready, leaving out those that wait for a turn."""
        return self._timers[0][0] if self._timers else None

    def _receiver(self, name: str) -> Receiver:
        receiver = self._receivers.get(name)
        if receiver is None:
            receiver = self._receivers[name] = Receiver(name, self._per_receiver)
        return receiver

    def _wait(self, entry: Entry, due: int) -> None:
        heapq.heappush(self._timers, (due, entry.id, entry))

    def _not_under_way(self, entry: Entry) -> None:
        entry.receiver.sending -= 1
        self._sending -= 1
        self._offer_turn(entry.receiver)

    def _offer_turn(self, receiver: Receiver) -> None:
        if receiver.ready and not receiver.has_turn and receiver.sending < receiver.limit:
            receiver.has_turn = True
            self._turns.append(receiver)
