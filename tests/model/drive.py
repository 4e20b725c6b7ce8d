"""Drives the core through one case, as a host would, and leaves every choice of timing to the draws: which
attempts end next and in what order, how many are decided together, when a timer is noticed, what arrives
late or twice.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import msgspec

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AbandonAttempt, ComputeOutput, Message, RunAttempt
from tenuto.core.decide import Decision, decide, lost_attempts
from tenuto.core.definition import INFRA_ATTEMPTS, Definition
from tenuto.core.events import StepError
from tenuto.core.graph import Graph, compile_graph
from tenuto.core.state import State, StepState, next_wake
from tenuto.journal.codec import Entry, decode, encode
from tenuto.journal.fold import fold
from tests.model import rules
from tests.model.generate import Case, Draws

WAIT_MS = 7_000
"""How long steps that wait on a timer wait."""


class Drive:
    """One execution under way. `running` are the attempts handed out that have neither ended nor been
    abandoned; `sent` every outcome delivered so far."""

    def __init__(self, case: Case, draws: Draws) -> None:
        self.case = case
        self.draws = draws
        self.graph: Graph = compile_graph(msgspec.convert(case.definition, Definition))
        self.state = State(self.graph)
        self.now = 1_000
        self.journal: list[bytes] = []
        self.running: list[RunAttempt] = []
        self.sent: list[inp.AttemptEnded] = []
        self.messages: list[Message] = []
        self.lost: Counter[str] = Counter()
        self.output_wanted = False

    # --- deciding

    def start(self) -> Decision:
        return self.decide([inp.Start(execution_id="e1", context=self.case.context)])

    def decide(self, inputs: Sequence[inp.Input], *, hold: bool = False) -> Decision:
        """Hand the inputs to the core, keep what it says as a journal would, and do as it commands."""
        decision = decide(self.state, inputs, self.now, hold=hold)
        if decision.events:
            self.journal.append(encode(self.now, decision.events))
            self.state.seq += 1
        self.messages += decision.messages
        for command in decision.commands:
            match command:
                case RunAttempt():
                    self.running.append(command)
                case AbandonAttempt():
                    self.running = [given for given in self.running if given.key != command.key]
                case ComputeOutput():
                    self.output_wanted = True
        self.output_wanted = self.output_wanted and not self.state.is_terminal
        return decision

    @property
    def can_advance(self) -> bool:
        """Whether anything is under way or waited for."""
        return bool(self.running) or self.output_wanted or next_wake(self.state) is not None

    def advance(self) -> Decision:
        """Let something happen: a few attempts end, or time passes to the next timer, or both."""
        wake = next_wake(self.state)
        inputs: list[inp.Input] = []
        if wake is not None and (not self.running or self.draws.chance(30)):
            self.now = max(self.now, wake)
            inputs.append(inp.TimeCame())
        if self.running:
            self.now += self.draws.pick((0, 1, 3_000))
            inputs += self.end_some()
        if self.output_wanted:
            self.output_wanted = False
            inputs.append(inp.OutputComputed(value=self.case.definition["output"]))
        return self.decide(inputs)

    def finish(self) -> None:
        """Let things happen until nothing is left that could."""
        while self.can_advance:
            self.advance()

    # --- outcomes

    def end_some(self) -> list[inp.Input]:
        """Outcomes of one, some or all running attempts, in some order."""
        most = len(self.running)
        count = self.draws.pick((1, most, self.draws.whole(1, most)))
        ended: list[inp.Input] = []
        for _ in range(count):
            attempt = self.running.pop(self.draws.whole(0, len(self.running) - 1))
            outcome = self.outcome_of(attempt)
            given = inp.AttemptEnded(attempt.step, attempt.attempt, attempt.generation, outcome)
            self.sent.append(given)
            ended.append(given)
        return ended

    def crash(self) -> None:
        """Lose all that is not in the journal, and take the execution up again as a host does at start.
        Some stops are graceful, and a step that has been lost often enough is lost to those only."""
        self.state = self.fold()
        self.running.clear()
        lost: list[inp.Input] = []
        for given in lost_attempts(self.state):
            counted = self.state.steps[given.step].lost < INFRA_ATTEMPTS and not self.draws.chance(30)
            self.lost[self.state.steps[given.step].id] += 1
            lost.append(msgspec.structs.replace(given, counted=counted))
        self.decide(lost)

    def outcome_of(self, given: RunAttempt) -> Any:
        """What the script says becomes of this attempt; attempts lost before it do not count."""
        step_id = self.state.steps[given.step].id
        truth = self.case.conditions.get(step_id, True)
        if truth == "error":
            return inp.Failed(StepError("expression", "scripted"), retry=False, park=False)
        if not truth:
            return inp.ConditionFalse()
        script = self.case.scripts[step_id]
        ended = script[min(given.attempt - self.lost[step_id], len(script)) - 1]
        return failed(ended) if ended != "ok" else self.success_of(step_id)

    def success_of(self, step_id: str) -> Any:
        outcome = self.case.outcome_of(step_id)
        if step_id in self.case.branches:
            holds = self.case.branches[step_id]
            return inp.Succeeded({"result": holds, "branch": "true" if holds else "false"})
        if step_id in self.case.cases:
            if outcome == rules.NO_CASE:
                return failed("no_case_matched")
            return inp.Succeeded({"chosen": True}, chosen=list(outcome[1]))  # type: ignore[arg-type]
        if step_id in self.case.waits:
            return inp.Waiting(until=self.now + WAIT_MS, result=step_id)
        return inp.Succeeded(step_id)

    # --- reading

    def fold(self) -> State:
        """The state that the journal alone gives."""
        return fold(self.graph, self.journal)

    @property
    def entries(self) -> list[Entry]:
        """The journal, read back."""
        return [decode(record) for record in self.journal]

    @property
    def events(self) -> list[ev.AnyEvent]:
        return [event for entry in self.entries for event in entry.events]

    def step(self, step_id: str) -> StepState:
        return self.state.step(step_id)

    def kinds(self) -> dict[str, str]:
        """How each step stands, in the model's words."""
        return {node.id: kind_of(self.state.steps[node.index]) for node in self.graph.nodes}


def failed(error_type: str) -> inp.Failed:
    return inp.Failed(StepError(error_type, f"scripted {error_type}"))


def kind_of(step: StepState) -> str:
    """How a step stands, in the model's words (`rules.End.kind`), or `pending`, `running`, `cancelled`
    (given up) or `run_cancelled` (never started)."""
    if step.status in ("pending", "success", "failed", "cancelled"):
        return step.status
    if step.status != "skipped":
        return "running"
    return step.reason if step.reason in ("upstream_failed", "run_cancelled") else "benign"


NOTES = frozenset({"graph", "timers", "touched", "tended", "node", "block"})
"""What a state keeps for `decide` while it works, and what was compiled."""


def contents(state: State) -> dict[str, Any]:
    """All that a state says, without the notes that `decide` keeps for itself while it works."""
    return {"state": plain(state, {}), "next_wake": next_wake(state)}


def plain(value: Any, seen: dict[int, str]) -> Any:
    """The value as data that can be compared: things that refer to each other are told apart by when they were first
    met, and what is empty is as what is not there."""
    if isinstance(value, list | deque):
        return [plain(item, seen) for item in value]
    if isinstance(value, dict):
        return {key: plain(item, seen) for key, item in value.items()}
    if not type(value).__module__.startswith("tenuto.core.state"):
        return value
    if id(value) in seen:
        return seen[id(value)]
    kind = type(value).__name__
    seen[id(value)] = f"{kind} {sum(name.startswith(kind) for name in seen.values())}"
    said = {name: getattr(value, name) for name in type(value).__slots__ if name not in NOTES}
    told = {name: plain(item, seen) for name, item in said.items()}
    return {name: item for name, item in told.items() if item not in (None, [], {}, set())}
