"""Drives the core through a play, as a host would, and leaves every choice of timing to the draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tenuto.core import inputs as inp
from tenuto.core.commands import RunAttempt
from tenuto.core.decide import Decision
from tenuto.core.definition import Definition
from tenuto.core.events import StepError
from tenuto.core.state import StepState, next_wake
from tests.model import nested, rules
from tests.model.drive import Drive, failed
from tests.model.generate import Case, Draws
from tests.model.plays import Play
from tests.model.tally import OUTSIDER, Tally

PERSON = "person"


class Stage(Drive):
    """An execution of a play under way. Of 100 moments, somebody ends a step by hand in `meddling`, cancels the
    execution in `cancelling`, and all but the journal is lost in `crashing`. `told` is what the events so far say;
    `moments` are the counts of events after each decision."""

    def __init__(
        self, play: Play, draws: Draws, *, meddling: int = 0, cancelling: int = 0, crashing: int = 0
    ) -> None:
        case = Case(play.definition, {}, frozenset(), {}, {}, {})
        msgspec.convert(play.definition, Definition)
        super().__init__(case, draws)
        self.play = play
        self.meddling = meddling
        self.cancelling = cancelling
        self.crashing = crashing
        self.told = Tally()
        self.moments: list[int] = []
        self.inputs: list[tuple[int, list[inp.Input]]] = []
        self._seen: list[Any] = []
        written = [*play.definition["steps"], *all_handlers(play.definition)]
        self.written: dict[str, rules.Step] = {step["id"]: step for step in nested.all_steps(written)}

    def decide(self, inputs: Any, *, hold: bool = False) -> Decision:
        self.inputs.append((self.now, list(inputs)))
        decision = super().decide(inputs, hold=hold)
        for event in decision.events:
            self.told.add(event)
            self._seen.append(event)
        self.moments.append(len(self._seen))
        return decision

    @property
    def seen(self) -> list[Any]:
        """Every event so far."""
        return self._seen

    def kind(self, instance: str) -> str:
        """How the step stands by its events: as `rules.End.kind`, `running`, or `nothing`."""
        end = self.told.ends.get(instance)
        return end.kind if end is not None else "running" if instance in self.told.begun else "nothing"

    @property
    def parked(self) -> list[StepState]:
        """Steps that wait for a person."""
        steps = (step for step in self.state.steps if step.status == "waiting")
        return [step for step in steps if step.waiting_for == "person"]

    @property
    def can_advance(self) -> bool:
        return not self.state.is_terminal and (super().can_advance or bool(self.parked))

    def advance(self) -> Decision:
        if self.draws.chance(self.crashing):
            self.crash()
        if self.draws.chance(self.cancelling):
            return self.decide([inp.Cancel(by=PERSON)])
        if self.draws.chance(self.meddling) and (meddled := self._meddle()) is not None:
            return self.decide([meddled])
        parked = self.parked
        idle = not self.running and not self.output_wanted and next_wake(self.state) is None
        if parked and (idle or self.draws.chance(30)):
            return self.decide([self._settle(self.draws.pick(parked))])
        return super().advance()

    # --- people

    def _settle(self, step: StepState) -> inp.Input:
        """What the script has done about a step that is parked."""
        done = self.play.script.people(step.id)[self.told.parked[step.id] - 1]
        if done == "retry":
            return inp.RetryStep(step.id, by=PERSON)
        if done == "skip":
            return inp.SkipStep(step.id, by=PERSON)
        if done == "complete":
            return inp.Complete(step.id, {"byHand": step.id}, by=PERSON)
        return inp.Complete(step.id, error=StepError(done, "given up"), by=PERSON)

    def _meddle(self) -> inp.Input | None:
        """Somebody ends a step, whether it has begun or not."""
        if self.state.phase != "normal":
            return None
        steps = [step for step in self.state.steps if not step.has_ended]
        if not steps:
            return None
        step = self.draws.pick(steps)
        if self.draws.chance(30):
            return inp.SkipStep(step.id, by=OUTSIDER)
        if step.node.is_decision or self.draws.chance(30):
            return inp.Complete(step.id, error=StepError("by.hand", "given up"), by=OUTSIDER)
        return inp.Complete(step.id, {"outside": step.id}, by=OUTSIDER)

    # --- outcomes

    def outcome_of(self, given: RunAttempt) -> Any:
        state = self.state.steps[given.step]
        instance, written = state.id, self.step_as_written(state)
        script = self.play.script
        if "when" in written and instance not in self.told.opened:
            truth = script.truth(instance, written)
            if truth == "error":
                return inp.Failed(StepError("expression", "scripted"), retry=False, park=False)
            if not truth:
                return inp.ConditionFalse()
        if state.node.kind == "map":
            items = script.items(instance, written)
            return failed(items) if isinstance(items, str) else inp.Expanded(written["items"][:items])
        if state.node.kind == "loop" and instance in self.told.opened:
            verdict = script.verdict(instance, written, self.told.rounds[instance])
            return failed(verdict) if isinstance(verdict, str) else inp.Judged(bool(verdict))
        if state.node.kind in ("loop", "parallel"):
            return inp.Opened()
        return self._attempt(instance, written, given.attempt - self.lost[instance])

    def _attempt(self, instance: str, written: rules.Step, attempt: int) -> Any:
        attempts = self.play.script.attempts(instance, written)
        ended = attempts[min(attempt, len(attempts)) - 1]
        if ended != "ok":
            return failed(ended)
        chosen = self.play.script.choice(instance, written)
        result = self.play.script.result(instance, written)
        if written.get("action") == "finish":
            return inp.Finished(written["params"]["status"], output=instance)
        if isinstance(chosen, tuple) and chosen[0] == "chose":
            return inp.Succeeded(result, chosen=list(chosen[1]))
        return inp.Succeeded(result)

    def step_as_written(self, step: StepState) -> Mapping[str, Any]:
        """What the definition says of it; of the action in a map or loop and of what undoes a step, their part."""
        name, _, undo = step.node.id.partition(":")
        written = self.written[name]
        if undo:
            undoing: Mapping[str, Any] = written["compensate"]
            return undoing
        if step.node.kind == "task" and written.get("type") in ("map", "loop"):
            return {key: written[key] for key in nested.OF_THE_ACTION if key in written}
        return written


def all_handlers(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [step for steps in definition.get("handlers", {}).values() for step in steps]
