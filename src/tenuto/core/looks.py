"""How the steps of an execution look in a picture: one of five statuses that are easy to draw, and what that leaves out.
A step inside a map or a loop stands for all items, or the round, under way. Large pictures are drawn in a thread while
the state moves on, so nothing here iterates over what may change: it takes copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from tenuto.core.graph import Node
from tenuto.core.spots import Spot, spots
from tenuto.core.state import TERMINAL_STEP, Frame, LoopWork, MapWork, State, StepState, frames_in

IN_PROGRESS = frozenset({"queued", "running", "retrying", "waiting"})
"""Step statuses between the first attempt and the end."""

MOST_FRAMES = 1_000
"""Of so many items under way at most a picture knows how they stand."""


class Look(NamedTuple):
    """A status as drawn, what it leaves out, and the step, if it is one that there is now."""

    status: str
    detail: str | None
    step: StepState | None


def looks(state: State) -> list[Look | None]:
    """How each step looks, by its number; None for what is in no picture."""
    return _Looks(state).all


def drawn_status(step: StepState) -> tuple[str, str | None]:
    """The step's status as a picture shows it, and what it leaves out."""
    status = step.status
    if status == "cancelled":
        return "skipped", "cancelled"
    if status == "skipped":
        return "skipped", step.reason
    if status in IN_PROGRESS and status != "running":
        return "running", status
    return status, _progress(step)


def static_step(state: State, node: Node) -> StepState | None:
    """The step of which there is one at most in an execution, if it is there now."""
    if node.number < len(state.graph.nodes):
        return state.steps[node.number]
    slot = state.named.get(node.id)
    if slot is None or state.steps[slot].node is not node:
        return None
    return state.steps[slot]


class _Looks:
    """Worked out in the order of the spots, so that what is around a step is known before it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.all: list[Look | None] = [None] * len(state.graph.all_nodes)
        self.frames: dict[int, list[Frame]] = {}
        undone = list(state.rare.undone) if state.has_rare else []
        self.undone = {name.partition("[")[0] for name in undone}
        for spot in spots(state.graph):
            self.all[spot.node.number] = self._look(spot)

    def _look(self, spot: Spot) -> Look:
        steps = self._steps(spot)
        if spot.node.body is not None:
            inside = (frame for step in steps for frame in frames_in(step))
            self.frames[spot.node.number] = list(islice(inside, MOST_FRAMES))
        if len(steps) == 1:
            return Look(*drawn_status(steps[0]), steps[0])
        if steps:
            return _look_of_many(steps)
        return self._look_of_none(spot)

    def _steps(self, spot: Spot) -> list[StepState]:
        if spot.is_one:
            step = static_step(self.state, spot.node)
            return [] if step is None else [step]
        assert spot.owner is not None, "what there are several of is in a map or a loop"
        if spot.kind == "undo":
            return self._undoing(spot)
        frames = self.frames[spot.owner.node.number]
        return [self.state.steps[frame.base + spot.node.index] for frame in frames]

    def _undoing(self, spot: Spot) -> list[StepState]:
        """What undoes the step of an item or a round, if it is at that now."""
        frame = self.state.phase_frame
        if frame is None or frame.block.nodes[0] is not spot.node:
            return []
        return [self.state.steps[frame.base]]

    def _look_of_none(self, spot: Spot) -> Look:
        """Of a step that is not there: it has not come to that yet, it has been, or it never comes to that."""
        if spot.kind == "undo" and spot.owner is not None and spot.owner.node.id in self.undone:
            return Look("success", None, None)
        around = None if spot.owner is None or spot.kind == "undo" else self.all[spot.owner.node.number]
        if self.state.is_terminal or (around is not None and around.status not in ("pending", "running")):
            if around is None or around.status == "skipped" or spot.is_one:
                return Look("skipped", "not_needed" if around is None else around.detail, None)
            return Look(_look_back(spot, around), None, None)
        return Look("pending", None, None)


def _look_of_many(steps: list[StepState]) -> Look:
    """One look for the steps of several items."""
    counts = Counter(step.status for step in steps)
    said = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
    if any(status in IN_PROGRESS for status in counts):
        return Look("running", said, None)
    if "pending" in counts:
        return Look("pending", said, None)
    return Look("failed" if "failed" in counts else "success", said, None)


def _look_back(spot: Spot, around: Look) -> str:
    """How a step looks whose items or rounds have all ended."""
    step = around.step
    if step is not None and any(name.partition("[")[0] == spot.node.id for name in _failed_inside(step)):
        return "failed"
    return "success"


def _failed_inside(step: StepState) -> Iterable[str]:
    match step.work:
        case MapWork():
            return [item.step for item in step.work.errors]
        case LoopWork() if step.work.error is not None:
            return [step.work.error.step]
    return []


def _progress(step: StepState) -> str | None:
    """How far a map or loop under way has come."""
    if step.status in TERMINAL_STEP:
        return None
    match step.work:
        case MapWork():
            done = sum(step.work.done) + step.work.failures
            return f"{done:,} of {len(step.work.items):,}"
        case LoopWork():
            return f"round {step.work.round}"
    return None
