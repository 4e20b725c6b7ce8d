"""Why an execution is where it is: for each step that has not ended, one sentence that says what it waits for and, where
somebody can do something about it, what.
"""

from __future__ import annotations

from typing import Any

from tenuto.core.graph import Node
from tenuto.core.instants import duration_text, instant_text
from tenuto.core.joins import Run, verdict
from tenuto.core.state import TERMINAL_STEP, State, StepState

_NAMED = 3
"""How many of the steps waited for are named in a sentence; `waitsFor` has them all."""

_JOINS = {
    "one_success": "for one of these to succeed: ",
    "one_failed": "for one of these to fail: ",
    "all_failed": "for all of these to fail: ",
    "all_done": "for these to end: ",
}


def summary(state: State, now: int) -> str:
    """One sentence about the execution as a whole, at instant `now` (ms)."""
    if state.status == "paused" and state.paused_at is not None:
        return f"The execution is paused since {_since(state.paused_at, now)}; resume it to go on."
    if state.end_time is not None:
        return f"The execution {_END[state.status]} {_ago(state.end_time, now)}{_because(state)}."
    if state.phase == "cancelling":
        return f"The execution is being ended; {_count(state.open, 'step')} still to finish."
    if state.output_requested:
        return "All steps have ended well; the output is being worked out."
    late = f"; its time is up at {_due(state.deadline, now)}" if state.deadline is not None else ""
    return f"The execution is running; {_count(state.open, 'step')} of {len(state.graph.nodes)} still to end{late}."


def explain(state: State, now: int) -> list[dict[str, Any]]:
    """For each unfinished step, in the order of the definition: stepId, status, sentence, and where they apply
    `waitsFor` (ids of the steps it waits for) and `dueAt` (ms)."""
    if state.is_terminal:
        return []
    sources = _undecided_sources(state)
    return [
        _explain_step(state, node, step, sources.get(node.index, []), now)
        for node, step in zip(state.graph.nodes, state.own_steps(), strict=True)
        if step.status not in TERMINAL_STEP
    ]


def _undecided_sources(state: State) -> dict[int, list[int]]:
    """The unfinished steps that each pending step has an edge from."""
    sources: dict[int, list[int]] = {}
    for node, step in zip(state.graph.nodes, state.own_steps(), strict=True):
        if step.status in TERMINAL_STEP:
            continue
        for target in dict.fromkeys(edge.target for edge in node.out):
            if state.steps[target].status == "pending":
                sources.setdefault(target, []).append(node.index)
    return sources


def _explain_step(state: State, node: Node, step: StepState, sources: list[int], now: int) -> dict[str, Any]:
    view: dict[str, Any] = {"stepId": node.id, "status": step.status}
    match step.status:
        case "running":
            view["sentence"] = _running(node, step, now)
        case "retrying":
            view["sentence"] = _retrying(state, node, step, now)
        case "waiting":
            view["sentence"] = _waiting(state, node, step, now)
        case _:
            view["sentence"] = _pending(state, node, step, sources, now)
            view["waitsFor"] = [state.graph.nodes[i].id for i in sources]
    if step.wake_at is not None:
        view["dueAt"] = step.wake_at
    return view


def _running(node: Node, step: StepState, now: int) -> str:
    start = f"`{node.id}` is running its attempt {_attempt(node, step, step.attempts)} of action {node.spec.action}"
    if step.attempts > 1 or step.start_time is None:
        return f"{start}{_after_error(step)}."
    limit = f"; each attempt may take {duration_text(node.timeout)}" if node.timeout else ""
    return f"{start} since {_since(step.start_time, now)}{limit}."


def _retrying(state: State, node: Node, step: StepState, now: int) -> str:
    due = now if step.wake_at is None else step.wake_at
    attempt = _attempt(node, step, step.attempts + 1)
    after = _after_error(step) or f", after attempt {step.attempts} was lost with its process"
    return f"`{node.id}` waits for its attempt {attempt}, due at {_due(due, now)}{after}{_held(state)}."


def _waiting(state: State, node: Node, step: StepState, now: int) -> str:
    what = "its timer" if step.waiting_for == "timer" else str(step.waiting_for)
    until = f", due at {_due(step.wake_at, now)}" if step.wake_at is not None else ""
    return f"`{node.id}` waits for {what}{until}{_held(state)}."


def _pending(state: State, node: Node, step: StepState, sources: list[int], now: int) -> str:
    if state.status == "paused" and (not sources or isinstance(verdict(node, step), Run)):
        return f"`{node.id}` could start, but the execution is paused; resume it."
    if not sources:
        return f"`{node.id}` can start now."
    named = [_source(state, i, now) for i in sources[:_NAMED]]
    if len(sources) > _NAMED:
        named.append(f"{len(sources) - _NAMED} more")
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])}, and {named[-1]}"
    return f"`{node.id}` waits {_JOINS.get(node.join, 'for ')}{listed}."


def _source(state: State, i: int, now: int) -> str:
    node, step = state.graph.nodes[i], state.steps[i]
    match step.status:
        case "running" if step.start_time is not None:
            return f"`{node.id}`, which is running since {_since(step.start_time, now)}"
        case "retrying" if step.wake_at is not None:
            return f"`{node.id}`, which is tried again at {_due(step.wake_at, now)}"
        case "waiting":
            return f"`{node.id}`, which waits for {'its timer' if step.waiting_for == 'timer' else step.waiting_for}"
        case _:
            return f"`{node.id}`, which has not started"


def _attempt(node: Node, step: StepState, number: int) -> str:
    """`2 of 5`; no more than the number where interruptions make it say little."""
    most = node.policy.max_attempts
    return f"{number} of {most}" if most > 1 and not step.infra else str(number)


def _after_error(step: StepState) -> str:
    if step.error is None:
        return ""
    return f", after {step.error.type}: {_short(step.error.message)}"


def _short(message: str) -> str:
    line = " ".join(message.split()).rstrip(".")
    return line if len(line) <= 200 else line[:199] + "…"


def _held(state: State) -> str:
    return "; it is held while the execution is paused, so resume it" if state.status == "paused" else ""


def _due(at: int, now: int) -> str:
    return f"{instant_text(at)} ({f'in {duration_text(at - now)}' if at > now else 'now'})"


def _since(at: int, now: int) -> str:
    return f"{instant_text(at)} ({duration_text(now - at)} ago)"


def _ago(at: int, now: int) -> str:
    return f"at {instant_text(at)} ({duration_text(now - at)} ago)"


def _because(state: State) -> str:
    if state.error is None:
        return ""
    where = f" in `{state.error_step}`" if state.error_step is not None else ""
    return f", because of {state.error.type}{where}: {_short(state.error.message)}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


_END = {"completed": "completed", "failed": "failed", "cancelled": "was cancelled"}
