"""What expressions of one execution may read, by name; built only as far as it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tenuto.core.graph import Node
from tenuto.core.state import State, StepState

ROOTS = ("context", "input", "steps", "execution", "step")


def step_key(state: State, node: Node, step: StepState) -> str:
    """The key of a step that outgoing calls carry: the same for every attempt until a person has the step redone."""
    return f"{state.execution_id}/{node.id}/{step.generation}"


class Scope(Mapping[str, Any]):
    """`context`, `input`, `steps`, `execution` and, while performing a step, `step`."""

    __slots__ = ("_node", "_state")

    def __init__(self, state: State, node: Node | None) -> None:
        self._state = state
        self._node = node

    def __getitem__(self, name: str) -> Any:
        state = self._state
        if name == "context":
            return state.context
        if name == "input":
            return state.input
        if name == "steps":
            return _Steps(state)
        if name == "execution":
            return {
                "id": state.execution_id,
                "workflowId": state.workflow_id,
                "version": state.version,
                "startTime": state.start_time,
            }
        if name == "step" and self._node is not None:
            step = state.steps[self._node.index]
            return {
                "id": self._node.id,
                "attempt": step.attempts,
                "key": step_key(state, self._node, step),
            }
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(ROOTS if self._node is not None else ROOTS[:-1])

    def __len__(self) -> int:
        return len(ROOTS) - (self._node is None)


class _Steps(Mapping[str, Any]):
    """The facts of each step by id, each made when it is read: most expressions read one of thousands."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def __getitem__(self, step_id: str) -> Any:
        return _step_facts(self._state.step(step_id))

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.graph.index)

    def __len__(self) -> int:
        return len(self._state.graph.index)


def _step_facts(step: StepState) -> dict[str, Any]:
    """What expressions see of a step. `result` is there only if it succeeded, `error` only if it failed."""
    facts: dict[str, Any] = {"status": step.status, "attempts": step.attempts}
    if step.status == "success":
        facts["result"] = step.result
    if step.error is not None:
        facts["error"] = {"type": step.error.type, "message": step.error.message}
    return facts
