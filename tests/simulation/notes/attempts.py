"""What is noted of attempts: when they begin, fail, are lost, wait, and are asked for by people."""

from __future__ import annotations

from typing import Any

from tenuto.core import events as ev
from tenuto.core.definition import INFRA_ATTEMPTS
from tests.model.tally import OUTSIDER
from tests.simulation.books import Books
from tests.simulation.lives import Life

_UNSCRIPTED = ("no_case_matched", "loop_limit", "finished")
"""Errors that the model expects, though no script says them."""


def may_move(books: Books, event: Any, at: int) -> Life:
    """The step whose next attempt begins, if it may now."""
    step = event.step
    if books.paused_at is not None:
        raise books.refuse(event, "while paused")
    if not books.began:
        raise books.refuse(event, "before the execution began")
    life = books.life(step)
    if at < life.not_before:
        raise books.refuse(event, "before its delay is over")
    must_be_possible(books, event, step)
    if life.generation == -1:
        if event.generation <= books.generations.get(step, -1):
            raise books.refuse(event, f"again as generation {event.generation}")
        life.generation = books.generations[step] = event.generation
    elif life.generation != event.generation:
        raise books.refuse(event, f"of another generation than {life.generation}")
    if life.first_at is None:
        life.first_at = at
    return life


def must_be_possible(books: Books, event: object, step: str) -> None:
    """That the block which the step stands in is being done."""
    place = books.story.place(step)
    match place.kind:
        case "root":
            possible = books.phase is None
        case "handler":
            possible = isinstance(books.phase, ev.HandlersStarted) and (
                books.phase.handlers == books.story.of_handlers[place.step]
            )
        case "undo":
            possible = books.undoing == place.container
        case "nested":
            assert place.container is not None
            inside = books.insides.get(place.container)
            possible = inside is not None and place.number in inside.bodies
    if not possible:
        raise books.refuse(event, "of a block that is not being done")


def step_queued(books: Books, event: ev.StepQueued, at: int) -> None:
    life = may_move(books, event, at)
    if life.standing not in ("fresh", "retrying"):
        raise books.refuse(event, f"of a step that is {life.standing}")
    life.standing = "queued"
    life.queued_at = at


def step_started(books: Books, event: ev.StepStarted, at: int) -> None:
    life = may_move(books, event, at)
    shares = bool(books.story.step(event.step).get("concurrency"))
    is_container = books.story.is_container(event.step)
    allowed: tuple[str, ...] = ("queued",) if shares and not is_container else ("fresh", "retrying")
    if is_container and life.standing == "open":
        must_be_judged(books, event)
    elif life.standing not in allowed:
        raise books.refuse(event, f"of a step that is {life.standing}")
    if event.attempt != life.attempts + 1:
        raise books.refuse(event, f"follows attempt {life.attempts}")
    most = books.story.policy(event.step).get("maxAttempts", 1) + life.by_hand
    if not is_container and event.attempt - life.interrupted > most:
        raise books.refuse(event, "beyond maxAttempts")
    if life.lost > INFRA_ATTEMPTS:
        raise books.refuse(event, "after too many lost attempts")
    life.attempts = event.attempt
    life.not_before = 0
    life.standing = "running"
    life.report = None
    life.child = None


def must_be_judged(books: Books, event: ev.StepStarted) -> None:
    inside = books.insides[event.step]
    if books.story.written[books.story.place(event.step).step].get("type") != "loop":
        raise books.refuse(event, "of a container that is open")
    if not inside.round_is_over:
        raise books.refuse(event, "before its round has ended")


def must_run(books: Books, event: Any) -> Life:
    life = books.life(event.step)
    if life.standing != "running":
        raise books.refuse(event, f"of a step that is {life.standing}")
    return life


def attempt_failed(books: Books, event: ev.AttemptFailed, at: int) -> None:
    life = books.life(event.step)
    if life.standing == "waiting":
        wait_failed(books, event, life, at)
    elif life.standing != "running":
        raise books.refuse(event, f"of a step that is {life.standing}")
    if life.report is not None and life.report.error != event.error:
        raise books.refuse(event, f"though {life.report}")
    leave(books, event.step, life)
    mark_surprise(books, event.error)
    life.standing = "retrying"
    life.failed += 1
    life.not_before = event.retry_at


def attempt_interrupted(books: Books, event: ev.AttemptInterrupted, at: int) -> None:
    life = must_run(books, event)
    if life.report is not None:
        raise books.refuse(event, f"though {life.report}")
    life.standing = "retrying"
    life.lost += event.counted
    life.interrupted += 1
    life.not_before = event.retry_at


def waiting(books: Books, event: ev.StepWaiting, at: int) -> None:
    life = must_run(books, event)
    kind, _, name = event.waiting_for.partition(":")
    life.standing = "waiting"
    life.waiting_for = event.waiting_for
    life.until = event.until
    life.not_before = event.until or 0
    life.approvals = []
    life.quorum = (event.details or {}).get("minApprovals", 1)
    if kind == "signal":
        books.listening[name].append(event.step)
    if kind == "child":
        life.child = name
    if life.report is not None:
        books.must_have_ended.append(event.step)


def parked(books: Books, event: ev.StepParked, at: int) -> None:
    life = books.life(event.step)
    if life.standing == "waiting":
        wait_failed(books, event, life, at)
    elif life.standing != "running":
        raise books.refuse(event, f"of a step that is {life.standing}")
    leave(books, event.step, life)
    mark_surprise(books, event.error)
    life.standing = "waiting"
    life.waiting_for = "person"
    life.until = None
    life.not_before = 0
    life.failed += 1


def reported(books: Books, event: ev.StepReported, at: int) -> None:
    life = must_run(books, event)
    if life.report is not None:
        raise books.refuse(event, "a second time")
    life.report = event


def wait_failed(books: Books, event: Any, life: Life, at: int) -> None:
    is_of_child = isinstance(event.error.details, dict) and "childExecutionId" in event.error.details
    is_late = "did not come in time" in event.error.message and not is_of_child
    if is_late and (life.until is None or at < life.until):
        raise books.refuse(event, "before its time was up")


def step_retried(books: Books, event: ev.StepRetried, at: int) -> None:
    life = books.life(event.step)
    if life.standing == "waiting" and life.waiting_for == "person":
        life.by_hand += 1
        life.waiting_for = None
        books.surprises |= event.by == OUTSIDER
    elif life.standing != "retrying":
        raise books.refuse(event, f"of a step that is {life.standing}")
    life.standing = "retrying"
    life.not_before = at


def leave(books: Books, step: str, life: Life) -> None:
    """It waits no more."""
    if life.waiting_for is not None and life.waiting_for.startswith("signal:"):
        books.listening[life.waiting_for[7:]].remove(step)
    life.waiting_for = None


def mark_surprise(books: Books, error: ev.StepError) -> None:
    is_of_child = isinstance(error.details, dict) and "childExecutionId" in error.details
    if is_of_child or ("scripted" not in error.message and error.type not in _UNSCRIPTED):
        books.surprises = True
