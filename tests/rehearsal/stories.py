"""Random workflows whose every outcome is written down, so that they can be rehearsed and really be run: conditions read
their truth from the start context, attempts have their outcome and how long it takes from a table.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.model.generate import ACTION, Case
from tests.model.plays import Play
from tests.model.script import Scripted

TIMEOUT_MS, LONGEST_MS = 5_000, 6_000
"""Timeouts lie between; attempts take up to the longer, so some take too long."""

ROUNDS = 6
"""Loops of which more is asked end."""

SAYS = "(said => { if (said === 'error') throw new Error('as written'); return said })"
CANCELLER = "ada"
INSTANCE = "step.key.split('/')[1]"


@dataclass
class Story:
    """A definition, the context it starts with, and what its attempts come to, as the mocks of a case."""

    definition: dict[str, Any]
    context: dict[str, Any]
    mocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    cancel_at: int | None = None

    @property
    def case(self) -> dict[str, Any]:
        """The story as a case; where it has ended by then, nobody can cancel it."""
        events = (
            [] if self.cancel_at is None else [{"at": self.cancel_at, "execution": "cancel", "by": CANCELLER}]
        )
        return {"context": self.context, "mocks": self.mocks, "events": events}


def story_of_case(case: Case, seed: int) -> Story:
    """A flat workflow of the model, with its script."""
    steps = [dict(step) for step in case.definition["steps"]]
    story = Story({**case.definition, "steps": steps}, case.context, cancel_at=_cancel_at(seed))
    for step in steps:
        if step.get("action") == ACTION:
            step["timeout"] = _timeout(step["id"])
            story.mocks[step["id"]] = _mocks(seed, step["id"], case.scripts[step["id"]])
    return story


def story_of_play(play: Play, seed: int) -> Story:
    """A nested workflow of the model, with its script: expressions ask the context for what it says of each instance."""
    teller = _Teller(play.script, seed)
    definition = {**play.definition, "steps": teller.tell(play.definition["steps"], [""])}
    if "handlers" in definition:
        definition["handlers"] = {
            kind: teller.tell(steps, [""]) for kind, steps in definition["handlers"].items()
        }
    return Story(definition, {"said": teller.said}, teller.mocks, _cancel_at(seed))


class _Teller:
    """Rewrites steps, and gathers what is said of their instances."""

    def __init__(self, script: Scripted, seed: int) -> None:
        self.script = script
        self.seed = seed
        self.said: dict[str, Any] = {}
        self.mocks: dict[str, list[dict[str, Any]]] = {}

    def tell(self, steps: Iterable[dict[str, Any]], suffixes: Sequence[str]) -> list[dict[str, Any]]:
        """The steps, of which there are instances with these suffixes."""
        return [self._told(step, suffixes) for step in steps]

    def _told(self, step: dict[str, Any], suffixes: Sequence[str]) -> dict[str, Any]:
        step = dict(step)
        instances = [step["id"] + suffix for suffix in suffixes]
        if "when" in step:
            step["when"] = self._ask("when", {name: self.script.truth(name, step) for name in instances})
        if step.get("action") == ACTION:
            step["timeout"] = _timeout(step["id"])
        if "compensate" in step:
            for suffix in suffixes:
                undo = f"{step['id']}:compensate{suffix}"
                self.mocks[undo] = _mocks(self.seed, undo, self.script.attempts(undo, step["compensate"]))
        if step.get("action") == "condition":
            truths = {name: self.script.branch(name) for name in instances}
            step["params"] = {"expression": self._ask("branch", truths)}
        for place, case in enumerate(step.get("cases", ())):
            truths = {name: random.Random(f"{self.seed} {name} {place}").random() < 0.5 for name in instances}
            case["when"] = self._ask(f"case {place}", truths)
        if step.get("type") in ("map", "loop", "parallel") and (
            step.get("steps") or step.get("type") != "parallel"
        ):
            return self._told_container(step, suffixes)
        if step.get("action") == ACTION:
            for name in instances:
                self.mocks[name] = _mocks(self.seed, name, self.script.attempts(name, step))
        return step

    def _told_container(self, step: dict[str, Any], suffixes: Sequence[str]) -> dict[str, Any]:
        inside = list(suffixes)
        if step["type"] == "map":
            inside = [f"{suffix}[{number}]" for suffix in suffixes for number in range(len(step["items"]))]
        elif step["type"] == "loop":
            inside = [f"{suffix}[{number}]" for suffix in suffixes for number in range(ROUNDS)]
            verdicts = {
                f"{step['id']}{suffix} {number}": "error" if isinstance(verdict, str) else verdict
                for suffix in suffixes
                for number in range(ROUNDS)
                for verdict in [self.script.verdict(step["id"] + suffix, step, number)]
            }
            step["until"] = self._ask("until", verdicts, f"{INSTANCE} + ' ' + index")
        if "steps" in step:
            step["steps"] = self.tell(step["steps"], inside)
        else:
            for suffix in inside:
                name = step["id"] + suffix
                self.mocks[name] = _mocks(
                    self.seed, name, self.script.attempts(name, {**step, "type": "task"})
                )
        return step

    def _ask(self, what: str, said: dict[str, Any], name: str = INSTANCE) -> str:
        """An expression that finds what is said under the name; true where nothing is."""
        self.said.setdefault(what, {}).update(said)
        return f"{SAYS}(input.said['{what}'][{name}] ?? true)"


def _cancel_at(seed: int) -> int | None:
    """When somebody cancels it, if anybody does."""
    draw = random.Random(f"{seed} cancel")
    return draw.randrange(1, 20_000) if draw.random() < 0.25 else None


def _timeout(step_id: str) -> int:
    """No two steps have the same, or two could run into it at the same instant."""
    return random.Random(step_id).randrange(TIMEOUT_MS, LONGEST_MS)


def _mocks(seed: int, instance: str, attempts: Sequence[str]) -> list[dict[str, Any]]:
    """What each attempt comes to; no two take equally long, or things would happen at the same instant."""
    draw = random.Random(f"{seed} {instance} takes")
    return [
        ({"result": instance} if ended == "ok" else {"error": ended})
        | {"delay": draw.randrange(1, LONGEST_MS)}
        for ended in attempts
    ]
