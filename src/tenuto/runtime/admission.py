"""Who may go on: steps and executions that share limits ask here and are told when they have their slots.

Attempts and executions have slots of their own, also under the same key: an execution that holds a key never waits
for itself. What waits is known here only, and asked for again by the journals of those who wait when a process has
ended; what executions hold is on disk (`written`, `taken_away`), so that those that are parked keep it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nsmallest
from typing import Literal, NamedTuple

import msgspec

from tenuto.core.inputs import ExecutionGranted, SlotsGranted
from tenuto.errors import ScriptFailed
from tenuto.ports.limits import MAX_KEY
from tenuto.ports.store import Item
from tenuto.runtime.slots import Ledger, Use

KIND = "slot"
"""The kind of the store's items that say what executions hold."""


SEPARATOR = "\0"

Grant = Callable[[str, SlotsGranted | ExecutionGranted], None]
"""Gives the execution of that id this input."""

CancelOther = Callable[[str, str], None]
"""Has the execution of that id cancelled, for that reason."""

OnLimit = Literal["queue", "skip", "cancelOlder"]


class StepTicket(NamedTuple):
    """The next attempt of a step, by slot and generation."""

    execution_id: str
    step: int
    generation: int


class Wanted(NamedTuple):
    """A key that an execution wants a slot of, and what is to become of it where there is none."""

    key: str
    limit: int
    on_limit: OnLimit = "queue"


class SharedUse(NamedTuple):
    """How a key stands among the attempts of steps, or among executions."""

    of: Literal["steps", "executions"]
    use: Use


class _Held(msgspec.Struct, frozen=True):
    """What an item says besides its name: the limit that the execution named, and since when it counts (ms)."""

    limit: int
    since: int


class _Member(NamedTuple):
    """An execution that holds or waits."""

    keys: dict[str, int]
    since: int


def read_key(value: object) -> str:
    """What a key's template gave, as a key: text, or a number or boolean as text. Raises ScriptFailed."""
    if isinstance(value, bool | int | float):
        value = msgspec.json.encode(value).decode()
    if not isinstance(value, str):
        raise ScriptFailed("expression", "a concurrency key must be text or a number")
    if not 1 <= len(value) <= MAX_KEY or not value.isprintable():
        raise ScriptFailed("expression", f"a concurrency key must be 1 to {MAX_KEY} printable characters")
    return value


class Admission:
    """Slots for attempts and for executions. Calls `grant` and `cancel_other` from within its own methods, when its
    own state is right again: they may call back, and must not raise.

    Asking again is harmless: who waits goes on waiting, who holds is told so again.
    """

    def __init__(self, grant: Grant, cancel_other: CancelOther) -> None:
        self._grant = grant
        self._cancel_other = cancel_other
        self._steps = Ledger()
        self._executions = Ledger()
        self._tickets: defaultdict[str, dict[StepTicket, None]] = defaultdict(dict)
        self._members: dict[str, _Member] = {}
        self._by_key: defaultdict[str, dict[str, _Member]] = defaultdict(dict)
        self._leaving: set[str] = set()

    # -- asking -------------------------------------------------------------------------------------------------------

    def ask_step(
        self, ticket: StepTicket, keys: Sequence[tuple[str, int]], priority: int = 0, since_ms: int = 0
    ) -> None:
        """Ask for a slot of each (key, limit); `since_ms` is when the step was queued. `SlotsGranted` is given at once
        or later. With no keys it is given at once."""
        if self._steps.waits(ticket):
            return
        if self._steps.holds(ticket) or not keys:
            self._grant(ticket.execution_id, SlotsGranted(ticket.step, ticket.generation))
            return
        self._tickets[ticket.execution_id][ticket] = None
        self._tell_steps(self._steps.request(ticket, keys, priority, since_ms))

    def ask_execution(
        self, execution_id: str, wanted: Sequence[Wanted], priority: int = 0, since_ms: int = 0
    ) -> None:
        """Ask for a slot of each key; `since_ms` is when the execution was started or its `startAt` came.
        `ExecutionGranted` is given at once or later, or at once with `refused` where a key with `skip` is taken. For
        keys with `cancelOlder`, those who came first are cancelled until this one fits."""
        if self._executions.waits(execution_id):
            return
        if self._executions.holds(execution_id) or not wanted:
            self._grant(execution_id, ExecutionGranted())
            return
        for want in wanted:
            if want.on_limit == "skip" and self._excess(want) > 0:
                limit = self._limit_with(want)
                reason = f"as many executions as may hold {want.key!r} at once ({limit}) were there already"
                self._grant(execution_id, ExecutionGranted(reason))
                return
        victims = self._victims(wanted)
        self._enrol(execution_id, {want.key: want.limit for want in _lowest_first(wanted)}, since_ms)
        keys = [(want.key, want.limit) for want in wanted]
        self._tell_executions(self._executions.request(execution_id, keys, priority, since_ms))
        for victim, key in victims.items():
            self._cancel_other(victim, f"the newer execution {execution_id} takes its slot of {key!r}")

    def ended(self, who: StepTicket | str) -> None:
        """The attempt has ended, or is not to be made; or the execution (by id) has ended, with all its steps. What it
        held is given to others, what it waited for is not waited for. Call it when that is on disk."""
        if isinstance(who, StepTicket):
            self._let_go(who)
            return
        tickets = self._tickets.get(who, ())
        for ticket in sorted(
            tickets, key=self._steps.holds
        ):  # those who wait go first, and are granted nothing
            self._let_go(ticket)
        member = self._members.pop(who, None)
        if member is None:
            return
        self._leaving.discard(who)
        for key in member.keys:
            del self._by_key[key][who]
            if not self._by_key[key]:
                del self._by_key[key]
        self._tell_executions(self._executions.release(who))
        self._tell_executions(self._executions.withdraw(who))

    # -- what is on disk ------------------------------------------------------------------------------------------------

    def written(self, execution_id: str) -> list[Item]:
        """What the commit of `ExecutionGranted` must write: an item for each key that the execution holds."""
        if not self._executions.holds(execution_id):
            return []
        member = self._members[execution_id]
        return [
            Item(
                kind=KIND,
                name=f"{key}{SEPARATOR}{execution_id}",
                data=msgspec.json.encode(_Held(limit, member.since)),
            )
            for key, limit in member.keys.items()
        ]

    def taken_away(self, execution_id: str) -> list[Item]:
        """What the commit of the execution's end must write, before `ended`: the items it had, deleted."""
        return [Item(kind=item.kind, name=item.name) for item in self.written(execution_id)]

    def restore(self, items: Iterable[Item]) -> None:
        """Let executions hold what these items say, all that there are, before anybody asks."""
        found: defaultdict[str, dict[str, _Held]] = defaultdict(dict)
        for item in items:
            key, _, execution_id = item.name.rpartition(SEPARATOR)
            found[execution_id][key] = msgspec.json.decode(item.data or b"", type=_Held)
        for execution_id, held in found.items():
            since = min(each.since for each in held.values())
            keys = {key: each.limit for key, each in held.items()}
            self._enrol(execution_id, keys, since)
            self._executions.hold(execution_id, keys.items(), since)

    # -- limits ---------------------------------------------------------------------------------------------------------

    def set_limit(self, key: str, limit: int | None) -> None:
        """Override what definitions say about a key, among steps and among executions; None: they hold again."""
        self._tell_steps(self._steps.set_limit(key, limit))
        self._tell_executions(self._executions.set_limit(key, limit))

    def uses(self) -> Iterator[SharedUse]:
        """Every key that somebody holds or waits for, in no order."""
        for use in self._steps.uses():
            if use.held or use.waiting:
                yield SharedUse("steps", use)
        for use in self._executions.uses():
            if use.held or use.waiting:
                yield SharedUse("executions", use)

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _let_go(self, ticket: StepTicket) -> None:
        tickets = self._tickets.get(ticket.execution_id)
        if tickets is None or ticket not in tickets:
            return
        del tickets[ticket]
        if not tickets:
            del self._tickets[ticket.execution_id]
        granted = self._steps.release(ticket) or self._steps.withdraw(ticket)
        self._tell_steps(granted)

    def _enrol(self, execution_id: str, keys: dict[str, int], since: int) -> None:
        member = self._members[execution_id] = _Member(keys, since)
        for key in keys:
            self._by_key[key][execution_id] = member

    def _limit_with(self, want: Wanted) -> int:
        """The limit that would hold if the execution came."""
        use = self._executions.use(want.key)
        if use.override is not None:
            return use.override
        return want.limit if use.limit is None else min(use.limit, want.limit)

    def _excess(self, want: Wanted) -> int:
        """How many too many there would be if the execution came, those who are leaving not counted."""
        there = self._by_key.get(want.key, {})
        leaving = sum(execution_id in there for execution_id in self._leaving)
        return len(there) - leaving + 1 - self._limit_with(want)

    def _victims(self, wanted: Iterable[Wanted]) -> dict[str, str]:
        """Who is to be cancelled, and for which key: the oldest. Nobody for a key that is closed (limit 0)."""
        victims: dict[str, str] = {}
        for want in wanted:
            excess = self._excess(want) if want.on_limit == "cancelOlder" and self._limit_with(want) else 0
            if excess <= 0:
                continue
            staying = {
                execution_id: member.since
                for execution_id, member in self._by_key.get(want.key, {}).items()
                if execution_id not in self._leaving
            }
            for execution_id in nsmallest(excess, staying, key=staying.__getitem__):
                victims[execution_id] = want.key
                self._leaving.add(execution_id)
        return victims

    def _tell_steps(self, granted: Iterable[object]) -> None:
        for ticket in granted:
            assert isinstance(ticket, StepTicket), "steps ask by their tickets"
            if self._steps.holds(ticket):  # who was told before it may have ended it
                self._grant(ticket.execution_id, SlotsGranted(ticket.step, ticket.generation))

    def _tell_executions(self, granted: Iterable[object]) -> None:
        for execution_id in granted:
            assert isinstance(execution_id, str), "executions ask by their ids"
            if self._executions.holds(execution_id):
                self._grant(execution_id, ExecutionGranted())


def _lowest_first(wanted: Iterable[Wanted]) -> list[Wanted]:
    """In an order in which, of a key named twice, the lower limit comes last, and stays."""
    return sorted(wanted, key=lambda want: -want.limit)
