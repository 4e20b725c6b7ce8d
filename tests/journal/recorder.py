"""Records the journal of one execution while a scenario says what happens to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tenuto.core import inputs as inp
from tenuto.core.decide import decide, lost_attempts
from tenuto.core.definition import Definition
from tenuto.core.events import StepError
from tenuto.core.graph import compile_graph
from tenuto.core.state import State, next_wake
from tenuto.core.view import document
from tenuto.runtime.large_results import INLINE_LIMIT, encode_record

START = 1_800_000_000_000
"""2027-01-15T08:00:00Z"""


class Recording(NamedTuple):
    """What is kept of a scenario: the definition, one record a decision, what the execution then looked like, and, by
    name, the data that is stored apart from its journal."""

    definition: dict[str, Any]
    records: list[bytes]
    document: dict[str, Any]
    blobs: dict[str, bytes]


class Recorder:
    """One execution of the definition; every decision becomes a record, from which data of more than `inline_limit`
    bytes is set apart. Times in ms."""

    def __init__(
        self,
        definition: dict[str, Any],
        start: inp.Start | None = None,
        *,
        inline_limit: int = INLINE_LIMIT,
    ) -> None:
        self.definition = definition
        self.inline_limit = inline_limit
        self.blobs: dict[str, bytes] = {}
        self.state = State(compile_graph(msgspec.convert(definition, Definition)))
        self.records: list[bytes] = []
        self.now = START
        self.take(start or inp.Start("exec-golden", {}))

    def take(self, *inputs: inp.Input, hold: bool = False) -> None:
        """Let these happen 7 ms after what happened last."""
        self.now += 7
        decision = decide(self.state, inputs, self.now, hold=hold)
        assert decision.events, "a scenario has no inputs that change nothing"
        assert not decision.refused, decision.refused
        record, apart = encode_record(self.now, decision.events, self.inline_limit)
        self.records.append(record)
        self.blobs |= {item.name: item.data or b"" for item in apart}
        self.state.seq += 1

    def succeed(self, step_id: str, result: Any = None, chosen: list[str] | None = None) -> None:
        """The running attempt of the step returned."""
        self.end(step_id, inp.Succeeded(result, chosen))

    def fail(self, step_id: str, error_type: str = "http.503", details: Any = None, **fields: Any) -> None:
        """The running attempt of the step failed."""
        error = StepError(error_type, f"{step_id} is out of order", details)
        self.end(step_id, inp.Failed(error, **fields))

    def end(self, step_id: str, outcome: inp.Ending) -> None:
        """The running attempt of the step (instance id) ended so."""
        step = self.state.step(step_id)
        self.take(inp.AttemptEnded(step.slot, step.attempts, step.generation, outcome))

    def grant(self, step_id: str) -> None:
        """The step's next attempt has its slots."""
        step = self.state.step(step_id)
        self.take(inp.SlotsGranted(step.slot, step.generation))

    def lose(self, *, counted: bool = True) -> None:
        """The process is gone, with all that ran; a graceful stop is not counted."""
        self.take(*lost_attempts(self.state, counted=counted), hold=not counted)

    def come_back(self) -> None:
        """The execution is taken up again after a graceful stop."""
        self.take(inp.TimeCame())

    def wake(self) -> None:
        """The next instant that the execution waits for comes."""
        wake = next_wake(self.state)
        assert wake is not None, "nothing waits for an instant"
        self.now = max(self.now, wake)
        self.take(inp.TimeCame())

    def recording(self) -> Recording:
        """All of it, seen at the instant of the last decision."""
        return Recording(self.definition, self.records, document(self.state, self.now), self.blobs)
