"""What the core asks for, in the imperative. Commands are carried out only after the decision that made them is on
disk; messages and posts are written in the very commit of that decision."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from msgspec import Struct

from tenuto.core.inputs import AttemptKey, Cancel, ChildEnded


class RunAttempt(Struct, frozen=True):
    """Start this attempt of the step (its slot)."""

    step: int
    attempt: int
    generation: int

    @property
    def key(self) -> AttemptKey:
        """Which attempt."""
        return self.step, self.attempt, self.generation


class AbandonAttempt(Struct, frozen=True):
    """Stop this attempt if it still runs; its outcome no longer counts."""

    step: int
    attempt: int
    generation: int

    @property
    def key(self) -> AttemptKey:
        """Which attempt."""
        return self.step, self.attempt, self.generation


class ComputeOutput(NamedTuple):
    """Work out the definition's `output` and give it back as an `OutputComputed` input."""


class AcquireSlots(NamedTuple):
    """Ask for the slots that the step's next attempt shares with others; give back `SlotsGranted`."""

    step: int
    generation: int


class AcquireExecution(NamedTuple):
    """Ask for the slots that the execution shares with others; give back `ExecutionGranted`."""


Command = RunAttempt | AbandonAttempt | ComputeOutput | AcquireSlots | AcquireExecution


class Post(NamedTuple):
    """An input to another execution, written in the same commit as the decision and given at least once. It is
    ignored where it no longer means anything."""

    to: str
    input: ChildEnded | Cancel


WebhookKind = Literal["onComplete", "onFailure", "onStep", "onCancel"]


class Message(NamedTuple):
    """A webhook to send, at least once and in order within its execution."""

    kind: WebhookKind
    body: dict[str, Any]
