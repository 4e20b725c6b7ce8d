"""Random workflows that registration accepts, each with a script of what happens to it.

One builder serves both users: property tests draw from hypothesis (`cases`), which shrinks what fails; a
simulator draws from a `random.Random` (`random_case`), where the seed alone brings a case back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal, NamedTuple, TypeVar

from hypothesis import strategies as st

from tests.model import attempts, needs, rules

T = TypeVar("T")

ACTION = "scripted"
"""The action of every step whose attempts follow the script."""

NEED_EDGES = ("one_success", "one_failed", "all_failed")
ERRORS = ("http.503", "http.429", "http.404", "network", "timeout", "script", "rejected", "worker.Broken")
PATTERNS = (
    "*",
    "http",
    "http.5xx",
    "http.503",
    "network",
    "timeout",
    "worker",
    "worker.Broken",
    "expression",
)


@dataclass(frozen=True)
class Case:
    """A definition and all that happens to its executions. `scripts` gives each step's attempts (an error's
    type, or `ok`; the last goes on for ever), `waits` the steps that wait on a timer before they succeed,
    `conditions` the truth of each `when`, `branches` and `cases` those of the decisions. `context` is a
    start context in which the expressions of the definition have exactly these truths."""

    definition: dict[str, Any]
    scripts: dict[str, tuple[str, ...]]
    waits: frozenset[str]
    conditions: dict[str, rules.Truth]
    branches: dict[str, bool]
    cases: dict[str, tuple[bool, ...]]

    @cached_property
    def steps(self) -> dict[str, dict[str, Any]]:
        return {step["id"]: step for step in self.definition["steps"]}

    @cached_property
    def oracle(self) -> dict[str, rules.Outcome]:
        """How each step ends if it runs."""
        return {step_id: self.outcome_of(step_id) for step_id in self.steps}

    def outcome_of(self, step_id: str) -> rules.Outcome:
        """How the step ends if it runs."""
        step = self.steps[step_id]
        _, ended = attempts.attempts_made(self.policy_of(step_id), self.scripts[step_id])
        if ended != "ok":
            return "fail", ended
        if step_id in self.branches:
            return "branch", self.branches[step_id]
        if step_id in self.cases:
            return rules.chosen_by_cases(step, self.cases[step_id])
        return rules.SUCCESS

    def policy_of(self, step_id: str) -> dict[str, Any]:
        """The retry policy that holds for the step."""
        default = self.definition.get("defaults", {}).get("retryPolicy", {})
        policy: dict[str, Any] = self.steps[step_id].get("retryPolicy", default)
        return policy

    @cached_property
    def context(self) -> dict[str, Any]:
        """What the expressions of the definition read. A `when` that must be an error finds nothing."""
        return {
            "when": {step_id: truth for step_id, truth in self.conditions.items() if truth != "error"},
            "branch": dict(self.branches),
            "case": {step_id: list(truths) for step_id, truths in self.cases.items()},
        }


class Shape(NamedTuple):
    """Bounds and flavours of what is built; with `only_possible` no join asks for what its own edges rule
    out. `catches` and `counts` (joins `atLeast`) are percentages of the edges and joins that could be so."""

    most_steps: int = 25
    most_attempts: int = 4
    stops: Sequence[str] = ("continue",)
    only_possible: bool = True
    catches: int = 0
    counts: int = 0


ANY_SHAPE = Shape()


class Draws:
    """Choices over one source of whole numbers: `whole(low, high)`, both inclusive, the lowest the
    plainest."""

    def __init__(self, whole: Callable[[int, int], int]) -> None:
        self.whole = whole

    def chance(self, percent: int) -> bool:
        return self.whole(0, 99) >= 100 - percent

    def pick(self, options: Sequence[T]) -> T:
        return options[self.whole(0, len(options) - 1)]

    def some(self, options: Sequence[T], most: int) -> list[T]:
        """Up to `most` different options, in their order."""
        indexes = {self.whole(0, len(options) - 1) for _ in range(self.whole(0, most))} if options else set()
        return [options[index] for index in sorted(indexes)]


def random_case(rng: random.Random, shape: Shape = ANY_SHAPE) -> Case:
    """A case from a seeded generator."""
    return Builder(Draws(rng.randint), shape).build()


@st.composite
def cases(draw: st.DrawFn, shape: Shape = ANY_SHAPE) -> Case:
    """Cases for property tests; fewer steps and plainer features when they shrink."""
    return Builder(Draws(lambda low, high: draw(integers(low, high))), shape).build()


@cache
def integers(low: int, high: int) -> st.SearchStrategy[int]:
    """The whole numbers from low to high, as a strategy made once: making it costs more than drawing from
    it."""
    return st.integers(low, high)


Nature = Literal["task", "condition", "cases"]


class Builder:
    """Builds steps in an order in which every edge points forward."""

    def __init__(self, draws: Draws, shape: Shape, prefix: str = "s") -> None:
        self.draws = draws
        self.shape = shape
        self.prefix = prefix
        self.steps: list[dict[str, Any]] = []
        self.natures: list[Nature] = []
        self.conditions: dict[str, rules.Truth] = {}
        self.needs: dict[str, needs.Needs] = {}
        self.plain: set[str] = set()  # conditions that are depended on as tasks, and stay tasks

    def build(self) -> Case:
        definition = self._definition()
        ids = [step["id"] for step in self.steps]
        return Case(
            definition=definition,
            scripts={
                step_id: self._script(nature) for step_id, nature in zip(ids, self.natures, strict=True)
            },
            waits=frozenset(
                i
                for i, nature in zip(ids, self.natures, strict=True)
                if nature == "task" and self.draws.chance(8)
            ),
            conditions=self.conditions,
            branches={step["id"]: not self.draws.chance(50) for step in self._of_nature("condition")},
            cases={
                step["id"]: tuple(self.draws.chance(50) for _ in step["cases"])
                for step in self._of_nature("cases")
            },
        )

    def block(self) -> list[dict[str, Any]]:
        """Steps and the edges between them, not always in an order in which they may run."""
        for _ in range(self.draws.whole(1, self.shape.most_steps)):
            self._add_step()
        self._close_decisions()
        start = self.draws.whole(0, len(self.steps) - 1)
        return self.steps[start:] + self.steps[:start]

    def _definition(self) -> dict[str, Any]:
        definition: dict[str, Any] = {"id": "random", "steps": self.block()}
        if (stop := self.draws.pick(self.shape.stops)) != "continue":
            definition["onCriticalFailure"] = stop
        if self.draws.chance(10):
            definition["output"] = {"fixed": True}
        if self.draws.chance(10):
            definition["defaults"] = {"retryPolicy": self._policy()}
        return definition

    def _of_nature(self, wanted: Nature) -> list[dict[str, Any]]:
        return [step for step, nature in zip(self.steps, self.natures, strict=True) if nature == wanted]

    # --- one step

    def _add_step(self) -> None:
        draws, step_id = self.draws, f"{self.prefix}{len(self.steps)}"
        nature: Nature = draws.pick(("task", "task", "task", "task", "task", "condition", "cases"))
        step: dict[str, Any] = {"id": step_id}
        if nature == "condition":
            step |= {"action": "condition", "params": {"expression": f"input.branch.{step_id}"}}
        elif nature == "cases":
            step |= {"type": "decision", **self._cases(step_id)}
        else:
            step |= self._work(step_id)
        before = list(zip(self.steps, self.natures, strict=True))
        for source, kind in draws.some(before, 4):
            self._connect(source, kind, step)
        step |= self._join(step)
        step |= self._lenience() | self._when(step_id)
        if (
            nature == "task"
            and "steps" not in step
            and draws.chance(60 if self.conditions.get(step_id) == "error" else 30)
        ):
            step["retryPolicy"] = self._policy()
        self.steps.append(step)
        self.natures.append(nature)

    def _work(self, step_id: str) -> dict[str, Any]:
        """What a plain task does."""
        return {"action": ACTION}

    def _cases(self, step_id: str) -> dict[str, Any]:
        count = self.draws.whole(1, 3)
        written: dict[str, Any] = {
            "cases": [{"when": f"input.case.{step_id}[{i}]", "next": []} for i in range(count)]
        }
        if self.draws.chance(60):
            written["default"] = []
        if self.draws.chance(30):
            written["mode"] = "all"
        return written

    def _connect(self, source: dict[str, Any], nature: Nature, step: dict[str, Any]) -> None:
        """Draw an edge from `source`."""
        is_plain = source["id"] in self.plain
        if is_plain or self.draws.chance(60 if nature == "task" else 15):
            step.setdefault("dependencies", []).append(source["id"])
            if is_plain or not self.draws.chance(10):  # of the same pair, a control edge overrides it
                if nature == "condition" and not rules.is_decision(source):
                    self.plain.add(source["id"])
                return
        if nature == "cases" and not self.draws.chance(15):
            self._connect_case(source, step["id"])
            return
        if self.draws.chance(self.shape.catches):
            patterns = self.draws.some(PATTERNS, 2) or ["*"]
            source.setdefault("catch", []).append({"errors": patterns, "next": [step["id"]]})
            return
        sides = ("onSuccess", "onFailure", "onSuccess", "onFailure", "both")
        side = "onFailure" if nature == "cases" else self.draws.pick(sides)
        for way in ("onSuccess", "onFailure") if side == "both" else (side,):
            source.setdefault(way, []).append(step["id"])

    def _connect_case(self, source: dict[str, Any], target: str) -> None:
        nexts = [case["next"] for case in source["cases"]]
        nexts += [source["default"]] if "default" in source else []
        for chosen in self.draws.some(nexts, 2) or nexts[:1]:
            chosen.append(target)

    def _join(self, step: dict[str, Any]) -> dict[str, Any]:
        """One of the joins that can be met by the edges into this step; edges only lead to later steps, so
        they are all there."""
        steps = {written["id"]: written for written in (*self.steps, step)}
        edges = [e for e in rules.edges_of({"steps": steps.values()}) if e.target == step["id"]]
        possible = {}
        for join in rules.JOINS:
            if not edges and join in NEED_EDGES:
                continue
            needed = needs.needs_of(step | {"join": join}, steps, edges, self.needs)
            if not (self.shape.only_possible and needs.is_contradiction(needed)):
                possible[join] = needed
        if edges and self.draws.chance(self.shape.counts):
            counted = self._counted_join(step, steps, edges)
            if counted:
                return counted
        join = self.draws.pick([*(["auto"] * 3 if "auto" in possible else []), *possible])
        self.needs[step["id"]] = possible[join]
        return {} if join == "auto" else {"join": join}

    def _counted_join(
        self, step: dict[str, Any], steps: dict[str, dict[str, Any]], edges: list[rules.Edge]
    ) -> dict[str, Any]:
        """A join `atLeast` that as many edges can meet as there are steps before it, if that is possible."""
        count = self.draws.whole(1, len({edge.source for edge in edges}))
        join: dict[str, Any] = {"atLeast": count}
        needed = needs.needs_of(step | {"join": join}, steps, edges, self.needs)
        if self.shape.only_possible and needs.is_contradiction(needed):
            return {}
        self.needs[step["id"]] = needed
        return {"join": join}

    def _lenience(self) -> dict[str, Any]:
        lenience: dict[str, Any] = {}
        if self.draws.chance(10):
            lenience["optional"] = True
        if self.draws.chance(15):
            lenience["critical"] = self.draws.chance(25)
        if self.draws.chance(15):
            lenience["continueOnFailure"] = not self.draws.chance(25)
        return lenience

    def _when(self, step_id: str) -> dict[str, Any]:
        if not self.draws.chance(15):
            return {}
        truths: tuple[rules.Truth, ...] = (True, False, "error")
        self.conditions[step_id] = self.draws.pick(truths)
        return {"when": f"input.when.{step_id}"}

    def _policy(self) -> dict[str, Any]:
        draws = self.draws
        policy: dict[str, Any] = {"maxAttempts": draws.whole(1, self.shape.most_attempts)}
        if draws.chance(50):
            policy["initialDelay"] = draws.pick((0, 1, 100, 5000))
        if draws.chance(30):
            policy["backoffMultiplier"] = draws.pick((1, 1.5, 3))
        if draws.chance(20):
            policy["maxDelay"] = draws.pick((0, 150, 10_000))
        if draws.chance(20):
            policy["retryOn"] = draws.some(PATTERNS, 3) or ["*"]
        if draws.chance(20):
            policy["noRetryOn"] = draws.some(PATTERNS[1:], 2)
        return policy

    # --- what happens

    def _close_decisions(self) -> None:
        """A decision that leads nowhere is a plain task after all."""
        for i, step in enumerate(self.steps):
            if self.natures[i] == "condition" and self.draws.chance(30) and rules.is_decision(step):
                step["type"] = "decision"
            nexts = [*(case["next"] for case in step.get("cases", ())), step.get("default", [])]
            if self.natures[i] == "cases" and not any(nexts):
                for key in ("type", "cases", "default", "mode"):
                    step.pop(key, None)
                step["action"] = ACTION
                self.natures[i] = "task"

    def _script(self, nature: Nature) -> tuple[str, ...]:
        """What becomes of the attempts. A decision has nothing to try: it chooses, or its expression is an
        error."""
        if nature != "task":
            return ("expression",) if self.draws.chance(10) else ("ok",)
        if not self.draws.chance(45):
            return ("ok",)
        failures = [self.draws.pick(ERRORS) for _ in range(self.draws.whole(1, self.shape.most_attempts))]
        return (*failures, "ok")
