"""What people and other systems say, held against the model: signals, approvals, variables."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from tenuto.core import inputs as inp
from tenuto.core.decide import Decision, decide
from tenuto.core.definition import Definition
from tenuto.core.graph import compile_graph
from tenuto.core.state import State
from tests.model import people
from tests.model.generate import Draws
from tests.model.test_core_agrees import EXAMPLES


class Desk:
    """An execution whose steps all wait. `running` are the slots of the attempts handed out."""

    def __init__(self, *steps: dict[str, Any]) -> None:
        self.state = State(compile_graph(msgspec.convert({"id": "waits", "steps": steps}, Definition)))
        self.now = 1_000
        self.say(inp.Start(execution_id="e1", context={}))

    def say(self, *inputs: inp.Input) -> Decision:
        self.now += 1
        return decide(self.state, inputs, self.now)

    def attempt_ends(self, name: str, outcome: Any) -> inp.AttemptEnded:
        step = self.state.step(name)
        return inp.AttemptEnded(step.slot, step.attempts, step.generation, outcome)

    def results(self) -> dict[str, Any]:
        return {step.id: step.result for step in self.state.own_steps() if step.status == "success"}


def one_by_one_or_together(desk: Desk, draws: Draws, inputs: list[inp.Input]) -> None:
    """Say all of it, in this order, some of it in one decision."""
    while inputs:
        count = draws.whole(1, min(3, len(inputs)))
        desk.say(*inputs[:count])
        inputs = inputs[count:]


@pytest.mark.parametrize("names", [("go",), ("go", "stop")])
def test_each_signal_is_got_once_and_by_the_step_that_waited_first(names: tuple[str, ...]) -> None:
    for seed in range(EXAMPLES):
        draws = Draws(random.Random(seed).randint)
        steps = [f"s{n}" for n in range(draws.whole(1, 5))]
        desk = Desk(*({"id": name, "action": "signal.wait", "critical": False} for name in steps))
        told: list[people.Wait | people.Leave | people.Sent] = []
        inputs: list[inp.Input] = []
        idle = list(steps)
        waiting: dict[str, str] = {}
        for number in range(draws.whole(1, 14)):
            sent = people.Sent(draws.pick(names), number, draws.pick((None, None, "k1", "k2")))
            gone = [step for step in waiting if step not in people.delivered(told)]
            if idle and draws.chance(50):
                step = idle.pop(draws.whole(0, len(idle) - 1))
                waiting[step] = draws.pick(names)
                told.append(people.Wait(step, waiting[step]))
                wait = inp.Waiting(waiting_for=f"signal:{waiting[step]}")
                inputs.append(desk.attempt_ends(step, wait))
            elif gone and draws.chance(20):
                step = draws.pick(gone)
                del waiting[step]
                told.append(people.Leave(step))
                inputs.append(inp.SkipStep(step, by="somebody"))
            else:
                told.append(sent)
                inputs.append(inp.Signal(sent.name, sent.payload, sent.key))
        one_by_one_or_together(desk, draws, inputs)
        assert desk.results() == people.delivered(told), f"seed {seed}: {told}"


def test_an_approval_comes_to_what_its_answers_say() -> None:
    for seed in range(EXAMPLES * 2):
        draws = Draws(random.Random(seed).randint)
        approvers = draws.pick(([], ["ann", "bob", "cy"], ["ann"]))
        quorum = draws.whole(1, max(1, len(approvers) or 3))
        answers = [
            people.Answer(draws.pick(("ann", "bob", "cy", "dee")), not draws.chance(15), n)
            for n in range(draws.whole(0, 7))
        ]
        desk = Desk({"id": "ok", "action": "approval"}, {"id": "other", "action": "signal.wait"})
        details = {"approvers": approvers, "minApprovals": quorum}
        desk.say(desk.attempt_ends("ok", inp.Waiting(waiting_for="approval", details=details)))
        refused = [
            place
            for place, answer in enumerate(answers)
            if desk.say(inp.Approve("ok", answer.by, answer.approved, data=answer.data)).refused
        ]
        verdict = people.judge(answers, approvers, quorum)
        step = desk.state.step("ok")
        wanted = {None: "waiting", True: "success", False: "failed"}[verdict.approved]
        assert (step.status, tuple(refused)) == (wanted, verdict.refused), f"seed {seed}: {answers} {details}"
        if verdict.approved:
            assert [given["by"] for given in step.result["approvals"]] == list(verdict.by)
            assert step.result["by"] == verdict.by[-1]
        if verdict.approved is False:
            assert step.error is not None
            assert step.error.type == "rejected"


def test_variables_are_as_they_were_written_last() -> None:
    for seed in range(EXAMPLES):
        draws = Draws(random.Random(seed).randint)
        steps = [f"s{n}" for n in range(draws.whole(1, 6))]
        desk = Desk(*({"id": name, "action": "set"} for name in steps))
        written: dict[str, Any] = {}
        inputs: list[inp.Input] = []
        for step in sorted(steps, key=lambda _: draws.whole(0, 99)):
            values = {draws.pick(("x", "y")): step, "z": len(written)}
            written |= values
            inputs.append(desk.attempt_ends(step, inp.Succeeded(values, vars=values)))
        one_by_one_or_together(desk, draws, inputs)
        assert desk.state.vars == written
