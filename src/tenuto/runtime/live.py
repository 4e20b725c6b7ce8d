"""An execution in memory: its state, what waits to be decided, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from tenuto.core.decide import Refusal
from tenuto.core.inputs import AttemptEnded, AttemptKey, AttemptLost, Ending, Input
from tenuto.core.state import State
from tenuto.ports.store import Item
from tenuto.runtime.admission import StepTicket
from tenuto.runtime.result_cache import Claim
from tenuto.runtime.workflow import Workflow


class Given(Struct, frozen=True):
    """An input and, where somebody waits for it to be durable, the future that says so (or why it was refused); of an
    attempt whose result is to be kept, the claim to it."""

    input: Input
    answer: asyncio.Future[Refusal | None] | None
    kept: Kept | None = None


class Kept(NamedTuple):
    """An outcome whose result later executions may take: the claim that it fulfils, and what the commit writes."""

    outcome: Ending
    claim: Claim
    item: Item | None

    def release(self, *, is_written: bool) -> None:
        """Let those who wait for the result go on."""
        self.claim.release(is_written=is_written and self.item is not None)


class Waiter(NamedTuple):
    """Somebody who waits for the execution, or one step of it, to end."""

    future: asyncio.Future[None]
    until_step: str | None

    def release(self) -> None:
        """Let them go."""
        if not self.future.done():
            self.future.set_result(None)


class Start(NamedTuple):
    """What the store needs to know of a new execution besides its first input."""

    idempotency_key: str | None
    request_hash: str | None


class Live:
    """One execution that this node drives. `wake_at` and `status` are what the store's row says; `busy` while a
    decision of it is being committed (`readers` wait for that); `broken` after a commit failed and until the journal
    has been read again; `is_aside` for good, once it could not be decided. `is_taken_up` once this process answers for
    what runs of it. `size` is how many bytes its journal has."""

    __slots__ = (
        "attempts", "broken", "busy", "errands", "execution_id", "idle_since", "inbox", "is_aside", "is_new", "is_taken_up",
        "key", "queued", "readers", "size", "start", "state", "status", "tickets", "timer", "timer_at", "waiters", "wake_at",
        "workflow",
    )  # fmt: skip

    def __init__(
        self, key: int, execution_id: str, workflow: Workflow, state: State, *, start: Start | None = None
    ) -> None:
        self.key = key
        self.execution_id = execution_id
        self.workflow = workflow
        self.state = state
        self.size = 0
        self.start = start
        self.is_new = start is not None
        self.inbox: list[Given] = []
        self.queued = False
        self.busy = False
        self.broken = False
        self.is_aside = False
        self.is_taken_up = False
        self.tickets: dict[StepTicket, None] | None = None
        self.attempts: dict[AttemptKey, asyncio.Task[None]] = {}
        self.errands = 0
        self.waiters: list[Waiter] = []
        self.readers: list[asyncio.Future[None]] = []
        self.wake_at: int | None = None
        self.status = state.status
        self.timer: asyncio.TimerHandle | None = None
        self.timer_at: int | None = None
        self.idle_since: float | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way for it in this process."""
        is_deciding = self.inbox or self.busy or self.queued or self.broken
        return not (is_deciding or self.attempts or self.errands or self.waiters)

    def answer(self, given: Sequence[Given], refused: Sequence[Refusal]) -> None:
        """Tell whoever gave these inputs, waits for an end, or wants to read, that they are decided and on disk."""
        for item in given:
            answer = item.answer
            if answer is not None and not answer.done():
                answer.set_result(
                    next((r for r in refused if r.given is item.input), None) if refused else None
                )
        if self.waiters:
            self._wake_waiters()
        if self.readers:
            self.settle_readers()

    def _wake_waiters(self) -> None:
        is_terminal = self.state.is_terminal
        for waiter in list(self.waiters):
            if is_terminal or (waiter.until_step is not None and self._has_ended(waiter.until_step)):
                self.waiters.remove(waiter)
                waiter.release()

    def _has_ended(self, until_step: str | None) -> bool:
        state = self.state
        return state.is_terminal or (until_step is not None and state.step(until_step).end_time is not None)

    async def wait(self, timeout_ms: int, until_step: str | None) -> None:
        """Until the execution (or the step) has ended on disk, or the time is up."""
        if self._has_ended(until_step) and not self.busy and not self.broken:
            return
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop.create_future(), until_step)
        self.waiters.append(waiter)
        timer = loop.call_later(timeout_ms / 1000, waiter.release)
        try:
            await waiter.future
        finally:
            timer.cancel()
            if waiter in self.waiters:
                self.waiters.remove(waiter)

    async def settle(self) -> bool:
        """Until all of the state is on disk, so that it may be shown; False where it is not known what is."""
        while self.busy:
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.readers.append(reader)
            await reader
        return not self.broken

    def settle_readers(self) -> None:
        """The commit that readers waited for has come back."""
        for reader in self.readers:
            if not reader.done():
                reader.set_result(None)
        self.readers.clear()

    def reported(self) -> set[AttemptKey]:
        """Attempts whose end, or loss, is known and not written yet."""
        inputs = [given.input for given in self.inbox]
        return {given.key for given in inputs if isinstance(given, AttemptEnded | AttemptLost)}
