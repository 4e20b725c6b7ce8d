"""An execution in memory: its state, what waits to be decided, and who waits for it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tenuto.core.decide import Refusal
from tenuto.core.inputs import Input
from tenuto.core.state import State
from tenuto.runtime.workflow import Workflow

AttemptKey = tuple[int, int, int]
"""Step index, attempt, generation."""


class Given(NamedTuple):
    """An input and, where somebody waits for it to be durable, the future that says so (or why it was refused)."""

    input: Input
    answer: asyncio.Future[Refusal | None] | None


class Waiter(NamedTuple):
    """Somebody who waits for the execution, or one step of it, to end."""

    future: asyncio.Future[None]
    until_step: str | None


class Live:
    """One execution that this node drives. `wake_at` and `status` are what the store's row says; `busy` while a
    decision of it is being committed (`readers` wait for that); `broken` after a commit failed and until the journal
    has been read again; `is_aside` for good, once it could not be decided."""

    __slots__ = (
        "attempts", "broken", "busy", "execution_id", "idle_since", "inbox", "is_aside", "is_new", "key", "queued", "readers",
        "state", "status", "timer", "timer_at", "waiters", "wake_at", "workflow",
    )  # fmt: skip

    def __init__(
        self, key: int, execution_id: str, workflow: Workflow, state: State, *, is_new: bool = False
    ) -> None:
        self.key = key
        self.execution_id = execution_id
        self.workflow = workflow
        self.state = state
        self.is_new = is_new
        self.inbox: list[Given] = []
        self.queued = False
        self.busy = False
        self.broken = False
        self.is_aside = False
        self.attempts: dict[AttemptKey, asyncio.Task[None]] = {}
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
        return not (self.inbox or self.busy or self.queued or self.broken or self.attempts or self.waiters)
