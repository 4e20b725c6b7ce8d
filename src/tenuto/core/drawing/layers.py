"""Where the steps of one block stand: in layers, each step after all it depends on, with few crossings.

The way of Sugiyama: longest-path layers, edges over several layers bent through stand-ins, order within a layer by the
neighbours' mean, and places along a layer fitted to the neighbours by isotonic regression. Every pass is linear or
n log n.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from tenuto.core.drawing.parts import Line, lines
from tenuto.core.graph import Block

MOST_BENDS = 20_000
"""Edges over several layers are bent around what is between until so many bends are used; the rest go straight."""


class Path(NamedTuple):
    """An edge and the items it passes, its source first and its target last."""

    line: Line
    items: tuple[int, ...]


class Layout:
    """Items by layer and in order. Items below `count` are steps of the block (by index), the others bends of long edges."""

    def __init__(self, block: Block) -> None:
        self.count = len(block.nodes)
        self.layer_of = _layers(block)
        self.paths = self._bend(list(lines(block)))
        self.layers: list[list[int]] = [[] for _ in range(max(self.layer_of) + 1)]
        for item, layer in enumerate(self.layer_of):
            self.layers[layer].append(item)
        self.before: list[list[int]] = [[] for _ in self.layer_of]
        self.after: list[list[int]] = [[] for _ in self.layer_of]
        self._join()
        self._order()

    def _bend(self, all_lines: list[Line]) -> list[Path]:
        paths = []
        for line in all_lines:
            first, last = self.layer_of[line.source], self.layer_of[line.target]
            bends = last - first - 1
            items = [line.source]
            if len(self.layer_of) - self.count + bends <= MOST_BENDS:
                for layer in range(first + 1, last):
                    items.append(len(self.layer_of))
                    self.layer_of.append(layer)
            paths.append(Path(line, (*items, line.target)))
        return paths

    def _join(self) -> None:
        pairs = {pair for path in self.paths for pair in pairwise(path.items)}
        for source, target in sorted(pairs):
            if self.layer_of[target] - self.layer_of[source] == 1:
                self.after[source].append(target)
                self.before[target].append(source)

    def _order(self) -> None:
        sweeps = 6 if len(self.layer_of) <= 2000 else 2
        place = [0] * len(self.layer_of)
        for layer in self.layers:
            _number(layer, place)
        for _ in range(sweeps):
            for layer in self.layers[1:]:
                _sort(layer, place, self.before)
            for layer in reversed(self.layers[:-1]):
                _sort(layer, place, self.after)

    def spread(self, sizes: Sequence[float], gap: float) -> list[float]:
        """The centre of each item along its layer, for items of these sizes at least `gap` apart; the smallest start
        is 0."""
        centres = [0.0] * len(self.layer_of)
        for layer in self.layers:
            _fit(layer, [0.0] * len(layer), sizes, gap, centres)
        for neighbours in (self.before, self.after, self.before, self.after, self.before):
            ordered = self.layers if neighbours is self.before else self.layers[::-1]
            for layer in ordered:
                wanted = [_mean(neighbours[item], centres, centres[item]) for item in layer]
                _fit(layer, wanted, sizes, gap, centres)
        start = min(centre - size / 2 for centre, size in zip(centres, sizes, strict=True))
        return [centre - start for centre in centres]


def _layers(block: Block) -> list[int]:
    """For each step the length of the longest path to it."""
    layer = [0] * len(block.nodes)
    missing = [node.in_count for node in block.nodes]
    ready = list(block.roots)
    while ready:
        node = block.nodes[ready.pop()]
        for target, _ in node.out:
            layer[target] = max(layer[target], layer[node.index] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return layer


def _number(layer: list[int], place: list[int]) -> None:
    for at, item in enumerate(layer):
        place[item] = at


def _sort(layer: list[int], place: list[int], neighbours: list[list[int]]) -> None:
    wanted = {item: _mean(neighbours[item], place, place[item]) for item in layer}
    layer.sort(key=wanted.__getitem__)
    _number(layer, place)


def _mean(items: list[int], values: Sequence[float], otherwise: float) -> float:
    return sum(values[item] for item in items) / len(items) if items else otherwise


def _fit(
    layer: list[int], wanted: list[float], sizes: Sequence[float], gap: float, centres: list[float]
) -> None:
    """Place a layer as near to what is wanted as its order and the gaps allow (least squares, by pooling adjacent
    violators)."""
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + (sizes[left] + sizes[right]) / 2 + gap)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            more, members = blocks.pop()
            total, count = total + more, count + members
        blocks.append((total, count))
    values = (total / count for total, count in blocks for _ in range(count))
    for item, value, offset in zip(layer, values, offsets, strict=True):
        centres[item] = value + offset
