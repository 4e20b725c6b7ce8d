"""One workflow version, ready to be driven: its graph, and for each step what performing an attempt needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from tenuto.core.definition import Definition
from tenuto.core.graph import Graph, Node, compile_graph
from tenuto.ports.action import Action
from tenuto.scripting.params import CompiledExpression, CompiledParams, compile_expression, compile_params

FindAction = Callable[[Node], Action | None]


class Plan:
    """How to perform a step: its action (None where this process serves none of that name), params and `when`."""

    __slots__ = ("action", "node", "params", "when")

    def __init__(self, node: Node, action: Action | None, known_ids: frozenset[str]) -> None:
        self.node = node
        self.action = action
        scripts = frozenset[str]() if action is None else action.scripts
        self.params: CompiledParams = compile_params(node.spec.params, scripts, known_ids)
        when = node.spec.when
        self.when: CompiledExpression | None = None if when is None else compile_expression(when, known_ids)


class Workflow:
    """A version with everything worked out once. `output` computes the definition's `output`, where it has one."""

    __slots__ = ("definition", "graph", "output", "plans")

    def __init__(self, definition: Definition, version: int, find_action: FindAction) -> None:
        self.definition = definition
        self.graph: Graph = compile_graph(definition, version)
        known_ids = frozenset(self.graph.index)
        self.plans = [Plan(node, find_action(node), known_ids) for node in self.graph.nodes]
        output: Any = definition.output
        self.output: CompiledParams | None = None
        if output is not UNSET:
            self.output = compile_params({"output": output}, frozenset(), known_ids)
