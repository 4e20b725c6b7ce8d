"""Opening and closing frames: the slots of a body that begins, and their end when nothing will read them again."""

from __future__ import annotations

from typing import Any

from tenuto.core.graph import Block
from tenuto.core.state import NOTHING, Frame, State, StepState, frames_in


def open_frame(
    state: State, owner: StepState | None, number: int | None, block: Block | None = None
) -> Frame:
    """Begin a body: of the container `owner` (its item or round `number`), or, with a `block` of its own, of a
    handler (no owner) or of what undoes `owner`. Its first steps are left in `touched`."""
    of_phase = block is not None
    parent = state.root if owner is None else owner.frame
    suffix = parent.suffix if number is None else f"{parent.suffix}[{number}]"
    if block is None:
        assert owner is not None, "the body of a container"
        assert owner.node.body is not None, "a container has a body"
        block = owner.node.body
    # What handlers return is read like any result; what undoes a step returns to nobody.
    context: dict[str, Any] = state.context if block.kind == "handler" else {}
    generation = state.retries if of_phase or owner is None else owner.generation
    frame = Frame(
        block,
        len(state.steps),
        context,
        owner=None if of_phase or owner is None else owner.slot,
        parent=parent,
        number=number,
        suffix=suffix,
        generation=generation,
    )
    add_steps(state, frame)
    if frame.owner is None:
        state.open += frame.open
    state.touched.extend(frame.base + root for root in block.roots)
    return frame


def add_steps(state: State, frame: Frame) -> None:
    """Give the frame's steps their slots and names."""
    if state.named is NOTHING:
        state.named = {}
    slot = frame.base
    for node in frame.block.nodes:
        step_id = node.id + frame.suffix
        state.named[step_id] = slot
        state.steps.append(StepState(node, frame, slot, step_id, frame.generation))
        slot += 1


def has_open_inside(state: State, frame: Frame) -> bool:
    """Whether inside a container of the frame something has not ended: the container was given up before it."""
    work = [frame]
    while work:
        for slot in work.pop().slots():
            step = state.steps[slot]
            inside = frames_in(step) if step.work is not None else []
            if any(inner.open for inner in inside):
                return True
            work += inside
    return False


def close_frame(state: State, frame: Frame) -> None:
    """Forget the frame's steps, and those inside them. Their slots stay taken, by one step that ended long ago."""
    work = [frame]
    while work:
        closing = work.pop()
        for slot in closing.slots():
            step = state.steps[slot]
            if state.named.get(step.id) == slot:
                del state.named[step.id]
            if isinstance(step.work, Frame):
                work.append(step.work)
            state.steps[slot] = state.gone
