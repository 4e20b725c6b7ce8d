"""A picture in characters, top to bottom, for terminals: boxes joined by lines where that fits the width, else one line
for each step with what it comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from tenuto.core.drawing.layers import Layout
from tenuto.core.drawing.parts import GLYPHS, HEADINGS, Subject, blocks, inside, lines, marked, tries
from tenuto.core.graph import Block, Graph, Node
from tenuto.core.state import State

MOST_BOXES = 200
"""Larger workflows are listed, not drawn."""

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_CHARS = " │││─┘┐┤─└┌├─┴┬┼"
"""The character for each sum of the directions in which a cell is joined."""

_GAP = 3


def terminal(graph: Graph, state: State | None = None, width: int = 100) -> list[str]:
    """The workflow in lines of at most `width` characters (the list form may be wider)."""
    subject = Subject(graph, state)
    if len(graph.all_nodes) <= MOST_BOXES:
        with suppress(_Tangled):
            drawn = _parts(graph, lambda block: _boxed(block, subject))
            if max(map(len, drawn)) <= width:
                return drawn + _legend(graph)
    return _parts(graph, lambda block: _listed(block, subject))


def _parts(graph: Graph, draw: Callable[[Block], list[str]]) -> list[str]:
    """The workflow's own steps, and under headings its handlers."""
    out = draw(graph.root)
    for kind, block in graph.handlers.items():
        out += ["", f"{HEADINGS[kind]}:", *draw(block)]
    return out


def _boxed(block: Block, subject: Subject) -> list[str]:
    """The steps in boxes, those of containers in theirs; recursion follows the nesting, which is bounded. Raises
    _Tangled."""
    contents = []
    for node in block.nodes:
        nested = inside(node)
        contents.append([_text(node, subject), *([] if nested is None else _boxed(nested, subject))])
    return _Sheet(Layout(block), contents).draw()


def _text(node: Node, subject: Subject) -> str:
    status, _ = subject.look(node)
    name = marked(node.id, node)
    if status is None:
        return name
    tried, detail = tries(subject.step(node)), subject.detail(node)
    times = f" ×{tried}" if tried else ""
    more = f" ({detail})" if detail else ""
    return f"{GLYPHS[status]} {name}{times}{more}"


def _legend(graph: Graph) -> list[str]:
    """What the lines cannot say: which edges are taken only on some outcome."""
    labelled = [
        f"  {block.nodes[line.source].id} ─{line.label}→ {block.nodes[line.target].id}"
        for block in blocks(graph)
        for line in lines(block)
        if line.label
    ]
    return ["", *labelled] if labelled else []


def _listed(block: Block, subject: Subject, indent: str = "") -> list[str]:
    """Each step after those it comes after, with their names, and what is in a container below it. Recursion follows
    the nesting, which is bounded."""
    sources: list[list[str]] = [[] for _ in block.nodes]
    for line in lines(block):
        via = f" ({line.label})" if line.label else ""
        sources[line.target].append(block.nodes[line.source].id + via)
    layer_of = Layout(block).layer_of
    out = []
    for node in sorted(block.nodes, key=lambda node: (layer_of[node.index], node.index)):
        before = sources[node.index]
        named = ", ".join(before[:4]) + (f" and {len(before) - 4} more" if len(before) > 4 else "")
        out.append(indent + _text(node, subject) + (f"  ← {named}" if named else ""))
        nested = inside(node)
        if nested is not None:
            out += _listed(nested, subject, indent + "    ")
    return out


_After = tuple[int, ...]
"""The items of the next layer that an item leads to; items with the same ones share their lines."""


class _Bundle(NamedTuple):
    """All lines between two layers that lead to the same items: where they start and where they end (columns). No
    other bundle ends in these columns."""

    starts: frozenset[int]
    ends: frozenset[int]

    @property
    def is_straight(self) -> bool:
        return self.starts == self.ends and len(self.ends) == 1

    @property
    def span(self) -> tuple[int, int]:
        columns = self.starts | self.ends
        return min(columns), max(columns)


class _Tangled(Exception):
    """The lines between two layers cannot be drawn without seeming to lead where they do not."""


class _Sheet:
    """Boxes in rows as high as the highest in them, and between two rows as many tracks as their lines need. `contents`
    are the lines in each box, the first of them its title."""

    def __init__(self, layout: Layout, contents: list[list[str]]) -> None:
        self.layout = layout
        self.contents = contents
        self.sizes = [self._size(item) for item in range(len(layout.layer_of))]
        self.columns = _columns(layout, layout.spread(self.sizes, _GAP), self.sizes)
        self.width = max(self._left(item) + self.sizes[item] for item in range(len(self.sizes)))

    def draw(self) -> list[str]:
        """The lines. Raises _Tangled."""
        out: list[str] = []
        for at, layer in enumerate(self.layout.layers):
            out += self._boxes(layer)
            if at + 1 < len(self.layout.layers):
                out += self._lines(layer)
        return [line.rstrip() for line in out]

    def _size(self, item: int) -> int:
        """Odd, so that a box has a middle column, and wide enough for a line from each bundle."""
        if item >= self.layout.count:
            return 1
        bundles = {tuple(self.layout.after[source]) for source in self.layout.before[item]}
        return max(max(map(len, self.contents[item])) + 4, 2 * len(bundles) + 1) | 1

    def _left(self, item: int) -> int:
        return self.columns[item] - self.sizes[item] // 2

    def _boxes(self, layer: list[int]) -> list[str]:
        height = max((len(self.contents[item]) for item in layer if item < self.layout.count), default=1) + 2
        rows = [[" "] * self.width for _ in range(height)]
        for item in layer:
            top = 0 if item >= self.layout.count else self._box(rows, item)
            if top == 0 or self.layout.after[item]:
                for row in rows[top:]:
                    row[self.columns[item]] = "│"
        return ["".join(row) for row in rows]

    def _box(self, rows: list[list[str]], item: int) -> int:
        """Draw the box at the top of the rows; how many it takes."""
        left, inner = self._left(item), self.sizes[item] - 2
        title, *body = self.contents[item]
        wide = max(map(len, body), default=0)
        _put(rows[0], left, "┌" + "─" * inner + "┐")
        for row, text in zip(rows[1:], [title, *(text.ljust(wide) for text in body)], strict=False):
            _put(row, left, f"│ {text:^{inner - 2}} │")
        bottom = ["─"] * inner
        if self.layout.after[item]:
            bottom[inner // 2] = "┬"
        _put(rows[len(body) + 2], left, "└" + "".join(bottom) + "┘")
        return len(body) + 3

    def _lines(self, layer: list[int]) -> list[str]:
        sources: dict[_After, list[int]] = {}
        for item in layer:
            if self.layout.after[item]:
                sources.setdefault(tuple(self.layout.after[item]), []).append(self.columns[item])
        ports = self._ports(sources)
        bundles = [
            _Bundle(frozenset(starts), frozenset(ports[after].values())) for after, starts in sources.items()
        ]
        tracks = _assign_tracks(bundles)
        height = max(tracks.values(), default=-1) + 1
        cells = [[0] * self.width for _ in range(height)]
        for bundle in bundles:
            _trace(cells, bundle, tracks.get(bundle, height))
        _bridge(cells, tracks)
        return ["".join(_CHARS[bits] for bits in row) for row in cells] + [self._heads(ports)]

    def _ports(self, sources: dict[_After, list[int]]) -> dict[_After, dict[int, int]]:
        """For each bundle the column in which it enters each item it leads to; where several enter one item, they do
        so from left to right as they come."""
        ports: dict[_After, dict[int, int]] = {after: {} for after in sources}
        entering: dict[int, list[_After]] = {}
        for after in sorted(sources, key=lambda after: sum(sources[after]) / len(sources[after])):
            for item in after:
                entering.setdefault(item, []).append(after)
        for item, bundles in entering.items():
            for at, after in enumerate(bundles):
                ports[after][item] = self.columns[item] + 2 * at - (len(bundles) - 1)
        return ports

    def _heads(self, ports: dict[_After, dict[int, int]]) -> str:
        row = [" "] * self.width
        for columns in ports.values():
            for item, column in columns.items():
                row[column] = "▼" if item < self.layout.count else "│"
        return "".join(row)


def _put(row: list[str], at: int, text: str) -> None:
    row[at : at + len(text)] = text


def _columns(layout: Layout, centres: list[float], sizes: list[int]) -> list[int]:
    """The centres as whole columns, still apart."""
    columns = [0] * len(centres)
    for layer in layout.layers:
        free = 0
        for item in layer:
            columns[item] = max(round(centres[item]), free + sizes[item] // 2)
            free = columns[item] - sizes[item] // 2 + sizes[item] + 1
    return columns


def _assign_tracks(bundles: list[_Bundle]) -> dict[_Bundle, int]:
    """A track for each bundle that is not straight: none shares one with a bundle whose span it meets, and where one
    ends in a column in which another starts, it runs below it. Raises _Tangled."""
    tracks: dict[_Bundle, int] = {}
    waiting = [bundle for bundle in bundles if not bundle.is_straight]
    while waiting:
        bundle = next((b for b in waiting if not _above(b, waiting)), None)
        if bundle is None:
            raise _Tangled
        waiting.remove(bundle)
        lowest = max((tracks[other] + 1 for other in _above(bundle, tracks)), default=0)
        taken = {track for other, track in tracks.items() if _meet(bundle.span, other.span)}
        tracks[bundle] = next(track for track in range(lowest, lowest + len(taken) + 1) if track not in taken)
    return tracks


def _above(bundle: _Bundle, others: Iterable[_Bundle]) -> list[_Bundle]:
    """Those that must run above the bundle, so that no line seems to lead where it does not."""
    return [other for other in others if other is not bundle and (other.starts & bundle.ends) - other.ends]


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] + 1 and other[0] <= one[1] + 1


def _trace(cells: list[list[int]], bundle: _Bundle, track: int) -> None:
    if bundle.is_straight:
        _trace_upright(cells, bundle.ends)
        return
    _trace_upright(cells[:track], bundle.starts)
    line = cells[track]
    left, right = bundle.span
    for column in range(left, right + 1):
        line[column] |= (_LEFT if column > left else 0) | (_RIGHT if column < right else 0)
    for column in bundle.starts:
        line[column] |= _UP
    for column in bundle.ends:
        line[column] |= _DOWN
    _trace_upright(cells[track + 1 :], bundle.ends)


def _trace_upright(rows: list[list[int]], columns: frozenset[int]) -> None:
    for row in rows:
        for column in columns:
            row[column] |= _UP | _DOWN


def _bridge(cells: list[list[int]], tracks: dict[_Bundle, int]) -> None:
    """Where lines of different bundles only cross, let the upright one pass over."""
    for bundle, track in tracks.items():
        left, right = bundle.span
        joined = bundle.starts | bundle.ends
        for column in range(left + 1, right):
            if cells[track][column] == _UP | _DOWN | _LEFT | _RIGHT and column not in joined:
                cells[track][column] = _UP | _DOWN
