"""Why an execution is where it is: for each step that has not ended, one sentence that says what it waits for and, where
somebody can do something about it, what. Of a map with many items under way it tells of the map, and of the few items
that wait or are tried again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from tenuto.core.events import HandlersStarted
from tenuto.core.phrases import count, due, error_text, number_of, short, since, slots_named
from tenuto.core.sentences import Before, sentence
from tenuto.core.state import Frame, LoopWork, MapWork, State, StepState
from tenuto.core.view import live_in

ITEMS_IN_FULL = 3
"""Of a map with no more items under way than this, every unfinished step of them is told of."""

MOST_HELD = 5
"""Of a map with more, so many that wait, are queued or are tried again."""

_MOST_LOOKED_AT = 10_000
_HELD = frozenset({"waiting", "retrying", "queued"})


def explain(state: State, now: int) -> list[dict[str, Any]]:
    """For each unfinished step, in the order of the definition, what is in a container after it: stepId, status,
    sentence, and where they apply `waitsFor` (ids of the steps it waits for) and `dueAt` (ms)."""
    if state.is_terminal:
        return []
    frames = [state.root] if state.phase_frame is None else [state.root, state.phase_frame]
    return [told for frame in frames for told in _of_frame(state, frame, now)]


def _of_frame(state: State, frame: Frame, now: int) -> Iterator[dict[str, Any]]:
    """Recursion follows the nesting, which is bounded."""
    before = _before(state, frame)
    for slot in frame.slots():
        step = state.steps[slot]
        if not step.has_ended:
            yield _of_step(state, step, before.get(slot, Before()), now)
            yield from _inside(state, step, now)


def _inside(state: State, step: StepState, now: int) -> Iterator[dict[str, Any]]:
    match step.work:
        case Frame():
            yield from _of_frame(state, step.work, now)
        case LoopWork() if step.work.frame is not None:
            yield from _of_frame(state, step.work.frame, now)
        case MapWork() if len(step.work.frames) <= ITEMS_IN_FULL:
            for frame in step.work.frames.values():
                yield from _of_frame(state, frame, now)
        case MapWork():
            live = (inner for frame in step.work.frames.values() for inner in live_in(state, frame))
            held = (inner for inner in islice(live, _MOST_LOOKED_AT) if inner.status in _HELD)
            for inner in islice(held, MOST_HELD):
                yield _of_step(state, inner, Before(), now)


def _before(state: State, frame: Frame) -> dict[int, Before]:
    """Of each pending step of the frame, by slot, the steps that it has an edge from and that have not ended, and those
    that have failed."""
    found: dict[int, Before] = {}
    for slot in frame.slots():
        step = state.steps[slot]
        if step.has_ended and step.status != "failed":
            continue
        for index in dict.fromkeys(edge.target for edge in step.node.out):
            target = frame.base + index
            if state.steps[target].status == "pending":
                before = found.setdefault(target, Before())
                (before.failed if step.has_ended else before.unfinished).append(step)
    return found


def _of_step(state: State, step: StepState, before: Before, now: int) -> dict[str, Any]:
    view: dict[str, Any] = {
        "stepId": step.id,
        "status": step.status,
        "sentence": sentence(state, step, before, now),
    }
    if step.status == "pending":
        view["waitsFor"] = [source.id for source in before.unfinished]
    if step.wake_at is not None:
        view["dueAt"] = step.wake_at
    return view


# -- the execution ----------------------------------------------------------------------------------------------------


def summary(state: State, now: int) -> str:
    """One sentence about the execution as a whole, at instant `now` (ms)."""
    if state.end_time is not None:
        return _ended(state, state.end_time, now)
    if state.status == "paused" and state.paused_at is not None:
        return f"The execution is paused since {since(state.paused_at, now)}; resume it to go on."
    if state.waits_for_slots:
        return _queued(state, now)
    if state.status == "pending" and state.start_at is not None:
        return f"The execution begins at {due(state.start_at, now)}."
    match state.phase:
        case "handlers":
            return _in_handlers(state)
        case "compensating":
            return _compensating(state)
        case "cancelling":
            return (
                f"The execution is being ended{_asked(state)}; {count(state.open, 'step')} still to finish."
            )
    if state.output_requested:
        return "All steps have ended well; the output is being worked out."
    return _under_way(state, now)


def _ended(state: State, end_time: int, now: int) -> str:
    asked = _asked(state) if state.status == "cancelled" and state.error is None else ""
    told = f"The execution {_END[state.status]} at {since(end_time, now)}{_because(state)}{asked}"
    if state.compensation == "complete":
        told += "; what had succeeded was undone"
    elif state.compensation == "partial":
        told += "; only part of what had succeeded was undone"
    return f"{told}; retry it to do again what failed." if state.status == "failed" else f"{told}."


_END = {"completed": "completed", "failed": "failed", "cancelled": "was cancelled"}


def _because(state: State) -> str:
    if state.error is None:
        return ""
    where = f" in `{state.error_step}`" if state.error_step is not None else ""
    return f", because of {state.error.type}{where}: {short(state.error.message)}"


def _asked(state: State) -> str:
    """Who asked that it ends, or what did, and why."""
    request = state.cancel
    if request is None:
        return ""
    if request.error is not None:
        return f", because of {error_text(request.error)}"
    by = f", by {request.by}" if request.by is not None else ""
    return f"{by}: {short(request.reason)}" if request.reason else by


def _queued(state: State, now: int) -> str:
    asked = state.start_time if state.start_at is None else state.start_at
    long = f" since {since(asked, now)}" if not state.retries else ""
    named = slots_named(state.graph.definition.concurrency)
    return f"The execution waits{long} for the slots it shares with others ({named}); see `tenuto limits`."


def _in_handlers(state: State) -> str:
    begun = state.ending
    kind = f"`{begun.handlers}` " if isinstance(begun, HandlersStarted) else ""
    still = count(state.open, "step")
    return f"The execution {_outcome(state)}; its {kind}handlers run, {still} still to end."


def _compensating(state: State) -> str:
    left = len(state.rare.to_undo)
    more = f"; {number_of(left, 'step')} to undo after it" if left else ""
    return f"The execution {_outcome(state)}; what had succeeded is undone, now `{state.undoing}`{more}."


def _outcome(state: State) -> str:
    """How it will end."""
    ending = state.ending
    if ending is None or ending.outcome == "completed":
        return "has done its steps"
    if ending.error is None:
        return "is being cancelled" if ending.outcome == "cancelled" else "fails"
    where = f" in `{ending.step}`" if ending.step is not None else ""
    return f"fails, because of {ending.error.type}{where}: {short(ending.error.message)}"


def _under_way(state: State, now: int) -> str:
    steps = len(state.graph.nodes)
    told = f"The execution is running; {count(state.open, 'step')} of {steps:,} still to end"
    if state.first_failure is not None:
        failed = state.steps[state.first_failure]
        assert failed.error is not None, "a failed step has an error"
        told += (
            f"; it will fail, because of {failed.error.type} in `{failed.id}`: {short(failed.error.message)}"
        )
    if state.deadline is not None:
        told += f"; its time is up at {due(state.deadline, now)}"
    return f"{told}."
