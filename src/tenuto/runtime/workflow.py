"""One workflow version, ready to be driven: its graph, and for each step what performing an attempt needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from tenuto.core.definition import Definition
from tenuto.core.graph import Graph, Node, compile_graph
from tenuto.ports.action import Action
from tenuto.scripting.params import CompiledExpression, CompiledParams, compile_expression, compile_params
from tenuto.wire.json_schema import JsonSchema, compile_schema

FindAction = Callable[[Node], Action | None]


class Plan:
    """How to perform a step: its action (None where this process serves none of that name, or the step is a container),
    params and `when`; of a map its `items`, of a loop its `until`; the keys of its slots and of its cached result; and the
    schema that its result must fit. `needs_task` says that there is something to wait for before the action itself."""

    __slots__ = (
        "action",
        "cache_key",
        "items",
        "needs_task",
        "node",
        "output_schema",
        "params",
        "slot_keys",
        "until",
        "when",
    )

    def __init__(self, node: Node, action: Action | None, known_ids: frozenset[str]) -> None:
        self.node = node
        self.action = action
        spec = node.spec
        scripts = frozenset[str]() if action is None else action.scripts
        is_container = node.kind != "task"
        self.params: CompiledParams = compile_params({} if is_container else spec.params, scripts, known_ids)
        self.when: CompiledExpression | None = _expression(spec.when, known_ids)
        self.until: CompiledExpression | None = _expression(spec.until, known_ids)
        self.items: CompiledParams | None = None
        if not isinstance(spec.items, UnsetType):
            self.items = compile_params({"items": spec.items}, frozenset(), known_ids)
        self.slot_keys: CompiledParams | None = None
        if node.has_slots:
            self.slot_keys = compile_params(
                {"keys": [slots.key for slots in spec.concurrency]}, frozenset(), known_ids
            )
        self.cache_key: CompiledParams | None = None
        if spec.cache is not None and not is_container:
            self.cache_key = compile_params({"key": spec.cache.key}, frozenset(), known_ids)
        self.output_schema = None if is_container else _schema(spec.output_schema)
        self.needs_task = is_container or self.when is not None or self.params.needs_engine


class Workflow:
    """A version with everything worked out once, by the numbers of its nodes. `output` computes the definition's
    `output`, where it has one; `slot_keys` are those of executions. `shares` says that slots or kept results tie its
    executions to others."""

    __slots__ = (
        "definition",
        "graph",
        "input_schema",
        "output",
        "output_schema",
        "plans",
        "shares",
        "slot_keys",
        "taken_keys",
    )

    def __init__(self, definition: Definition, version: int, find_action: FindAction) -> None:
        self.definition = definition
        self.graph: Graph = compile_graph(definition, version)
        known_ids = frozenset(node.id for node in self.graph.all_nodes)
        self.taken_keys = known_ids
        """Ids of steps, wherever they stand: a start context may not have them as keys."""
        self.plans = [
            Plan(node, find_action(node) if node.kind == "task" else None, known_ids)
            for node in self.graph.all_nodes
        ]
        output: Any = definition.output
        self.output: CompiledParams | None = None
        if output is not UNSET:
            self.output = compile_params({"output": output}, frozenset(), known_ids)
        self.slot_keys: CompiledParams | None = None
        if definition.concurrency:
            self.slot_keys = compile_params({"keys": [slots.key for slots in definition.concurrency]})
        self.shares = self.slot_keys is not None or any(
            plan.slot_keys is not None or plan.cache_key is not None for plan in self.plans
        )
        self.input_schema = _schema(definition.input_schema)
        self.output_schema = _schema(definition.output_schema)


def _expression(source: str | None, known_ids: frozenset[str]) -> CompiledExpression | None:
    return None if source is None else compile_expression(source, known_ids)


def _schema(schema: Mapping[str, Any] | UnsetType) -> JsonSchema | None:
    return None if isinstance(schema, UnsetType) else compile_schema(schema)
