"""What the core asks for, in the imperative. Commands are carried out only after the decision that made them is on
disk; messages are written to the outbox in the very commit of that decision."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple


class RunAttempt(NamedTuple):
    """Start this attempt of the step (index into the graph)."""

    step: int
    attempt: int
    generation: int


class AbandonAttempt(NamedTuple):
    """Stop this attempt if it still runs; its outcome no longer counts."""

    step: int
    attempt: int
    generation: int


class ComputeOutput(NamedTuple):
    """Work out the definition's `output` and give it back as an `OutputComputed` input."""


Command = RunAttempt | AbandonAttempt | ComputeOutput

WebhookKind = Literal["onComplete", "onFailure", "onStep", "onCancel"]


class Message(NamedTuple):
    """A webhook to send, at least once and in order within its execution."""

    kind: WebhookKind
    body: dict[str, Any]
