"""Bugs planted on purpose, each as a switch over the real code: the simulation is worth its time only if it finds them.

Every one is a mistake that somebody could make in this very code base, in the core, the driver, the sleeper, the
performer or the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tenuto.core import apply as apply_module
from tenuto.core import decide as decide_module
from tenuto.core import draft as draft_module
from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core import joins, retry
from tenuto.core.commands import RunAttempt
from tenuto.core.decide import Decision, lost_attempts
from tenuto.core.graph import Node as StepNode
from tenuto.core.state import State, StepState
from tenuto.journal import fold as fold_module
from tenuto.ports.store import Batch
from tenuto.runtime import attempts, driver, node, outbox, sleeper
from tenuto.runtime.driver import Driver
from tenuto.runtime.live import Live
from tenuto.runtime.messages import outbox_messages
from tenuto.runtime.rows import NEVER
from tests.simulation.swap import swapped

Plant = Callable[[], contextlib.AbstractContextManager[None]]

PLANTED: dict[str, Plant] = {}
"""Bugs by what they do wrong."""

RARE = {
    "never gives up on a step that crashes every time",
    "forgets what executions told one another when it starts again",
    "does not tell others what a commit without an answer said",
    "leaves children alone whose parent gave them up",
    "gives slots back that were granted twice and are used",
    "gives slots back before the end of the attempt is on disk",
}
"""Those that take hundreds of worlds to show: looked for by `--planted`, not by every run of the tests."""


def planted(name: str) -> Callable[[Callable[[], Iterator[None]]], Callable[[], Iterator[None]]]:
    def add(plant: Callable[[], Iterator[None]]) -> Callable[[], Iterator[None]]:
        PLANTED[name] = contextlib.contextmanager(plant)
        return plant

    return add


# -- the driver ---------------------------------------------------------------------------------------------------


@planted("acts before the commit")
def _() -> Iterator[None]:
    original = Driver._decide

    def eager(self: Driver, live: Live, given: Any, now: int, batch: Any) -> Any:
        work = original(self, live, given, now, batch)
        if work is not None:
            for command in work.decision.commands:
                if isinstance(command, RunAttempt):
                    self._carry_out(live, command)
            work.decision = Decision(work.decision.events, [], work.decision.messages, [])
        return work

    with swapped(Driver, "_decide", eager):
        yield


@planted("answers a start before it is on disk")
def _() -> Iterator[None]:
    original = Driver.begin

    def hasty(self: Driver, live: Live, first: Any) -> Any:
        answer = original(self, live, first)
        if not answer.done():
            answer.set_result(None)
        return answer

    with swapped(Driver, "begin", hasty):
        yield


@planted("forgets outcomes when a commit fails")
def _() -> Iterator[None]:
    original = Driver._commit_failed

    def forgetful(self: Driver, work: Any, error: BaseException) -> None:
        for item in work:
            item.given.clear()
        original(self, work, error)

    with swapped(Driver, "_commit_failed", forgetful):
        yield


@planted("goes on from a state whose commit failed")
def _() -> Iterator[None]:
    def blind(self: Driver, live: Live, row: Any, records: list[bytes]) -> None:
        live.is_new = False
        live.broken = False
        self.tell(live, inp.TimeCame())

    with swapped(Driver, "_take_from_journal", blind):
        yield


@planted("decides an execution again while its commit is under way")
def _() -> Iterator[None]:
    original = Driver._prepare

    def impatient(self: Driver, batch: Any) -> Any:
        work = original(self, batch)
        for item in work:
            item.live.busy = False
        return work

    with swapped(Driver, "_prepare", impatient):
        yield


@planted("starts lost attempts again under the same number")
def _() -> Iterator[None]:
    def careless(self: Driver, live: Live) -> None:
        self.live[live.execution_id] = live
        for i, step in enumerate(live.state.steps):
            if step.acting:
                self._carry_out(live, RunAttempt(i, step.attempts, step.generation))
        self.tell(live, inp.TimeCame())

    with swapped(Driver, "adopt", careless):
        yield


@planted("does not recover what ran when the process died")
def _() -> Iterator[None]:
    def careless(self: Driver, live: Live) -> None:
        self.live[live.execution_id] = live
        self.tell(live, inp.TimeCame())

    with swapped(Driver, "adopt", careless):
        yield


@planted("does not begin attempts whose commit lost its answer")
def _() -> Iterator[None]:
    with swapped(driver, "lost_attempts", _only_on_adoption(lost_attempts)):
        yield


def _only_on_adoption(original: Any) -> Any:
    def lost(state: State, **options: Any) -> Any:
        caller = inspect.stack()[1].function
        return [] if caller == "_go_on" else original(state, **options)

    return lost


@planted("queues an execution that is being mended")
def _() -> Iterator[None]:
    original = Driver._give

    def pushy(self: Driver, live: Live, given: Any) -> None:
        original(self, live, given)
        if live.broken and not live.queued and not live.busy:
            live.queued = True
            self._ready.append(live)
            self._schedule_pump()

    with swapped(Driver, "_give", pushy):
        yield


@planted("shows a state before it is on disk")
def _() -> Iterator[None]:
    async def unsettled(self: Live) -> bool:
        return True

    with swapped(Live, "settle", unsettled):
        yield


@planted("lets an execution leave memory without writing when it wakes")
def _() -> Iterator[None]:
    original = Driver._resting_row

    def sleepless(self: Driver, live: Live, now: int) -> Any:
        row = original(self, live, now)
        return msgspec.structs.replace(row, wake_at=NEVER)

    with swapped(Driver, "_resting_row", sleepless), swapped(Driver, "_stored_wake", _never_wakes):
        yield


def _never_wakes(self: Driver, state: State) -> int | None:
    return None if state.is_terminal else NEVER


@planted("stops as if nothing were left to start")
def _() -> Iterator[None]:
    original = Driver._stored_wake

    def forgetful(self: Driver, state: State) -> int | None:
        holding, self.holding = self.holding, False
        try:
            return original(self, state)
        finally:
            self.holding = holding

    with swapped(Driver, "_stored_wake", forgetful):
        yield


@planted("writes webhooks beside the commit instead of in it")
def _() -> Iterator[None]:
    original = Driver._committed

    def later(self: Driver, work: Any) -> None:
        original(self, work)
        for item in work:
            rows = outbox_messages(item.live, item.decision.messages, self._clock.now())
            if rows:
                batch = Batch([], [], [], rows)
                self._spawn(self._store.commit(batch))

    with (
        swapped(Driver, "_committed", later),
        swapped(driver, "outbox_messages", _none_at_first(outbox_messages)),
    ):
        yield


def _none_at_first(original: Any) -> Any:
    def messages(live: Live, found: Any, now: int) -> Any:
        return [] if not live.busy and live.state.seq and _called_by_decide() else original(live, found, now)

    return messages


def _called_by_decide() -> bool:
    return any(frame.function == "_decide" for frame in inspect.stack()[2:4])


# -- the core -----------------------------------------------------------------------------------------------------


@planted("counts interrupted attempts against maxAttempts")
def _() -> Iterator[None]:
    original = apply_module.FOLDS[ev.AttemptInterrupted]

    def strict(state: State, event: Any, at: int) -> None:
        original(state, event, at)
        state.step(event.step).infra = 0

    apply_module.FOLDS[ev.AttemptInterrupted] = strict
    try:
        yield
    finally:
        apply_module.FOLDS[ev.AttemptInterrupted] = original


@planted("never gives up on a step that crashes every time")
def _() -> Iterator[None]:
    with swapped(decide_module, "INFRA_ATTEMPTS", 1_000):
        yield


@planted("makes one attempt too many")
def _() -> Iterator[None]:
    original = draft_module.Draft.attempt_failed

    def generous(self: Any, step: StepState, failed: Any, noise: float) -> None:
        step.infra += 1
        try:
            original(self, step, failed, noise)
        finally:
            step.infra -= 1

    with swapped(draft_module.Draft, "attempt_failed", generous):
        yield


@planted("waits one backoff too few")
def _() -> Iterator[None]:
    def short(policy: Any, attempt: int, noise: float = 0.0, retry_after_ms: int | None = None) -> int:
        return retry.delay_before(policy, attempt, noise, retry_after_ms)

    original = decide_module._fire_timers

    def early(draft: Any) -> None:
        draft.now += 50
        original(draft)
        draft.now -= 50

    with swapped(draft_module, "delay_before", short), swapped(decide_module, "_fire_timers", early):
        yield


@planted("starts steps while paused")
def _() -> Iterator[None]:
    original = decide_module._propagate

    def restless(draft: Any) -> None:
        if draft.state.status == "paused":
            draft.state.status = "running"
            original(draft)
            draft.state.status = "paused"
        else:
            original(draft)

    with swapped(decide_module, "_propagate", restless):
        yield


@planted("skips a join as soon as one edge is dead")
def _() -> Iterator[None]:
    def rash(node: StepNode, step: StepState) -> Any:
        decided = node.in_count - step.undecided
        if decided > step.live + step.blocked and not node.control_only:
            return joins._none_live(step)
        return original(node, step)

    original = joins._JOINS["auto"]
    joins._JOINS["auto"] = rash
    try:
        yield
    finally:
        joins._JOINS["auto"] = original


@planted("ends as completed though a critical step failed")
def _() -> Iterator[None]:
    original = apply_module.FOLDS[ev.StepFailed]

    def lenient(state: State, event: Any, at: int) -> None:
        before = state.root.first_failure
        original(state, event, at)
        if len(state.steps) > 3:
            state.root.first_failure = before

    apply_module.FOLDS[ev.StepFailed] = lenient
    try:
        yield
    finally:
        apply_module.FOLDS[ev.StepFailed] = original


@planted("forgets pending steps that were held back by a stop")
def _() -> Iterator[None]:
    def nothing(state: State) -> None:
        state.touched.clear()

    with swapped(fold_module, "look_again", nothing):
        yield


@planted("redoes finished steps on retry")
def _() -> Iterator[None]:
    def all_steps(state: State) -> tuple[list[str], list[str]]:
        return [n.id for n in state.graph.nodes if n.index != 0], []

    with swapped(decide_module, "to_redo", all_steps):
        yield


# -- time, attempts, webhooks -------------------------------------------------------------------------------------


@planted("oversleeps what has left memory")
def _() -> Iterator[None]:
    async def deaf(self: Any) -> int:
        return 10**9

    with swapped(sleeper.Sleeper, "_round", deaf):
        yield


@planted("asks again whether a step may run on every attempt, and never retries when")
def _() -> Iterator[None]:
    with swapped(attempts, "_is_first", lambda step: False):
        yield


@planted("sends webhooks of one execution side by side")
def _() -> Iterator[None]:
    original = outbox.OutboxSender._attempt

    async def hasty(self: Any, entry: Any, message: Any) -> None:
        later = await self._store.outbox(after_id=message.id, limit=1)
        if later and later[0].key == message.key:
            await self._deliver(later[0])
        await original(self, entry, message)

    with swapped(outbox.OutboxSender, "_attempt", hasty):
        yield


@planted("removes a webhook before it was sent")
def _() -> Iterator[None]:
    async def first(self: Any, entry: Any, message: Any) -> None:
        self._ended.append((entry, message, outbox.DeliveryResult("sent")))
        self._woken.set()
        await asyncio.sleep(0.5)
        await self._deliver(message)

    with swapped(outbox.OutboxSender, "_attempt", first):
        yield


@planted("starts the same request twice")
def _() -> Iterator[None]:
    async def unaware(self: Any, request: Any) -> None:
        return None

    with swapped(node.Node, "_find_before", unaware):
        yield


@planted("asks the store all the time while idle")
def _() -> Iterator[None]:
    with swapped(sleeper, "LONGEST_SLEEP_MS", 100), swapped(sleeper, "SHORTEST_SLEEP_MS", 100):
        yield
