"""What expressions of one execution may read, by name; built only as far as it is read."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tenuto.core.events import StepError
from tenuto.core.names import step_key
from tenuto.core.state import Frame, LoopWork, MapWork, State, StepState

Variables = Callable[[], Mapping[str, Any]]
"""Gives the variables that all executions share, as they stand."""

CallbackUrl = Callable[[str, str, int], str]
"""From the execution's id, the step's instance id and its generation."""


def no_variables() -> Mapping[str, Any]:
    """Where nothing is shared."""
    return {}


class Scope(Mapping[str, Any]):
    """`context`, `input`, `steps`, `execution`, `vars`; while performing a step also `step`, and, of an item or a
    round, its `item` (or what the map calls it), `index` and `result`. `shared` are the variables of all executions,
    `of_round` says that a loop's `until` reads the round that has just ended."""

    __slots__ = ("_callback_url", "_of_round", "_shared", "_state", "_step")

    def __init__(
        self,
        state: State,
        step: StepState | None,
        shared: Variables = no_variables,
        callback_url: CallbackUrl | None = None,
        *,
        of_round: bool = False,
    ) -> None:
        self._state = state
        self._step = step
        self._shared = shared
        self._callback_url = callback_url
        self._of_round = of_round

    def __getitem__(self, name: str) -> Any:
        state = self._state
        if name == "context":
            return self.context()
        if name == "input":
            return state.input
        if name == "steps":
            return _Steps(state, self._frames())
        if name == "execution":
            return _execution(state)
        if name == "vars":
            shared = self._shared()
            return ChainMap(state.vars, dict(shared)) if shared else state.vars
        if name == "step" and self._step is not None:
            return self._facts(self._step)
        return self._inner(name)

    def context(self) -> Mapping[str, Any]:
        """The start context and the results of steps that succeeded, by key."""
        if self._step is None or self._step.frame.parent is None:
            return self._state.context
        frames = self._frames()
        return ChainMap(*(frame.context for frame in frames))

    def _frames(self) -> list[Frame]:
        """The frame of the step and those around it, the innermost first."""
        frame = self._state.root if self._step is None else self._step.frame
        frames = [frame]
        while frame.parent is not None:
            frame = frame.parent
            frames.append(frame)
        return frames

    def _facts(self, step: StepState) -> dict[str, Any]:
        execution_id = self._state.execution_id
        facts = {"id": step.node.id, "attempt": step.attempts, "key": step_key(execution_id, step)}
        if self._callback_url is not None:
            facts["callbackUrl"] = self._callback_url(execution_id, step.id, step.generation)
        return facts

    def _inner(self, name: str) -> Any:
        """What the items and rounds around the step are called, the innermost first."""
        for names in self._around():
            if name in names:
                return names[name]
        raise KeyError(name)

    def _around(self) -> Iterator[dict[str, Any]]:
        step = self._step
        if step is None:
            return
        if self._of_round and isinstance(step.work, LoopWork):
            yield {"index": step.work.round, "result": step.work.result}
        for frame in self._frames():
            if frame.number is None or frame.owner is None:
                continue
            owner = self._state.steps[frame.owner]
            if isinstance(owner.work, MapWork):
                yield {owner.node.spec.item_name: owner.work.items[frame.number], "index": frame.number}
            elif isinstance(owner.work, LoopWork):
                yield {"index": frame.number, "result": owner.work.result}

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys(("context", "input", "steps", "execution", "vars"))
        if self._step is not None:
            names["step"] = None
            for around in self._around():
                names.update(dict.fromkeys(around))
        return iter(names)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _execution(state: State) -> dict[str, Any]:
    """The execution's facts; to its handlers and compensations also how it ends."""
    facts: dict[str, Any] = {
        "id": state.execution_id,
        "workflowId": state.workflow_id,
        "version": state.version,
        "startTime": state.start_time,
        "tags": state.tags,
    }
    ending = state.ending
    if ending is not None:
        facts["status"] = ending.outcome
        if ending.error is not None:
            facts["error"] = {"stepId": ending.step} | _error(ending.error)
    return facts


class _Steps(Mapping[str, Any]):
    """The facts of each step by id, each made when it is read: most expressions read one of thousands."""

    __slots__ = ("_frames", "_state")

    def __init__(self, state: State, frames: list[Frame]) -> None:
        self._state = state
        self._frames = frames

    def __getitem__(self, step_id: str) -> Any:
        for frame in self._frames:
            index = frame.block.index.get(step_id)
            if index is not None:
                return _step_facts(self._state.steps[frame.base + index])
        raise KeyError(step_id)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for frame in self._frames for name in frame.block.index))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _step_facts(step: StepState) -> dict[str, Any]:
    """What expressions see of a step. `result` is there only if it succeeded, `error` only if it failed."""
    facts: dict[str, Any] = {"status": step.status, "attempts": step.attempts}
    if step.status == "success":
        facts["result"] = step.result
    if step.error is not None:
        facts["error"] = _error(step.error)
    return facts


def _error(error: StepError) -> dict[str, Any]:
    return {"type": error.type, "message": error.message}
