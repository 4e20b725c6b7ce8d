"""What is noted of an execution as a whole: its beginning, pauses, handlers, compensations and its end."""

from __future__ import annotations

from typing import Any

from tenuto.core import events as ev
from tests.model.nested import split
from tests.simulation.books import Books
from tests.simulation.notes.attempts import mark_surprise

_OUTCOMES: dict[type[ev.Event], str] = {
    ev.ExecutionCompleted: "completed",
    ev.ExecutionFailed: "failed",
    ev.ExecutionCancelled: "cancelled",
}
_FIRST: dict[str, tuple[str, ...]] = {"completed": (), "failed": ("failure",), "cancelled": ("cancel",)}
"""The handlers that run before those that always do."""


def started(books: Books, event: ev.ExecutionStarted, at: int) -> None:
    books.began = event.start_at is None and not event.queued
    books.not_before = event.start_at or 0


def queued(books: Books, event: ev.ExecutionQueued, at: int) -> None:
    if at < books.not_before:
        raise books.refuse(event, "before its startAt")
    books.not_before = 0


def began(books: Books, event: ev.ExecutionBegan, at: int) -> None:
    if books.began:
        raise books.refuse(event, "though it had begun")
    if at < books.not_before:
        raise books.refuse(event, "before its startAt")
    books.began = True


def paused(books: Books, event: ev.ExecutionPaused, at: int) -> None:
    books.paused_at = at


def resumed(books: Books, event: ev.ExecutionResumed, at: int) -> None:
    books.paused_at = None


def cancel_requested(books: Books, event: ev.CancelRequested, at: int) -> None:
    books.surprises |= bool(books.cancelled_by)  # the model knows one at most
    books.cancelled_by.append(event.by)
    books.began = True  # it ends, without slots and before its time
    if event.mode == "cancel":
        books.paused_at = None
    if event.error is not None:
        mark_surprise(books, event.error)
        timeout = books.story.definition.get("timeout", 0)
        if event.error.message.startswith("the execution took longer") and not (
            timeout or event.error.details
        ):
            raise books.refuse(event, "though it has none")


def handlers_started(books: Books, event: ev.HandlersStarted, at: int) -> None:
    if event.handlers in books.handlers:
        raise books.refuse(event, "a second time")
    if isinstance(books.phase, ev.CompensationStarted):
        raise books.refuse(event, "after compensations")
    must_be_over(books, event)
    books.handlers.append(event.handlers)
    books.outcome = books.outcome or event.outcome
    books.phase = event


def compensation_started(books: Books, event: ev.CompensationStarted, at: int) -> None:
    must_be_over(books, event)
    if event.steps != list(reversed(books.undoable)):
        raise books.refuse(event, f"though {list(books.undoable)} succeeded in this order")
    books.phase = event
    books.to_undo = list(event.steps)


def undo_started(books: Books, event: ev.UndoStarted, at: int) -> None:
    if books.undoing is not None or books.to_undo[:1] != [event.step] or event.step in books.undone:
        raise books.refuse(event, f"while {books.undoing} is undone and {books.to_undo} are left")
    books.to_undo.pop(0)
    books.undoing = event.step


def undo_ended(books: Books, event: ev.UndoEnded, at: int) -> None:
    name, suffix = split(event.step)
    undo = books.lives.get(f"{name}:compensate{suffix}")
    if books.undoing != event.step or undo is None or undo.standing != "ended":
        raise books.refuse(event, "which is not so")
    if event.well != (undo.kind != "failed"):
        raise books.refuse(event, f"though it {undo.kind}")
    books.undoing = None
    if event.well:
        books.undone.add(event.step)
    else:
        books.to_undo = []


def must_be_over(books: Books, event: object) -> None:
    """That all steps of the workflow, and of the phase before, have ended."""
    open_steps = [step for step in books.story.root if books.standing(step) != "ended"]
    if isinstance(books.phase, ev.HandlersStarted):
        before = books.story.handlers[books.phase.handlers]
        open_steps += [step["id"] for step in before if books.standing(step["id"]) != "ended"]
    if open_steps:
        raise books.refuse(event, f"with open steps {open_steps}")


def execution_ended(books: Books, event: Any, at: int) -> None:
    must_be_over(books, event)
    still = [step for step, life in books.lives.items() if life.standing != "ended"]
    if still:
        raise books.refuse(event, f"with open steps {still}")
    if not (isinstance(event, ev.ExecutionCancelled) and event.terminated):
        must_have_concluded(books, event)
    books.ended = event
    books.ends.append(event)
    books.paused_at = None


def must_have_concluded(books: Books, event: Any) -> None:
    """That its handlers have run, and what is to be undone has been tried."""
    outcome = _OUTCOMES[type(event)]
    wanted = {"always", *_FIRST[outcome]}
    first = books.outcome or outcome
    missing = wanted & books.story.handlers.keys() - set(books.handlers)
    if missing and first == outcome and books.began and books.has_done_anything():
        raise books.refuse(event, f"without its handlers {missing}")
    on = books.story.definition.get("compensation", {}).get("on", ("failed", "cancelled"))
    is_undone = isinstance(books.phase, ev.CompensationStarted)
    if books.undoable and outcome in on and not is_undone:
        raise books.refuse(event, f"with {list(books.undoable)} not undone")
    if books.to_undo:
        raise books.refuse(event, f"with {books.to_undo} still to be undone")


def copied(books: Books, event: ev.StepCopied, at: int) -> None:
    life = books.life(event.step)
    if life.standing != "fresh" or books.seq != 0:
        raise books.refuse(event, "after the start")
    life.standing = "ended"
    life.kind = event.reason or event.status
    life.attempts = event.attempts
    books.results[event.step] = event.result
    books.surprises = True
