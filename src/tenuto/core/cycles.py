"""Cycles of a definition, each named once and by a shortest way round. Iterative: a cycle may have 10,000 steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tenuto.core.outline import Link, Outline

_MOST_CYCLES = 20
_MOST_NAMES = 12


def find_cycles(outline: Outline) -> Iterator[list[Link]]:
    """A cycle for each knot of steps that wait for one another, at most 20: its edges in order, from the step that
    stands first in the document."""
    if len(outline.order) == len(outline.steps):
        return
    component = _components(outline)
    done: set[int] = set()
    for i in range(len(outline.steps)):
        knot = component[i]
        if knot is None or knot in done:
            continue
        done.add(knot)
        yield _way_round(outline, component, i)
        if len(done) == _MOST_CYCLES:
            return


def cycle_text(outline: Outline, cycle: list[Link]) -> str:
    """`a → b → a`; of a long cycle the beginning and the end."""
    names = [outline.steps[link.source].id for link in cycle]
    names.append(names[0])
    if len(names) > _MOST_NAMES:
        half = _MOST_NAMES // 2
        names = [*names[:half], f"… ({len(cycle) - _MOST_NAMES + 1:,} more) …", *names[-half:]]
    return " → ".join(names)


def _way_round(outline: Outline, component: list[int | None], start: int) -> list[Link]:
    """The shortest way from a step of a knot back to itself, breadth first."""
    came_by: dict[int, Link] = {}
    queue = deque([start])
    while queue:
        for link in outline.outgoing[queue.popleft()]:
            if component[link.target] != component[start] or link.target in came_by:
                continue
            came_by[link.target] = link
            if link.target == start:
                return _trace(came_by, start)
            queue.append(link.target)
    raise AssertionError("every step of a knot lies on a cycle")


def _trace(came_by: dict[int, Link], start: int) -> list[Link]:
    way = [came_by[start]]
    while way[-1].source != start:
        way.append(came_by[way[-1].source])
    return way[::-1]


def _components(outline: Outline) -> list[int | None]:
    """For each step its strongly connected component if that is more than the step alone, else None (Kosaraju: finish
    times of one sweep, then the reversed graph in falling order)."""
    component: list[int | None] = [None] * len(outline.steps)
    assigned = [False] * len(outline.steps)
    for root in reversed(_by_finish(outline)):
        if assigned[root]:
            continue
        assigned[root] = True
        members = [root]
        for i in members:  # grows while it is read
            for link in outline.incoming[i]:
                if not assigned[link.source]:
                    assigned[link.source] = True
                    members.append(link.source)
        if len(members) > 1:
            for i in members:
                component[i] = root
    return component


def _by_finish(outline: Outline) -> list[int]:
    """Steps in the order in which a depth-first sweep leaves them."""
    seen = [False] * len(outline.steps)
    finished: list[int] = []
    for root in range(len(outline.steps)):
        if seen[root]:
            continue
        seen[root] = True
        stack = [(root, iter(outline.outgoing[root]))]
        while stack:
            i, links = stack[-1]
            link = next((link for link in links if not seen[link.target]), None)
            if link is None:
                finished.append(i)
                stack.pop()
            else:
                seen[link.target] = True
                stack.append((link.target, iter(outline.outgoing[link.target])))
    return finished
