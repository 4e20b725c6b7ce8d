"""What is noted of containers: the items and rounds that begin in them."""

from __future__ import annotations

from collections import deque

from tenuto.core import events as ev
from tests.model.nested import tolerated
from tests.simulation.books import Books
from tests.simulation.lives import Body, Inside, Life
from tests.simulation.notes.attempts import must_be_possible, must_run


def expanded(books: Books, event: ev.MapExpanded, at: int) -> None:
    life = must_run(books, event)
    if event.step in books.insides:
        raise books.refuse(event, "though its items are known")
    inside = books.insides[event.step] = Inside()
    inside.items = len(event.items)
    inside.todo = deque(range(inside.items))
    life.standing = "open"


def bodies_started(books: Books, event: ev.BodiesStarted, at: int) -> None:
    life = books.life(event.step)
    if books.paused_at is not None and life.standing != "running":
        raise books.refuse(event, "while paused")
    if not books.began:
        raise books.refuse(event, "before the execution began")
    must_be_possible(books, event, event.step)
    if at < life.not_before:
        raise books.refuse(event, "before its time")
    if life.first_at is None:
        life.first_at = at
    size = len(books.story.inside(event.step))
    match books.story.step(event.step).get("type"):
        case "map":
            items_started(books, event, life, size)
        case "loop":
            round_started(books, event, life, size)
        case _:
            if event.step in books.insides:
                raise books.refuse(event, "though it had begun")
            books.insides[event.step] = Inside()
            books.insides[event.step].bodies[None] = Body(size)
    life.standing = "open"


def items_started(books: Books, event: ev.BodiesStarted, life: Life, size: int) -> None:
    if life.standing != "open":
        raise books.refuse(event, f"of a map that is {life.standing}")
    inside = books.insides[event.step]
    step = books.story.written[books.story.place(event.step).step]
    if inside.failures > tolerated(step, inside.items):
        raise books.refuse(event, f"after {inside.failures} items had failed")
    for number in range(event.first, event.first + event.count):
        if not inside.todo or inside.todo[0] != number:
            raise books.refuse(event, f"though the next item is {list(inside.todo)[:1]}")
        inside.todo.popleft()
        inside.bodies[number] = Body(size)
    most = step.get("maxConcurrency", 100)
    if most and len(inside.bodies) > most:
        raise books.refuse(event, f"makes {len(inside.bodies)} items at once, {most} may be")


def round_started(books: Books, event: ev.BodiesStarted, life: Life, size: int) -> None:
    inside = books.insides.get(event.step)
    if inside is None:
        inside = books.insides[event.step] = Inside()
    elif not inside.round_is_over or life.standing not in ("running", "waiting"):
        raise books.refuse(event, f"of a loop that is {life.standing}")
    if event.first != inside.round + 1:
        raise books.refuse(event, f"after round {inside.round}")
    inside.round = event.first
    inside.round_is_over = False
    inside.bodies = {event.first: Body(size)}
    life.lost = 0
    life.waiting_for = None


def judged(books: Books, event: ev.RoundJudged, at: int) -> None:
    life = must_run(books, event)
    if not books.insides[event.step].round_is_over:
        raise books.refuse(event, "before the round has ended")
    life.standing = "waiting"
    life.waiting_for = "round"
    life.until = life.not_before = event.next_at
