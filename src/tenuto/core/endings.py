"""How an execution ends: when nothing runs, waits or can still run, its output is worked out, its handlers run, what
succeeded is undone if it did not end well, and then it has ended.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import ComputeOutput
from tenuto.core.draft import Draft
from tenuto.core.events import StepError
from tenuto.core.graph import HandlerKind
from tenuto.core.state import State
from tenuto.core.view import output


class Ending(NamedTuple):
    """How the execution ends: of one that fails, with what error and by which step."""

    outcome: Literal["completed", "failed", "cancelled"]
    output: Any = None
    error: StepError | None = None
    step: str | None = None


_WELL = Ending("completed")


def conclude(draft: Draft) -> bool:
    """Go on to the end if nothing is left to do. True if that began more steps."""
    state = draft.state
    if state.open or state.status != "running":
        return False
    ending = _how_it_ends(state)
    if ending is None:
        if not state.output_requested:
            draft.emit(ev.OutputRequested())
            draft.decision.commands.append(ComputeOutput())
        return False
    return go_on(draft, ending)


def _how_it_ends(state: State) -> Ending | None:
    """The outcome as far as the steps say; None where the output is to be worked out first."""
    if isinstance(state.ending, ev.HandlersStarted):
        return _after_handlers(state, state.ending)
    if state.ending is not None:
        return Ending(state.ending.outcome, None, state.ending.error, state.ending.step)
    request = state.cancel
    if request is not None and request.outcome == "cancelled":
        return Ending("cancelled", None, request.error, request.step)
    if state.first_failure is not None:
        first = state.steps[state.first_failure]
        assert first.error is not None, "a failed step has an error"
        return Ending("failed", None, first.error, first.id)
    if request is not None and request.outcome == "failed":
        assert request.error is not None, "what fails an execution has an error"
        return Ending("failed", None, request.error, request.step)
    definition = state.graph.definition
    if definition.output_schema is not UNSET:
        return None
    if request is not None and request.output is not None:
        return Ending("completed", request.output)
    return _WELL if definition.output is UNSET else None


def _after_handlers(state: State, begun: ev.HandlersStarted) -> Ending:
    frame = state.phase_frame
    if begun.outcome == "completed" and frame is not None and frame.first_failure is not None:
        failed = state.steps[frame.first_failure]
        assert failed.error is not None, "a failed step has an error"
        return Ending("failed", None, failed.error, failed.id)
    return Ending(begun.outcome, begun.output, begun.error, begun.step)


def go_on(draft: Draft, ending: Ending) -> bool:
    """The next of handlers, compensations and the end itself. True if that began more steps."""
    state = draft.state
    if state.began and state.phase != "compensating":
        handlers = _next_handlers(state, ending)
        if handlers is not None:
            draft.emit(ev.HandlersStarted(handlers, ending.outcome, ending.output, ending.error, ending.step))
            return True
        _begin_compensation(draft, ending)
    if state.phase == "compensating" and _undo_next(draft):
        return True
    _end(draft, ending)
    return False


def _next_handlers(state: State, ending: Ending) -> HandlerKind | None:
    """Those for the outcome, then those that always run; a kind runs once."""
    if not state.graph.handlers or "always" in state.rare.handlers_done:
        return None
    wanted = _HANDLERS[ending.outcome]
    return next((k for k in wanted if k in state.graph.handlers and k not in state.rare.handlers_done), None)


_HANDLERS: dict[str, tuple[HandlerKind, ...]] = {
    "completed": ("always",),
    "failed": ("failure", "always"),
    "cancelled": ("cancel", "always"),
}


def _begin_compensation(draft: Draft, ending: Ending) -> None:
    state = draft.state
    if ending.outcome == "completed" or not state.has_rare or not state.rare.undoable:
        return
    if ending.outcome in state.graph.definition.compensation.on:
        steps = list(reversed(state.rare.undoable))
        draft.emit(ev.CompensationStarted(ending.outcome, steps, ending.error, ending.step))


def _undo_next(draft: Draft) -> bool:
    state = draft.state
    if state.phase_frame is not None:
        assert state.undoing is not None, "a compensation that runs undoes a step"
        draft.emit(ev.UndoEnded(state.undoing, state.phase_frame.first_failure is None))
    if not state.rare.to_undo:
        return False
    draft.emit(ev.UndoStarted(state.rare.to_undo[-1]))
    return True


def _end(draft: Draft, ending: Ending) -> None:
    state = draft.state
    match ending.outcome:
        case "completed":
            draft.emit(ev.ExecutionCompleted(output=ending.output))
            draft.notify_end("onComplete")
        case "failed":
            assert ending.error is not None, "what fails an execution has an error"
            draft.emit(ev.ExecutionFailed(error=ending.error, step=ending.step))
            draft.notify_end("onFailure")
        case "cancelled":
            asked = state.cancel
            assert asked is not None, "somebody asked for what is cancelled"
            draft.emit(ev.ExecutionCancelled(by=asked.by, reason=asked.reason))
            draft.notify_end("onCancel")
    tell_family(draft)


def tell_family(draft: Draft) -> None:
    """Once ended: tell the execution that waits for this one, and end those that end with it."""
    state = draft.state
    parent = state.parent
    if parent is not None and parent.wait:
        error = state.error
        if state.status == "cancelled":
            error = StepError("cancelled", f"the execution {state.execution_id} was cancelled")
        result = output(state) if state.status == "completed" else None
        ended = inp.ChildEnded(parent.step, parent.generation, state.execution_id, result, error)
        draft.post(parent.execution_id, ended)
    for child in state.rare.children if state.has_rare else ():
        draft.post(child, inp.Cancel(by=f"execution {state.execution_id}", reason="its parent has ended"))


def terminate(draft: Draft, given: inp.Terminate) -> None:
    """End at once: no handler, no compensation."""
    draft.give_up("cancel")
    draft.emit(ev.ExecutionCancelled(terminated=True, by=given.by, reason=given.reason))
    draft.notify_end("onCancel")
    tell_family(draft)
