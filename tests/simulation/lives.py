"""What the books say of one step, and of what goes on inside a container."""

from __future__ import annotations

from collections import deque
from typing import Literal

from tenuto.core.events import StepReported

Standing = Literal["fresh", "queued", "running", "retrying", "waiting", "open", "ended"]


class Life:
    """One step, or one step of an item or a round, from when something first happened to it until it has ended, or is
    done again. `not_before` is the instant before which it must not move, `failed` counts attempts that failed,
    `by_hand` those that a person asked for."""

    __slots__ = (
        "approvals", "attempts", "by_hand", "cached", "child", "critical_failure", "failed", "first_at", "generation",
        "interrupted", "kind", "lost", "not_before", "queued_at", "quorum", "report", "standing", "until", "waiting_for",
    )  # fmt: skip

    def __init__(self) -> None:
        self.standing: Standing = "fresh"
        self.kind = ""
        self.generation = -1
        self.attempts = 0
        self.failed = 0
        self.by_hand = 0
        self.lost = 0
        self.interrupted = 0
        self.not_before = 0
        self.first_at: int | None = None
        self.queued_at = 0
        self.until: int | None = None
        self.waiting_for: str | None = None
        self.child: str | None = None
        self.approvals: list[str] = []
        self.quorum = 1
        self.critical_failure = False
        self.cached = False
        self.report: StepReported | None = None


class Body:
    """Nested steps under way: how many have not ended, whether one of them failed it, whether some were given up."""

    __slots__ = ("cut", "failed", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.failed = False
        self.cut = False


class Inside:
    """What goes on inside a container. `bodies` are under way, by item or round; `done` are the items that succeeded."""

    __slots__ = ("bodies", "done", "failures", "items", "round", "round_is_over", "todo")

    def __init__(self) -> None:
        self.bodies: dict[int | None, Body] = {}
        self.items = 0
        self.todo: deque[int] = deque()
        self.done: set[int] = set()
        self.failures = 0
        self.round = -1
        self.round_is_over = False
