"""A picture as SVG: self-contained, readable in light and dark, safe to open (every text escaped, no scripts)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import accumulate
from unicodedata import east_asian_width

from tenuto.core.drawing.layers import Layout, Path
from tenuto.core.drawing.parts import GLYPHS, HEADINGS, Subject, inside, marks, shorten, title, tries
from tenuto.core.graph import Block, Graph, Node
from tenuto.core.instants import duration_text
from tenuto.core.state import State

WIDTH, HEIGHT, BETWEEN, GAP, MARGIN = 196, 48, 72, 20, 16
"""Pixels: a step's box, the room between layers, the room between boxes of a layer, the picture's edge."""

_BEND = 8
_PADDING = 14
_HEADING = 36
_TEXT_UNITS = 23

_STYLE = """
.ground{fill:#fff}text{font:13px system-ui,sans-serif;fill:#111827}.sub{font-size:11px;fill:#6b7280}
rect.step{fill:#f9fafb;stroke:#9ca3af;stroke-width:1.3}path{fill:none;stroke:#9ca3af;stroke-width:1.5}
path.onFailure,path.catch{stroke-dasharray:5 4;stroke:#dc2626}path.onSuccess{stroke:#16a34a}marker path{fill:#9ca3af;stroke:none}
.label{font-size:10.5px;fill:#6b7280;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px}
.running rect{fill:#dbeafe;stroke:#2563eb}.success rect{fill:#dcfce7;stroke:#16a34a}
.failed rect{fill:#fee2e2;stroke:#dc2626}.skipped{opacity:.55}.container rect{fill-opacity:.35}.skipped rect{stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){.ground{fill:#111827}text{fill:#f3f4f6}.sub,.label{fill:#9ca3af}
rect.step{fill:#1f2937;stroke:#6b7280}.running rect{fill:#1e3a8a}.success rect{fill:#14532d}\
.failed rect{fill:#7f1d1d}.label{stroke:#111827}}
"""


def svg(graph: Graph, state: State | None = None) -> str:
    """The workflow from left to right, containers as boxes around what is in them, handlers below; with a state, each
    step in the colour of its status."""
    subject = Subject(graph, state)
    drawn: list[str] = []
    bottom = MARGIN
    width = 0
    for heading, block in [("", graph.root), *((HEADINGS[kind], b) for kind, b in graph.handlers.items())]:
        if heading:
            bottom += _HEADING
            drawn.append(f'<text class="sub" x="{MARGIN}" y="{bottom - 8}">{heading}</text>')
        scene = _Scene(block)
        drawn += scene.draw(MARGIN, bottom, subject)
        width, bottom = max(width, scene.width), bottom + scene.height
    width, height = width + 2 * MARGIN, bottom + MARGIN
    name = escape(_clean(graph.definition.name or graph.definition.id))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{name}</title><style>{_STYLE}</style>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>',
            '<rect class="ground" width="100%" height="100%"/>',
            *drawn,
            "</svg>\n",
        ]
    )


class _Box:
    """A step as large as it is drawn; `inner` is what is in a container."""

    def __init__(self, node: Node) -> None:
        block = inside(node)
        self.node = node
        self.inner = None if block is None else _Scene(block)
        self.width, self.height = WIDTH, HEIGHT
        if self.inner is not None:
            self.width = max(WIDTH, self.inner.width + 2 * _PADDING)
            self.height = HEIGHT + self.inner.height + _PADDING

    def draw(self, x: int, y: float, subject: Subject) -> Iterator[str]:
        """The box with its upper left corner there, and what is in it. Recursion follows the nesting, which is
        bounded."""
        yield _step(self, x, y, subject)
        if self.inner is not None:
            yield from self.inner.draw(x + _PADDING, y + HEIGHT, subject)


class _Scene:
    """The steps of one block: layers from left to right, each as wide as its widest box."""

    def __init__(self, block: Block) -> None:
        self.layout = layout = Layout(block)
        self.boxes = [_Box(node) for node in block.nodes]
        bends = len(layout.layer_of) - layout.count
        sizes = [*(box.height for box in self.boxes), *[_BEND] * bends]
        self.middles = layout.spread(sizes, GAP)
        self.height = round(max(y + size / 2 for y, size in zip(self.middles, sizes, strict=True)))
        self.widths = [
            max((self.boxes[item].width for item in layer if item < layout.count), default=WIDTH)
            for layer in layout.layers
        ]
        self.lefts = [0, *accumulate(width + BETWEEN for width in self.widths)]
        self.width = self.lefts[-1] - BETWEEN

    def draw(self, x: int, y: float, subject: Subject) -> Iterator[str]:
        """Edges and boxes, with the upper left corner of all there."""
        for path in self.layout.paths:
            yield self._path(path, x, y)
        for item, box in enumerate(self.boxes):
            left = x + self.lefts[self.layout.layer_of[item]]
            yield from box.draw(left, y + self.middles[item] - box.height / 2, subject)

    def _path(self, path: Path, left: int, top: float) -> str:
        """An edge as smooth curves between layers and straight lines past the boxes of a layer."""
        first, *bends, last = path.items
        layer = self.layout.layer_of[first]
        x, y = left + self.lefts[layer] + self.boxes[first].width, top + self.middles[first]
        parts = [f"M{x} {y:.1f}"]
        if self.boxes[first].width < self.widths[layer]:
            x = left + self.lefts[layer] + self.widths[layer]
            parts.append(f"H{x}")
        start = (x, y)
        for item in (*bends, last):
            layer = self.layout.layer_of[item]
            to_x, to_y = left + self.lefts[layer], top + self.middles[item]
            half = (x + to_x) / 2
            parts.append(f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x} {to_y:.1f}")
            x, y = to_x, to_y
            if item != last:
                x += self.widths[layer]
                parts.append(f"H{x}")
        drawn = f'<path class="{path.line.kind}" d="{"".join(parts)}" marker-end="url(#arrow)"/>'
        to_y = top + self.middles[path.items[1]]
        return drawn + _label(path, start, to_y) if path.line.label else drawn


def _label(path: Path, start: tuple[float, float], to_y: float) -> str:
    x, y = start[0] + BETWEEN / 2, (start[1] + to_y) / 2 + 4
    whole = escape(_clean(path.line.label))
    text = escape(_clean(shorten(path.line.label, 14)))
    return f'<text class="label" x="{x:.0f}" y="{y:.1f}">{text}<title>{whole}</title></text>'


def _step(box: _Box, x: int, y: float, subject: Subject) -> str:
    node = box.node
    status, _ = subject.look(node)
    name = _clean(title(node))
    glyph = "" if status is None else GLYPHS[status] + " "
    radius, inset = (HEIGHT // 2, 20) if node.is_decision else (8, 12)
    kind = f"{status or 'plain'}{'' if box.inner is None else ' container'}"
    middle = y + HEIGHT / 2
    return (
        f'<g class="{kind}"><title>{escape(name)} ({node.id})</title>'
        f'<rect class="step" x="{x}" y="{y:.1f}" width="{box.width}" height="{box.height}" rx="{radius}"/>'
        f'<text x="{x + inset}" y="{middle - 4:.1f}">{glyph}{escape(_fitting(name))}</text>'
        f'<text class="sub" x="{x + inset}" y="{middle + 13:.1f}">{escape(_fitting(_clean(_subtitle(node, subject))))}</text></g>'
    )


def _subtitle(node: Node, subject: Subject) -> str:
    """Signs, and what the step does, or how it stands."""
    return " · ".join(part for part in (marks(node), *_told(node, subject)) if part)


def _told(node: Node, subject: Subject) -> list[str]:
    status, _ = subject.look(node)
    step = subject.step(node)
    detail = subject.detail(node)
    if status in (None, "pending"):
        return [node.spec.action if inside(node) is None else node.spec.type]
    parts = [detail or (step.status if step is not None else status or "")]
    if tried := tries(step):
        parts.append(f"{tried} attempts")
    if step is not None and step.start_time is not None and step.end_time is not None:
        parts.append(duration_text(step.end_time - step.start_time))
    return parts


def _fitting(text: str) -> str:
    """As much of the text as a box is wide, counting wide characters twice."""
    room = _TEXT_UNITS
    for at, char in enumerate(text):
        room -= 2 if east_asian_width(char) in "WF" else 1
        if room < 0:
            return text[: max(at - 1, 0)] + "…"
    return text


def _clean(text: str) -> str:
    """Without characters that XML does not allow or that are not seen."""
    return "".join(c if c.isprintable() else " " for c in text)
