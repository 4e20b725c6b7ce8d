"""Who sees everything: each record that reaches the disk and each call of an executor, and holds both against what is
promised. It keeps its own books from the facts alone, and shares no code with the core's state.
"""

from __future__ import annotations

from collections import Counter

from tenuto.core import events as ev
from tenuto.core.definition import INFRA_ATTEMPTS
from tenuto.journal.codec import decode
from tenuto.ports.store import Batch, OutboxMessage
from tests.model.generate import Case
from tests.model.rules import redone_by_retry

StepKey = tuple[str, str, int]
"""Execution, step, generation."""
AttemptKey = tuple[str, str, int, int]
"""... and attempt."""


class Broken(AssertionError):
    """A promise was broken."""


class Books:
    """What the witness wrote down of one execution."""

    def __init__(self, execution_id: str, case: Case) -> None:
        self.execution_id = execution_id
        self.case = case
        self.seq = 0
        self.records: list[bytes] = []
        self.ended: ev.AnyEvent | None = None
        self.paused_at: int | None = None
        self.generation: Counter[str] = Counter()
        self.status: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        self.attempts: dict[tuple[str, int], int] = {}
        self.failed: Counter[tuple[str, int]] = Counter()
        self.lost: Counter[tuple[str, int]] = Counter()
        self.interrupted: Counter[tuple[str, int]] = Counter()
        self.not_before: dict[str, int] = {}
        self.ends = 0
        self.step_ends = 0
        self.retries = 0
        self.timed_out = False


class Witness:
    """The books of all executions of one simulated world."""

    def __init__(self) -> None:
        self.books: dict[int, Books] = {}
        self.by_id: dict[str, Books] = {}
        self.cases: dict[str, Case] = {}
        self.calls: Counter[AttemptKey] = Counter()
        self.events: Counter[str] = Counter()
        self.messages: dict[int, list[str]] = {}

    # -- the disk ---------------------------------------------------------------------------------------------

    def saw(self, batch: Batch) -> None:
        """The batch has reached the disk, just now."""
        for start in batch.starts:
            if start.execution_id in self.by_id:
                raise Broken(f"{start.execution_id} was started twice")
            books = Books(start.execution_id, self.cases[start.execution_id])
            self.books[start.key] = self.by_id[start.execution_id] = books
        for record in batch.records:
            books = self.books[record.key]
            if record.seq != books.seq + 1:
                raise Broken(f"{books.execution_id}: record {record.seq} follows {books.seq}")
            books.seq = record.seq
            books.records.append(record.data)
            at, events = decode(record.data)
            if not events:
                raise Broken("an empty record was written")
            for event in events:
                self.events[type(event).__name__] += 1
                self._note(books, event, at)
        for message in batch.messages:
            self.messages.setdefault(message.key, []).append(message.event_id)

    def _note(self, books: Books, event: ev.AnyEvent, at: int) -> None:
        if books.ended is not None and not isinstance(event, ev.ExecutionRetried):
            raise Broken(f"{books.execution_id}: {event} after the end")
        match event:
            case ev.StepStarted():
                self._note_start(books, event, at)
            case ev.StepSucceeded() | ev.StepFailed() | ev.StepSkipped() | ev.StepCancelled():
                self._note_end(books, event, at)
            case ev.AttemptFailed():
                self._must_be(books, event.step, "running", event)
                books.status[event.step] = "retrying"
                books.failed[event.step, books.generation[event.step]] += 1
                books.timed_out |= "scripted" not in event.error.message and event.error.type == "timeout"
                books.not_before[event.step] = event.retry_at
            case ev.AttemptInterrupted():
                self._must_be(books, event.step, "running", event)
                books.status[event.step] = "retrying"
                books.lost[event.step, books.generation[event.step]] += event.counted
                books.interrupted[event.step, books.generation[event.step]] += 1
                books.not_before[event.step] = event.retry_at
            case ev.StepWaiting():
                self._must_be(books, event.step, "running", event)
                books.status[event.step] = "waiting"
                books.not_before[event.step] = event.until or 0
            case ev.ExecutionPaused():
                books.paused_at = at
            case ev.ExecutionResumed():
                books.paused_at = None
            case ev.ExecutionRetried():
                self._note_retry(books, event)
            case ev.ExecutionCompleted() | ev.ExecutionFailed() | ev.ExecutionCancelled():
                self._note_execution_end(books, event)
            case ev.CancelRequested(mode="cancel"):
                books.paused_at = None
            case _:
                pass

    def _note_start(self, books: Books, event: ev.StepStarted, at: int) -> None:
        name = (event.step, event.generation)
        if books.paused_at is not None:
            raise Broken(f"{books.execution_id}: {event} while paused")
        if event.generation != books.generation[event.step]:
            raise Broken(f"{books.execution_id}: {event} of another generation")
        if books.status.get(event.step) in ("running", "waiting", "ended"):
            raise Broken(f"{books.execution_id}: {event} of a step that is {books.status[event.step]}")
        if event.attempt != books.attempts.get(name, 0) + 1:
            raise Broken(f"{books.execution_id}: {event} follows attempt {books.attempts.get(name, 0)}")
        if at < books.not_before.get(event.step, 0):
            raise Broken(f"{books.execution_id}: {event} before its delay is over")
        policy = books.case.policy_of(event.step)
        if event.attempt - books.interrupted[name] > policy.get("maxAttempts", 1):
            raise Broken(f"{books.execution_id}: {event} beyond maxAttempts")
        if books.lost[name] > INFRA_ATTEMPTS:
            raise Broken(f"{books.execution_id}: {event} after too many lost attempts")
        books.attempts[name] = event.attempt
        books.status[event.step] = "running"

    def _note_end(
        self,
        books: Books,
        event: ev.StepSucceeded | ev.StepFailed | ev.StepSkipped | ev.StepCancelled,
        at: int,
    ) -> None:
        before = books.status.get(event.step, "pending")
        if before == "ended":
            raise Broken(f"{books.execution_id}: {event} of a step that has ended")
        if isinstance(event, ev.StepSucceeded) and before not in ("running", "waiting"):
            raise Broken(f"{books.execution_id}: {event} of a step that is {before}")
        if isinstance(event, ev.StepSucceeded) and before == "waiting" and at < books.not_before[event.step]:
            raise Broken(f"{books.execution_id}: {event} before its instant")
        if isinstance(event, ev.StepSucceeded | ev.StepFailed):
            books.step_ends += 1
        books.status[event.step] = "ended"
        books.kinds[event.step] = _kind(event)

    def _note_retry(self, books: Books, event: ev.ExecutionRetried) -> None:
        if not isinstance(books.ended, ev.ExecutionFailed):
            raise Broken(f"{books.execution_id}: retried though it ended as {books.ended}")
        redone = redone_by_retry(books.case.definition, books.kinds)
        if frozenset(event.steps) != redone:
            raise Broken(
                f"{books.execution_id}: retry does {event.steps} again, the model says {sorted(redone)}"
            )
        books.ended = None
        books.retries += 1
        for step in event.steps:
            books.generation[step] += 1
            books.status.pop(step, None)
            books.not_before.pop(step, None)

    def _note_execution_end(self, books: Books, event: ev.AnyEvent) -> None:
        open_steps = [step for step in books.case.steps if books.status.get(step) != "ended"]
        if open_steps:
            raise Broken(f"{books.execution_id}: ended with open steps {open_steps}")
        books.ended = event
        books.ends += 1

    def _must_be(self, books: Books, step: str, status: str, event: ev.AnyEvent) -> None:
        if books.status.get(step) != status:
            raise Broken(f"{books.execution_id}: {event} of a step that is {books.status.get(step)}")

    # -- the executors ----------------------------------------------------------------------------------------

    def called(self, execution_id: str, step: str, attempt: int) -> int:
        """An executor was called, just now; answers how many attempts before it ended in a failure."""
        books = self.by_id.get(execution_id)
        if books is None:
            raise Broken(f"{execution_id}: {step} was called before the start was on disk")
        generation = books.generation[step]
        name = (step, generation)
        if books.attempts.get(name, 0) < attempt:
            raise Broken(f"{execution_id}: attempt {attempt} of {step} was called before it was on disk")
        self.calls[execution_id, step, generation, attempt] += 1
        if self.calls[execution_id, step, generation, attempt] > 1:
            raise Broken(f"{execution_id}: attempt {attempt} of {step} was called twice")
        if books.status.get(step) == "ended" and books.attempts[name] == attempt:
            raise Broken(f"{execution_id}: {step} was called after it had ended")
        return books.failed[name]

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


def _kind(event: ev.StepSucceeded | ev.StepFailed | ev.StepSkipped | ev.StepCancelled) -> str:
    """How a step ended, in the words of the model's `redone_by_retry`."""
    match event:
        case ev.StepSucceeded():
            return "success"
        case ev.StepFailed():
            return "failed"
        case ev.StepCancelled():
            return "cancelled"
        case ev.StepSkipped():
            return event.reason
