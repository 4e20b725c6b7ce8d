"""What can be proven of a workflow before it runs: steps that never can, and joins that never are met.

Only the provable is reported. For every step the options that must *not* have been taken for it to run are gathered
along the edges (of a step with an `onFailure`: that it succeeded, or failed; of a decision: its cases). Where that
rules out every option of one step, the join asks for a contradiction. Option sets are bits of one integer, so a
workflow of 10,000 steps costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

from tenuto.core.ancestry import goes_on_failed
from tenuto.core.definition import AtLeast, StepSpec, is_decision, join_rule
from tenuto.core.finding import Finding
from tenuto.core.graph import EdgeKind
from tenuto.core.outline import Link, Outline

NEEDS_EDGES = frozenset({"one_success", "one_failed", "all_failed", "at_least"})
_NEEDS_ALL = frozenset({"all_success", "all_failed"})
_NEEDS_LIVE = frozenset({"auto", "all_success", "one_success", "at_least"})
_ON_FAILURE = (EdgeKind.FAILURE, EdgeKind.CATCH)
_MOST_BITS = 32_768
"""Forks past this many options are taken as able to go any way, which proves less and costs nothing."""


def is_by_condition(step: StepSpec) -> bool:
    """Whether the step is a decision of the form: action `condition`, true to `onSuccess`, false to `onFailure`."""
    return is_decision(step) and step.action == "condition"


def never_live(outline: Outline, link: Link) -> bool:
    """Whether the edge leads out of a decision to a step that no case names: it is never chosen."""
    return link.kind is EdgeKind.DEPENDENCY and is_decision(outline.steps[link.source])


def find_impossible(outline: Outline) -> Iterator[Finding]:
    """Joins without edges, steps that only an unchosen way leads to, joins that contradict themselves. What follows
    from one of these alone is not reported again. The outline must be complete and free of cycles."""
    forks = _Forks(outline)
    masks = [0] * len(outline.steps)
    impossible: set[int] = set()
    for i in outline.order:
        finding = _check_edges(outline, i)
        links = [link for link in outline.incoming[i] if link.source not in impossible]
        if finding is None and links:
            masks[i] = forks.needed(_effective_join(outline, i), links, masks)
            fork = forks.contradiction(masks[i])
            finding = None if fork is None else _contradiction(outline, i, fork)
        if finding is not None:
            yield finding
        if finding is not None or (outline.incoming[i] and _cannot_follow(outline, i, impossible)):
            impossible.add(i)
            masks[i] = 0


def _check_edges(outline: Outline, i: int) -> Finding | None:
    step, links = outline.steps[i], outline.incoming[i]
    needed = step.join.at_least if isinstance(step.join, AtLeast) else 1
    if len(links) < needed:
        if join_rule(step) not in NEEDS_EDGES:
            return None
        few = f"only {len(links)} {'edge leads' if len(links) == 1 else 'edges lead'} to" if links else ""
        why = f"{few or 'no step comes before'} `{step.id}`"
        remedy = "Ask for fewer, or add `dependencies`" if links else "Give it `dependencies`"
        message = f"`{join_text(step)}` is never met: {why}. {remedy}."
        return Finding(outline.path(i, "join"), "join_never_met", message)
    if join_rule(step) not in _NEEDS_LIVE:
        return None
    dead = [link for link in links if never_live(outline, link)]
    needed = len(links) if step.join == "all_success" else needed
    if not dead or len(links) - len(dead) >= needed:
        return None
    source = outline.steps[dead[0].source]
    where = "`onSuccess` or `onFailure`" if is_by_condition(source) else "a case or in `default`"
    message = (
        f"`{step.id}` can never run: the decision `{source.id}` only leads to steps that it names. "
        f"Name `{step.id}` in {where} of `{source.id}`."
    )
    return Finding(outline.path_of(dead[0]), "never_runs", message)


def _cannot_follow(outline: Outline, i: int, impossible: set[int]) -> bool:
    """Whether the step never runs because of steps before it that never do."""
    step = outline.steps[i]
    join = join_rule(step)
    if join not in _NEEDS_LIVE | NEEDS_EDGES | _NEEDS_ALL:
        return False
    lost = [link.source in impossible for link in outline.incoming[i]]
    if isinstance(step.join, AtLeast):
        return len(lost) - sum(lost) < step.join.at_least
    return any(lost) if join in _NEEDS_ALL else all(lost)


def _effective_join(outline: Outline, i: int) -> str:
    """The join by which a step is looked at: at least n of n edges are all of them, and at least n of more say no more
    than one does."""
    step = outline.steps[i]
    if not isinstance(step.join, AtLeast):
        return step.join
    return "all_success" if step.join.at_least >= len(outline.incoming[i]) else "one_success"


def join_text(step: StepSpec) -> str:
    """The join in few words: `all_success`, `atLeast: 2`."""
    return f"atLeast: {step.join.at_least}" if isinstance(step.join, AtLeast) else step.join


def _contradiction(outline: Outline, i: int, fork: int) -> Finding:
    step, source = outline.steps[i], outline.steps[fork]
    if is_decision(source):
        why = f"the ways out of the decision `{source.id}` that lead here are never taken together"
    else:
        why = f"`{source.id}` would have to succeed and to fail"
    hint = "; with `join: auto` or `one_success` one way is enough" if step.join == "all_success" else ""
    return Finding(
        outline.path(i, "join"), "join_never_met", f"`{join_text(step)}` is never met: {why}{hint}."
    )


class _Forks:
    """The options of every step that has more than one way out, as bits: one group of bits a fork, each with a free
    bit above it. A set bit says that this option was not the one taken."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._groups: dict[int, _Group] = {}
        self._low = 0
        self._guard = 0
        at = 0
        for i, step in enumerate(outline.steps):
            options = _option_count(step)
            if options < 2 or at + options > _MOST_BITS:
                continue
            self._groups[i] = _Group(at, options, _case_options(step))
            self._low |= 1 << at
            self._guard |= 1 << (at + options)
            at += options + 1

    def needed(self, join: str, links: list[Link], masks: list[int]) -> int:
        """What a step that joins these edges that way rules out by running."""
        if not self._groups or join in ("none_failed", "all_done"):
            return 0
        failed = join in ("one_failed", "all_failed")
        ruled_out = (masks[link.source] | self._ruled_out(link, failed) for link in links)
        return reduce(or_ if join in _NEEDS_ALL else and_, ruled_out)

    def contradiction(self, mask: int) -> int | None:
        """A fork of which every option is ruled out: adding one to each group carries into its free bit just there."""
        carried = (mask + self._low) & self._guard
        if not carried:
            return None
        top = carried.bit_length() - 1
        return next(i for i, group in self._groups.items() if group.start + group.options == top)

    def _ruled_out(self, link: Link, failed: bool) -> int:
        """What the edge rules out of its source's options by being live (or by its source having failed)."""
        group = self._groups.get(link.source)
        if group is None:
            return 0
        if failed:
            return group.all_but((group.options - 1,))
        return group.all_but(_options_of(self._outline, link, group))


class _Group(NamedTuple):
    """The bits of one fork, its last option being failure, and by which options each target is chosen."""

    start: int
    options: int
    by_target: dict[str, list[int]]

    def all_but(self, possible: Iterable[int]) -> int:
        mask = (1 << self.options) - 1
        for option in possible:
            mask &= ~(1 << option)
        return mask << self.start


def _option_count(step: StepSpec) -> int:
    """Ways a step can go: a decision's cases each, its default and failure; of anything else success and failure, if
    that matters. A condition that is false and one that fails go the same way."""
    if not is_decision(step):
        return 2 if step.on_failure or step.catch else 0
    if is_by_condition(step):
        return 2
    return len(step.cases) + 2 if step.mode == "first" else 3


def _case_options(step: StepSpec) -> dict[str, list[int]]:
    """By which options a decision chooses each of its targets. Of a condition 0 is true and 1 false; with `mode: all`
    0 is any case and 1 the default."""
    ways: list[tuple[int, tuple[str, ...]]] = []
    if is_by_condition(step):
        ways = [(0, step.on_success), (1, step.on_failure)]
    elif is_decision(step):
        ways = [(c if step.mode == "first" else 0, case.next) for c, case in enumerate(step.cases)]
        ways.append((len(step.cases) if step.mode == "first" else 1, step.default or ()))
    chosen: dict[str, list[int]] = {}
    for option, targets in ways:
        for name in set(targets):
            chosen.setdefault(name, []).append(option)
    return chosen


def _options_of(outline: Outline, link: Link, group: _Group) -> Iterable[int]:
    """The options of the source under which the edge is live. A target that a decision chose is reached by every edge
    to it, `onFailure` too."""
    source = outline.steps[link.source]
    failure = [group.options - 1]
    if is_decision(source):
        is_misplaced = link.kind is EdgeKind.SUCCESS and not is_by_condition(source)
        if is_misplaced or never_live(outline, link):
            return range(group.options)  # another check's concern
        chosen = group.by_target.get(outline.steps[link.target].id, [])
        return chosen + failure if link.kind in _ON_FAILURE else chosen
    if link.kind in _ON_FAILURE:
        return failure
    return [0, *failure] if link.kind is EdgeKind.DEPENDENCY and goes_on_failed(source) else [0]
