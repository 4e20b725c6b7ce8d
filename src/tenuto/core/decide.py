"""What happens next: `decide` takes what happened to one execution and answers with facts, commands and messages.

Pure: time and noise come in with the inputs, and the same inputs in the same order give the same decision. The
facts are folded into the state as they are made, so a caller whose commit fails throws the state away and folds the
journal again. Nothing here recurses over steps; one worklist carries every chain of skips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop
from typing import Any, assert_never

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core import people
from tenuto.core.commands import AcquireExecution, AcquireSlots, Command, ComputeOutput
from tenuto.core.containers import expanded, judged, next_round, opened, tend
from tenuto.core.definition import INFRA_ATTEMPTS
from tenuto.core.draft import Decision, Draft, Refusal
from tenuto.core.endings import Ending, conclude, go_on, terminate
from tenuto.core.events import StepError
from tenuto.core.joins import RUN, Skip, verdict
from tenuto.core.people import approval
from tenuto.core.reset import to_redo
from tenuto.core.state import (
    DEADLINE,
    QUEUE,
    RETRY,
    START,
    TOTAL,
    Approvals,
    LoopWork,
    State,
    StepState,
    timer_holds,
)

__all__ = ["Decision", "Refusal", "decide", "lost_attempts", "pending_commands"]


def decide(state: State, inputs: Sequence[inp.Input], now: int, *, hold: bool = False) -> Decision:
    """Decide what the inputs, taken in order at instant `now` (ms), bring about. Changes `state` by the events it
    answers with, and by nothing else. With `hold` it records what happened and starts nothing: the way a node
    that is stopping keeps outcomes; whoever takes the execution up next has it look again (`state.look_again`)."""
    draft = Draft(state, now)
    for given in inputs:
        _TAKES[type(given)](draft, given)
    if not hold:
        if state.timers:
            _fire_timers(draft)
        _propagate(draft)
        while not state.open and conclude(draft):
            _propagate(draft)
    return draft.decision


def lost_attempts(state: State, *, counted: bool = True) -> list[inp.AttemptLost]:
    """The inputs that tell an execution, taken up from its journal, that what ran is gone."""
    return [
        inp.AttemptLost(slot, step.attempts, step.generation, counted)
        for slot, step in enumerate(state.steps)
        if step.acting
    ]


def pending_commands(state: State) -> list[Command]:
    """What the journal of an execution says was asked for and not answered, attempts apart."""
    commands: list[Command] = []
    if state.output_requested:
        commands.append(ComputeOutput())
    if state.waits_for_slots:
        commands.append(AcquireExecution())
    return commands + _slots_asked_for(state)


def _slots_asked_for(state: State) -> list[Command]:
    if not state.queued:
        return []
    return [AcquireSlots(step.slot, step.generation) for step in state.steps if step.status == "queued"]


# -- inputs: the execution --------------------------------------------------------------------------------------------


def _start(draft: Draft, given: inp.Start) -> None:
    state = draft.state
    start_at = given.start_at if given.start_at is not None and given.start_at > draft.now else None
    queued = bool(state.graph.definition.concurrency) and start_at is None
    draft.emit(
        ev.ExecutionStarted(
            execution_id=given.execution_id,
            workflow_id=state.workflow_id,
            version=state.version,
            context=given.context,
            priority=given.priority,
            tags=given.tags,
            start_at=start_at,
            queued=queued,
            parent=given.parent,
            fork_of=given.fork_of,
        )
    )
    for copied in given.copied:
        draft.emit(copied)
    if queued:
        draft.decision.commands.append(AcquireExecution())


def _execution_granted(draft: Draft, given: inp.ExecutionGranted) -> None:
    if not draft.state.waits_for_slots:
        draft.refuse(given, "the execution does not wait for slots")
    elif given.refused is not None:
        draft.stop(ev.CancelRequested(reason=given.refused))
    else:
        draft.emit(ev.ExecutionBegan())


def _output_computed(draft: Draft, given: inp.OutputComputed) -> None:
    if not draft.state.output_requested or given.life not in (None, draft.state.retries):
        draft.refuse(given, "no output is being worked out")
    elif given.error is not None:
        go_on(draft, Ending("failed", None, given.error))
    else:
        go_on(draft, Ending("completed", given.value))


def _cancelled(draft: Draft, given: inp.Cancel) -> None:
    state = draft.state
    if state.is_terminal:
        draft.refuse(given, "the execution has ended")
    elif state.ending is not None:
        draft.refuse(
            given, "the execution is ending: its handlers or compensations run; terminate ends it at once"
        )
    elif state.cancel is not None and state.cancel.mode == "cancel":
        draft.refuse(given, "the execution is being cancelled already")
    else:
        draft.stop(ev.CancelRequested(by=given.by, reason=given.reason))


def _terminated(draft: Draft, given: inp.Terminate) -> None:
    if draft.state.is_terminal:
        draft.refuse(given, "the execution has ended")
    else:
        terminate(draft, given)


def _paused(draft: Draft, given: inp.Pause) -> None:
    if draft.state.status != "running" or draft.state.cancel is not None:
        draft.refuse(given, f"the execution is {_describe(draft.state)}")
    else:
        draft.emit(ev.ExecutionPaused(by=given.by, reason=given.reason))


def _resumed(draft: Draft, given: inp.Resume) -> None:
    if draft.state.status != "paused":
        draft.refuse(given, f"the execution is {_describe(draft.state)}")
    else:
        draft.emit(ev.ExecutionResumed(by=given.by, reason=given.reason))
        # What was granted meanwhile was given back.
        draft.decision.commands.extend(_slots_asked_for(draft.state))


def _retried(draft: Draft, given: inp.Retry) -> None:
    if draft.state.status != "failed":
        draft.refuse(given, f"the execution is {_describe(draft.state)}")
    else:
        steps, reopened = to_redo(draft.state)
        draft.retry(ev.ExecutionRetried(steps=steps, by=given.by, reason=given.reason, reopened=reopened))


def _describe(state: State) -> str:
    if state.phase in ("handlers", "compensating"):
        return "ending: its handlers or compensations run"
    return "being cancelled" if state.phase == "cancelling" else state.status


# -- inputs: attempts -------------------------------------------------------------------------------------------------


def _attempt_ended(draft: Draft, given: inp.AttemptEnded) -> None:
    step = draft.state.steps[given.step]
    if not _is_current(step, given):
        draft.refuse(given, "the attempt is not the one that runs")
        return
    outcome = given.outcome
    match outcome:
        case inp.Succeeded():
            draft.succeed(step, outcome)
        case inp.Failed():
            draft.attempt_failed(step, outcome, given.noise)
        case inp.Waiting():
            draft.wait(step, outcome)
        case inp.ConditionFalse():
            draft.skip(step, "condition_false")
        case inp.Opened():
            opened(draft, step)
        case inp.Expanded():
            expanded(draft, step, outcome)
        case inp.Judged():
            judged(draft, step, outcome)
        case inp.Finished():
            _finished(draft, step, outcome)
        case _:
            assert_never(outcome)


def _finished(draft: Draft, step: StepState, outcome: inp.Finished) -> None:
    """The step ends the execution here; one that is ending already ends as it would have."""
    draft.succeed(step, inp.Succeeded(outcome.output))
    if draft.state.cancel is not None or draft.state.ending is not None:
        return
    error = None
    if outcome.status == "failed":
        error = StepError("finished", outcome.message or f"step {step.id!r} ended the execution as failed")
    draft.stop(
        ev.CancelRequested(
            outcome=outcome.status, error=error, reason=outcome.message, step=step.id, output=outcome.output
        )
    )


def _attempt_lost(draft: Draft, given: inp.AttemptLost) -> None:
    step = draft.state.steps[given.step]
    if not _is_current(step, given):
        draft.refuse(given, "the attempt is not the one that runs")
    elif step.report is not None:
        draft.end_by_report(step, step.report)  # whoever said it was answered, and does not say it again
    elif given.counted and step.lost >= INFRA_ATTEMPTS:
        message = f"the attempt was lost with its process, {INFRA_ATTEMPTS + 1} times in all"
        draft.fail(step, StepError("infra", message))
    else:
        draft.emit(
            ev.AttemptInterrupted(
                step=step.id, attempt=step.attempts, retry_at=draft.now, counted=given.counted
            )
        )


def _slots_granted(draft: Draft, given: inp.SlotsGranted) -> None:
    step = draft.state.steps[given.step]
    if step.status != "queued" or step.generation != given.generation:
        draft.refuse(given, "the step does not wait for slots")
    elif given.error is not None:
        draft.fail(step, given.error)
    elif draft.state.status == "paused":
        draft.refuse(given, "the execution is paused")
    else:
        draft.run(step)


def _is_current(step: StepState, given: inp.AttemptEnded | inp.AttemptLost) -> bool:
    return step.acting and step.attempts == given.attempt and step.generation == given.generation


def _time_came(draft: Draft, given: inp.TimeCame) -> None:
    """Nothing of its own: every decision looks at the timers."""


# -- time -------------------------------------------------------------------------------------------------------------


def _fire_timers(draft: Draft) -> None:
    state = draft.state
    timers = state.timers
    while timers and timers[0][0] <= draft.now and state.status in ("running", "pending"):
        timer = heappop(timers)
        if timer_holds(state, timer):
            _fire(draft, timer[1], timer[2])


def _fire(draft: Draft, kind: int, slot: int) -> None:
    state = draft.state
    if kind == DEADLINE:
        timeout = state.graph.definition.timeout
        error = StepError("timeout", f"the execution took longer than its timeout of {timeout} ms")
        draft.stop(ev.CancelRequested(outcome="failed", error=error))
        return
    if kind == START:
        _start_came(draft)
        return
    step = state.steps[slot]
    if kind == RETRY:
        draft.begin(step)
    elif kind == QUEUE:
        message = f"it waited for its slots longer than queueTimeout, {step.node.queue_timeout} ms"
        draft.fail(step, StepError("timeout", message))
    elif kind == TOTAL:
        draft.abandon(step)
        total = step.node.total_timeout
        message = f"all attempts and waits together took longer than totalTimeout, {total} ms"
        draft.fail(step, StepError("timeout", message))
        draft.cancel_inside(step)
    elif isinstance(step.work, LoopWork):
        next_round(draft, step)
    else:
        _wait_over(draft, step)


def _start_came(draft: Draft) -> None:
    if draft.state.graph.definition.concurrency:
        draft.emit(ev.ExecutionQueued())
        draft.decision.commands.append(AcquireExecution())
    else:
        draft.emit(ev.ExecutionBegan())


def _wait_over(draft: Draft, step: StepState) -> None:
    """The instant that ends a wait has come: for a timer that is what it waited for, for the others it is too late."""
    wait = step.wait
    assert wait is not None, "a step that waits knows for what"
    match wait.on_time:
        case "succeed":
            draft.succeed(step, inp.Succeeded(step.result))
        case "fail":
            draft.abandon(step)
            error = StepError("timeout", f"{_awaited(wait.waiting_for)} did not come in time")
            draft.retry_or_fail(step, inp.Failed(error), 0.0)
        case "reject":
            draft.fail(step, StepError("rejected", "nobody approved in time"))
        case "approve":
            given = step.work.given if isinstance(step.work, Approvals) else []
            silent = {"by": None, "comment": "approved when its time was up", "data": None, "at": draft.now}
            draft.succeed(step, inp.Succeeded(approval([*given, silent])))
        case _:
            assert_never(wait.on_time)


def _awaited(waiting_for: str) -> str:
    kind, _, name = waiting_for.partition(":")
    names = {
        "signal": f"the signal {name!r}",
        "approval": "the approval",
        "callback": "the callback",
        "child": f"the end of execution {name!r}",
    }
    return names.get(kind, waiting_for)


# -- steps ------------------------------------------------------------------------------------------------------------


def _propagate(draft: Draft) -> None:
    """Look at every step whose edges were decided: start it, skip it, or leave it waiting; and go on with every
    container inside which something ended."""
    state = draft.state
    if state.status != "running":
        return
    touched, tended = state.touched, state.tended
    while touched or tended:
        for slot in touched:  # what is touched meanwhile is looked at in the same round
            step = state.steps[slot]
            if step.status == "pending":
                _look_at(draft, step)
        touched.clear()
        if tended:
            containers = list(dict.fromkeys(tended))
            tended.clear()
            for slot in containers:
                tend(draft, state.steps[slot])


def _look_at(draft: Draft, step: StepState) -> None:
    node = step.node
    answer = verdict(node, step)
    if answer is RUN:
        draft.begin(step)
        if node.cancel_remaining:
            _give_up_sources(draft, step)
    elif isinstance(answer, Skip):
        draft.skip(step, answer.reason, answer.cause)


def _give_up_sources(draft: Draft, step: StepState) -> None:
    """The join is met: the other steps before it are not needed any more."""
    for source in step.node.sources:
        other = draft.state.steps[step.frame.base + source]
        if other.has_ended:
            continue
        if other.status == "pending":
            draft.skip(other, "not_needed", step.id)
        else:
            draft.cancel(other, "not_needed")
            draft.cancel_inside(other, "not_needed")


_TAKES: dict[type[Any], Callable[[Draft, Any], None]] = {
    inp.AttemptEnded: _attempt_ended,
    inp.Start: _start,
    inp.AttemptLost: _attempt_lost,
    inp.TimeCame: _time_came,
    inp.SlotsGranted: _slots_granted,
    inp.ExecutionGranted: _execution_granted,
    inp.OutputComputed: _output_computed,
    inp.Cancel: _cancelled,
    inp.Terminate: _terminated,
    inp.Pause: _paused,
    inp.Resume: _resumed,
    inp.Retry: _retried,
    inp.Signal: people.signal,
    inp.Approve: people.approve,
    inp.Complete: people.complete,
    inp.SkipStep: people.skip_step,
    inp.RetryStep: people.retry_step,
    inp.ChildEnded: people.child_ended,
}
