"""Which steps come before which, and which have surely succeeded when another runs. Asked only for the steps that
somebody reads: each of those is one bit, carried along the edges once, so 10,000 steps cost milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import and_, or_

from tenuto.core.definition import (
    AtLeast,
    StepSpec,
    continues_on_failure,
    is_critical,
    is_decision,
)
from tenuto.core.graph import EdgeKind
from tenuto.core.outline import Link, Outline


class Ancestry:
    """Answers for the steps of `wanted` (indexes) in an outline without cycles."""

    def __init__(self, outline: Outline, wanted: Iterable[int]) -> None:
        self._outline = outline
        self._bit = {step: 1 << k for k, step in enumerate(sorted(set(wanted)))}
        self._before = [0] * len(outline.steps)
        self._sure = [0] * len(outline.steps)
        self._may_skip = [False] * len(outline.steps)
        self._given_up = given_up(outline)
        for i in outline.order:
            links = outline.incoming[i]
            self._before[i] = reduce(
                or_, (self._before[link.source] | self._bit.get(link.source, 0) for link in links), 0
            )
            self._sure[i] = self._sure_of(outline.steps[i], links)
            self._may_skip[i] = i in self._given_up or self._may_be_skipped(outline.steps[i], links)

    def is_before(self, source: int, step: int) -> bool:
        """Whether a way of edges leads from `source` (one of those wanted) to the step."""
        return bool(self._before[step] & self._bit[source])

    def is_sure(self, source: int, step: int) -> bool:
        """Whether `source` (one of those wanted) has surely succeeded whenever the step runs."""
        return bool(self._sure[step] & self._bit[source])

    def _sure_of(self, step: StepSpec, links: list[Link]) -> int:
        if not links or step.join == "all_done":
            return 0
        if isinstance(step.join, AtLeast):
            needs_all = step.join.at_least >= len(links)
            return reduce(or_ if needs_all else and_, map(self._if_live, links))
        if step.join in ("one_failed", "all_failed"):
            return reduce(
                and_ if step.join == "one_failed" else or_, (self._sure[link.source] for link in links)
            )
        if step.join == "all_success":
            return reduce(or_, map(self._if_live, links))
        unblocked = 0 if step.join == "one_success" or _is_control_only(links) else self._if_unblocked(links)
        return (
            unblocked if step.join == "none_failed" else unblocked | reduce(and_, map(self._if_live, links))
        )

    def _if_live(self, link: Link) -> int:
        source = self._outline.steps[link.source]
        failed = link.kind in (
            EdgeKind.FAILURE,
            EdgeKind.CATCH,
        )  # of a condition: it may be false or have failed
        maybe_failed = link.kind is EdgeKind.DEPENDENCY and goes_on_failed(source)
        succeeded = 0 if failed or maybe_failed else self._bit.get(link.source, 0)
        return self._sure[link.source] | succeeded

    def _if_unblocked(self, links: list[Link]) -> int:
        """What is sure because no edge is blocked: a dependency that is never skipped for a benign reason is live."""
        return reduce(
            or_,
            (
                self._if_live(link)
                for link in links
                if link.kind is EdgeKind.DEPENDENCY and not self._may_be_dead(link)
            ),
            0,
        )

    def _may_be_dead(self, link: Link) -> bool:
        if link.kind is not EdgeKind.DEPENDENCY or is_decision(self._outline.steps[link.source]):
            return True
        return self._may_skip[link.source]

    def _may_be_skipped(self, step: StepSpec, links: list[Link]) -> bool:
        """Whether the step may be skipped although nothing failed."""
        if step.when is not None:
            return True
        if step.join in ("one_failed", "all_failed"):
            return True
        if not links or step.join in ("none_failed", "all_done"):
            return False
        dead = sum(map(self._may_be_dead, links))
        if isinstance(step.join, AtLeast):
            return len(links) - dead < step.join.at_least
        return dead > 0 if step.join == "all_success" else dead == len(links)


def given_up(outline: Outline) -> frozenset[int]:
    """The steps that a join may give up before they end, because it is met without them (`cancelRemaining`)."""
    return frozenset(
        link.source
        for step, links in zip(outline.steps, outline.incoming, strict=True)
        if isinstance(step.join, AtLeast) and step.join.cancel_remaining
        for link in links
    )


def goes_on_failed(step: StepSpec) -> bool:
    """Whether dependents may run although the step failed: it continues, or its failure is caught."""
    return continues_on_failure(step) or bool(step.catch)


def sure_when_completed(outline: Outline) -> list[bool]:
    """For each step, whether an execution that completed (or a step that holds these and succeeded) has surely seen it
    succeed."""
    sure = [False] * len(outline.steps)
    lost = given_up(outline)
    for i in outline.order:
        step, links = outline.steps[i], outline.incoming[i]
        always_ends = is_critical(step) and not step.catch and i not in lost
        plain = step.when is None and always_ends and step.join not in ("one_failed", "all_failed")
        sure[i] = plain and all(
            link.kind is EdgeKind.DEPENDENCY
            and sure[link.source]
            and not is_decision(outline.steps[link.source])
            for link in links
        )
    return sure


def _is_control_only(links: list[Link]) -> bool:
    return all(link.kind is not EdgeKind.DEPENDENCY for link in links)
