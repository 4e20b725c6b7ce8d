"""Pictures: small ones against golden files (write them anew with TENUTO_GOLDEN=write), and for random workflows that the
lines on a terminal lead exactly where the edges do."""

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.core.definition import Case, Definition, StepSpec
from tenuto.core.drawing import data, dot, mermaid, svg, terminal
from tenuto.core.graph import Graph, compile_graph
from tests.core.driven import Driven, step

GOLDEN = Path(__file__).parent / "drawings"
SVG = "{http://www.w3.org/2000/svg}"


def order_flow() -> Driven:
    driven = Driven(
        step("check", action="condition", on_success=("charge",), on_failure=("reject",)),
        step("charge", name="Charge <the> card & go", on_failure=("refund",)),
        step("reject"),
        step("refund"),
        step("done", "charge", "reject", join="one_success"),
        name="Orders & more",
    )
    driven.after(20).succeed("check", {"result": True, "branch": "true"})
    return driven


def pick_one() -> Graph:
    cases = (
        Case(when='context.kind == "a"', next=("a", "both")),
        Case(when="context.big", next=("b", "both")),
    )
    return compile_graph(
        Definition(
            id="pick",
            steps=(
                step("pick", type="decision", cases=cases, default=("c",)),
                *map(step, ("a", "b", "both", "c")),
            ),
        )
    )


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("orders.mmd", lambda: mermaid(order_flow().state.graph, order_flow().state)),
        ("orders.dot", lambda: dot(order_flow().state.graph, order_flow().state)),
        ("orders.svg", lambda: svg(order_flow().state.graph, order_flow().state)),
        ("orders.txt", lambda: "\n".join(terminal(order_flow().state.graph, order_flow().state)) + "\n"),
        ("orders-plain.txt", lambda: "\n".join(terminal(order_flow().state.graph)) + "\n"),
        ("pick.mmd", lambda: mermaid(pick_one())),
        ("pick.dot", lambda: dot(pick_one())),
        ("pick.txt", lambda: "\n".join(terminal(pick_one())) + "\n"),
    ],
)
def test_small_drawings_are_as_they_were(name: str, draw: object) -> None:
    assert callable(draw)
    drawn = draw()
    golden = GOLDEN / name
    if os.environ.get("TENUTO_GOLDEN") == "write":
        golden.write_text(drawn, encoding="utf-8")
    assert drawn == golden.read_text(encoding="utf-8")


def test_the_data_names_every_edge_and_when_it_is_taken() -> None:
    assert data(pick_one())["edges"] == [
        {"from": "pick", "to": "a", "kind": "case", "label": 'context.kind == "a"'},
        {"from": "pick", "to": "both", "kind": "case", "label": 'context.kind == "a" or context.big'},
        {"from": "pick", "to": "b", "kind": "case", "label": "context.big"},
        {"from": "pick", "to": "c", "kind": "case", "label": "else"},
    ]


def test_names_cannot_break_out_of_any_drawing() -> None:
    nasty = 'x"]; <script>alert(1)</script> \\ #quot; \x00\x1b[31m `%%` ]]> \u202e end'
    graph = compile_graph(Definition(id="w", name=nasty, steps=(step("a", name=nasty), step("b", "a"))))
    root = ET.fromstring(svg(graph))
    assert not list(root.iter(f"{SVG}script"))
    assert len(mermaid(graph).splitlines()) == 4
    assert '"]' not in mermaid(graph).splitlines()[1].removesuffix('"]')
    assert dot(graph).count("\n") == 7
    assert "\x1b" not in svg(graph) + dot(graph) + mermaid(graph)


def test_a_long_name_is_cut_in_its_box_and_whole_in_its_title() -> None:
    graph = compile_graph(Definition(id="w", steps=(step("a", name="長" * 50),)))
    root = ET.fromstring(svg(graph))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert texts[0] == "長" * 10 + "…"
    assert any("長" * 50 in (title.text or "") for title in root.iter(f"{SVG}title"))


def wide(count: int) -> Graph:
    fan = [step(f"f{i}", "s") for i in range(count)]
    return compile_graph(Definition(id="w", steps=(step("s"), *fan, step("j", *(f.id for f in fan)))))


def test_what_is_too_wide_for_a_terminal_is_listed() -> None:
    assert terminal(wide(3), width=80)[0].strip().startswith("┌")
    listed = terminal(wide(40), width=80)
    assert listed[0] == "s"
    assert listed[1] == "f0  ← s"
    assert listed[-1] == "j  ← f0, f1, f2, f3 and 36 more"


def chain(count: int) -> list[StepSpec]:
    return [step("c0"), *(step(f"c{i}", f"c{i - 1}") for i in range(1, count))]


@pytest.mark.parametrize(
    "steps",
    [
        chain(10_000),
        [step("s"), *(step(f"f{i}", "s") for i in range(9_999))],
        [*chain(2_000), *(step(f"x{i}", "c0", f"c{i}") for i in range(1, 2_000))],
        [
            *(step(f"a{i}") for i in range(100)),
            *(step(f"b{i}", *(f"a{j}" for j in range(100))) for i in range(100)),
        ],
    ],
    ids=["chain", "fan", "long edges", "all to all"],
)
def test_large_workflows_are_drawn_whole(steps: list[StepSpec]) -> None:
    graph = compile_graph(Definition(id="w", steps=tuple(steps)))
    edges = sum(len(node.out) for node in graph.nodes)
    assert svg(graph).count('class="dependency"') == edges
    assert mermaid(graph).count("-->") == edges
    assert dot(graph).count("->") == edges
    assert len(terminal(graph)) >= len(steps) or len(steps) < 300


def test_boxes_of_a_picture_never_overlap() -> None:
    graph = wide(30)
    boxes = [
        (float(r.attrib["x"]), float(r.attrib["y"]))
        for r in ET.fromstring(svg(graph)).iter(f"{SVG}rect")
        if "rx" in r.attrib
    ]
    assert len(boxes) == 32
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - x2) > 196 or abs(y - y2) > 48 for x2, y2 in boxes[i + 1 :])


@st.composite
def dags(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 9))
    steps: list[StepSpec] = []
    for i in range(count):
        before = draw(st.sets(st.integers(0, i - 1), max_size=4)) if i else set()
        steps.append(step("abcdefghi"[i] * draw(st.integers(1, 12)), *(steps[j].id for j in sorted(before))))
    return compile_graph(Definition(id="w", steps=tuple(steps)))


@settings(max_examples=300, deadline=None)
@given(dags())
def test_lines_on_a_terminal_lead_exactly_where_the_edges_do(graph: Graph) -> None:
    drawn = terminal(graph, width=10_000)
    if not any("┌" in line for line in drawn):
        return  # too tangled to draw without misleading; listed instead
    edges = {(node.id, graph.nodes[edge.target].id) for node in graph.nodes for edge in node.out}
    assert traced(drawn) == edges


UP, DOWN, LEFT, RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)
JOINS = {
    "│": (UP, DOWN), "─": (LEFT, RIGHT), "┌": (DOWN, RIGHT), "┐": (DOWN, LEFT), "└": (UP, RIGHT), "┘": (UP, LEFT),
    "├": (UP, DOWN, RIGHT), "┤": (UP, DOWN, LEFT), "┬": (DOWN, LEFT, RIGHT), "┴": (UP, LEFT, RIGHT),
    "┼": (UP, DOWN, LEFT, RIGHT),
}  # fmt: skip


def traced(drawn: list[str]) -> set[tuple[str, str]]:
    """The pairs of boxes that a reader finds who follows the lines; an upright line passes over one that it crosses."""
    width = max(map(len, drawn))
    grid = [line.ljust(width) for line in drawn]
    boxes = [
        (row, m)
        for row, line in enumerate(grid)
        for m in re.finditer(r"│ +(\w+) +│", line)
        if "┌" in grid[row - 1]
    ]
    tops = {(row - 1, column): m[1] for row, m in boxes for column in range(m.start(), m.end())}
    found = set()
    for row, m in boxes:
        for column in range(m.start(), m.end()):
            if grid[row + 1][column] == "┬":
                found |= {(m[1], tops[end]) for end in reached(grid, row + 1, column)}
    return found


def reached(grid: list[str], row: int, column: int) -> set[tuple[int, int]]:
    ends = set()
    ways = [(row + 1, column, DOWN)]
    seen = set(ways)
    while ways:
        row, column, way = ways.pop()
        char = grid[row][column]
        if char == "▼":
            ends.add((row + 1, column))
            continue
        onward = (
            (way,) if char == "│" else tuple(d for d in JOINS[char] if d != (-way[0], -way[1]) and d != UP)
        )
        for d in onward:
            following = (row + d[0], column + d[1], d)
            if following not in seen:
                seen.add(following)
                ways.append(following)
    return ends
