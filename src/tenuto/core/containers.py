"""What becomes of containers: parallels, maps and loops, as what is inside them ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.draft import Draft
from tenuto.core.events import StepError
from tenuto.core.state import Frame, ItemError, LoopWork, MapWork, StepState, is_open

_MOST_NAMED = 100


def tend(draft: Draft, step: StepState) -> None:
    """Go on with a container inside which something has ended or may begin."""
    if not is_open(step):
        return
    match step.work:
        case Frame():
            _tend_parallel(draft, step, step.work)
        case MapWork():
            _tend_map(draft, step, step.work)
        case LoopWork():
            _tend_loop(draft, step, step.work)


def _tend_parallel(draft: Draft, step: StepState, frame: Frame) -> None:
    if frame.open:
        return
    if frame.first_failure is not None:
        failed = draft.state.steps[frame.first_failure]
        assert failed.error is not None, "a failed step has an error"
        draft.fail(
            step,
            StepError(
                failed.error.type, f"step {failed.id!r}: {failed.error.message}", {"stepId": failed.id}
            ),
        )
    elif frame.is_cut:
        draft.cancel(step)
    else:
        draft.succeed(step, inp.Succeeded(), gathered=True)


def _tend_map(draft: Draft, step: StepState, work: MapWork) -> None:
    is_over = work.failures > tolerated(step, len(work.items))
    if not is_over and draft.state.cancel is None:
        room = (step.node.spec.max_concurrency or len(work.items)) - len(work.frames)
        for first, count in list(_stretches(work.todo, room)):
            draft.emit(ev.BodiesStarted(step=step.id, first=first, count=count))
    if work.frames:
        return
    if is_over:
        draft.fail(step, _map_error(work))
    elif work.failures + sum(work.done) < len(work.items):
        draft.cancel(step)
    else:
        draft.succeed(step, inp.Succeeded(), gathered=True)


def tolerated(step: StepState, items: int) -> int:
    """How many items of the map may fail: a count, or a share of the items, rounded down."""
    allowed = step.node.spec.tolerated_failures
    if isinstance(allowed, int):
        return allowed
    thousandths = round(float(allowed.removesuffix("%")) * 1000)
    return items * thousandths // 100_000


def _stretches(todo: deque[int], most: int) -> Iterator[tuple[int, int]]:
    """The first `most` numbers of those to be done, as stretches of neighbours: (first, count)."""
    first = last = None
    for number in islice(todo, max(most, 0)):
        if first is None or last is None:
            first = number
        elif number != last + 1:
            yield first, last - first + 1
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last - first + 1


def _map_error(work: MapWork) -> StepError:
    first: ItemError = work.errors[0]
    return StepError(
        first.error.type,
        f"{work.failures} of {len(work.items)} items failed; item {first.number}: {first.error.message}",
        {"failed": sorted(error.number for error in work.errors[:_MOST_NAMED])},
    )


def _tend_loop(draft: Draft, step: StepState, work: LoopWork) -> None:
    if not work.has_ended:
        return
    if work.error is not None:
        error = work.error.error
        draft.fail(
            step,
            StepError(error.type, f"round {work.round}: {error.message}", {"stepId": work.error.step}),
        )
    elif draft.state.cancel is not None:
        draft.cancel(step)
    else:
        draft.run(step)  # an attempt of the loop itself judges the round


def opened(draft: Draft, step: StepState) -> None:
    """The `when` of a container holds."""
    if draft.state.cancel is not None:
        draft.cancel(step)  # what is inside it has not started, and nothing starts any more
    else:
        draft.emit(ev.BodiesStarted(step=step.id))


def expanded(draft: Draft, step: StepState, outcome: inp.Expanded) -> None:
    """The items of a map are known."""
    draft.emit(ev.MapExpanded(step=step.id, attempt=step.attempts, items=outcome.items))


def judged(draft: Draft, step: StepState, outcome: inp.Judged) -> None:
    """A loop's `until` was evaluated after a round."""
    spec, work = step.node.spec, step.work
    assert isinstance(work, LoopWork), "only loops are judged"
    if outcome.met:
        draft.succeed(step, inp.Succeeded(), gathered=True)
    elif work.round + 1 >= spec.max_iterations:
        message = f"`until` did not hold after {spec.max_iterations} rounds, the most this loop may have"
        draft.fail(step, StepError("loop_limit", message))
    elif draft.state.cancel is not None:
        draft.cancel(step)
    elif spec.every or draft.state.status == "paused":
        draft.emit(ev.RoundJudged(step=step.id, attempt=step.attempts, next_at=draft.now + spec.every))
    else:
        next_round(draft, step)


def next_round(draft: Draft, step: StepState) -> None:
    """Begin the loop's next round."""
    assert isinstance(step.work, LoopWork), "only loops have rounds"
    if draft.state.cancel is not None:
        draft.cancel(step)
    else:
        draft.emit(ev.BodiesStarted(step=step.id, first=step.work.round + 1))
