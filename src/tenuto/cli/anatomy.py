"""What is inside what in a workflow, read off its definition as it was registered, and what the ids of items and rounds
say: `pack[3]` is step `pack` in item 3, `pack[3][0]` in round 0 of a loop in that item.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_NUMBERS = re.compile(r"\[(\d+)\]")


class Item(NamedTuple):
    """One item of a map, or round of a loop; `container` is the id of the map or loop as it stands there itself."""

    container: str
    number: int


class Anatomy:
    """The steps of one workflow. Nothing is known of those of an empty definition."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self._parents: dict[str, str] = {}
        self._children: dict[str, list[str]] = {}
        self._depths: dict[str, int] = {}
        """In how many maps and loops the step is."""
        self._sizes: dict[str, int] = {}
        """Of maps and loops, how many steps an item or a round has."""
        self._harmless: set[str] = set()
        self._add(definition.get("steps", ()), None, 0)
        for steps in definition.get("handlers", {}).values():
            self._add(steps, None, 0)

    def parent(self, step: str) -> str | None:
        """The container that the step is in."""
        return self._parents.get(step)

    def level(self, step: str) -> int:
        """In how many containers the step is."""
        level = 0
        while (parent := self._parents.get(step)) is not None:
            level, step = level + 1, parent
        return level

    def is_repeated(self, step: str) -> bool:
        """Whether there is such a step in every item or round of something."""
        return self._depths.get(step, 0) > 0

    def inside(self, container: str) -> list[str]:
        """All that is in a container, however deep."""
        found = list(self._children.get(container, ()))
        for step in found:
            found += self._children.get(step, ())
        return found

    def size(self, container: str) -> int:
        """How many steps an item of the map, or a round of the loop, has."""
        return self._sizes.get(static_id(container), 1)

    def item(self, instance: str) -> Item | None:
        """The item or round that the step is part of, if it is not further inside."""
        step, numbers = static_id(instance), _NUMBERS.findall(instance)
        if not numbers:
            return None
        outer = "".join(f"[{number}]" for number in numbers[:-1])
        if len(numbers) > self._depths.get(step, 0):
            return Item(step + outer, int(numbers[-1]))
        parent = self._parents.get(step)
        return Item(parent + outer, int(numbers[-1])) if parent in self._sizes else None

    def shown_with(self, instance: str) -> str:
        """The step of which there is one at most that a step of an item or a round, or what undoes it, belongs to."""
        step = static_id(instance).partition(":")[0]
        return next((above for above in [step, *self._above(step)] if not self.is_repeated(above)), step)

    def spoils(self, instance: str) -> bool:
        """Whether the failure of the step is one of what it is in."""
        return static_id(instance) not in self._harmless

    def _above(self, step: str) -> list[str]:
        above = []
        while (parent := self._parents.get(step)) is not None:
            above.append(parent)
            step = parent
        return above

    def _add(self, steps: Iterable[Mapping[str, Any]], parent: str | None, depth: int) -> None:
        """Recursion follows the nesting, which the server bounds."""
        for step in steps:
            name, nested = step["id"], step.get("steps", ())
            self._depths[name] = depth
            if parent is not None:
                self._parents[name] = parent
                self._children.setdefault(parent, []).append(name)
            if step.get("catch") or step.get("optional") or not step.get("critical", True):
                self._harmless.add(name)
            is_repeating = step.get("type") in ("map", "loop")
            if is_repeating:
                self._sizes[name] = len(nested) or 1
            self._add(nested, name, depth + is_repeating)


def static_id(instance: str) -> str:
    """The id of the step in the definition."""
    return instance.partition("[")[0]
