"""Pictures as text that other programs draw: Mermaid and Graphviz' DOT."""

from __future__ import annotations

from tenuto.core.drawing.parts import Line, lines, look, title
from tenuto.core.graph import Graph, Node
from tenuto.core.state import State

FILLS = {
    "pending": "#f3f4f6",
    "running": "#bfdbfe",
    "success": "#bbf7d0",
    "failed": "#fecaca",
    "skipped": "#e5e7eb",
}
"""The ground colour of each status, dark text on it."""


def mermaid(graph: Graph, state: State | None = None) -> str:
    """A Mermaid flowchart, as GitHub and GitLab render it."""
    out = ["flowchart TD"]
    out += [f"    {_mermaid_node(node, state)}" for node in graph.nodes]
    out += [f"    {_mermaid_edge(line)}" for line in lines(graph)]
    if state is not None:
        for status, fill in FILLS.items():
            members = [f"s{node.index}" for node in graph.nodes if look(state, node)[0] == status]
            if members:
                out.append(f"    classDef {status} fill:{fill},stroke:#6b7280,color:#111827")
                out.append(f"    class {','.join(members)} {status}")
    return "\n".join(out) + "\n"


def dot(graph: Graph, state: State | None = None) -> str:
    """A Graphviz digraph."""
    out = [
        f"digraph {_dot_text(graph.definition.id)} {{",
        '    node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];',
        '    edge [fontname="sans-serif", fontsize=10];',
    ]
    out += [f"    {_dot_node(node, state)}" for node in graph.nodes]
    out += [f"    {_dot_edge(graph, line)}" for line in lines(graph)]
    return "\n".join([*out, "}"]) + "\n"


def _mermaid_node(node: Node, state: State | None) -> str:
    _, detail = look(state, node)
    label = _mermaid_text(title(node) + (f" ({detail})" if detail else ""))
    return f's{node.index}{{"{label}"}}' if node.is_decision else f's{node.index}["{label}"]'


def _mermaid_edge(line: Line) -> str:
    if not line.label:
        return f"s{line.source} --> s{line.target}"
    arrow = "-.->" if line.kind == "onFailure" else "-->"
    return f's{line.source} {arrow}|"{_mermaid_text(line.label)}"| s{line.target}'


def _mermaid_text(text: str) -> str:
    """Inside a quoted Mermaid label only letters, digits and harmless marks are themselves."""
    return "".join(c if c.isalnum() or c in " .,:;_-+*/=!?()" else f"#{ord(c)};" for c in text)


def _dot_node(node: Node, state: State | None) -> str:
    status, detail = look(state, node)
    attributes = [f"label={_dot_text(title(node) + (f' ({detail})' if detail else ''))}"]
    if node.is_decision:
        attributes.append("shape=diamond")
    if status is not None:
        attributes.append(f'fillcolor="{FILLS[status]}"')
    return f"{_dot_text(node.id)} [{', '.join(attributes)}];"


def _dot_edge(graph: Graph, line: Line) -> str:
    joined = f"{_dot_text(graph.nodes[line.source].id)} -> {_dot_text(graph.nodes[line.target].id)}"
    attributes = [f"label={_dot_text(line.label)}"] if line.label else []
    if line.kind == "onFailure":
        attributes.append("style=dashed")
    return f"{joined} [{', '.join(attributes)}];" if attributes else f"{joined};"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else " " for c in escaped) + '"'
