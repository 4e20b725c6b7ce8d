"""What every picture is made of: labelled edges, and each step's look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from tenuto.core.graph import Block, EdgeKind, Graph, HandlerKind, Node
from tenuto.core.looks import looks
from tenuto.core.spots import Spot, spots
from tenuto.core.state import State, StepState

Kind = Literal["dependency", "onSuccess", "onFailure", "case", "catch"]

_KINDS: dict[EdgeKind, Kind] = {
    EdgeKind.DEPENDENCY: "dependency",
    EdgeKind.SUCCESS: "onSuccess",
    EdgeKind.FAILURE: "onFailure",
    EdgeKind.CASE: "case",
    EdgeKind.CATCH: "catch",
}

GLYPHS = {"pending": "○", "running": "●", "success": "✓", "failed": "✗", "skipped": "–"}
"""One character for each status that a picture knows."""

HEADINGS: dict[HandlerKind, str] = {
    "failure": "if it fails",
    "cancel": "if it is cancelled",
    "always": "in any case",
}
"""What stands over handlers."""


_UNDOING = {"running": "being undone", "success": "undone", "failed": "could not be undone"}


class Line(NamedTuple):
    """One edge: indices of the steps it joins, where it is written, and a label ("" for a plain dependency)."""

    source: int
    target: int
    kind: Kind
    label: str


class Subject:
    """What is drawn: a workflow, and, if there is a state, how its steps stand in an execution."""

    def __init__(self, graph: Graph, state: State | None) -> None:
        self.graph = graph
        self._looks = None if state is None else looks(state)

    def look(self, node: Node) -> tuple[str | None, str | None]:
        """The step's status as drawn and its detail; (None, None) without an execution."""
        look = None if self._looks is None else self._looks[node.number]
        return (None, None) if look is None else (look.status, look.detail)

    def detail(self, node: Node) -> str | None:
        """What the status leaves out, and whether the step has been undone."""
        detail = self.look(node)[1]
        undoing = None if node.undo is None else self.look(node.undo.nodes[0])[0]
        told = [part for part in (detail, _UNDOING.get(undoing or "")) if part]
        return ", ".join(told) or None

    def step(self, node: Node) -> StepState | None:
        """The step's state, if an execution is drawn and it has come to the step."""
        look = None if self._looks is None else self._looks[node.number]
        return None if look is None else look.step


def tries(step: StepState | None) -> int:
    """How many attempts are worth showing, 0 for none: of a loop they say no more than its rounds."""
    if step is None or step.attempts < 2 or step.node.kind == "loop":
        return 0
    return step.attempts


def lines(block: Block) -> Iterator[Line]:
    """Every edge, by its source."""
    for node in block.nodes:
        for edge in node.out:
            yield Line(
                node.index, edge.target, _KINDS[edge.kind], _label(block, node, edge.target, edge.kind)
            )


def inside(node: Node) -> Block | None:
    """The nested steps that a picture shows in the step's box."""
    return node.body if node.spec.steps else None


def blocks(graph: Graph) -> Iterator[Block]:
    """The workflow's own steps, its handlers, and what is inside containers."""
    yield graph.root
    yield from graph.handlers.values()
    for spot in spots(graph):
        block = inside(spot.node)
        if block is not None:
            yield block


def title(node: Node) -> str:
    """What a picture calls the step."""
    return node.spec.name or node.id


def marks(node: Node) -> str:
    """Signs after the title: how often it is done, until when, how many of its sources it waits for, that it can be
    undone."""
    spec = node.spec
    signs = []
    if node.kind == "map":
        signs.append(f"× {len(spec.items) if isinstance(spec.items, list) else 'n'}")
    if node.kind == "loop":
        signs.append(f"↻ until {shorten(spec.until or '', 40)}")
    if node.join == "at_least":
        signs.append(f"≥ {node.at_least} of {node.in_count}")
    if node.undo is not None:
        signs.append("↩")
    return " ".join(signs)


def marked(name: str, node: Node) -> str:
    """The name with the step's signs."""
    return f"{name} {marks(node)}".rstrip()


def shorten(text: str, most: int) -> str:
    """The text on one line, at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def data(graph: Graph, state: State | None = None) -> dict[str, Any]:
    """Nodes and edges as JSON data, for whoever draws them: what is in a container after it."""
    subject = Subject(graph, state)
    return {
        "workflowId": graph.definition.id,
        "workflowName": graph.definition.name or graph.definition.id,
        "version": graph.version,
        "nodes": [_node(spot, subject) for spot in spots(graph) if spot.kind != "undo"],
        "edges": [_edge(block, line) for block in blocks(graph) for line in lines(block)],
    }


def _node(spot: Spot, subject: Subject) -> dict[str, Any]:
    node = spot.node
    view: dict[str, Any] = {
        "id": node.id,
        "name": title(node),
        "type": "decision" if node.is_decision else node.spec.type,
        "action": node.spec.action,
        "join": node.join,
        "critical": node.critical,
    }
    if node.at_least:
        view["atLeast"] = node.at_least
    if spot.owner is not None:
        view["parent"] = spot.owner.node.id
    if spot.handlers is not None:
        view["handlers"] = spot.handlers
    if node.undo is not None:
        view["compensate"] = _looked({"action": node.undo.nodes[0].spec.action}, node.undo.nodes[0], subject)
    return _looked(view, node, subject)


def _looked(view: dict[str, Any], node: Node, subject: Subject) -> dict[str, Any]:
    status, detail = subject.look(node)
    if status is not None:
        view["status"] = status
    if detail is not None:
        view["detail"] = detail
    return view


def _edge(block: Block, line: Line) -> dict[str, Any]:
    view = {"from": block.nodes[line.source].id, "to": block.nodes[line.target].id, "kind": line.kind}
    if line.label:
        view["label"] = line.label
    return view


def _label(block: Block, node: Node, target: int, kind: EdgeKind) -> str:
    wanted = block.nodes[target].id
    match kind:
        case EdgeKind.SUCCESS:
            return "true" if node.is_decision else "success"
        case EdgeKind.FAILURE:
            return "false" if node.is_decision else "failure"
        case EdgeKind.CATCH:
            caught = [error for rule in node.spec.catch if wanted in rule.next for error in rule.errors]
            return shorten(", ".join(dict.fromkeys(caught)), 40)
        case EdgeKind.CASE:
            ways = [case.when for case in node.spec.cases if wanted in case.next]
            if node.spec.default is not UNSET and wanted in node.spec.default:
                ways.append("else")
            return shorten(" or ".join(ways), 40)
    return ""
