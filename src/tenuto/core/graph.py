"""A definition compiled for deciding: blocks of steps by index, edges from source to target, nothing left to look up
by name.

A block is one DAG: the workflow's own steps, the nested steps of a container, a list of handlers, what undoes a step.
Readiness is counted along its edges, never searched, so an execution of n steps and m edges costs O(n + m) in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Literal, NamedTuple

from msgspec import UNSET, structs

from tenuto.core.definition import (
    AtLeast,
    Compensate,
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
from tenuto.core.retry import matches

BlockKind = Literal["root", "parallel", "item", "round", "handler", "undo"]
HandlerKind = Literal["failure", "cancel", "always"]
StepKind = Literal["task", "parallel", "map", "loop"]


class EdgeKind(IntEnum):
    """Where an edge is written: the target's `dependencies`, or the source's `onSuccess`, `onFailure`, cases or
    `catch`."""

    DEPENDENCY = 0
    SUCCESS = 1
    FAILURE = 2
    CASE = 3
    CATCH = 4


class Edge(NamedTuple):
    """From the step that holds it to the step at index `target` of the same block."""

    target: int
    kind: EdgeKind


class Node:
    """One step with what is worked out of its definition once. `index` is its place in its block, `number` its place
    in the whole graph (the same for the workflow's own steps). Times in ms, 0 for none."""

    __slots__ = (
        "at_least", "body", "cancel_remaining", "catches", "continues", "control_only", "critical", "has_slots", "id",
        "in_count", "index", "is_decision", "join", "kind", "number", "out", "policy", "queue_timeout", "sources", "spec",
        "timeout", "total_timeout", "undo",
    )  # fmt: skip

    def __init__(self, index: int, number: int, spec: StepSpec, definition: Definition) -> None:
        self.index = index
        self.number = number
        self.id = spec.id
        self.spec = spec
        self.kind: StepKind = _kind_of(spec)
        self.join = join_rule(spec)
        self.at_least = spec.join.at_least if isinstance(spec.join, AtLeast) else 0
        self.cancel_remaining = isinstance(spec.join, AtLeast) and spec.join.cancel_remaining
        is_task = self.kind == "task"
        self.policy: RetryPolicy = retry_policy_of(definition, spec) if is_task else RetryPolicy()
        self.timeout = timeout_of(definition, spec)
        self.total_timeout = spec.total_timeout
        self.queue_timeout = spec.queue_timeout if is_task else 0
        self.has_slots = is_task and bool(spec.concurrency)
        self.critical = is_critical(spec)
        self.continues = continues_on_failure(spec)
        self.is_decision = is_decision(spec)
        self.catches = [(rule.errors, frozenset(rule.next)) for rule in spec.catch]
        self.out: list[Edge] = []
        self.sources: list[int] = []
        """Indexes of the steps before it, where its join gives them up once it is met."""
        self.in_count = 0
        self.control_only = False
        self.body: Block | None = None
        """The nested steps, or what is done for each item or in each round."""
        self.undo: Block | None = None

    def caught_by(self, error_type: str) -> frozenset[str]:
        """The ids of the steps that a failure of this type leads to by `catch`."""
        targets = [
            targets
            for patterns, targets in self.catches
            if any(matches(pattern, error_type) for pattern in patterns)
        ]
        return frozenset[str]().union(*targets)


class Block:
    """One DAG of steps. `roots` have no edges into them, `last` none out of them."""

    __slots__ = ("index", "kind", "last", "nodes", "roots")

    def __init__(self, kind: BlockKind, nodes: list[Node]) -> None:
        self.kind: BlockKind = kind
        self.nodes = nodes
        self.index: dict[str, int] = {node.id: node.index for node in nodes}
        self._connect()
        self.roots = [node.index for node in nodes if node.in_count == 0]
        self.last = [node.index for node in nodes if not node.out]

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
        for node in self.nodes:
            for edge in node.out:
                if self.nodes[edge.target].cancel_remaining:
                    self.nodes[edge.target].sources.append(node.index)


class Graph:
    """The steps of one workflow version and the edges between them. `nodes`, `index`, `roots` and `last` are the
    workflow's own; `all_nodes` are those of all blocks, by number."""

    __slots__ = (
        "all_nodes", "definition", "handlers", "index", "is_plain", "last", "nodes", "root", "roots", "version",
    )  # fmt: skip

    def __init__(self, definition: Definition, version: int) -> None:
        self.definition = definition
        self.version = version
        self.all_nodes: list[Node] = []
        self.root = self._block("root", definition.steps)
        self.nodes = self.root.nodes
        self.index = self.root.index
        self.roots = self.root.roots
        self.last = self.root.last
        """Steps that nothing comes after: their results are an execution's default output."""
        self._nest(self.nodes)
        self.handlers: dict[HandlerKind, Block] = {}
        for kind, steps in _handlers_of(definition):
            block = self._block("handler", steps)
            self._nest(block.nodes)
            self.handlers[kind] = block
        self.is_plain = len(self.all_nodes) == len(self.nodes)
        """Whether its own steps are all there is."""

    def _block(self, kind: BlockKind, specs: Iterable[StepSpec]) -> Block:
        nodes = []
        for index, spec in enumerate(specs):
            node = Node(index, len(self.all_nodes), spec, self.definition)
            self.all_nodes.append(node)
            nodes.append(node)
        return Block(kind, nodes)

    def _nest(self, nodes: list[Node]) -> None:
        """Compile what stands inside these steps. Recursion follows the nesting, which is bounded."""
        for node in nodes:
            spec = node.spec
            if node.kind == "parallel":
                node.body = self._block("parallel", spec.steps)
            elif node.kind == "map":
                node.body = self._block("item", spec.steps or (_body_of(spec),))
            elif node.kind == "loop":
                node.body = self._block("round", spec.steps or (_body_of(spec),))
            if node.body is not None:
                self._nest(node.body.nodes)
            if spec.compensate is not None:
                node.undo = self._block("undo", (_undo_of(spec, spec.compensate),))


def _kind_of(spec: StepSpec) -> StepKind:
    if spec.type == "decision" or (spec.type == "parallel" and not spec.steps):
        return "task"
    return spec.type


def _body_of(spec: StepSpec) -> StepSpec:
    """What a map or loop without nested steps does for an item or in a round: a step of the same id."""
    return StepSpec(
        id=spec.id,
        name=spec.name,
        action=spec.action,
        params=spec.params,
        retry_policy=spec.retry_policy,
        timeout=spec.timeout,
        queue_timeout=spec.queue_timeout,
        cache=spec.cache,
        concurrency=spec.concurrency,
        priority=spec.priority,
        output_schema=spec.output_schema,
    )


def _undo_of(spec: StepSpec, undo: Compensate) -> StepSpec:
    """The step that undoes another; its id is no user's, for `:` may not stand in one."""
    plain = StepSpec(id=spec.id, action=undo.action, params=undo.params)
    return structs.replace(
        plain, id=f"{spec.id}:compensate", retry_policy=undo.retry_policy, timeout=undo.timeout
    )


def _handlers_of(definition: Definition) -> Iterator[tuple[HandlerKind, tuple[StepSpec, ...]]]:
    handlers = definition.handlers
    if handlers.failure:
        yield "failure", handlers.failure
    if handlers.cancel:
        yield "cancel", handlers.cancel
    if handlers.always:
        yield "always", handlers.always


def _control_edges(node: Node, index: dict[str, int]) -> list[Edge]:
    spec = node.spec
    default = () if spec.default is UNSET else spec.default
    cases = [name for case in spec.cases for name in case.next] + list(default)
    edges = [
        *(Edge(index[name], EdgeKind.SUCCESS) for name in spec.on_success),
        *(Edge(index[name], EdgeKind.FAILURE) for name in spec.on_failure),
        *(Edge(index[name], EdgeKind.CASE) for name in cases),
        *(Edge(index[name], EdgeKind.CATCH) for rule in spec.catch for name in rule.next),
    ]
    return list(dict.fromkeys(edges))


def compile_graph(definition: Definition, version: int = 1) -> Graph:
    """Compile a definition that has passed every check (ids known, no cycles)."""
    return Graph(definition, version)
