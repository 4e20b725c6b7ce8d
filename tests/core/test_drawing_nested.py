"""Pictures of containers, handlers and compensations: against golden files (write them anew with TENUTO_GOLDEN=write), and
that boxes are where they belong."""

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from tenuto.core import inputs as inp
from tenuto.core.definition import AtLeast, CatchRule, Compensate, Definition, Handlers, StepSpec
from tenuto.core.drawing import data, dot, mermaid, svg, terminal
from tenuto.core.graph import compile_graph
from tenuto.core.spots import spots
from tests.core.driven import Driven, step

GOLDEN = Path(__file__).parent / "drawings"
SVG = "{http://www.w3.org/2000/svg}"
UNDO = Compensate(action="http.request")


def shop() -> Driven:
    """An execution under way with something of everything."""
    wrapping = step(
        "pack", type="map", items="{{ context.orders }}", steps=(step("fetch"), step("wrap", "fetch"))
    )
    one = AtLeast(at_least=1, cancel_remaining=True)
    quotes = (step("ups"), step("dhl"), step("best", "ups", "dhl", join=one), wrapping)
    caught = (CatchRule(errors=("http.402", "http.5xx"), next=("ask",)),)
    driven = Driven(
        step("reserve", compensate=UNDO),
        step("quotes", "reserve", type="parallel", steps=quotes),
        step("charge", "quotes", name="Charge the card", catch=caught),
        step("ask"),
        step("poll", "charge", type="loop", until="result.done", every=1000, action="http.request"),
        step("mail", "quotes", type="map", items=["a", "b", "c"], action="http.request"),
        step("done", "charge", "mail", "poll", join=AtLeast(at_least=2)),
        handlers=Handlers(failure=(step("alert"), step("log", "alert")), always=(step("clean"),)),
    )
    driven.succeed("reserve")
    driven.succeed("ups", 1)
    driven.end("pack", inp.Expanded([1, 2, 3]))
    driven.succeed("fetch[1]")
    return driven


def shop_undone() -> Driven:
    """The same, cancelled and undone."""
    driven = shop()
    driven.take(inp.Cancel())
    driven.succeed("clean")
    driven.succeed("reserve:compensate")
    return driven


@pytest.mark.parametrize(
    ("name", "drive", "draw"),
    [
        ("shop.mmd", shop, mermaid),
        ("shop.dot", shop, dot),
        ("shop.svg", shop, svg),
        ("shop.txt", shop, lambda graph, state: "\n".join(terminal(graph, state)) + "\n"),
        ("shop-narrow.txt", shop, lambda graph, state: "\n".join(terminal(graph, state, 60)) + "\n"),
        ("shop-plain.txt", shop, lambda graph, _: "\n".join(terminal(graph)) + "\n"),
        ("shop-undone.mmd", shop_undone, mermaid),
        ("shop-undone.svg", shop_undone, svg),
    ],
)
def test_nested_drawings_are_as_they_were(
    name: str, drive: Callable[[], Driven], draw: Callable[..., str]
) -> None:
    state = drive().state
    drawn = draw(state.graph, state)
    golden = GOLDEN / name
    if os.environ.get("TENUTO_GOLDEN") == "write":
        golden.write_text(drawn, encoding="utf-8")
    assert drawn == golden.read_text(encoding="utf-8")


def test_the_data_says_where_each_step_stands_and_what_undoes_it() -> None:
    state = shop().state
    drawn = {node["id"]: node for node in data(state.graph, state)["nodes"]}
    assert list(drawn)[:7] == ["reserve", "quotes", "ups", "dhl", "best", "pack", "fetch"]
    assert (drawn["fetch"]["parent"], drawn["pack"]["parent"]) == ("pack", "quotes")
    assert (drawn["alert"]["handlers"], drawn["best"]["atLeast"]) == ("failure", 1)
    assert drawn["reserve"]["compensate"] == {"action": "http.request", "status": "pending"}
    assert drawn["fetch"]["detail"] == "2 running, 1 success"


def test_the_data_has_the_edges_of_every_block_with_the_errors_that_are_caught() -> None:
    edges = data(shop().state.graph)["edges"]
    assert {"from": "charge", "to": "ask", "kind": "catch", "label": "http.402, http.5xx"} in edges
    joined = {(edge["from"], edge["to"]) for edge in edges}
    assert {("fetch", "wrap"), ("ups", "best"), ("alert", "log")} <= joined


def boxes(drawn: str) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right, bottom of each step's box."""
    found = {}
    for group in ET.fromstring(drawn).iter(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None
        assert rect is not None
        x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        step_id = re.search(r"\(([^)]+)\)$", title.text or "")
        assert step_id is not None
        found[step_id[1]] = (x, y, x + width, y + height)
    return found


def test_boxes_lie_within_their_container_and_apart_from_all_others() -> None:
    graph = shop().state.graph
    drawn = boxes(svg(graph))
    owner = {
        spot.node.id: None if spot.owner is None else spot.owner.node.id
        for spot in spots(graph)
        if spot.kind != "undo"
    }
    assert set(drawn) == set(owner)
    for one, (left, top, right, bottom) in drawn.items():
        for other, (left2, top2, right2, bottom2) in drawn.items():
            if owner[one] == other:
                assert left2 < left < right < right2
                assert top2 < top < bottom < bottom2
            elif one != other and owner[one] == owner[other]:
                assert right < left2 or right2 < left or bottom < top2 or bottom2 < top


def chain(name: str, length: int) -> tuple[StepSpec, ...]:
    return tuple(step(f"{name}{i}", *([f"{name}{i - 1}"] if i else [])) for i in range(length))


def deep(depth: int) -> StepSpec:
    inner = step("bottom")
    for level in range(depth):
        inner = step(f"level{level}", type="parallel", steps=(inner, step(f"beside{level}")))
    return inner


@pytest.mark.parametrize(
    "steps",
    [
        [step("fan", type="parallel", steps=tuple(step(f"f{i}") for i in range(9_000)))],
        [step(f"m{i}", type="map", items=[], steps=chain(f"m{i}s", 9)) for i in range(900)],
        [deep(16)],
    ],
    ids=["fan", "maps", "deep"],
)
def test_large_nested_workflows_are_drawn_whole(steps: list[StepSpec]) -> None:
    graph = compile_graph(Definition(id="w", steps=tuple(steps)))
    count = sum(1 for spot in spots(graph) if spot.kind != "undo")
    edges = sum(len(node.out) for node in graph.all_nodes)
    assert svg(graph).count('class="step"') == count
    assert mermaid(graph).count("-->") == edges
    assert dot(graph).count(" -> ") == edges
    assert len(terminal(graph)) >= min(count, 300)


def test_items_under_way_do_not_make_a_picture_larger() -> None:
    driven = Driven(step("m", type="map", items="{{ x }}", max_concurrency=0, steps=(step("a"),)))
    graph, state = driven.state.graph, driven.state
    before = mermaid(graph, state)
    driven.end("m", inp.Expanded(list(range(5_000))))
    assert len(mermaid(graph, state)) < len(before) + 100
