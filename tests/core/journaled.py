"""An execution driven by hand by the ids of its steps, nested ones too. What it decides is kept as a journal would keep
it, and after every decision the journal alone must give the same state.
"""

from __future__ import annotations

from typing import Any

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import Post
from tenuto.core.decide import Decision, decide, lost_attempts
from tenuto.core.definition import Definition, StepSpec
from tenuto.core.events import StepError
from tenuto.core.graph import compile_graph
from tenuto.core.names import step_key
from tenuto.core.state import State, StepState
from tenuto.journal.codec import decode, encode
from tenuto.journal.fold import fold
from tests.core.driven import START
from tests.model.drive import contents

FIRST = inp.Start("e-1", {})


class Execution:
    """One execution of these steps, started at START."""

    def __init__(self, *steps: StepSpec, start: inp.Start = FIRST, **fields: Any) -> None:
        self.graph = compile_graph(Definition(id="w", steps=steps, **fields), 3)
        self.state = State(self.graph)
        self.at = START
        self.journal: list[bytes] = []
        self.posts: list[Post] = []
        self.take(start)

    # -- what happens -----------------------------------------------------------------------------------------

    def take(self, *inputs: inp.Input, hold: bool = False) -> Decision:
        """Let these happen now."""
        decision = decide(self.state, inputs, self.at, hold=hold)
        if decision.events:
            self.journal.append(encode(self.at, decision.events))
            self.state.seq += 1
        self.posts += decision.posts
        assert contents(fold(self.graph, self.journal)) == contents(self.state)
        return decision

    def after(self, ms: int, *inputs: inp.Input) -> Decision:
        """Let time pass, and these happen then."""
        self.at += ms
        return self.take(*inputs, inp.TimeCame())

    def crash(self) -> Decision:
        """Lose all but the journal, and take the execution up again."""
        self.state = fold(self.graph, self.journal)
        return self.take(*lost_attempts(self.state), inp.TimeCame())

    def restart(self) -> Decision:
        """The same after a stop that lost nothing."""
        self.state = fold(self.graph, self.journal)
        return self.take(inp.TimeCame())

    def succeed(self, step_id: str, result: Any = None, **fields: Any) -> Decision:
        """The running attempt of the step returned."""
        return self.end(step_id, inp.Succeeded(result, **fields))

    def fail(self, step_id: str, error_type: str = "http.503", message: str = "down") -> Decision:
        """The running attempt of the step failed."""
        return self.end(step_id, inp.Failed(StepError(error_type, message)))

    def wait(self, step_id: str, waiting_for: str, until: int | None = None, **fields: Any) -> Decision:
        """The step waits."""
        return self.end(step_id, inp.Waiting(until, waiting_for=waiting_for, **fields))

    def end(self, step_id: str, outcome: inp.Ending) -> Decision:
        """The running attempt of the step came to this."""
        return self.take(self.ended(step_id, outcome))

    def ended(self, step_id: str, outcome: inp.Ending) -> inp.AttemptEnded:
        """The input that says so."""
        now = self.step(step_id)
        assert now.acting, f"{step_id} is {now.status}"
        return inp.AttemptEnded(now.slot, now.attempts, now.generation, outcome)

    def grant(self, step_id: str) -> Decision:
        """The step has its slots."""
        now = self.step(step_id)
        return self.take(inp.SlotsGranted(now.slot, now.generation))

    # -- how it stands ----------------------------------------------------------------------------------------

    def step(self, step_id: str) -> StepState:
        return self.state.step(step_id)

    def status(self, *step_ids: str) -> list[str]:
        return [self.state.step(step_id).status for step_id in step_ids]

    def statuses(self) -> dict[str, str]:
        """Of the workflow's own steps."""
        return {step.id: step.status for step in self.state.own_steps()}

    def error(self, step_id: str) -> StepError:
        """Why the step failed."""
        found = self.state.step(step_id).error
        assert found is not None, f"{step_id} has no error"
        return found

    def acting(self) -> list[str]:
        """The ids of the steps whose attempts run now, in the order of their slots."""
        return [step.id for step in self.state.steps if step.acting]

    def keys(self, *step_ids: str) -> list[str]:
        """The step keys that attempts of these carry now."""
        return [step_key(self.state.execution_id, self.state.step(step_id)) for step_id in step_ids]

    def events(self, kind: type[ev.Event]) -> list[Any]:
        """The facts of one kind in the journal."""
        entries = [decode(record) for record in self.journal]
        return [event for entry in entries for event in entry.events if isinstance(event, kind)]


def why(decision: Decision) -> list[str]:
    """The sentences of a decision that refused and did nothing else."""
    assert decision.events == []
    return [refusal.why for refusal in decision.refused]
