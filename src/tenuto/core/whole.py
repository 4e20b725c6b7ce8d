"""A whole definition as checks see it: its blocks (the workflow's steps, nested steps, handlers) and where each id is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tenuto.core.definition import MAX_NESTING, MAX_STEPS, Definition, StepSpec
from tenuto.core.outline import Kept, Outline, Place
from tenuto.core.path import Path

HANDLERS = ("always", "failure", "cancel")
"""The lists of handlers, as they are called in documents."""


class Whole:
    """All blocks, each before those nested in it. `kept` says, by path of a list of steps, how it was read if not
    whole; `elsewhere` holds ids of steps that could not be read. One `is_too_large` has only its outermost blocks."""

    def __init__(
        self,
        definition: Definition,
        kept: Mapping[Path, Kept] | None = None,
        elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        self.definition = definition
        self.elsewhere = elsewhere
        self._kept = kept or {}
        self.count = _count(definition)
        self.blocks: list[Outline] = []
        self.places: dict[str, Place] = {}
        """Where each id stands first, in document order."""
        self.too_deep: list[Path] = []
        """Lists of steps that are nested too deep; they are not looked at."""
        self.root = self._open(definition.steps, ("steps",), None, 0)
        for name, steps in handlers_of(definition):
            if steps:
                self._open(steps, ("handlers", name), None, 0)
        self.steps = [Place(block, i) for block in self.blocks for i in range(len(block.steps))]
        """Every step, block by block."""

    @property
    def is_too_large(self) -> bool:
        """Whether it has more steps than a workflow may have."""
        return self.count > MAX_STEPS

    def _open(self, steps: Sequence[StepSpec], base: Path, owner: Place | None, depth: int) -> Outline:
        """The block of these steps, and those within. Recursion follows the nesting, which is bounded."""
        block = Outline(steps, base, owner, self._kept.get(base))
        self.blocks.append(block)
        for i, step in enumerate(steps):
            self.places.setdefault(step.id, Place(block, i))
            if not step.steps or self.is_too_large:
                continue
            if depth == MAX_NESTING:
                self.too_deep.append(block.path(i, "steps"))
            else:
                block.nested[i] = self._open(step.steps, block.path(i, "steps"), Place(block, i), depth + 1)
        return block


def handlers_of(definition: Definition) -> list[tuple[str, tuple[StepSpec, ...]]]:
    """Each list of handlers with its name."""
    handlers = definition.handlers
    return list(zip(HANDLERS, (handlers.always, handlers.failure, handlers.cancel), strict=True))


def _count(definition: Definition) -> int:
    """How many steps there are, nested ones and handlers among them."""
    count = 0
    lists = [definition.steps, *(steps for _, steps in handlers_of(definition))]
    while lists:
        steps = lists.pop()
        count += len(steps)
        lists.extend(step.steps for step in steps if step.steps)
    return count
