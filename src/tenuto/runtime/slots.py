"""Who holds and who waits for slots: keys with limits, tickets that want all of their keys or none. Pure data.

**Order.** Of those who wait, the one with the higher priority comes first; 60 s of waiting count as one point; of
equals, the oldest. Both grow together, so `since - 60,000 * priority` never changes while a ticket waits, and it is
its place in line, the lower the better.

**Who is granted.** In that order, every ticket for which each of its keys has a slot. Whoever lacks one does not hold
up those behind it, or one tenant at its limit would hold up all others at a key they share. So that many small
requests cannot starve a large one, a ticket that stands *first in line at every one of its keys* has the next free slot
of each kept for it. The first of all who wait is always such a ticket, nobody who comes later can pass it for ever (they
have waited less), and so everybody's turn comes; and a key keeps at most one slot idle, for the ticket that is next at
all it needs. Rejected: strict order at each key (a full tenant stops the shared key), and a slot kept for everybody
who waits (a tenant's long line keeps all of them). Where a limit is 0 nothing is kept at the other keys.

**Limits.** Of the limits that holders and waiters of a key name, the lowest holds, unless it is overridden. A limit
that falls takes nothing away from those who hold.

**Cost.** Tickets that want the same keys form a group, of which only the first can be next. A group is parked at one
key that lacks a slot for it, and looked at again only when that key has one: an operation costs O(log n) per key and
per ticket granted, amortised, however many wait. (A group is moved for nothing where a slot of one key comes free and
another key is full; each such move is paid for by a later release of that other key.)
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, NamedTuple, TypeVar

AGEING_MS = 60_000
"""So much waiting is worth one point of priority."""

SPARE = 16
"""So many entries of those who left a line may stay in it beside one for each who is there."""

Rank = tuple[int, int, int]
"""A place in line: aged priority, instant of asking, number of asking. The lowest comes first."""

M = TypeVar("M", bound=Hashable)


class Use(NamedTuple):
    """How a key stands. `limit` is the one in force, None if there is none; `override` is what `set_limit` said."""

    key: str
    limit: int | None
    override: int | None
    held: int
    waiting: int


class _Line(Generic[M]):
    """Members in the order of their ranks. Who leaves the middle is only forgotten, and cleared away in bulk."""

    __slots__ = ("_heap", "_ranks")

    def __init__(self) -> None:
        self._heap: list[tuple[Rank, M]] = []
        self._ranks: dict[M, Rank] = {}

    def __len__(self) -> int:
        return len(self._ranks)

    def put(self, member: M, rank: Rank) -> None:
        """Let the member stand at that rank, wherever it stood before."""
        if self._ranks.get(member) != rank:
            self._ranks[member] = rank
            heappush(self._heap, (rank, member))
            self._tidy()

    def remove(self, member: M) -> None:
        self._ranks.pop(member, None)
        self._tidy()

    def first(self) -> M | None:
        while self._heap:
            rank, member = self._heap[0]
            if self._ranks.get(member) == rank:
                return member
            heappop(self._heap)
        return None

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._ranks) + SPARE:
            self._heap = [(rank, member) for member, rank in self._ranks.items()]
            heapify(self._heap)


class _Key:
    """One key that somebody holds, waits for, or has overridden."""

    __slots__ = ("_asked", "_lowest", "held", "line", "name", "override", "parked")

    def __init__(self, name: str) -> None:
        self.name = name
        self.override: int | None = None
        self.held = 0
        self.line: _Line[_Ticket] = _Line()
        """All who wait for it."""
        self.parked: _Line[_Group] = _Line()
        """The groups that cannot go on for want of this key."""
        self._asked: dict[int, int] = {}
        self._lowest: list[int] = []

    @property
    def limit(self) -> int | None:
        if self.override is not None:
            return self.override
        while self._lowest and self._lowest[0] not in self._asked:
            heappop(self._lowest)
        return self._lowest[0] if self._lowest else None

    @property
    def free(self) -> float:
        limit = self.limit
        return math.inf if limit is None else limit - self.held

    @property
    def is_unused(self) -> bool:
        return self.override is None and not self._asked

    def ask(self, limit: int) -> None:
        """Somebody names this limit."""
        if limit not in self._asked:
            self._asked[limit] = 0
            heappush(self._lowest, limit)
        self._asked[limit] += 1

    def ask_no_more(self, limit: int) -> None:
        """Somebody who named it has gone."""
        self._asked[limit] -= 1
        if not self._asked[limit]:
            del self._asked[limit]
            if len(self._lowest) > 2 * len(self._asked) + SPARE:
                self._lowest = sorted(self._asked)


class _Ticket:
    """One who holds or waits."""

    __slots__ = ("group", "keys", "limits", "name", "rank")

    def __init__(self, name: Hashable, keys: tuple[_Key, ...], limits: tuple[int, ...], rank: Rank) -> None:
        self.name = name
        self.keys = keys
        self.limits = limits
        self.rank = rank
        self.group: _Group | None = None

    @property
    def is_next(self) -> bool:
        """Whether it stands first in line at every one of its keys, and none of them is closed."""
        return all(key.line.first() is self and key.limit != 0 for key in self.keys)

    def lacks(self, key: _Key) -> bool:
        """Whether the key has no slot for it, now that one may be kept for another."""
        free = key.free
        if free > 1 or free <= 0:
            return free <= 0
        first = key.line.first()
        return first is not None and first is not self and first.is_next


class _Group:
    """Those who wait for the same keys."""

    __slots__ = ("keys", "line", "parked_at")

    def __init__(self, keys: tuple[_Key, ...]) -> None:
        self.keys = keys
        self.line: _Line[_Ticket] = _Line()
        self.parked_at: _Key | None = None


class Ledger:
    """All keys and tickets. Each method answers the names of the tickets that it granted, in order."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._waiting: dict[Hashable, _Ticket] = {}
        self._holding: dict[Hashable, _Ticket] = {}
        self._count = 0

    def request(
        self, ticket: Hashable, keys: Iterable[tuple[str, int]], priority: int = 0, since_ms: int = 0
    ) -> list[Hashable]:
        """Ask for a slot of each key (of a key named twice: one, with the lower limit). `since_ms` is the instant from
        which the waiting counts. The ticket must neither hold nor wait already."""
        asking = self._take_in(ticket, keys, priority, since_ms)
        if all(not key.line and key.free > 0 for key in asking.keys):
            self._hold(asking)
            return [ticket]
        displaced = [first for key in asking.keys if (first := key.line.first()) and first.is_next]
        self._waiting[ticket] = asking
        for key in asking.keys:
            key.line.put(asking, asking.rank)
        group = self._group_of(asking)
        group.line.put(asking, asking.rank)
        asking.group = group
        stirred = [other for first in displaced if not first.is_next for other in first.keys]
        if group.line.first() is asking:
            self._park(group, asking.keys[0])
            stirred.append(asking.keys[0])
        return self._grant(stirred)

    def hold(self, ticket: Hashable, keys: Iterable[tuple[str, int]], since_ms: int = 0) -> None:
        """Let the ticket hold its keys without asking: it was granted them before this ledger was made."""
        self._hold(self._take_in(ticket, keys, 0, since_ms))

    def release(self, ticket: Hashable) -> list[Hashable]:
        """The ticket holds its slots no more. Nothing happens where it holds none."""
        holder = self._holding.pop(ticket, None)
        if holder is None:
            return []
        for key in holder.keys:
            key.held -= 1
        return self._leave(holder)

    def withdraw(self, ticket: Hashable) -> list[Hashable]:
        """The ticket waits no more. Nothing happens where it does not wait."""
        waiter = self._waiting.get(ticket)
        if waiter is None:
            return []
        self._repark(self._out_of_line(waiter))
        return self._leave(waiter)

    def set_limit(self, key: str, limit: int | None) -> list[Hashable]:
        """Override what tickets say about a key; None: their own limits hold again. 0 closes it."""
        known = self._key(key)
        first = known.line.first()
        was_next = first is not None and first.is_next
        known.override = limit
        self._drop(known)
        if first is not None and was_next and not first.is_next:
            return self._grant(first.keys)  # the key was closed, and what the others kept for it is free
        return self._grant([known])

    def holds(self, ticket: Hashable) -> bool:
        return ticket in self._holding

    def waits(self, ticket: Hashable) -> bool:
        return ticket in self._waiting

    def use(self, key: str) -> Use:
        """How a key stands, whether anybody uses it or not."""
        known = self._keys.get(key)
        if known is None:
            return Use(key, None, None, 0, 0)
        return Use(key, known.limit, known.override, known.held, len(known.line))

    def uses(self) -> Iterator[Use]:
        """How each key stands that somebody holds, waits for or has overridden, in no order."""
        return map(self.use, list(self._keys))

    # -- taking in and letting go ---------------------------------------------------------------------------------

    def _take_in(
        self, name: Hashable, keys: Iterable[tuple[str, int]], priority: int, since_ms: int
    ) -> _Ticket:
        assert name not in self._waiting, f"{name!r} waits already"
        assert name not in self._holding, f"{name!r} holds its slots already"
        limits: dict[str, int] = {}
        for key, limit in keys:
            limits[key] = min(limit, limits.get(key, limit))
        assert limits, f"{name!r} asks for nothing"
        wanted = sorted(limits)
        self._count += 1
        rank = (since_ms - AGEING_MS * priority, since_ms, self._count)
        ticket = _Ticket(
            name, tuple(self._key(key) for key in wanted), tuple(limits[key] for key in wanted), rank
        )
        for wish, limit in zip(ticket.keys, ticket.limits, strict=True):
            wish.ask(limit)
        return ticket

    def _hold(self, ticket: _Ticket) -> None:
        self._holding[ticket.name] = ticket
        for key in ticket.keys:
            key.held += 1

    def _leave(self, gone: _Ticket) -> list[Hashable]:
        """Forget the limits that the ticket named, and grant what has come free, or is no longer kept for it."""
        for key, limit in zip(gone.keys, gone.limits, strict=True):
            key.ask_no_more(limit)
            self._drop(key)
        return self._grant(gone.keys)

    def _out_of_line(self, waiter: _Ticket) -> _Group:
        group = waiter.group
        assert group is not None, "who waits is in a group"
        del self._waiting[waiter.name]
        for key in waiter.keys:
            key.line.remove(waiter)
        group.line.remove(waiter)
        waiter.group = None
        return group

    def _key(self, name: str) -> _Key:
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = _Key(name)
        return key

    def _drop(self, key: _Key) -> None:
        if key.is_unused:
            self._keys.pop(key.name, None)

    def _group_of(self, ticket: _Ticket) -> _Group:
        names = tuple(key.name for key in ticket.keys)
        group = self._groups.get(names)
        if group is None:
            group = self._groups[names] = _Group(ticket.keys)
        return group

    # -- granting -------------------------------------------------------------------------------------------------

    def _park(self, group: _Group, key: _Key) -> None:
        """Let the group stand at that key, by the rank of its first."""
        first = group.line.first()
        assert first is not None, "only a group in which somebody waits is parked"
        if group.parked_at is not None and group.parked_at is not key:
            group.parked_at.parked.remove(group)
        group.parked_at = key
        key.parked.put(group, first.rank)

    def _repark(self, group: _Group) -> None:
        """Have a group that somebody left stand by the rank of its first, or forget it."""
        at = group.parked_at
        assert at is not None, "a group in which somebody waited is parked"
        if group.line:
            self._park(group, at)
        else:
            at.parked.remove(group)
            del self._groups[tuple(key.name for key in group.keys)]

    def _grant(self, stirred: Iterable[_Key]) -> list[Hashable]:
        """Grant what can be granted to groups parked at these keys, in order of rank. No other group has got a slot it
        lacked: a grant leaves less to everybody."""
        granted: list[Hashable] = []
        open_keys = {key.name: key for key in stirred if key.parked}
        while open_keys:
            key, ticket = _best(open_keys.values())
            lacking = key if ticket.lacks(key) else next(filter(ticket.lacks, ticket.keys), None)
            if lacking is key:
                del open_keys[key.name]  # and so it lacks for everybody behind
                continue
            group = ticket.group
            assert group is not None, "who waits is in a group"
            if lacking is not None:
                self._park(group, lacking)
            else:
                self._out_of_line(ticket)
                self._repark(group)
                self._hold(ticket)
                granted.append(ticket.name)
            if not key.parked:
                del open_keys[key.name]
        return granted


def _best(keys: Iterable[_Key]) -> tuple[_Key, _Ticket]:
    """The first of the tickets parked at these keys, and its key."""
    found: tuple[_Key, _Ticket] | None = None
    for key in keys:
        group = key.parked.first()
        ticket = group.line.first() if group is not None else None
        if ticket is not None and (found is None or ticket.rank < found[1].rank):
            found = key, ticket
    assert found is not None, "somebody is parked at each of them"
    return found
