"""One sentence about one step that has not ended: what it does or waits for, since when, and what would move it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tenuto.core.containers import tolerated
from tenuto.core.instants import duration_text
from tenuto.core.joins import Run, Skip, verdict
from tenuto.core.phrases import count, due, error_text, listed, number_of, since, slots_named
from tenuto.core.state import Approvals, Frame, LoopWork, MapWork, State, StepState

_NAMED = 3
"""How many of the steps waited for are named in a sentence; `waitsFor` has them all."""

_JOINS = {
    "one_success": "for one of these to succeed: ",
    "one_failed": "for one of these to fail: ",
    "all_failed": "for all of these to fail: ",
    "all_done": "for these to end: ",
}


class Before:
    """The steps before a pending one: those that have not ended, and those that have failed."""

    __slots__ = ("failed", "unfinished")

    def __init__(self) -> None:
        self.unfinished: list[StepState] = []
        self.failed: list[StepState] = []


def sentence(state: State, step: StepState, before: Before, now: int) -> str:
    """The sentence about the step at instant `now` (ms)."""
    match step.status:
        case "pending":
            told = _pending(state, step, before, now)
        case "queued":
            told = _queued(state, step, now)
        case "retrying":
            told = _retrying(state, step, now)
        case "waiting":
            told = _waiting(state, step, now)
        case _ if step.node.kind == "task" or step.work is None:
            told = _running(step, now)
        case _:
            told = _open(state, step, now)
    return f"`{step.id}`{_role(state, step)} {told}{_limit(step, now)}."


def _role(state: State, step: StepState) -> str:
    """What a step is besides one of the workflow's own."""
    match step.frame.block.kind:
        case "undo":
            left = len(state.rare.to_undo)
            more = f"; {number_of(left, 'step')} to undo after it" if left else ""
            return f" (it undoes `{state.undoing}`{more})"
        case "handler":
            return f" (a handler of the execution's {_ENDS[state.ending.outcome] if state.ending else 'end'})"
    return ""


_ENDS = {"completed": "completion", "failed": "failure", "cancelled": "cancellation"}


def _limit(step: StepState, now: int) -> str:
    """When its `totalTimeout` is up, if nothing ends it before."""
    if step.deadline is None or (step.wake_at is not None and step.wake_at <= step.deadline):
        return ""
    return f"; its `totalTimeout` is up at {due(step.deadline, now)}"


# -- at work ----------------------------------------------------------------------------------------------------------


def _running(step: StepState, now: int) -> str:
    node = step.node
    told = f"is running its attempt {_attempt(step, step.attempts)} of action {node.spec.action}"
    limit = f"; each attempt may take {duration_text(node.timeout)}" if node.timeout else ""
    if node.kind != "task":
        told, limit = ("is working out its items" if node.kind == "map" else "is about to begin"), ""
    began = f" since {since(step.since, now)}" if step.since is not None else ""
    return f"{told}{began}{_after_error(step)}{limit}"


def _open(state: State, step: StepState, now: int) -> str:
    """Of a container, how far it has come."""
    began = f", since {since(step.start_time, now)}" if step.start_time is not None else ""
    match step.work:
        case Frame():
            steps = len(step.work.block.nodes)
            return f"waits for the steps inside it, {step.work.open:,} of {steps:,} still to end{began}"
        case MapWork():
            return f"is doing its items{began}: {_items(state, step, step.work)}"
        case LoopWork() if step.acting:
            done = count(step.work.round + 1, "round")
            return f"has done {done} and is finding out whether `until` holds{_after_error(step)}"
        case LoopWork():
            done, most = count(step.work.round, "round"), step.node.spec.max_iterations
            return f"has done {done} and is doing the next, of at most {most:,}{began}"
    return f"is under way{began}"


def _items(state: State, step: StepState, work: MapWork) -> str:
    total = len(work.items)
    parts = [f"{sum(work.done):,} of {total:,} have succeeded"]
    may = tolerated(step, total)
    if work.failures:
        parts.append(f"{work.failures:,} failed ({may:,} may)")
    parts.append(f"{len(work.frames):,} under way")
    if work.failures > may:
        parts.append("no further one begins, for too many have failed")
    elif work.todo and state.status == "paused":
        parts.append(f"{len(work.todo):,} to come, held while the execution is paused")
    elif work.todo:
        parts.append(f"{len(work.todo):,} to come")
    return ", ".join(parts)


# -- put off ----------------------------------------------------------------------------------------------------------


def _queued(state: State, step: StepState, now: int) -> str:
    named = slots_named(step.node.spec.concurrency)
    began = f" since {since(step.since, now)}" if step.since is not None else ""
    until = f"; it fails if it has none by {due(step.wake_at, now)}" if step.wake_at is not None else ""
    told = f"waits{began} for the slots it shares with others ({named}); see `tenuto limits`"
    return f"{told}{_after_error(step)}{until}{_held(state)}"


def _retrying(state: State, step: StepState, now: int) -> str:
    at = now if step.wake_at is None else step.wake_at
    attempt = _attempt(step, step.attempts + 1)
    after = _after_error(step) or f", after attempt {step.attempts} was lost with its process"
    return f"waits for its attempt {attempt}, due at {due(at, now)}{after}{_held(state)}"


def _attempt(step: StepState, number: int) -> str:
    """`2 of 5`; no more than the number where interruptions make it say little."""
    most = step.node.policy.max_attempts
    return f"{number} of {most}" if most > 1 and not step.infra else str(number)


def _after_error(step: StepState) -> str:
    return "" if step.error is None else f", after {error_text(step.error)}"


def _held(state: State) -> str:
    return "; it is held while the execution is paused, so resume it" if state.status == "paused" else ""


# -- waiting ----------------------------------------------------------------------------------------------------------


def _waiting(state: State, step: StepState, now: int) -> str:
    kind, _, name = (step.waiting_for or "").partition(":")
    began = f" since {since(step.since, now)}" if step.since is not None else ""
    match kind:
        case "timer":
            at = f", due at {due(step.wake_at, now)}" if step.wake_at is not None else ""
            return f"waits for its timer{began}{at}{_held(state)}"
        case "round":
            return _between_rounds(state, step, now)
        case "signal":
            return f"waits{began} for the signal `{name}`{_signal(state, step, name)}{_until(step, now)}"
        case "approval":
            return f"waits{began} for {_approval(state, step)}{_until(step, now)}"
        case "callback":
            return f"waits{began} to be called back: POST to its callback URL{_until(step, now)}"
        case "child":
            told = f"waits{began} for the execution `{name}` to end; `tenuto explain {name}` tells of that"
            return told + _until(step, now)
        case "person":
            return _parked(state, step, began)
    return f"waits{began} for {step.waiting_for}{_until(step, now)}"


def _until(step: StepState, now: int) -> str:
    """When it stops waiting, and what comes of it then."""
    if step.wake_at is None or step.wait is None:
        return ""
    return f"; {_ON_TIME[step.wait.on_time]} if that has not come by {due(step.wake_at, now)}"


_ON_TIME = {
    "succeed": "it goes on",
    "fail": "it times out",
    "reject": "it is rejected",
    "approve": "it is approved",
}


def _signal(state: State, step: StepState, name: str) -> str:
    first = state.rare.listening.get(name, [step.slot]).index(step.slot)
    behind = f"; {_waiters(first)} before it" if first else ""
    return f"; send it: POST /executions/{state.execution_id}/signals/{quote(name, safe='')}{behind}"


def _waiters(number: int) -> str:
    return "another step has waited for that" if number == 1 else f"{number:,} steps have waited for that"


def _approval(state: State, step: StepState) -> str:
    details = (step.wait.details if step.wait is not None else None) or {}
    given = step.work.given if isinstance(step.work, Approvals) else []
    quorum = details.get("minApprovals", 1)
    verb = f"POST {_path(state, step)}/approve, or …/reject"
    return f"an approval{_so_far(given, quorum)}; {_who(details, given)} may give it: {verb}"


def _so_far(given: list[dict[str, Any]], quorum: int) -> str:
    if quorum == 1:
        return ""
    by = f" (by {listed([answer['by'] for answer in given], _NAMED)})" if given else ""
    return f", {len(given):,} of {quorum:,} given{by}"


def _who(details: dict[str, Any], given: list[dict[str, Any]]) -> str:
    answered = {answer["by"] for answer in given}
    left = [name for name in details.get("approvers") or [] if name not in answered]
    if left:
        return listed(left, _NAMED, "or")
    return "anybody else" if given else "anybody"


def _parked(state: State, step: StepState, began: str) -> str:
    path = _path(state, step)
    failed = f", after its attempt {step.attempts} failed with {error_text(step.error)}" if step.error else ""
    verbs = f"POST {path}/retry, …/complete, …/skip or …/fail"
    return f"waits{began} for a person{failed}; retry, complete, skip or fail it: {verbs}"


def _path(state: State, step: StepState) -> str:
    return f"/executions/{state.execution_id}/steps/{quote(step.id, safe='')}"


def _between_rounds(state: State, step: StepState, now: int) -> str:
    done = step.work.round + 1 if isinstance(step.work, LoopWork) else 0
    at = f"; the next begins at {due(step.wake_at, now)}" if step.wake_at is not None else ""
    return f"has done {count(done, 'round')}, after which `until` did not hold{at}{_held(state)}"


# -- not begun --------------------------------------------------------------------------------------------------------


def _pending(state: State, step: StepState, before: Before, now: int) -> str:
    if not before.unfinished and state.status == "pending":
        return "starts when the execution begins"
    answer = verdict(step.node, step)
    if state.status == "paused":
        if isinstance(answer, Run):
            return "could start, but the execution is paused; resume it"
        if isinstance(answer, Skip):
            return f"will be skipped when the execution is resumed{_although(before)}"
    if not before.unfinished:
        return "can start now"
    named = [_source(source, now) for source in before.unfinished[:_NAMED]]
    if len(before.unfinished) > _NAMED:
        named.append(f"{len(before.unfinished) - _NAMED:,} more")
    told = named[0] if len(named) == 1 else f"{', '.join(named[:-1])}, and {named[-1]}"
    return f"waits {_join(step)}{told}{_although(before)}"


def _join(step: StepState) -> str:
    if step.node.join == "at_least":
        return f"for {step.node.at_least:,} of {step.node.in_count:,} ways to it, {step.live:,} of which lead there already: "
    return _JOINS.get(step.node.join, "for ")


def _although(before: Before) -> str:
    """The failures before it, which may be why it is never done."""
    failed = [f"`{step.id}` has failed{_of(step)}" for step in before.failed[:_NAMED]]
    if len(before.failed) > _NAMED:
        failed.append(f"{len(before.failed) - _NAMED:,} more have failed")
    return f"; {' and '.join(failed)}" if failed else ""


def _of(step: StepState) -> str:
    return "" if step.error is None else f" ({step.error.type})"


def _source(step: StepState, now: int) -> str:
    match step.status:
        case "running" if step.start_time is not None:
            return f"`{step.id}`, which is running since {since(step.start_time, now)}"
        case "retrying" if step.wake_at is not None:
            return f"`{step.id}`, which is tried again at {due(step.wake_at, now)}"
        case "queued":
            return f"`{step.id}`, which waits for its slots"
        case "waiting":
            return f"`{step.id}`, which waits for {waited_for(step.waiting_for)}"
        case _:
            return f"`{step.id}`, which has not started"


def waited_for(waiting_for: str | None) -> str:
    """What a step waits for, in a few words."""
    kind, _, name = (waiting_for or "something").partition(":")
    named = {
        "timer": "its timer",
        "round": "its next round",
        "signal": f"the signal `{name}`",
        "approval": "an approval",
        "callback": "a callback",
        "child": f"the execution `{name}`",
        "person": "a person",
    }
    return named.get(kind, str(waiting_for))
