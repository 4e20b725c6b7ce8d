"""What every picture is made of: labelled edges, and each step's look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from tenuto.core.graph import EdgeKind, Graph, Node
from tenuto.core.looks import drawn_status
from tenuto.core.state import State, StepState

Kind = Literal["dependency", "onSuccess", "onFailure", "case"]

_KINDS: dict[EdgeKind, Kind] = {
    EdgeKind.DEPENDENCY: "dependency",
    EdgeKind.SUCCESS: "onSuccess",
    EdgeKind.FAILURE: "onFailure",
    EdgeKind.CASE: "case",
}

GLYPHS = {"pending": "○", "running": "●", "success": "✓", "failed": "✗", "skipped": "–"}
"""One character for each status that a picture knows."""


class Line(NamedTuple):
    """One edge: indices of the steps it joins, where it is written, and a label ("" for a plain dependency)."""

    source: int
    target: int
    kind: Kind
    label: str


def lines(graph: Graph) -> Iterator[Line]:
    """Every edge, by its source."""
    for node in graph.nodes:
        for edge in node.out:
            yield Line(
                node.index, edge.target, _KINDS[edge.kind], _label(graph, node, edge.target, edge.kind)
            )


def title(node: Node) -> str:
    """What a picture calls the step."""
    return node.spec.name or node.id


def look(state: State | None, node: Node) -> tuple[str | None, str | None]:
    """The step's status as drawn and its detail; (None, None) without an execution."""
    return (None, None) if state is None else drawn_status(state.steps[node.index])


def step_of(state: State | None, node: Node) -> StepState | None:
    """The step's state, if an execution is drawn."""
    return None if state is None else state.steps[node.index]


def shorten(text: str, most: int) -> str:
    """The text on one line, at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def data(graph: Graph, state: State | None = None) -> dict[str, Any]:
    """Nodes and edges as JSON data, for whoever draws them."""
    return {
        "workflowId": graph.definition.id,
        "workflowName": graph.definition.name or graph.definition.id,
        "version": graph.version,
        "nodes": [_node(node, state) for node in graph.nodes],
        "edges": [_edge(graph, line) for line in lines(graph)],
    }


def _node(node: Node, state: State | None) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": node.id,
        "name": title(node),
        "type": "decision" if node.is_decision else node.spec.type,
        "action": node.spec.action,
        "join": node.join,
        "critical": node.critical,
    }
    status, detail = look(state, node)
    if status is not None:
        view["status"] = status
    if detail is not None:
        view["detail"] = detail
    return view


def _edge(graph: Graph, line: Line) -> dict[str, Any]:
    view = {"from": graph.nodes[line.source].id, "to": graph.nodes[line.target].id, "kind": line.kind}
    if line.label:
        view["label"] = line.label
    return view


def _label(graph: Graph, node: Node, target: int, kind: EdgeKind) -> str:
    if kind == EdgeKind.SUCCESS:
        return "true" if node.is_decision else "success"
    if kind == EdgeKind.FAILURE:
        return "false" if node.is_decision else "failure"
    if kind == EdgeKind.DEPENDENCY:
        return ""
    wanted = graph.nodes[target].id
    ways = [case.when for case in node.spec.cases if wanted in case.next]
    if node.spec.default is not UNSET and wanted in node.spec.default:
        ways.append("else")
    return shorten(" or ".join(ways), 40)
