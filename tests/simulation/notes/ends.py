"""What is noted when steps end, and when the items and rounds end that they stand in."""

from __future__ import annotations

from typing import Any

from tenuto.core import events as ev
from tests.model import rules
from tests.simulation.books import Books
from tests.simulation.lives import Inside, Life
from tests.simulation.notes.attempts import leave, mark_surprise, must_be_possible, wait_failed
from tests.simulation.notes.messages import must_be_approved, take_signal


def succeeded(books: Books, event: ev.StepSucceeded, at: int) -> None:
    life = not_yet_ended(books, event)
    if event.gathered:
        must_be_gathered(books, event)
    elif event.by is None and life.standing not in ("running", "waiting"):
        raise books.refuse(event, f"of a step that is {life.standing}")
    if event.signal is not None:
        take_signal(books, event, life)
    if life.waiting_for == "timer" and event.by is None and at < (life.until or 0):
        raise books.refuse(event, "before its instant")
    if life.waiting_for == "approval" and "approvals" in (event.result or ()):
        must_be_approved(books, event, life, at)
    life.cached = event.cached
    books.surprises |= event.cached or (
        event.by is not None and rules.is_decision(books.story.step(event.step))
    )
    books.results[event.step] = event.result
    close(books, event.step, life, "success")
    if "compensate" in books.story.step(event.step):
        books.undoable.pop(event.step, None)
        books.undoable[event.step] = None


def must_be_gathered(books: Books, event: ev.StepSucceeded) -> None:
    inside = books.insides.get(event.step)
    if inside is None or any(body.left for body in inside.bodies.values()):
        raise books.refuse(event, "while it goes on inside")
    if len(inside.done) + inside.failures < inside.items:
        raise books.refuse(event, f"with {len(inside.done)} items done and {inside.failures} failed")


def failed(books: Books, event: ev.StepFailed, at: int) -> None:
    life = not_yet_ended(books, event)
    step = books.story.step(event.step)
    if life.standing == "waiting" and event.by is None:
        wait_failed(books, event, life, at)
    must_be_late(books, event, life, step, at)
    mark_surprise(books, event.error)
    books.surprises |= event.by is not None and "scripted" not in event.error.message
    if event.by is None and books.story.policy(event.step).get("onExhausted") == "pause":
        books.surprises = True  # it would have been parked, had the execution not been ending
    fate = rules.End("failed", error=event.error.type)
    life.critical_failure = rules.fails_what_it_is_in(step, fate)
    close(books, event.step, life, "failed")


def must_be_late(books: Books, event: ev.StepFailed, life: Life, step: rules.Step, at: int) -> None:
    message = event.error.message
    if "longer than queueTimeout" in message and at < life.queued_at + step.get("queueTimeout", 0):
        raise books.refuse(event, "before its queueTimeout")
    is_total = message.startswith("all attempts and waits together")
    if is_total and (life.first_at is None or at < life.first_at + step.get("totalTimeout", 0)):
        raise books.refuse(event, "before its totalTimeout")


def skipped(books: Books, event: ev.StepSkipped, at: int) -> None:
    life = not_yet_ended(books, event)
    close(books, event.step, life, event.reason)


def cancelled(books: Books, event: ev.StepCancelled, at: int) -> None:
    life = not_yet_ended(books, event)
    if life.standing == "fresh":
        raise books.refuse(event, "though it had not begun")
    close(books, event.step, life, "cancelled", is_cut=event.reason == "run_cancelled")


def not_yet_ended(books: Books, event: Any) -> Life:
    life = books.life(event.step)
    if life.standing == "ended":
        raise books.refuse(event, "of a step that has ended")
    must_be_possible(books, event, event.step)
    by_hand = getattr(event, "by", None) is not None
    books.surprises |= by_hand and books.story.place(event.step).kind in ("handler", "undo")
    return life


def close(books: Books, step: str, life: Life, kind: str, *, is_cut: bool = False) -> None:
    leave(books, step, life)
    life.standing = "ended"
    life.kind = kind
    books.just_ended.append(step)
    if kind in ("success", "failed") and "[" not in step:
        books.step_ends += 1
    place = books.story.place(step)
    if place.kind == "nested":
        assert place.container is not None
        close_in(books, books.insides[place.container], place.number, life, is_cut or kind == "run_cancelled")


def close_in(books: Books, inside: Inside, number: int | None, life: Life, is_cut: bool) -> None:
    body = inside.bodies[number]
    body.left -= 1
    body.failed |= life.critical_failure
    body.cut |= is_cut
    if body.left:
        return
    inside.round_is_over = True
    if number is not None and number != inside.round:
        del inside.bodies[number]
        inside.failures += body.failed
        if not body.failed and not body.cut:
            inside.done.add(number)
