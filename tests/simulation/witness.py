"""Who sees everything: each record that reaches the disk and each call of an executor, and holds both against what is
promised. Of each execution it keeps books (`books.py`); here is what concerns several: slots, caches, parents and
children, what was answered to people, webhooks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec

from tenuto.core import events as ev
from tenuto.journal.codec import decode
from tenuto.ports.store import Batch, OutboxMessage
from tenuto.runtime.large_results import blobs_in, whole_record
from tests.simulation.books import Books
from tests.simulation.broken import Broken
from tests.simulation.notes import note
from tests.simulation.stories import KEYS, Story

AttemptKey = tuple[str, str, int, int]
"""Execution, instance, generation, attempt."""

_TOKENS = ("reason", "why", "comment", "key")
"""Where events keep what people said, by which they are known again."""

_ENDS_ATTEMPT = (
    ev.AttemptFailed
    | ev.AttemptInterrupted
    | ev.StepWaiting
    | ev.StepParked
    | ev.StepSucceeded
    | ev.StepFailed
    | ev.StepSkipped
    | ev.StepCancelled
)


class Witness:
    """The books of all executions of one simulated world."""

    def __init__(self, stories: dict[str, Story]) -> None:
        self.stories = stories
        self.books: dict[int, Books] = {}
        self.by_id: dict[str, Books] = {}
        self.calls: Counter[AttemptKey] = Counter()
        self.events: Counter[str] = Counter()
        self.messages: dict[int, list[str]] = {}
        self.said: Counter[str] = Counter()
        """What people said, as far as it is on disk."""
        self.blobs: dict[str, bytes] = {}
        self.slot_items: set[str] = set()
        self.holding: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        """Steps that have a slot of each key, by what this process has written."""
        self.in_doubt: set[tuple[str, str]] = set()
        """Steps that ended by commits that this process was not told of."""
        self.members: defaultdict[str, set[str]] = defaultdict(set)
        """Executions that have a slot of each key."""
        self.just_kept: set[bytes] = set()
        """Results, as JSON, of the successes in this batch that later executions may take."""
        self.cached: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)

    def booted(self) -> None:
        """A new process: nothing runs."""
        self.holding.clear()
        self.in_doubt.clear()

    # -- the disk ---------------------------------------------------------------------------------------------

    def saw(self, batch: Batch, now_s: float = 0.0) -> None:
        """The batch has reached the disk, just now."""
        self.just_kept.clear()
        for item in batch.items:
            self._note_item(item.kind, item.name, item.data)
        for start in batch.starts:
            if start.execution_id in self.by_id:
                raise Broken(f"{start.execution_id} was started twice")
            books = Books(start.execution_id, self.stories[start.workflow_id])
            self.books[start.key] = self.by_id[start.execution_id] = books
        for record in batch.records:
            self._note_record(self.books[record.key], record.seq, record.data)
            self.books[record.key].moved_s = now_s
        for message in batch.messages:
            self.messages.setdefault(message.key, []).append(message.event_id)
        if batch.records:
            self._check_members()
        for item in batch.items:
            if item.kind == "cache" and item.data is not None and item.data not in self.just_kept:
                raise Broken(f"the result {item.name} was kept without the success that it is of")

    def answered(self, batch: Batch) -> None:
        """The process knows that the batch is on disk."""
        if self.in_doubt:
            there = {self.books[record.key].execution_id for record in batch.records}
            self.in_doubt = {doubt for doubt in self.in_doubt if doubt[0] not in there}

    def _note_item(self, kind: str, name: str, data: bytes | None) -> None:
        if kind == "blob" and data is not None:
            self.blobs[name] = data
        if kind == "slot":
            if data is None:
                self.slot_items.discard(name)
            else:
                self.slot_items.add(name)

    def _note_record(self, books: Books, seq: int, data: bytes) -> None:
        if seq != books.seq + 1:
            raise Broken(f"{books.execution_id}: record {seq} follows {books.seq}")
        for name in blobs_in([data]):
            if name not in self.blobs:
                raise Broken(f"{books.execution_id}: record {seq} refers to data that is not there")
        data = whole_record(data, self.blobs)
        at, events = decode(data)
        if not events:
            raise Broken("an empty record was written")
        for event in events:
            self.events[type(event).__name__] += 1
            note(books, event, at)
            self._note_for_others(books, event)
        books.seq = seq
        books.records.append(data)
        books.record_is_over()

    def _note_for_others(self, books: Books, event: Any) -> None:
        if not (
            isinstance(event, ev.ExecutionCancelled) and not event.terminated
        ):  # says who cancelled it again
            self._note_words(event)
        match event:
            case ev.ExecutionStarted():
                self._note_start(books, event)
            case ev.StepStarted():
                self._take_slots(books, event)
            case ev.CancelRequested():
                self._must_be_cancelled_rightly(books, event)
            case ev.ExecutionCompleted() | ev.ExecutionFailed() | ev.ExecutionCancelled():
                self._leave(books)
        if isinstance(event, _ENDS_ATTEMPT):
            self._give_slots(books, event.step)
        if isinstance(event, ev.StepSucceeded):
            self._note_success(books, event)
        if isinstance(event, ev.StepSucceeded | ev.StepFailed):
            self._must_have_ended(books, event)
        if isinstance(event, ev.ExecutionBegan) or (isinstance(event, ev.ExecutionStarted) and books.began):
            self._join(books)
        if isinstance(event, ev.StepSucceeded | ev.StepFailed | ev.StepSkipped | ev.StepCancelled):
            self.in_doubt.add((books.execution_id, event.step))

    def _note_words(self, event: Any) -> None:
        if isinstance(event, ev.StepFailed) and event.error.message.startswith("rejected by "):
            self.said[event.error.message.partition(": ")[2]] += 1
        for field in _TOKENS:
            said = getattr(event, field, None)
            if said is not None:
                self.said[said] += 1

    # -- slots --------------------------------------------------------------------------------------------------

    def _take_slots(self, books: Books, event: ev.StepStarted) -> None:
        for key in _keys(books, event.step):
            holding = self.holding[key]
            holding.add((books.execution_id, event.step))
            if len(holding) > KEYS[key]:
                raise Broken(f"{sorted(holding)} have slots of {key} at once, {KEYS[key]} may")

    def _give_slots(self, books: Books, step: str) -> None:
        for key in _keys(books, step):
            self.holding[key].discard((books.execution_id, step))

    def _join(self, books: Books) -> None:
        for rule in books.story.definition.get("concurrency", ()):
            members = self.members[rule["key"]]
            members.add(books.execution_id)
            if len(members) > rule["limit"]:
                raise Broken(f"{sorted(members)} are under way at once, {rule['limit']} may be")

    def _leave(self, books: Books) -> None:
        for rule in books.story.definition.get("concurrency", ()):
            self.members[rule["key"]].discard(books.execution_id)

    def _check_members(self) -> None:
        """What the disk says of slots of executions is what their journals say."""
        wanted = {f"{key}\0{member}" for key, members in self.members.items() for member in members}
        if self.slot_items != wanted:
            raise Broken(f"the slots on disk are {sorted(self.slot_items)}, under way are {sorted(wanted)}")

    # -- results kept ---------------------------------------------------------------------------------------------

    def _note_success(self, books: Books, event: ev.StepSucceeded) -> None:
        if "cache" not in books.story.step(event.step) or event.by is not None:
            return
        name = (books.story.definition["id"], books.story.place(event.step).step)
        if not event.cached:
            self.cached[name].append(event.result)
            self.just_kept.add(msgspec.json.encode(event.result))
        elif event.result not in self.cached[name]:
            raise Broken(f"{books.execution_id}: {event} was never written by anybody")

    # -- parents and children -------------------------------------------------------------------------------------

    def _note_start(self, books: Books, event: ev.ExecutionStarted) -> None:
        books.parent = parent = event.parent
        if parent is None:
            return
        by = self.by_id.get(parent.execution_id)
        if by is None or by.generations.get(parent.step, -1) < parent.generation:
            raise Broken(f"{books.execution_id} was started by {parent}, which is not there")
        life = by.lives.get(parent.step)
        is_of_now = life is not None and life.generation == parent.generation
        if life is not None and is_of_now and _try_of(books) > life.failed + 1:
            raise Broken(f"{books.execution_id} was started though the one before has not failed")

    def _must_have_ended(self, books: Books, event: ev.StepSucceeded | ev.StepFailed) -> None:
        """A step that was told of its child's end was told the truth."""
        details = event.error.details if isinstance(event, ev.StepFailed) else None
        told_of = details.get("childExecutionId") if isinstance(details, dict) else None
        life = books.lives[event.step]
        if isinstance(event, ev.StepSucceeded) and event.by is None:
            told_of = life.child
        if told_of is None:
            return
        child = self.by_id.get(told_of)
        if child is None or not child.ends:
            raise Broken(f"{books.execution_id}: {event} before {told_of} had ended")
        wanted = ev.ExecutionCompleted if isinstance(event, ev.StepSucceeded) else None
        if not any(isinstance(end, ev.ExecutionCompleted) == (wanted is not None) for end in child.ends):
            raise Broken(f"{books.execution_id}: {event}, though {told_of} ended as {child.ends}")

    def is_closed(self, books: Books) -> bool:
        """Whether it must end because its parent has given it up."""
        parent = books.parent
        if parent is None:
            return False
        by = self.by_id[parent.execution_id]
        if by.story.step(parent.step)["params"].get("onParentClose") == "abandon":
            return False
        if by.ended is not None or by.generations.get(parent.step, -1) > parent.generation:
            return True
        life = by.lives.get(parent.step)
        if life is None or life.generation > parent.generation or life.failed >= _try_of(books):
            return True
        return life.standing == "ended" and (parent.wait or life.kind != "success")

    def _must_be_cancelled_rightly(self, books: Books, event: ev.CancelRequested) -> None:
        parent = books.parent
        if event.by is None or parent is None or event.by != f"execution {parent.execution_id}":
            return
        if not self.is_closed(books):
            raise Broken(f"{books.execution_id}: {event}, though {parent} goes on, or leaves it alone")

    # -- the executors ----------------------------------------------------------------------------------------

    def called(self, execution_id: str, step: str, generation: int, attempt: int) -> Books:
        """An executor was called, just now; answers the books."""
        books = self.by_id.get(execution_id)
        if books is None:
            raise Broken(f"{execution_id}: {step} was called before the start was on disk")
        life = books.lives.get(step)
        known = books.generations.get(step, -1)
        if known < generation or (life is not None and known == generation and life.attempts < attempt):
            raise Broken(f"{execution_id}: attempt {attempt} of {step} was called before it was on disk")
        key = (execution_id, step, generation, attempt)
        self.calls[key] += 1
        if self.calls[key] > 1:
            raise Broken(f"{execution_id}: attempt {attempt} of {step} was called twice")
        has_ended = life is None or life.generation > generation or life.standing == "ended"
        if has_ended and (execution_id, step) not in self.in_doubt:
            raise Broken(f"{execution_id}: {step} was called after it had ended")
        return books

    # -- webhooks ---------------------------------------------------------------------------------------------

    def delivered(self, message: OutboxMessage, seen: dict[int, list[str]]) -> None:
        """A receiver took the message; it may come again, but never before an earlier one of its execution."""
        expected = self.messages[message.key]
        place = expected.index(message.event_id)
        taken = seen.setdefault(message.key, [])
        missing = [event_id for event_id in expected[:place] if event_id not in taken]
        if missing:
            raise Broken(f"webhook {message.event_id} overtook {missing}")
        taken.append(message.event_id)


def _try_of(child: Books) -> int:
    """Which try of its parent's step started it: from the second on their ids end in a number of their own."""
    parent = child.parent
    assert parent is not None, "asked of children only"
    dotted = parent.step.replace("][", ".").replace("[", ".").replace("]", "")
    rest = child.execution_id.removeprefix(f"{parent.execution_id}.{dotted}.{parent.generation}")
    return int(rest[1:]) if rest else 1


def _keys(books: Books, step: str) -> list[str]:
    written = books.story.step(step)
    if "concurrency" not in written or books.story.is_container(step):
        return []
    return [slots["key"] for slots in written["concurrency"]]
