"""Random workflows with steps inside steps, handlers and compensation, each with a script of what happens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tests.model.generate import ACTION, Builder, Draws, Shape
from tests.model.script import Scripted

SMALL_BLOCK = 6


@dataclass(frozen=True)
class Play:
    """A definition and what happens to its executions. With `stops` the order in which things happen decides
    which steps run at all: some step may end the execution, or give up others."""

    definition: dict[str, Any]
    script: Scripted


@dataclass(frozen=True)
class Features:
    """What a play may have; the numbers are of 100 steps (or workflows) that could. `catches` and `counts` as in
    `Shape`; `gives_up` are joins that give up the rest."""

    most_steps: int = SMALL_BLOCK
    depth: int = 3
    containers: int = 40
    catches: int = 30
    counts: int = 20
    gives_up: int = 0
    parks: int = 30
    undoes: int = 0
    handlers: int = 0
    finishes: int = 0
    trouble: int = 25


FREE = Features()
"""Nothing here depends on the order in which things happen, but for maps and containers in which several fail."""

WITH_ENDINGS = Features(depth=2, undoes=40, handlers=60)
ALL = Features(gives_up=60, undoes=30, handlers=40, finishes=5)


def random_play(seed: int, features: Features = FREE) -> Play:
    """The play of a seed."""
    draws = Draws(random.Random(seed).randint)
    builder = _NestedBuilder(draws, features, "s", features.depth)
    definition: dict[str, Any] = {"id": "nested", "steps": builder.block()}
    if draws.chance(features.handlers):
        definition["handlers"] = {
            kind: _NestedBuilder(draws, features, f"{kind}_", 0).handlers()
            for kind in draws.some(("failure", "cancel", "always"), 3) or ["always"]
        }
    if features.undoes and draws.chance(80):
        definition["compensation"] = draws.pick(({}, {"on": ["failed"]}, {"on": ["cancelled"]}))
    if draws.chance(10):
        definition["defaults"] = {"retryPolicy": {"maxAttempts": 2, "initialDelay": 10}}
    script = Scripted(seed, features.trouble, defaults=definition.get("defaults", {}))
    return Play(definition, script)


class _NestedBuilder(Builder):
    """Builds a block, and what is inside its steps, `depth` levels down."""

    def __init__(self, draws: Draws, features: Features, prefix: str, depth: int) -> None:
        shape = Shape(most_steps=features.most_steps, catches=features.catches, counts=features.counts)
        super().__init__(draws, shape, prefix)
        self.features = features
        self.depth = depth

    def block(self) -> list[dict[str, Any]]:
        steps = super().block()
        for step in steps:
            self._dress(step)
        return steps

    def handlers(self) -> list[dict[str, Any]]:
        """A short block in which nothing is undone or parked."""
        self.features = Features(most_steps=2, depth=0, undoes=0, parks=0, gives_up=0, trouble=0)
        self.shape = self.shape._replace(most_steps=2)
        return self.block()

    def _work(self, step_id: str) -> dict[str, Any]:
        if self.depth and self.draws.chance(self.features.containers):
            return self._container(step_id)
        return {"action": ACTION}

    def _container(self, step_id: str) -> dict[str, Any]:
        kind = self.draws.pick(("parallel", "map", "loop"))
        work: dict[str, Any] = {"type": kind}
        if kind != "parallel" and self.draws.chance(40):
            work["action"] = ACTION
        else:
            most = self.features.most_steps if self.depth > 1 else 3
            inner = _NestedBuilder(self.draws, self.features, f"{step_id}_", self.depth - 1)
            inner.shape = inner.shape._replace(most_steps=min(most, 4))
            work["steps"] = inner.block()
        return work | {"parallel": dict, "map": self._map, "loop": self._loop}[kind]()

    def _map(self) -> dict[str, Any]:
        draws = self.draws
        written: dict[str, Any] = {"items": [f"item {n}" for n in range(draws.pick((2, 0, 1, 2, 3, 5)))]}
        if draws.chance(50):
            written["maxConcurrency"] = draws.pick((1, 2, 0))
        if draws.chance(60):
            written["toleratedFailures"] = draws.pick((1, 2, "50%", "25%", "100%", "33.334%"))
        return written

    def _loop(self) -> dict[str, Any]:
        written: dict[str, Any] = {"until": "index === 1"}
        if self.draws.chance(80):
            written["maxIterations"] = self.draws.pick((3, 1, 2, 4))
        if self.draws.chance(30):
            written["every"] = self.draws.pick((1, 5_000))
        return written

    def _dress(self, step: dict[str, Any]) -> None:
        """What else may be said of a step, once its edges are known."""
        does = step.get("action") == ACTION
        if does and self.draws.chance(self.features.parks):
            step.setdefault("retryPolicy", {})["onExhausted"] = "pause"
        if step.get("type") != "decision" and "cases" not in step and self.draws.chance(self.features.undoes):
            step["compensate"] = {"action": ACTION}
            if self.draws.chance(40):
                step["compensate"]["retryPolicy"] = {"maxAttempts": self.draws.pick((1, 2, 3))}
        if isinstance(step.get("join"), dict) and self.draws.chance(self.features.gives_up):
            step["join"]["cancelRemaining"] = True
        if does and not step.get("type") and self.draws.chance(self.features.finishes):
            step["action"] = "finish"
            step["params"] = {"status": self.draws.pick(("completed", "failed", "cancelled"))}
            step.pop("retryPolicy", None)
