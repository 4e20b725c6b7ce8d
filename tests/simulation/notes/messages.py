"""What is noted of signals and approvals."""

from __future__ import annotations

from tenuto.core import events as ev
from tests.simulation.books import Books
from tests.simulation.lives import Life


def signalled(books: Books, event: ev.SignalReceived, at: int) -> None:
    if event.number != books.signal_count + 1:
        raise books.refuse(event, f"follows signal {books.signal_count}")
    books.signal_count = event.number
    if event.key is not None:
        if (event.name, event.key) in books.signal_keys:
            raise books.refuse(event, "came before")
        books.signal_keys.add((event.name, event.key))
    books.kept[event.name].append((event.number, event.payload))


def take_signal(books: Books, event: ev.StepSucceeded, life: Life) -> None:
    name = (life.waiting_for or "").partition(":")[2]
    if books.listening[name][:1] != [event.step]:
        raise books.refuse(event, f"before {books.listening[name]}, who waited longer")
    if not books.kept[name] or books.kept[name][0] != (event.signal, event.result):
        raise books.refuse(event, f"though the first signal kept is {list(books.kept[name])[:1]}")
    books.kept[name].popleft()


def approved(books: Books, event: ev.ApprovalGiven, at: int) -> None:
    life = books.life(event.step)
    if life.standing != "waiting" or life.waiting_for != "approval":
        raise books.refuse(event, f"of a step that is {life.standing}")
    if event.by in life.approvals:
        raise books.refuse(event, "a second time")
    life.approvals.append(event.by)


def must_be_approved(books: Books, event: ev.StepSucceeded, life: Life, at: int) -> None:
    names = [given["by"] for given in event.result["approvals"]]
    if names[-1:] == [None]:
        if life.until is None or at < life.until:
            raise books.refuse(event, "before its time was up")
    elif names != life.approvals or len(names) < life.quorum:
        raise books.refuse(event, f"by {life.approvals}, {life.quorum} are needed")
