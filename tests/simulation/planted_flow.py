"""Bugs planted on purpose in control flow, people and time: what is nested, waits, shares, remembers and starts others.
As in `planted`, each is a switch over the real code.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from tenuto.actions import workflow_run
from tenuto.core import apply as apply_module
from tenuto.core import containers, decide, draft, endings, people
from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.draft import Draft
from tenuto.core.state import LoopWork, MapWork, State, StepState
from tenuto.ports.store import Batch
from tenuto.runtime import admission, inbox, queueing
from tenuto.runtime.driver import Driver
from tenuto.runtime.live import Live
from tenuto.runtime.node import Node
from tests.simulation.planted import planted
from tests.simulation.swap import swapped, swapped_item


def _folds(event: type[ev.Event], replacement: Callable[[Any, State, Any, int], None]) -> Any:
    """Fold an event otherwise; the replacement is given the original."""
    original = apply_module.FOLDS[event]
    return swapped_item(
        apply_module.FOLDS, event, lambda state, fact, at: replacement(original, state, fact, at)
    )


# -- nested steps -----------------------------------------------------------------------------------------------------


@planted("returns the results of items in the order they ended")
def _() -> Iterator[None]:
    original = apply_module.gathered

    def by_end(state: State, step: StepState) -> Any:
        if not isinstance(step.work, MapWork):
            return original(state, step)
        done = [result for result in step.work.results if result is not None]
        return done + [None] * (len(step.work.results) - len(done))

    with swapped(apply_module, "gathered", by_end):
        yield


@planted("begins one item more than maxConcurrency")
def _() -> Iterator[None]:
    original = containers._stretches

    with swapped(containers, "_stretches", lambda todo, most: original(todo, most + 1)):
        yield


@planted("judges a round before it has ended")
def _() -> Iterator[None]:
    def hasty(original: Any, state: State, event: Any, at: int) -> None:
        original(state, event, at)
        step = state.step(event.step)
        if isinstance(step.work, LoopWork) and event.first > 0:
            step.work.has_ended = True
            state.tended.append(step.slot)

    with _folds(ev.BodiesStarted, hasty):
        yield


@planted("does all items of a map again on retry")
def _() -> Iterator[None]:
    original = MapWork.reopen

    def whole(self: MapWork) -> None:
        self.done = bytearray(len(self.done))
        original(self)

    with swapped(MapWork, "reopen", whole):
        yield


@planted("goes on inside a container that has ended")
def _() -> Iterator[None]:
    with swapped(Draft, "cancel_inside", lambda self, step, reason="run_cancelled": None):
        yield


# -- the end ------------------------------------------------------------------------------------------------------------


@planted("undoes steps in the order they succeeded")
def _() -> Iterator[None]:
    def in_order(original: Any, state: State, event: Any, at: int) -> None:
        original(state, event, at)
        state.rare.to_undo.reverse()

    with _folds(ev.CompensationStarted, in_order):
        yield


@planted("runs handlers a second time")
def _() -> Iterator[None]:
    def forgetful(original: Any, state: State, event: Any, at: int) -> None:
        original(state, event, at)
        if event.handlers != "always" and state.seq % 2:
            state.rare.handlers_done.clear()

    with _folds(ev.HandlersStarted, forgetful):
        yield


@planted("leaves out handlers that run always when an execution fails")
def _() -> Iterator[None]:
    with swapped_item(endings._HANDLERS, "failed", ("failure",)):
        yield


# -- messages and people ------------------------------------------------------------------------------------------------


@planted("keeps a signal that a step has taken")
def _() -> Iterator[None]:
    with swapped(apply_module, "_take_signal", lambda state, step, number: None):
        yield


@planted("gives a signal to the step that waited last")
def _() -> Iterator[None]:
    def backwards(original: Any, state: State, event: Any, at: int) -> None:
        original(state, event, at)
        for waiting in state.rare.listening.values():
            waiting.reverse()

    with _folds(ev.StepWaiting, backwards):
        yield


@planted("forgets the keys of signals when it starts again")
def _() -> Iterator[None]:
    def forgetful(original: Any, state: State, event: Any, at: int) -> None:
        original(state, event, at)
        if _is_called_by("fold"):
            state.rare.signal_keys.clear()

    with _folds(ev.SignalReceived, forgetful):
        yield


@planted("counts an approval twice")
def _() -> Iterator[None]:
    def generous(draft: Draft, given: inp.Approve) -> None:
        step = draft.state.find_step(given.step)
        people.approve(draft, given)
        if step is not None and step.waiting_for == "approval" and given.approved:
            people.approve(draft, given._replace(by=f"{given.by} again"))

    with swapped_item(decide._TAKES, inp.Approve, generous):
        yield


@planted("forgets what was called back before the step waits")
def _() -> Iterator[None]:
    def forgetful(original: Any, state: State, event: Any, at: int) -> None:
        state.step(event.step).report = None
        original(state, event, at)

    with _folds(ev.StepWaiting, forgetful):
        yield


@planted("begins before startAt")
def _() -> Iterator[None]:
    def early(original: Any, state: State, event: Any, at: int) -> None:
        start_at = None if event.start_at is None else event.start_at - 100
        original(state, replace(event, start_at=start_at), at)

    with _folds(ev.ExecutionStarted, early):
        yield


@planted("lets nothing leave memory")
def _() -> Iterator[None]:
    with swapped(Driver, "_may_leave", lambda self, live, *a: False):
        yield


# -- children -------------------------------------------------------------------------------------------------------------


@planted("tells other executions before the commit")
def _() -> Iterator[None]:
    original = Driver._decide

    def hasty(self: Driver, live: Live, given: Any, now: int, batch: Any) -> Any:
        work = original(self, live, given, now, batch)
        if work is not None and work.posts:
            self._on_posts(list(work.posts))
        return work

    with swapped(Driver, "_decide", hasty):
        yield


@planted("loses a child's end when the parent has left memory")
def _() -> Iterator[None]:
    original = Node._give

    async def deaf(self: Node, execution_id: str, given: Any) -> None:
        if execution_id in self._driver.live:
            await original(self, execution_id, given)

    with swapped(Node, "_give", deaf):
        yield


@planted("forgets what executions told one another when it starts again")
def _() -> Iterator[None]:
    async def nothing(self: Any) -> None:
        return None

    with swapped(inbox.Inbox, "load", nothing):
        yield


@planted("does not tell others what a commit without an answer said")
def _() -> Iterator[None]:
    original = Driver._mend

    async def forgetful(self: Driver, work: Any) -> None:
        work.posts = ()
        await original(self, work)

    with swapped(Driver, "_mend", forgetful):
        yield


@planted("leaves children alone whose parent gave them up")
def _() -> Iterator[None]:
    with swapped(draft, "child_of", lambda execution_id, step: None):
        yield


@planted("starts another child after the process died")
def _() -> Iterator[None]:
    original = workflow_run.WorkflowRun.run

    async def forgetful(self: Any, request: Any) -> Any:
        return await original(self, replace(request, tries=request.attempt))

    with swapped(workflow_run.WorkflowRun, "run", forgetful):
        yield


# -- what is shared -----------------------------------------------------------------------------------------------------


@planted("forgets steps that wait for slots when it starts again")
def _() -> Iterator[None]:
    with swapped(decide, "_slots_asked_for", lambda state: []):
        yield


@planted("does not give slots back when a commit loses its answer")
def _() -> Iterator[None]:
    original = queueing.Queueing.committed

    def forgetful(self: Any, live: Live) -> None:
        if not _is_called_by("_take_from_journal"):
            original(self, live)

    with swapped(queueing.Queueing, "committed", forgetful):
        yield


@planted("gives slots back that were granted twice and are used")
def _() -> Iterator[None]:
    with swapped(queueing, "_uses", lambda state, ticket: False):
        yield


@planted("gives slots back before the end of the attempt is on disk")
def _() -> Iterator[None]:
    original = Driver._decide

    def hasty(self: Driver, live: Live, given: Any, now: int, batch: Any) -> Any:
        work = original(self, live, given, now, batch)
        if work is not None and live.tickets:
            self.queueing.committed(live)
        return work

    with swapped(Driver, "_decide", hasty):
        yield


@planted("keeps on disk that an execution that ended has its slots")
def _() -> Iterator[None]:
    with swapped(admission.Admission, "taken_away", lambda self, execution_id: []):
        yield


@planted("keeps results whose commit failed")
def _() -> Iterator[None]:
    original = Driver._commit_failed

    def hopeful(self: Driver, work: Any, error: BaseException) -> None:
        original(self, work, error)
        kept = [given.kept for item in work for given in item.given if given.kept is not None]
        if kept and not isinstance(error, asyncio.CancelledError):
            self._spawn(self._store.commit(Batch([], [], [], [], [one.item for one in kept if one.item])))

    with swapped(Driver, "_commit_failed", hopeful):
        yield


@planted("writes a record without its large results")
def _() -> Iterator[None]:
    original = Driver._decide

    def light(self: Driver, live: Live, given: Any, now: int, batch: Any) -> Any:
        work = original(self, live, given, now, batch)
        if live.state.seq % 5 == 0:
            batch.items[:] = [item for item in batch.items if item.kind != "blob"]
        return work

    with swapped(Driver, "_decide", light):
        yield


def _is_called_by(function: str) -> bool:
    return any(frame.function == function for frame in inspect.stack()[2:8])
