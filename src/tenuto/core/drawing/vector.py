"""A picture as SVG: self-contained, readable in light and dark, safe to open (every text escaped, no scripts)."""

from __future__ import annotations

from html import escape
from unicodedata import east_asian_width

from tenuto.core.drawing.layers import Layout, Path
from tenuto.core.drawing.parts import GLYPHS, look, shorten, step_of, title
from tenuto.core.graph import Graph, Node
from tenuto.core.instants import duration_text
from tenuto.core.state import State

WIDTH, HEIGHT, BETWEEN, GAP, MARGIN = 196, 48, 72, 20, 16
"""Pixels: a step's box, the room between layers, the room between boxes of a layer, the picture's edge."""

_BEND = 8
_TEXT_UNITS = 23

_STYLE = """
.ground{fill:#fff}text{font:13px system-ui,sans-serif;fill:#111827}.sub{font-size:11px;fill:#6b7280}
rect.step{fill:#f9fafb;stroke:#9ca3af;stroke-width:1.3}path{fill:none;stroke:#9ca3af;stroke-width:1.5}
path.onFailure{stroke-dasharray:5 4;stroke:#dc2626}path.onSuccess{stroke:#16a34a}marker path{fill:#9ca3af;stroke:none}
.label{font-size:10.5px;fill:#6b7280;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px}
.running rect{fill:#dbeafe;stroke:#2563eb}.success rect{fill:#dcfce7;stroke:#16a34a}
.failed rect{fill:#fee2e2;stroke:#dc2626}.skipped{opacity:.55}.skipped rect{stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){.ground{fill:#111827}text{fill:#f3f4f6}.sub,.label{fill:#9ca3af}
rect.step{fill:#1f2937;stroke:#6b7280}.running rect{fill:#1e3a8a}.success rect{fill:#14532d}\
.failed rect{fill:#7f1d1d}.label{stroke:#111827}}
"""


def svg(graph: Graph, state: State | None = None) -> str:
    """The workflow from left to right; with a state, each step in the colour of its status."""
    layout = Layout(graph)
    sizes = [HEIGHT if item < layout.count else _BEND for item in range(len(layout.layer_of))]
    middles = [y + MARGIN for y in layout.spread(sizes, GAP)]
    width = MARGIN * 2 + len(layout.layers) * (WIDTH + BETWEEN) - BETWEEN
    height = max(y + size / 2 for y, size in zip(middles, sizes, strict=True)) + MARGIN
    name = escape(_clean(graph.definition.name or graph.definition.id))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" '
            f'viewBox="0 0 {width} {height:.0f}" role="img">',
            f"<title>{name}</title><style>{_STYLE}</style>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>',
            '<rect class="ground" width="100%" height="100%"/>',
            *(_path(layout, path, middles) for path in layout.paths),
            *(_step(layout, node, middles[node.index], state) for node in graph.nodes),
            "</svg>\n",
        ]
    )


def _left(layout: Layout, item: int) -> int:
    return MARGIN + layout.layer_of[item] * (WIDTH + BETWEEN)


def _path(layout: Layout, path: Path, middles: list[float]) -> str:
    """An edge as smooth curves between layers and straight lines past the boxes of a layer."""
    first, *bends, last = path.items
    x, y = _left(layout, first) + WIDTH, middles[first]
    start = (x, y)
    parts = [f"M{x} {y:.1f}"]
    for item in (*bends, last):
        to_x, to_y = _left(layout, item), middles[item]
        half = (x + to_x) / 2
        parts.append(f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x} {to_y:.1f}")
        x, y = to_x, to_y
        if item != last:
            x += WIDTH
            parts.append(f"H{x}")
    drawn = f'<path class="{path.line.kind}" d="{"".join(parts)}" marker-end="url(#arrow)"/>'
    return drawn + _label(path, start, middles[path.items[1]]) if path.line.label else drawn


def _label(path: Path, start: tuple[float, float], to_y: float) -> str:
    x, y = start[0] + BETWEEN / 2, (start[1] + to_y) / 2 + 4
    whole = escape(_clean(path.line.label))
    text = escape(_clean(shorten(path.line.label, 14)))
    return f'<text class="label" x="{x:.0f}" y="{y:.1f}">{text}<title>{whole}</title></text>'


def _step(layout: Layout, node: Node, middle: float, state: State | None) -> str:
    status, _ = look(state, node)
    x, y = _left(layout, node.index), middle - HEIGHT / 2
    name = _clean(title(node))
    glyph = "" if status is None else GLYPHS[status] + " "
    radius, inset = (HEIGHT // 2, 20) if node.is_decision else (8, 12)
    return (
        f'<g class="{status or "plain"}"><title>{escape(name)} ({node.id})</title>'
        f'<rect class="step" x="{x}" y="{y:.1f}" width="{WIDTH}" height="{HEIGHT}" rx="{radius}"/>'
        f'<text x="{x + inset}" y="{middle - 4:.1f}">{glyph}{escape(_fitting(name))}</text>'
        f'<text class="sub" x="{x + inset}" y="{middle + 13:.1f}">{escape(_fitting(_clean(_subtitle(node, state))))}</text></g>'
    )


def _subtitle(node: Node, state: State | None) -> str:
    step = step_of(state, node)
    if step is None or step.status == "pending":
        return node.spec.action
    _, detail = look(state, node)
    parts = [detail or step.status]
    if step.attempts > 1:
        parts.append(f"{step.attempts} attempts")
    if step.start_time is not None and step.end_time is not None:
        parts.append(duration_text(step.end_time - step.start_time))
    return " · ".join(parts)


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
