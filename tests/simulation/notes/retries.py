"""What is noted when a person has part of an execution done again."""

from __future__ import annotations

from collections import deque

from tenuto.core import events as ev
from tests.model import rules
from tests.model.nested import split
from tests.simulation.books import Books
from tests.simulation.lives import Body, Life


def retried(books: Books, event: ev.ExecutionRetried, at: int) -> None:
    if not isinstance(books.ended, ev.ExecutionFailed):
        raise books.refuse(event, f"though it ended as {books.ended}")
    must_be_wanted(books, event)
    books.ended = books.phase = books.undoing = None
    books.handlers, books.to_undo, books.outcome = [], [], None
    books.retries += 1
    books.began = not books.story.definition.get("concurrency")
    for step in books.undone:
        books.undoable.pop(step, None)
        if not is_within(books, step, event.steps) and not is_within(books, step, event.reopened):
            raise books.refuse(event, f"without {step}, which was undone")
    books.undone = set()
    for step in list(books.lives):
        if books.story.place(step).kind in ("handler", "undo") or is_within(books, step, event.steps):
            forget(books, step)
    for step in event.reopened:
        reopen(books, step, event, at)


def must_be_wanted(books: Books, event: ev.ExecutionRetried) -> None:
    """That what is done again failed, was given up or undone, or comes after such."""
    again = {*event.steps, *event.reopened}
    for step in again:
        life = books.lives[step]
        ended_ill = life.kind in ("failed", "cancelled", "run_cancelled") or holds_undone(books, step)
        ended_ill |= books.story.step(step).get("action") == "finish"  # which failed the execution
        if not ended_ill and not any(before in again for before in before(books, step)):
            raise books.refuse(event, f"though {step} had ended well ({life.kind})")


def holds_undone(books: Books, step: str) -> bool:
    return any(undone == step or is_within(books, undone, [step]) for undone in books.undone)


def before(books: Books, step: str) -> list[str]:
    """The steps with edges to this one."""
    place = books.story.place(step)
    _, suffix = split(step)
    if place.kind == "root":
        block = books.story.definition["steps"]
    else:
        assert place.container is not None
        block = books.story.written[split(place.container)[0]].get("steps", [])
    edges = rules.edges_of({"steps": block})
    return [edge.source + suffix for edge in edges if edge.target == place.step]


def is_within(books: Books, step: str, outer: list[str]) -> bool:
    """Whether the step is one of those, or inside one."""
    at: str | None = step
    while at is not None:
        if at in outer:
            return True
        at = books.story.place(at).container
    return False


def forget(books: Books, step: str) -> None:
    books.lives.pop(step, None)
    books.insides.pop(step, None)
    books.undoable.pop(step, None)
    books.results.pop(step, None)


def reopen(books: Books, step: str, event: ev.ExecutionRetried, at: int) -> None:
    life, inside = books.life(step), books.insides[step]
    inside.failures = 0
    if books.story.step(step).get("type") == "map":
        inside.todo = deque(number for number in range(inside.items) if number not in inside.done)
        inside.bodies = {}
        for nested in [one for one in books.lives if books.story.place(one).container == step]:
            if books.story.place(nested).number not in inside.done:
                forget_inside(books, nested)
    else:
        redone = [one for one in event.steps if books.story.place(one).container == step]
        redone += [one for one in event.reopened if books.story.place(one).container == step]
        inside.bodies = {None: Body(len(redone))}
    fresh = books.lives[step] = Life()
    books.life_count[step] += 1
    fresh.standing = "open"
    fresh.first_at = at
    fresh.attempts = life.attempts


def forget_inside(books: Books, step: str) -> None:
    for inner in [one for one in books.lives if is_within(books, one, [step])]:
        forget(books, inner)
