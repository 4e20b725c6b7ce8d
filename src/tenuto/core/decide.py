"""What happens next: `decide` takes what happened to one execution and answers with facts, commands and messages.

Pure: time and noise come in with the inputs, and the same inputs in the same order give the same decision. The
facts are folded into the state as they are made, so a caller whose commit fails throws the state away and folds the
journal again. Nothing here recurses over steps; one worklist carries every chain of skips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop
from typing import Any, NamedTuple, assert_never

from msgspec import UNSET

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AbandonAttempt, Command, ComputeOutput, Message, RunAttempt
from tenuto.core.definition import INFRA_ATTEMPTS
from tenuto.core.events import StepError
from tenuto.core.graph import Node
from tenuto.core.joins import WAIT, Run, Skip, verdict
from tenuto.core.notices import execution_notice, step_notice
from tenuto.core.retry import delay_before, is_retryable
from tenuto.core.state import DEADLINE, RETRY, TERMINAL_STEP, TOTAL, State, StepState, apply, timer_holds
from tenuto.core.state import WAIT as WAIT_TIMER


class Refusal(NamedTuple):
    """An input that came too late or twice, and changed nothing."""

    given: inp.Input
    why: str


class Decision(NamedTuple):
    """What was decided, all of it to be written in one record. `events` may be empty: then nothing happened."""

    events: list[ev.AnyEvent]
    commands: list[Command]
    messages: list[Message]
    refused: list[Refusal]


def decide(state: State, inputs: Sequence[inp.Input], now: int, *, hold: bool = False) -> Decision:
    """Decide what the inputs, taken in order at instant `now` (ms), bring about. Changes `state` by the events it
    answers with, and by nothing else. With `hold` it records what happened and starts nothing: the way a node
    that is stopping keeps outcomes; whoever takes the execution up next has it look again (`state.look_again`)."""
    decider = _Decider(state, now)
    for given in inputs:
        decider.take(given)
    if hold:
        return decider.decision
    decider.fire_timers()
    decider.propagate()
    decider.conclude()
    return decider.decision


def lost_attempts(state: State, *, counted: bool = True) -> list[inp.AttemptLost]:
    """The inputs that tell an execution, taken up from its journal, that what ran is gone."""
    return [
        inp.AttemptLost(i, step.attempts, step.generation, counted)
        for i, step in enumerate(state.steps)
        if step.status == "running"
    ]


class _Decider:
    __slots__ = ("decision", "now", "state")

    def __init__(self, state: State, now: int) -> None:
        self.state = state
        self.now = now
        self.decision = Decision([], [], [], [])

    def emit(self, event: ev.AnyEvent) -> None:
        apply(self.state, event, self.now)
        self.decision.events.append(event)

    def refuse(self, given: inp.Input, why: str) -> None:
        self.decision.refused.append(Refusal(given, why))

    # -- inputs -----------------------------------------------------------------------------------------------

    def take(self, given: inp.Input) -> None:
        _TAKES[type(given)](self, given)

    def start(self, given: inp.Start) -> None:
        state = self.state
        self.emit(
            ev.ExecutionStarted(
                execution_id=given.execution_id,
                workflow_id=state.workflow_id,
                version=state.version,
                context=given.context,
                priority=given.priority,
                tags=given.tags,
            )
        )

    def attempt_ended(self, given: inp.AttemptEnded) -> None:
        node, step = self.state.graph.nodes[given.step], self.state.steps[given.step]
        if not _is_current(step, given):
            self.refuse(given, "the attempt is not the one that runs")
            return
        outcome = given.outcome
        match outcome:
            case inp.Succeeded():
                self.succeed(node, step, outcome)
            case inp.Failed():
                self.attempt_failed(node, step, outcome, given.noise)
            case inp.Waiting():
                self.wait(node, step, outcome)
            case inp.ConditionFalse():
                self.skip(node, "condition_false", None)
            case _:
                assert_never(outcome)

    def succeed(self, node: Node, step: StepState, outcome: inp.Succeeded) -> None:
        chosen = outcome.chosen
        if node.is_decision and node.spec.action == "condition":
            holds = outcome.result["branch"] == "true"
            chosen = list(node.spec.on_success if holds else node.spec.on_failure)
        self.emit(ev.StepSucceeded(step=node.id, attempt=step.attempts, result=outcome.result, chosen=chosen))
        self.notify_step(node, step)

    def attempt_failed(self, node: Node, step: StepState, failed: inp.Failed, noise: float) -> None:
        counted = step.attempts - step.infra
        policy = node.policy
        is_last = counted >= policy.max_attempts or not failed.retry
        if is_last or not is_retryable(policy, failed.error.type):
            self.fail(node, step, failed.error)
            return
        delay = delay_before(policy, counted + 1, noise, failed.retry_after_ms)
        self.emit(
            ev.AttemptFailed(
                step=node.id, attempt=step.attempts, error=failed.error, retry_at=self.now + delay
            )
        )

    def fail(self, node: Node, step: StepState, error: StepError) -> None:
        self.emit(ev.StepFailed(step=node.id, attempt=step.attempts, error=error))
        self.notify_step(node, step)
        rule = self.state.graph.definition.on_critical_failure
        if node.critical and rule != "continue" and self.state.cancel is None:
            self.stop(ev.CancelRequested(mode=rule, outcome="failed", error=error))

    def wait(self, node: Node, step: StepState, waiting: inp.Waiting) -> None:
        self.emit(
            ev.StepWaiting(
                step=node.id,
                attempt=step.attempts,
                waiting_for=waiting.waiting_for,
                until=waiting.until,
                result=waiting.result,
            )
        )

    def attempt_lost(self, given: inp.AttemptLost) -> None:
        node, step = self.state.graph.nodes[given.step], self.state.steps[given.step]
        if not _is_current(step, given):
            self.refuse(given, "the attempt is not the one that runs")
        elif given.counted and step.lost >= INFRA_ATTEMPTS:
            message = f"the attempt was lost with its process, {INFRA_ATTEMPTS + 1} times in all"
            self.fail(node, step, StepError("infra", message))
        else:
            self.emit(
                ev.AttemptInterrupted(
                    step=node.id, attempt=step.attempts, retry_at=self.now, counted=given.counted
                )
            )

    def time_came(self, given: inp.TimeCame) -> None:
        """Nothing of its own: every decision looks at the timers."""

    def output_computed(self, given: inp.OutputComputed) -> None:
        if not self.state.output_requested:
            self.refuse(given, "no output is being worked out")
        elif given.error is not None:
            self.end_failed(given.error, None)
        else:
            self.end_completed(given.value)

    def cancelled(self, given: inp.Cancel) -> None:
        if self.state.is_terminal:
            self.refuse(given, "the execution has ended")
        elif self.state.cancel is not None and self.state.cancel.mode == "cancel":
            self.refuse(given, "the execution is being cancelled already")
        else:
            self.stop(ev.CancelRequested(by=given.by, reason=given.reason))

    def terminated(self, given: inp.Terminate) -> None:
        if self.state.is_terminal:
            self.refuse(given, "the execution has ended")
            return
        self.give_up("cancel")
        self.emit(ev.ExecutionCancelled(terminated=True, by=given.by, reason=given.reason))
        self.notify_end("onCancel")

    def paused(self, given: inp.Pause) -> None:
        if self.state.status != "running" or self.state.cancel is not None:
            self.refuse(given, f"the execution is {self.describe()}")
        else:
            self.emit(ev.ExecutionPaused(by=given.by, reason=given.reason))

    def resumed(self, given: inp.Resume) -> None:
        if self.state.status != "paused":
            self.refuse(given, f"the execution is {self.describe()}")
        else:
            self.emit(ev.ExecutionResumed(by=given.by, reason=given.reason))

    def retried(self, given: inp.Retry) -> None:
        if self.state.status != "failed":
            self.refuse(given, f"the execution is {self.describe()}")
        else:
            self.emit(
                ev.ExecutionRetried(steps=_steps_to_retry(self.state), by=given.by, reason=given.reason)
            )

    def describe(self) -> str:
        return "being cancelled" if self.state.phase == "cancelling" else self.state.status

    # -- time -------------------------------------------------------------------------------------------------

    def fire_timers(self) -> None:
        state = self.state
        timers = state.timers
        while timers and timers[0][0] <= self.now and state.status == "running":
            timer = heappop(timers)
            if timer_holds(state, timer):
                self.fire(timer[1], timer[2])

    def fire(self, kind: int, i: int) -> None:
        if kind == DEADLINE:
            timeout = self.state.graph.definition.timeout
            error = StepError("timeout", f"the execution took longer than its timeout of {timeout} ms")
            self.stop(ev.CancelRequested(outcome="failed", error=error))
            return
        node, step = self.state.graph.nodes[i], self.state.steps[i]
        if kind == RETRY:
            self.begin(node, step)
        elif kind == WAIT_TIMER:
            self.succeed(node, step, inp.Succeeded(step.result))
        elif kind == TOTAL:
            self.abandon(node, step)
            message = (
                f"all attempts and waits together took longer than totalTimeout, {node.total_timeout} ms"
            )
            self.fail(node, step, StepError("timeout", message))

    # -- steps ------------------------------------------------------------------------------------------------

    def propagate(self) -> None:
        """Look at every step whose edges were decided: start it, skip it, or leave it waiting."""
        state = self.state
        if state.status != "running":
            return
        touched = state.touched
        at = 0
        while at < len(touched):
            i = touched[at]
            at += 1
            step = state.steps[i]
            if step.status != "pending":
                continue
            node = state.graph.nodes[i]
            answer = verdict(node, step)
            if answer is WAIT:
                continue
            if isinstance(answer, Run):
                self.begin(node, step)
            elif isinstance(answer, Skip):
                self.skip(node, answer.reason, answer.cause)
        touched.clear()

    def begin(self, node: Node, step: StepState) -> None:
        attempt = step.attempts + 1
        self.emit(ev.StepStarted(step=node.id, attempt=attempt, generation=step.generation))
        self.decision.commands.append(RunAttempt(node.index, attempt, step.generation))

    def skip(self, node: Node, reason: ev.SkipReason, cause: str | None) -> None:
        self.emit(ev.StepSkipped(step=node.id, reason=reason, cause=cause))

    def abandon(self, node: Node, step: StepState) -> None:
        if step.status == "running":
            self.decision.commands.append(AbandonAttempt(node.index, step.attempts, step.generation))

    # -- ends -------------------------------------------------------------------------------------------------

    def stop(self, request: ev.CancelRequested) -> None:
        self.emit(request)
        self.give_up(request.mode)

    def give_up(self, mode: str) -> None:
        """Skip every step that has not started; under `cancel`, give up those that have."""
        for node, step in zip(self.state.graph.nodes, self.state.steps, strict=True):
            if step.status == "pending":
                self.skip(node, "run_cancelled", None)
            elif mode == "cancel" and step.status not in TERMINAL_STEP:
                self.abandon(node, step)
                self.emit(ev.StepCancelled(step=node.id))

    def conclude(self) -> None:
        """End the execution when nothing runs, waits or can still run."""
        state = self.state
        if state.open or state.is_terminal or state.status != "running":
            return
        if state.cancel is not None and state.cancel.outcome == "cancelled":
            self.emit(ev.ExecutionCancelled(by=state.cancel.by, reason=state.cancel.reason))
            self.notify_end("onCancel")
        elif state.first_failure is not None:
            first = state.steps[state.first_failure]
            assert first.error is not None, "a failed step has an error"
            self.end_failed(first.error, state.graph.nodes[state.first_failure].id)
        elif state.cancel is not None:
            assert state.cancel.error is not None, "what fails an execution has an error"
            self.end_failed(state.cancel.error, None)
        elif state.graph.definition.output is UNSET:
            self.end_completed(None)
        elif not state.output_requested:
            self.emit(ev.OutputRequested())
            self.decision.commands.append(ComputeOutput())

    def end_completed(self, output: Any) -> None:
        self.emit(ev.ExecutionCompleted(output=output))
        self.notify_end("onComplete")

    def end_failed(self, error: StepError, step: str | None) -> None:
        self.emit(ev.ExecutionFailed(error=error, step=step))
        self.notify_end("onFailure")

    # -- webhooks ---------------------------------------------------------------------------------------------

    def notify_step(self, node: Node, step: StepState) -> None:
        if self.state.graph.definition.webhooks.on_step is not None:
            self.decision.messages.append(step_notice(self.state, node, step, self.now))

    def notify_end(self, kind: Any) -> None:
        notice = execution_notice(self.state, kind, self.now)
        if notice is not None:
            self.decision.messages.append(notice)


def _is_current(step: StepState, given: inp.AttemptEnded | inp.AttemptLost) -> bool:
    return step.status == "running" and step.attempts == given.attempt and step.generation == given.generation


def _steps_to_retry(state: State) -> list[str]:
    """The reset set: failed critical steps, steps given up with the execution, and all that comes after them."""
    nodes = state.graph.nodes
    work = [i for i, step in enumerate(state.steps) if _needs_retry(nodes[i], step)]
    again = set(work)
    while work:
        for target, _ in nodes[work.pop()].out:
            if target not in again:
                again.add(target)
                work.append(target)
    return [nodes[i].id for i in sorted(again)]


def _needs_retry(node: Node, step: StepState) -> bool:
    if step.status == "failed":
        return node.critical
    return step.status == "cancelled" or step.reason == "run_cancelled"


_TAKES: dict[type[Any], Callable[[_Decider, Any], None]] = {
    inp.AttemptEnded: _Decider.attempt_ended,
    inp.Start: _Decider.start,
    inp.AttemptLost: _Decider.attempt_lost,
    inp.TimeCame: _Decider.time_came,
    inp.OutputComputed: _Decider.output_computed,
    inp.Cancel: _Decider.cancelled,
    inp.Terminate: _Decider.terminated,
    inp.Pause: _Decider.paused,
    inp.Resume: _Decider.resumed,
    inp.Retry: _Decider.retried,
}
