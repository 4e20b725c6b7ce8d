"""The books of one execution: what its facts say, written down from the events alone and held against what is promised
as each comes (`notes`). Nothing here is shared with the core's state.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from tenuto.core import events as ev
from tests.simulation.broken import Broken
from tests.simulation.lives import Inside, Life, Standing
from tests.simulation.stories import Story


class Books:
    """What the witness wrote down of one execution."""

    def __init__(self, execution_id: str, story: Story) -> None:
        self.execution_id = execution_id
        self.story = story
        self.parent: ev.ParentLink | None = None
        self.seq = 0
        self.records: list[bytes] = []
        self.moved_s = 0.0
        """When the last of them came, in seconds of the loop."""
        self.lives: dict[str, Life] = {}
        self.insides: dict[str, Inside] = {}
        self.generations: dict[str, int] = {}
        self.life_count: defaultdict[str, int] = defaultdict(int)
        self.ended: ev.AnyEvent | None = None
        self.ends: list[ev.AnyEvent] = []
        self.step_ends = 0
        self.paused_at: int | None = None
        self.not_before = 0
        self.began = False
        self.cancelled_by: list[str | None] = []
        self.phase: ev.HandlersStarted | ev.CompensationStarted | None = None
        self.handlers: list[str] = []
        self.outcome: str | None = None
        """How it was to end before its handlers."""
        self.undoable: dict[str, None] = {}
        self.to_undo: list[str] = []
        self.undoing: str | None = None
        self.undone: set[str] = set()
        self.retries = 0
        self.results: dict[str, Any] = {}
        self.kept: defaultdict[str, deque[tuple[int, Any]]] = defaultdict(deque)
        self.listening: defaultdict[str, list[str]] = defaultdict(list)
        self.signal_count = 0
        self.signal_keys: set[tuple[str, str]] = set()
        self.surprises = False
        """Whether something came to pass that is in no script."""
        self.just_ended: list[str] = []
        self.must_have_ended: list[str] = []
        """Steps that what they wait for has come to already."""

    def life(self, step: str) -> Life:
        found = self.lives.get(step)
        if found is None:
            found = self.lives[step] = Life()
            self.life_count[step] += 1
        return found

    def standing(self, step: str) -> Standing:
        life = self.lives.get(step)
        return "fresh" if life is None else life.standing

    def waits(self) -> list[tuple[str, Life]]:
        """The steps that wait now."""
        return [(step, life) for step, life in self.lives.items() if life.standing == "waiting"]

    def is_idle(self, until: int) -> bool:
        """Whether nothing of it runs, and time alone moves nothing before that instant."""
        if not self.began:
            return self.ended is None and self.not_before > until
        waits = False
        for life in self.lives.values():
            if life.standing in ("queued", "running", "fresh"):
                return False
            if life.standing in ("retrying", "waiting"):
                waits = True
                is_timeless = life.standing == "waiting" and life.until is None
                if life.not_before <= until and not is_timeless and self.paused_at is None:
                    return False
        return waits and self.ended is None

    def refuse(self, event: object, why: str) -> Broken:
        return Broken(f"{self.execution_id}: {event} {why}")

    def record_is_over(self) -> None:
        """All events of one decision have been noted."""
        for step in self.just_ended:
            inside = self.insides.get(step)
            if inside is not None and any(body.left for body in inside.bodies.values()):
                raise Broken(f"{self.execution_id}: {step} has ended and goes on inside")
        self.just_ended.clear()
        for step in self.must_have_ended:
            if self.standing(step) == "waiting":
                raise Broken(f"{self.execution_id}: {step} waits for what was reported already")
        self.must_have_ended.clear()
        for name, waiting in self.listening.items():
            if waiting and self.kept[name]:
                raise Broken(f"{self.execution_id}: {waiting[0]} waits for {name}, which is there")

    def has_done_anything(self) -> bool:
        """Whether any of its steps did more than be skipped."""
        return any(life.first_at is not None for life in self.lives.values())
