"""A decision while it is made: the facts so far, folded into the state as they are made, and what a step can come to.

Everything that decides writes through a draft, so that no fact is made that the state has not folded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.apply import FOLDS
from tenuto.core.commands import (
    AbandonAttempt,
    AcquireExecution,
    AcquireSlots,
    Command,
    Message,
    Post,
    RunAttempt,
)
from tenuto.core.events import StepError
from tenuto.core.names import child_of
from tenuto.core.notices import execution_notice, step_notice
from tenuto.core.retry import delay_before, is_retryable
from tenuto.core.state import TERMINAL_STEP, LoopWork, State, StepState, frames_in


class Refusal(NamedTuple):
    """An input that came too late, twice, or from the wrong one, and changed nothing. `kind` says what is the matter:
    it conflicts with how things stand, the asker may not, or there are too many already."""

    given: inp.Input
    why: str
    kind: str = "conflict"


NONE: list[Any] = []
"""Stands for a list that has nothing in it yet, and never gets anything."""


class Decision:
    """What was decided, all of it to be written in one record. `events` may be empty: then nothing happened."""

    __slots__ = ("commands", "events", "messages", "posts", "refused")

    def __init__(
        self,
        events: list[ev.AnyEvent],
        commands: list[Command],
        messages: list[Message] = NONE,
        refused: list[Refusal] = NONE,
        posts: list[Post] = NONE,
    ) -> None:
        self.events = events
        self.commands = commands
        self.messages = messages
        self.refused = refused
        self.posts = posts


class Draft:
    """The decision that is being made of one execution at the instant `now` (ms)."""

    __slots__ = ("_events", "decision", "now", "state")

    def __init__(self, state: State, now: int) -> None:
        self.state = state
        self.now = now
        self._events: list[ev.AnyEvent] = []
        self.decision = Decision(self._events, [])

    def emit(self, event: ev.AnyEvent) -> None:
        """Make a fact."""
        FOLDS[type(event)](self.state, event, self.now)
        self._events.append(event)

    def refuse(self, given: inp.Input, why: str, kind: str = "conflict") -> None:
        """Turn an input away; nothing happens."""
        if self.decision.refused is NONE:
            self.decision.refused = []
        self.decision.refused.append(Refusal(given, why, kind))

    def post(self, to: str, given: inp.Cancel | inp.ChildEnded) -> None:
        """Send another execution an input, in the commit of this decision."""
        if self.decision.posts is NONE:
            self.decision.posts = []
        self.decision.posts.append(Post(to, given))

    def send(self, message: Message) -> None:
        """Send a webhook, in the commit of this decision."""
        if self.decision.messages is NONE:
            self.decision.messages = []
        self.decision.messages.append(message)

    def retry(self, event: ev.ExecutionRetried) -> None:
        """Have part of the execution done again, once it has the slots it shares with others."""
        self.emit(event)
        if self.state.waits_for_slots:
            self.decision.commands.append(AcquireExecution())

    # -- how a step goes on -----------------------------------------------------------------------------------

    def begin(self, step: StepState) -> None:
        """Have the step's next attempt made, or what is inside it begun."""
        node = step.node
        if node.has_slots:
            self.emit(ev.StepQueued(step=step.id, generation=step.generation))
            self.decision.commands.append(AcquireSlots(step.slot, step.generation))
        elif node.kind in ("task", "map") or isinstance(step.work, LoopWork) or node.spec.when:
            self.run(step)
        else:
            self.emit(ev.BodiesStarted(step=step.id))

    def run(self, step: StepState) -> None:
        """Have the next attempt made now."""
        attempt = step.attempts + 1
        self.emit(ev.StepStarted(step=step.id, attempt=attempt, generation=step.generation))
        self.decision.commands.append(RunAttempt(step.slot, attempt, step.generation))

    def wait(self, step: StepState, waiting: inp.Waiting) -> None:
        """Leave the step waiting, unless what it waits for has come already."""
        self.emit(
            ev.StepWaiting(
                step=step.id,
                attempt=step.attempts,
                waiting_for=waiting.waiting_for,
                until=waiting.until,
                result=waiting.result,
                on_time=waiting.on_time,
                details=waiting.details,
            )
        )
        if step.report is not None:
            self.end_by_report(step, step.report)
            return
        kind, _, name = waiting.waiting_for.partition(":")
        signals = self.state.rare.signals.get(name) if kind == "signal" else None
        if signals:
            self.take_signal(step, signals[0])

    def take_signal(self, step: StepState, signal: ev.SignalReceived) -> None:
        """The step has what it waited for."""
        self.succeed(step, inp.Succeeded(signal.payload), signal=signal.number)

    def end_by_report(self, step: StepState, report: ev.StepReported) -> None:
        """End the step by what a callback or a child said."""
        if report.error is None:
            self.succeed(step, inp.Succeeded(report.result), by=report.by)
        else:
            self.retry_or_fail(step, inp.Failed(report.error), 0.0)

    # -- how a step ends --------------------------------------------------------------------------------------

    def succeed(
        self,
        step: StepState,
        outcome: inp.Succeeded,
        *,
        gathered: bool = False,
        signal: int | None = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """The step has its result."""
        chosen = outcome.chosen
        node = step.node
        if node.is_decision and node.spec.action == "condition" and isinstance(outcome.result, dict):
            holds = outcome.result.get("branch") == "true"
            chosen = list(node.spec.on_success if holds else node.spec.on_failure)
        self.emit(
            ev.StepSucceeded(
                step=step.id,
                attempt=step.attempts,
                result=outcome.result,
                chosen=chosen,
                gathered=gathered,
                vars=outcome.vars,
                signal=signal,
                child=outcome.child,
                cached=outcome.cached,
                by=by,
                reason=reason,
            )
        )
        self.notify_step(step)

    def attempt_failed(self, step: StepState, failed: inp.Failed, noise: float) -> None:
        """The attempt failed; but what it would have waited for may have come already."""
        if step.report is not None:
            self.end_by_report(step, step.report)
        else:
            self._give_up_child(step)  # the attempt may have started it all the same
            self.retry_or_fail(step, failed, noise)

    def retry_or_fail(self, step: StepState, failed: inp.Failed, noise: float) -> None:
        """Another attempt follows, or the step fails, or a person decides."""
        counted = step.attempts - step.infra
        policy = step.node.policy
        is_last = counted >= policy.max_attempts or not failed.retry
        if not is_last and is_retryable(policy, failed.error.type):
            delay = delay_before(policy, counted + 1, noise, failed.retry_after_ms)
            self.emit(
                ev.AttemptFailed(
                    step=step.id, attempt=step.attempts, error=failed.error, retry_at=self.now + delay
                )
            )
        elif policy.on_exhausted == "pause" and failed.park and self.state.cancel is None:
            self.emit(ev.StepParked(step=step.id, attempt=step.attempts, error=failed.error))
        else:
            self.fail(step, failed.error)

    def fail(
        self, step: StepState, error: StepError, *, by: str | None = None, reason: str | None = None
    ) -> None:
        """The step fails for good."""
        self.emit(ev.StepFailed(step=step.id, attempt=step.attempts, error=error, by=by, reason=reason))
        self.notify_step(step)
        rule = self.state.graph.definition.on_critical_failure
        is_own = step.frame is self.state.root
        if (
            is_own
            and rule != "continue"
            and self.state.cancel is None
            and self.state.first_failure is not None
        ):
            self.stop(ev.CancelRequested(mode=rule, outcome="failed", error=error))

    def skip(self, step: StepState, reason: ev.SkipReason, cause: str | None = None) -> None:
        """The step will not run."""
        self.emit(ev.StepSkipped(step=step.id, reason=reason, cause=cause))

    # -- giving up --------------------------------------------------------------------------------------------

    def stop(self, request: ev.CancelRequested) -> None:
        """Start nothing more, and give up what has not ended, as the request says."""
        self.emit(request)
        self.give_up(request.mode)

    def give_up(self, mode: str) -> None:
        """Skip every step that has not started; under `cancel`, give up those that have. Containers before what is in
        them, so that nothing that ends inside counts for them any more."""
        for step in [step for step in self.state.steps if step.status not in TERMINAL_STEP]:
            if step.status == "pending":
                self.skip(step, "run_cancelled")
            elif mode == "cancel":
                self.cancel(step)

    def cancel(self, step: StepState, reason: Any = "run_cancelled") -> None:
        """Give up one step that has begun; what is inside it is given up after it."""
        self.abandon(step)
        self.emit(ev.StepCancelled(step=step.id, reason=reason))

    def cancel_inside(self, step: StepState, reason: Any = "run_cancelled") -> None:
        """Give up all that goes on inside a container that has ended, however deep."""
        work = frames_in(step)
        while work:
            for slot in work.pop().slots():
                inner = self.state.steps[slot]
                if inner.status in TERMINAL_STEP:
                    continue
                work += frames_in(inner)
                if inner.status == "pending":
                    self.skip(inner, reason)
                else:
                    self.cancel(inner, reason)

    def abandon(self, step: StepState) -> None:
        """Stop the attempt that runs, and the execution that the step waits for."""
        if step.acting:
            self.decision.commands.append(AbandonAttempt(step.slot, step.attempts, step.generation))
        self._give_up_child(step)

    def _give_up_child(self, step: StepState) -> None:
        child = child_of(self.state.execution_id, step)
        if child is not None:
            self.post(
                child, inp.Cancel(by=f"execution {self.state.execution_id}", reason="its parent gave it up")
            )

    # -- webhooks ---------------------------------------------------------------------------------------------

    def notify_step(self, step: StepState) -> None:
        """Tell the receiver of `onStep`. Items and rounds are told of as a whole, when their container ends."""
        if self.state.graph.definition.webhooks.on_step is not None and not step.frame.suffix:
            self.send(step_notice(self.state, step, self.now))

    def notify_end(self, kind: Any) -> None:
        """Tell the receiver of the execution's end, and the execution that waits for this one."""
        notice = execution_notice(self.state, kind, self.now)
        if notice is not None:
            self.send(notice)
