"""What must hold once a world has come to rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from tenuto.core import events as ev
from tenuto.core.state import State
from tenuto.journal.codec import decode
from tenuto.ports.store import StoredExecution
from tests.model.agreement import disagreements
from tests.model.plays import Play
from tests.model.stage import Stage
from tests.model.tally import tally
from tests.simulation.books import Books
from tests.simulation.broken import Broken

FAR_MS = 90_000
"""What is due no sooner keeps no execution in memory."""

LONG_S = 30


def still_open(by_id: Mapping[str, Books]) -> dict[str, Any]:
    """What goes on in executions that have not ended."""
    return {
        books.execution_id: {
            step: life.waiting_for or life.standing
            for step, life in books.lives.items()
            if life.standing != "ended"
        }
        for books in by_id.values()
        if books.ended is None
    }


def idle_in_memory(by_id: Mapping[str, Books], in_memory: set[str], now: int, now_s: float) -> set[str]:
    """What has been idle for a while and has not left memory."""
    return {name for name in in_memory & by_id.keys() if _is_idle(by_id[name], now, now_s)}


def _is_idle(books: Books, now: int, now_s: float) -> bool:
    written = books.story.written.values()
    has_limits = "timeout" in books.story.definition or any("totalTimeout" in step for step in written)
    return now_s - books.moved_s > LONG_S and not has_limits and books.is_idle(now + FAR_MS)


def check_end(books: Books, state: State, row: StoredExecution) -> None:
    """The execution is shown as it ended, and its row says so too."""
    if state.seq != books.seq:
        raise Broken(f"{books.execution_id}: served at {state.seq}, the journal is at {books.seq}")
    if (row.status, row.end_time) != (state.status, state.end_time):
        raise Broken(f"{books.execution_id}: its row says {row.status} {row.end_time}, it is {state.status}")
    if not state.is_terminal:
        raise Broken(f"{books.execution_id}: never ended; it is {state.status}")


def check_webhooks(books: Books, written: Sequence[str], taken: Sequence[str]) -> None:
    """Each end was told once, and all of it arrived."""
    if len(set(written)) != len(written):
        raise Broken(f"{books.execution_id}: a webhook was written twice")
    if "webhooks" in books.story.definition and len(written) != books.step_ends + len(books.ends):
        raise Broken(
            f"{books.execution_id}: {len(written)} webhooks for {books.step_ends} steps and {len(books.ends)} ends"
        )
    if missing := set(written) - set(taken):
        raise Broken(f"{books.execution_id}: webhooks {missing} never came")


class _Account:
    """An execution as the model's comparison reads one."""

    def __init__(self, books: Books, state: State) -> None:
        self.play = Play(books.story.definition, books.story.script)
        self.state = state
        self.seen = [event for record in books.records for event in decode(record).events]
        self.told = tally(self.seen)
        self.moments: list[int] = []
        self.draws = None


def check_by_model(books: Books, state: State) -> None:
    """The ends that the independent model works out, where nothing happened that is in no script."""
    is_terminated = isinstance(books.ended, ev.ExecutionCancelled) and books.ended.terminated
    if books.surprises or books.retries or is_terminated or not books.has_done_anything():
        return
    found = disagreements(cast("Stage", _Account(books, state)), moments=0)
    if found:
        raise Broken(f"{books.execution_id}: {found[0]}")
