"""Pictures as text that other programs draw: Mermaid and Graphviz' DOT."""

from __future__ import annotations

from collections.abc import Iterator

from tenuto.core.drawing.parts import HEADINGS, Line, Subject, inside, lines, marked, title
from tenuto.core.graph import Block, Graph, Node
from tenuto.core.spots import spots
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
    subject = Subject(graph, state)
    out = ["flowchart TD", *_mermaid_block(graph.root, subject, "    ")]
    for kind, block in graph.handlers.items():
        out.append(f'    subgraph on_{kind}["{HEADINGS[kind]}"]')
        out += _mermaid_block(block, subject, "        ")
        out.append("    end")
    if state is not None:
        out += _mermaid_classes(subject)
    return "\n".join(out) + "\n"


def dot(graph: Graph, state: State | None = None) -> str:
    """A Graphviz digraph."""
    subject = Subject(graph, state)
    out = [
        f"digraph {_dot_text(graph.definition.id)} {{",
        '    node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];',
        '    edge [fontname="sans-serif", fontsize=10];',
    ]
    if not graph.is_plain:
        out.append('    graph [compound=true, style=rounded, fontname="sans-serif"];')
    out += _dot_block(graph.root, subject, "    ")
    for kind, block in graph.handlers.items():
        out.append(f'    subgraph "cluster:on {kind}" {{')
        out.append(f"        label={_dot_text(HEADINGS[kind])};")
        out += _dot_block(block, subject, "        ")
        out.append("    }")
    return "\n".join([*out, "}"]) + "\n"


def _mermaid_block(block: Block, subject: Subject, indent: str) -> Iterator[str]:
    """Recursion follows the nesting, which is bounded."""
    for node in block.nodes:
        nested = inside(node)
        if nested is None:
            yield indent + _mermaid_node(node, subject)
            continue
        yield f'{indent}subgraph s{node.number}["{_mermaid_label(node, subject)}"]'
        yield from _mermaid_block(nested, subject, indent + "    ")
        yield f"{indent}end"
    for line in lines(block):
        yield indent + _mermaid_edge(block, line)


def _mermaid_classes(subject: Subject) -> Iterator[str]:
    nodes = [spot.node for spot in spots(subject.graph) if spot.kind != "undo"]
    for status, fill in FILLS.items():
        members = [f"s{node.number}" for node in nodes if subject.look(node)[0] == status]
        if members:
            yield f"    classDef {status} fill:{fill},stroke:#6b7280,color:#111827"
            yield f"    class {','.join(members)} {status}"


def _mermaid_node(node: Node, subject: Subject) -> str:
    label = _mermaid_label(node, subject)
    return f's{node.number}{{"{label}"}}' if node.is_decision else f's{node.number}["{label}"]'


def _mermaid_label(node: Node, subject: Subject) -> str:
    return _mermaid_text(_label(node, subject))


def _label(node: Node, subject: Subject) -> str:
    """Title, signs, and what the status leaves out."""
    detail = subject.detail(node)
    return marked(title(node), node) + (f" ({detail})" if detail else "")


def _mermaid_edge(block: Block, line: Line) -> str:
    source, target = block.nodes[line.source].number, block.nodes[line.target].number
    if not line.label:
        return f"s{source} --> s{target}"
    arrow = "-.->" if line.kind in ("onFailure", "catch") else "-->"
    return f's{source} {arrow}|"{_mermaid_text(line.label)}"| s{target}'


def _mermaid_text(text: str) -> str:
    """Inside a quoted Mermaid label only letters, digits and harmless marks are themselves."""
    return "".join(c if c.isalnum() or c in " .,:;_-+*/=!?()" else f"#{ord(c)};" for c in text)


def _dot_block(block: Block, subject: Subject, indent: str) -> Iterator[str]:
    """Recursion follows the nesting, which is bounded."""
    for node in block.nodes:
        nested = inside(node)
        if nested is None:
            yield indent + _dot_node(node, subject)
            continue
        status, _ = subject.look(node)
        yield f"{indent}subgraph {_dot_cluster(node)} {{"
        yield f"{indent}    label={_dot_text(_label(node, subject))};"
        if status is not None:
            yield f'{indent}    style="rounded,filled"; fillcolor="{FILLS[status]}";'
        yield from _dot_block(nested, subject, indent + "    ")
        yield f"{indent}}}"
    for line in lines(block):
        yield indent + _dot_edge(block, line)


def _dot_cluster(node: Node) -> str:
    """Graphviz draws boxes around those subgraphs only whose names begin so. No id has a colon in it."""
    return _dot_text(f"cluster:{node.id}")


def _dot_node(node: Node, subject: Subject) -> str:
    status, _ = subject.look(node)
    attributes = [f"label={_dot_text(_label(node, subject))}"]
    if node.is_decision:
        attributes.append("shape=diamond")
    if status is not None:
        attributes.append(f'fillcolor="{FILLS[status]}"')
    return f"{_dot_text(node.id)} [{', '.join(attributes)}];"


def _dot_edge(block: Block, line: Line) -> str:
    source, target = block.nodes[line.source], block.nodes[line.target]
    joined = f"{_dot_text(_innermost(source, -1).id)} -> {_dot_text(_innermost(target, 0).id)}"
    attributes = [f"label={_dot_text(line.label)}"] if line.label else []
    if line.kind in ("onFailure", "catch"):
        attributes.append("style=dashed")
    if inside(source) is not None:
        attributes.append(f"ltail={_dot_cluster(source)}")
    if inside(target) is not None:
        attributes.append(f"lhead={_dot_cluster(target)}")
    return f"{joined} [{', '.join(attributes)}];" if attributes else f"{joined};"


def _innermost(node: Node, at: int) -> Node:
    """Graphviz joins nodes alone, so an edge of a container is one of a step in it, cut at the box."""
    while (block := inside(node)) is not None:
        node = block.nodes[at]
    return node


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else " " for c in escaped) + '"'
