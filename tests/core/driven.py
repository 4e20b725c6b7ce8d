"""An execution driven by hand: a test says what became of each attempt and looks at the state."""

from __future__ import annotations

from typing import Any

from tenuto.core import inputs as inp
from tenuto.core.decide import decide
from tenuto.core.definition import Definition, StepSpec
from tenuto.core.events import StepError
from tenuto.core.graph import compile_graph
from tenuto.core.state import State

START = 1_700_000_000_000
"""2023-11-14T22:13:20Z"""


def step(step_id: str, *dependencies: str, **fields: Any) -> StepSpec:
    """A step after these."""
    return StepSpec(id=step_id, dependencies=dependencies, **fields)


class Driven:
    """One execution of these steps, started at START with `context`."""

    def __init__(
        self,
        *steps: StepSpec,
        context: dict[str, Any] | None = None,
        start_at: int | None = None,
        **fields: Any,
    ) -> None:
        definition = Definition(id="w", steps=steps, **fields)
        self.state = State(compile_graph(definition, 3))
        self.at = START
        self.take(inp.Start("e-1", context or {}, tags={"team": "a"}, start_at=start_at))

    def take(self, *inputs: inp.Input) -> None:
        """Let these happen now."""
        decide(self.state, inputs, self.at)

    def after(self, ms: int) -> Driven:
        """Let time pass."""
        self.at += ms
        self.take(inp.TimeCame())
        return self

    def succeed(self, step_id: str, result: Any = None) -> None:
        """The running attempt of the step returned."""
        self.end(step_id, inp.Succeeded(result))

    def fail(
        self, step_id: str, error_type: str = "http.503", message: str = "down", details: Any = None
    ) -> None:
        """The running attempt of the step failed."""
        self.end(step_id, inp.Failed(StepError(error_type, message, details)))

    def wait(self, step_id: str, until: int) -> None:
        """The step waits for its timer."""
        self.end(step_id, inp.Waiting(until))

    def end(self, step_id: str, outcome: inp.Ending) -> None:
        """The running attempt of the step (instance id) ended so."""
        now = self.state.step(step_id)
        self.take(inp.AttemptEnded(now.slot, now.attempts, now.generation, outcome))
