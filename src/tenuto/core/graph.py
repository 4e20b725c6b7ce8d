"""A definition compiled for deciding: steps by index, edges from source to target, nothing left to look up by name.

Readiness is counted along these edges, never searched, so an execution of n steps and m edges costs O(n + m) in all.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from msgspec import UNSET

from tenuto.core.definition import (
    Definition,
    RetryPolicy,
    StepSpec,
    continues_on_failure,
    is_critical,
    is_decision,
    join_rule,
    retry_policy_of,
    timeout_of,
)


class EdgeKind(IntEnum):
    """Where an edge is written: the target's `dependencies`, or the source's `onSuccess`, `onFailure`, cases or
    `catch`."""

    DEPENDENCY = 0
    SUCCESS = 1
    FAILURE = 2
    CASE = 3
    CATCH = 4


class Edge(NamedTuple):
    """From the step that holds it to the step at index `target`."""

    target: int
    kind: EdgeKind


class Node:
    """One step with what is worked out of its definition once. Times in ms, 0 for none."""

    __slots__ = (
        "continues", "control_only", "critical", "id", "in_count", "index", "is_decision", "join", "out", "policy",
        "spec", "timeout", "total_timeout",
    )  # fmt: skip

    def __init__(self, index: int, spec: StepSpec, definition: Definition) -> None:
        self.index = index
        self.id = spec.id
        self.spec = spec
        self.join = join_rule(spec)
        self.policy: RetryPolicy = retry_policy_of(definition, spec)
        self.timeout = timeout_of(definition, spec)
        self.total_timeout = spec.total_timeout
        self.critical = is_critical(spec)
        self.continues = continues_on_failure(spec)
        self.is_decision = is_decision(spec)
        self.out: list[Edge] = []
        self.in_count = 0
        self.control_only = False


class Graph:
    """The steps of one workflow version and the edges between them."""

    __slots__ = ("definition", "index", "last", "nodes", "roots", "version")

    def __init__(self, definition: Definition, version: int) -> None:
        self.definition = definition
        self.version = version
        self.nodes = [Node(i, spec, definition) for i, spec in enumerate(definition.steps)]
        self.index: dict[str, int] = {node.id: node.index for node in self.nodes}
        self._connect()
        self.roots = [node.index for node in self.nodes if node.in_count == 0]
        self.last = [node.index for node in self.nodes if not node.out]
        """Steps that nothing comes after: their results are an execution's default output."""

    def _connect(self) -> None:
        for node in self.nodes:
            for edge in _control_edges(node, self.index):
                node.out.append(edge)
                self.nodes[edge.target].in_count += 1
                self.nodes[edge.target].control_only = True
        controlled = {(node.index, edge.target) for node in self.nodes for edge in node.out}
        for node in self.nodes:
            sources = dict.fromkeys(self.index[name] for name in node.spec.dependencies)
            for source in sources:
                if (source, node.index) not in controlled:
                    self.nodes[source].out.append(Edge(node.index, EdgeKind.DEPENDENCY))
                    node.in_count += 1
                    node.control_only = False


def _control_edges(node: Node, index: dict[str, int]) -> list[Edge]:
    spec = node.spec
    default = () if spec.default is UNSET else spec.default
    cases = [name for case in spec.cases for name in case.next] + list(default)
    edges = [
        *(Edge(index[name], EdgeKind.SUCCESS) for name in spec.on_success),
        *(Edge(index[name], EdgeKind.FAILURE) for name in spec.on_failure),
        *(Edge(index[name], EdgeKind.CASE) for name in cases),
    ]
    return list(dict.fromkeys(edges))


def compile_graph(definition: Definition, version: int = 1) -> Graph:
    """Compile a definition that has passed every check (ids known, no cycles)."""
    return Graph(definition, version)
