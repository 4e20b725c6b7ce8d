"""Doing part of an execution again: which steps that takes, and putting them back to the beginning."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush

from tenuto.core.events import ExecutionRetried
from tenuto.core.frames import close_frame
from tenuto.core.state import TERMINAL_STEP, TOTAL, Frame, MapWork, State, StepState

DecideEdges = Callable[[State, StepState, set[int]], None]


def to_redo(state: State) -> tuple[list[str], list[str]]:
    """What a retry of a failed execution does again: steps from the beginning, and containers of which only what had
    not succeeded. That is what failed uncaught, what was given up or undone, and all that comes after those."""
    owners = _owners_of_undone(state)
    return _closure(
        state,
        lambda step: _needs_retry(state, step) or step.id in state.rare.undone or step.slot in owners,
        owners,
    )


def to_redo_step(state: State, wanted: StepState) -> tuple[list[str], list[str]]:
    """The same for one failed step, with what was undone, and all that comes after those."""
    owners = _owners_of_undone(state)
    slots = {wanted.slot} | owners
    frame = wanted.frame
    while frame.owner is not None:
        slots.add(frame.owner)
        frame = state.steps[frame.owner].frame
    return _closure(state, lambda step: step.slot in slots or step.id in state.rare.undone, owners)


def to_run_from(state: State, first: StepState) -> set[str]:
    """The workflow's own steps that a rerun from `first` does itself: it, what needs a retry or was undone, and all
    after those."""
    undone = _owners_of_undone(state) | {state.rare.undoable[step_id].slot for step_id in state.rare.undone}
    again, _ = _after(
        state, state.root, lambda step: step is first or step.slot in undone or _needs_retry(state, step)
    )
    return {state.steps[slot].id for slot in again}


def _closure(
    state: State, is_wanted: Callable[[StepState], bool], whole: set[int]
) -> tuple[list[str], list[str]]:
    steps: list[str] = []
    reopened: list[str] = []
    work = [state.root]
    while work:
        again, behind = _after(state, work.pop(), is_wanted)
        for slot in sorted(again):
            step = state.steps[slot]
            if slot in behind or not _can_reopen(state, step, is_wanted, slot in whole):
                steps.append(step.id)
            else:
                reopened.append(step.id)
                work += [step.work] if isinstance(step.work, Frame) else []
    return steps, reopened


def _after(state: State, frame: Frame, is_wanted: Callable[[StepState], bool]) -> tuple[set[int], set[int]]:
    """The wanted slots of the frame with all that come after them; and which of these come after another."""
    again = {slot for slot in frame.slots() if is_wanted(state.steps[slot])}
    behind: set[int] = set()
    work = list(again)
    while work:
        for target, _ in state.steps[work.pop()].node.out:
            slot = frame.base + target
            behind.add(slot)
            if slot not in again:
                again.add(slot)
                work.append(slot)
    return again, behind


def _can_reopen(
    state: State, step: StepState, is_wanted: Callable[[StepState], bool], is_whole: bool
) -> bool:
    if isinstance(step.work, MapWork):
        return not is_whole and not all(step.work.done)
    if isinstance(step.work, Frame):
        return any(is_wanted(state.steps[slot]) for slot in step.work.slots())
    return False


def _needs_retry(state: State, step: StepState) -> bool:
    if step.status == "failed":
        return step.node.critical and not step.caught
    # What failed the execution by succeeding is a `finish`, and decides again.
    return step.reason == "run_cancelled" or step.id == state.error_step


def _owners_of_undone(state: State) -> set[int]:
    owners: set[int] = set()
    for step_id in state.rare.undone:
        frame = state.rare.undoable[step_id].frame
        while frame.owner is not None:
            owners.add(frame.owner)
            frame = state.steps[frame.owner].frame
    return owners


def reset(state: State, event: ExecutionRetried, at: int, decide_edges: DecideEdges) -> None:
    """Put an ended execution back to where these steps had not begun, one generation on, and decide anew the edges
    that lead to them from steps that keep their results."""
    _reset_execution(state)
    frames: dict[int, tuple[Frame, set[int]]] = {state.root.base: (state.root, set())}
    again = [state.step(step_id) for step_id in event.steps]
    reopened = [state.step(step_id) for step_id in event.reopened]
    for step in again:
        frames.setdefault(step.frame.base, (step.frame, set()))[1].add(step.slot)
    for step in reopened:
        frames.setdefault(step.frame.base, (step.frame, set()))
        _reopen(state, step, at)
    for step in again:
        _begin_anew(state, step)
    for frame, slots in frames.values():
        frame.is_cut = False
        frame.first_failure = _first_failure(state, frame)
        for slot in frame.slots():
            step = state.steps[slot]
            if slots and slot not in slots and step.status in TERMINAL_STEP:
                decide_edges(state, step, slots)
    state.touched.extend(sorted(step.slot for step in again))


def _reset_execution(state: State) -> None:
    state.status = "running"
    state.end_time = state.error = state.error_step = state.cancel = None
    state.terminated = False
    state.retries += 1
    state.rare.handlers_done = set()
    for step_id in state.rare.undone:
        state.rare.undoable.pop(step_id, None)
    state.rare.undone = set()
    state.compensation = None
    state.timers = []
    state.touched = []
    state.tended = []
    _forget_phases(state)


def _forget_phases(state: State) -> None:
    """Handlers and compensations begin anew at the next end."""
    for step in state.nested_steps():
        if step.frame.block.kind in ("handler", "undo") and step is not state.gone:
            step.frame.context.pop(step.node.id, None)
            close_frame(state, step.frame)


def _reopen(state: State, step: StepState, at: int) -> None:
    if isinstance(step.work, MapWork):
        step.work.reopen()
        _forget_undoable(state, step, kept=step.work.done)
    _count_open(state, step)
    step.generation += 1
    step.status = "running"
    step.end_time = step.error = step.reason = step.by = step.deadline = None
    step.caught = False
    if step.node.total_timeout:
        step.deadline = at + step.node.total_timeout
        heappush(state.timers, (step.deadline, TOTAL, step.slot))
    state.tended.append(step.slot)


def _begin_anew(state: State, step: StepState) -> None:
    step.frame.context.pop(step.node.id, None)
    state.rare.undoable.pop(step.id, None)
    if step.work is not None:
        _forget_undoable(state, step)  # before its frames are closed, for those lead to what is inside
        for frame in [inner.frame for inner in state.nested_steps() if _is_inside(state, inner, step.slot)]:
            close_frame(state, frame)
    _count_open(state, step)
    state.steps[step.slot] = StepState(step.node, step.frame, step.slot, step.id, step.generation + 1)


def _is_inside(state: State, step: StepState, container: int) -> bool:
    frame = step.frame
    while frame.owner is not None:
        if frame.owner == container:
            return True
        frame = state.steps[frame.owner].frame
    return False


def _forget_undoable(state: State, step: StepState, kept: bytearray | None = None) -> None:
    """What had succeeded inside the container is done again, so it is undone no more; but for items that are `kept`."""
    for step_id, inner in list(state.rare.undoable.items()) if state.has_rare else ():
        frame = inner.frame
        while frame.owner is not None:
            if frame.owner == step.slot:
                if kept is None or frame.number is None or not kept[frame.number]:
                    del state.rare.undoable[step_id]
                break
            frame = state.steps[frame.owner].frame


def _count_open(state: State, step: StepState) -> None:
    step.frame.open += 1
    if step.frame.owner is None:
        state.open += 1


def _first_failure(state: State, frame: Frame) -> int | None:
    """The slot of the step whose failure still counts, the first to fail first."""
    failed = [state.steps[slot] for slot in frame.slots() if state.steps[slot].status == "failed"]
    counting = [step for step in failed if step.node.critical and not step.caught]
    return min(counting, key=lambda step: step.end_time or 0).slot if counting else None
