"""A list of steps as checks see it: steps by position, edges that may be wrong, and steps that could not be read.

Unlike the compiled graph this takes any steps: unknown names, cycles and doubled ids are left for the checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import UNSET

from tenuto.core.definition import StepSpec
from tenuto.core.graph import EdgeKind
from tenuto.core.path import Part, Path


class Reference(NamedTuple):
    """One mention of another step: where (below the step), whom, and what edge it makes."""

    path: Path
    target: str
    kind: EdgeKind


class Link(NamedTuple):
    """An edge between two steps that exist, by index. `at` is where it is written, below the step that writes it."""

    source: int
    target: int
    kind: EdgeKind
    at: Path


class Place(NamedTuple):
    """A step, by its block and its index there."""

    block: Outline
    step: int

    @property
    def spec(self) -> StepSpec:
        """The step as written."""
        return self.block.steps[self.step]

    @property
    def path(self) -> Path:
        """Where it stands in the document."""
        return self.block.path(self.step)


class Kept(NamedTuple):
    """How the steps of one list were read: the position of each in the document, and whether what was left out may
    hold edges, so that nothing may be concluded from their absence."""

    positions: Sequence[int]
    is_complete: bool


class Outline:
    """One block: a list of steps that could be read, at `base` in the document, and what is between them. `owner` is
    the step that it is nested in; None for the workflow's own steps and for handlers."""

    def __init__(
        self, steps: Sequence[StepSpec], base: Path, owner: Place | None = None, kept: Kept | None = None
    ) -> None:
        self.steps = steps
        self.base = base
        self.owner = owner
        self.positions = range(len(steps)) if kept is None else kept.positions
        self.is_complete = kept is None or kept.is_complete
        self.nested: dict[int, Outline] = {}
        """What stands inside steps, by index."""
        self.index: dict[str, int] = {}
        for i, step in enumerate(self.steps):
            self.index.setdefault(step.id, i)
        self.incoming: list[list[Link]] = [[] for _ in self.steps]
        self.outgoing: list[list[Link]] = [[] for _ in self.steps]
        self._connect()
        self.order = self._topological()
        """Indexes such that every edge goes forward; shorter than `steps` where there are cycles."""

    @property
    def is_sound(self) -> bool:
        """Whether all edges are known and none leads back, so that something may be proven."""
        return self.is_complete and len(self.order) == len(self.steps)

    @property
    def is_handlers(self) -> bool:
        """Whether it is one of the lists of handlers."""
        return self.owner is None and self.base[0] == "handlers"

    @property
    def outermost(self) -> Outline:
        """The list that it is nested in, at whatever depth: the workflow's own steps or handlers."""
        block = self
        while block.owner is not None:
            block = block.owner.block
        return block

    def path(self, step: int, *below: Part) -> Path:
        """The path of a step (by index) or of something in it."""
        return (*self.base, self.positions[step], *below)

    def path_of(self, link: Link) -> Path:
        """Where an edge is written."""
        return self.path(link.target if link.kind is EdgeKind.DEPENDENCY else link.source, *link.at)

    def _connect(self) -> None:
        controlled: set[tuple[int, int]] = set()
        for i, step in enumerate(self.steps):
            for mention, other in self._others(i, control_references(step)):
                controlled.add((i, other))
                self._add(Link(i, other, mention.kind, mention.path))
        for i, step in enumerate(self.steps):
            for mention, other in self._others(i, dependency_references(step)):
                if (other, i) not in controlled:
                    self._add(Link(other, i, mention.kind, mention.path))

    def _others(self, i: int, mentions: Iterable[Reference]) -> Iterator[tuple[Reference, int]]:
        """The mentions of other steps that exist, each step and kind once."""
        seen = set()
        for mention in mentions:
            other = self.index.get(mention.target)
            if other is not None and other != i and (other, mention.kind) not in seen:
                seen.add((other, mention.kind))
                yield mention, other

    def _add(self, link: Link) -> None:
        self.outgoing[link.source].append(link)
        self.incoming[link.target].append(link)

    def _topological(self) -> list[int]:
        missing = [len(links) for links in self.incoming]
        order = [i for i, count in enumerate(missing) if count == 0]
        for i in order:  # grows while it is read
            for link in self.outgoing[i]:
                missing[link.target] -= 1
                if missing[link.target] == 0:
                    order.append(link.target)
        return order


def references(step: StepSpec) -> Iterator[Reference]:
    """Every mention of another step."""
    yield from dependency_references(step)
    yield from control_references(step)


def dependency_references(step: StepSpec) -> Iterator[Reference]:
    """Mentions of steps that come before this one."""
    for k, name in enumerate(step.dependencies):
        yield Reference(("dependencies", k), name, EdgeKind.DEPENDENCY)


def control_references(step: StepSpec) -> Iterator[Reference]:
    """Mentions of steps that this one leads to."""
    for k, name in enumerate(step.on_success):
        yield Reference(("onSuccess", k), name, EdgeKind.SUCCESS)
    for k, name in enumerate(step.on_failure):
        yield Reference(("onFailure", k), name, EdgeKind.FAILURE)
    for c, case in enumerate(step.cases):
        for k, name in enumerate(case.next):
            yield Reference(("cases", c, "next", k), name, EdgeKind.CASE)
    for k, name in enumerate(() if step.default is UNSET else step.default):
        yield Reference(("default", k), name, EdgeKind.CASE)
    for r, rule in enumerate(step.catch):
        for k, name in enumerate(rule.next):
            yield Reference(("catch", r, "next", k), name, EdgeKind.CATCH)
