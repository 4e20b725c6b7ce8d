"""When a step may run: the join rules, read off the counts of its incoming edges.

A rule answers early only where no later edge could change the answer, so the order in which edges are decided never
changes how a step ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from tenuto.core.events import SkipReason
from tenuto.core.graph import Node
from tenuto.core.state import StepState


class Wait(NamedTuple):
    """Too early to say."""


class Run(NamedTuple):
    """The join is met."""


class Skip(NamedTuple):
    """The join can no longer be met; `cause` is the step that brought it about."""

    reason: SkipReason
    cause: str | None


WAIT: Final = Wait()
RUN: Final = Run()
Verdict = Wait | Run | Skip


def verdict(node: Node, step: StepState) -> Verdict:
    """What the step's join says of the edges decided so far."""
    return _JOINS[node.join](node, step)


def _auto(node: Node, step: StepState) -> Verdict:
    if node.control_only and step.live:
        return RUN
    if step.blocked:
        return _upstream_failed(step)
    if step.undecided:
        return WAIT
    return RUN if step.live or not node.in_count else _none_live(step)


def _all_success(node: Node, step: StepState) -> Verdict:
    if step.blocked:
        return _upstream_failed(step)
    if step.undecided:
        return WAIT
    return RUN if step.live == node.in_count else _none_live(step)


def _none_failed(node: Node, step: StepState) -> Verdict:
    if step.blocked:
        return _upstream_failed(step)
    return WAIT if step.undecided else RUN


def _all_done(node: Node, step: StepState) -> Verdict:
    return WAIT if step.undecided else RUN


def _one_success(node: Node, step: StepState) -> Verdict:
    if step.live:
        return RUN
    if step.undecided:
        return WAIT
    return _upstream_failed(step) if step.blocked else _none_live(step)


def _one_failed(node: Node, step: StepState) -> Verdict:
    if step.failed:
        return RUN
    return WAIT if step.undecided else Skip("not_needed", step.cause)


def _all_failed(node: Node, step: StepState) -> Verdict:
    if step.failed < node.in_count - step.undecided:
        return Skip("not_needed", step.cause)
    return WAIT if step.undecided else RUN


def _at_least(node: Node, step: StepState) -> Verdict:
    if step.live >= node.at_least:
        return RUN
    if step.live + step.undecided >= node.at_least:
        return WAIT
    if step.blocked:
        return _upstream_failed(step)
    # An edge that is still undecided may be blocked yet, and whether one is must not hang on which came first.
    return WAIT if step.undecided else _none_live(step)


def _upstream_failed(step: StepState) -> Skip:
    return Skip("upstream_failed", step.cause)


def _none_live(step: StepState) -> Skip:
    return Skip("branch_not_taken" if step.not_taken else "upstream_skipped", step.cause)


_JOINS: dict[str, Callable[[Node, StepState], Verdict]] = {
    "auto": _auto,
    "all_success": _all_success,
    "none_failed": _none_failed,
    "all_done": _all_done,
    "one_success": _one_success,
    "one_failed": _one_failed,
    "all_failed": _all_failed,
    "at_least": _at_least,
}
