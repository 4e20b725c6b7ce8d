"""Random workflows for simulated worlds: those of the model, dressed with what waits, shares, remembers and starts others.

A story has its definition twice: as the model reads it, and as it is served, where every condition, list of items and
case asks the story's script (`told(…)`) how it turns out.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, cast
from unittest.mock import ANY

from tests.model import nested, rules
from tests.model.generate import ACTION
from tests.model.nested import all_steps, depth_of, split
from tests.model.plays import Features, random_play
from tests.model.script import Scripted
from tests.model.tally import parents

KEYS = {"k0": 1, "k1": 1, "k2": 2}
"""Keys that attempts share, and their limits."""

SIGNALS = ("go", "stop")
PEOPLE = ("ann", "bob", "cy")
UNTOLD = frozenset({"delay", "signal.wait", "approval", "callback", "workflow.run", "set", "finish"})
"""Actions whose results the script does not say."""


@dataclass(frozen=True)
class Staged(Scripted):
    """What happens to the steps of a story. Results are `padding` characters longer than the model's; what the steps in
    `opaque` return, no script says."""

    padding: int = 0
    opaque: frozenset[str] = frozenset()

    def truths(self, instance: str, step: rules.Step) -> tuple[bool, ...]:
        """Which cases of a decision hold."""
        draw = self._draw(f"cases {instance}")
        return tuple(draw.random() < 0.5 for _ in step["cases"])

    def result(self, instance: str, step: rules.Step) -> Any:
        if split(instance)[0] in self.opaque:
            return ANY
        result = super().result(instance, step)
        return result + "." * self.padding if isinstance(result, str) else result


class Place(NamedTuple):
    """Where a step stands: its id, what kind of block it is in, and of a nested one the instance of the container and
    the item or round (None in a parallel). Of what undoes a step, `container` is that step."""

    step: str
    kind: Literal["root", "nested", "handler", "undo"]
    container: str | None = None
    number: int | None = None


@dataclass
class Story:
    """A workflow and what happens to its executions."""

    definition: dict[str, Any]
    script: Staged

    @cached_property
    def served(self) -> dict[str, Any]:
        """The definition as the store has it."""
        handlers = self.definition.get("handlers", {})
        return {
            **self.definition,
            "steps": [_served(step) for step in self.definition["steps"]],
            "handlers": {kind: [_served(step) for step in steps] for kind, steps in handlers.items()},
        }

    @cached_property
    def written(self) -> dict[str, rules.Step]:
        """Every step by id, handlers and nested ones among them."""
        steps = [*self.definition["steps"], *(s for steps in self.handlers.values() for s in steps)]
        return {step["id"]: step for step in all_steps(steps)}

    @cached_property
    def handlers(self) -> dict[str, list[rules.Step]]:
        handlers: dict[str, list[rules.Step]] = self.definition.get("handlers", {})
        return handlers

    @cached_property
    def of_handlers(self) -> dict[str, str]:
        """The kind of handlers that a step is among."""
        return {step["id"]: kind for kind, steps in self.handlers.items() for step in steps}

    @cached_property
    def root(self) -> list[str]:
        return [step["id"] for step in self.definition["steps"]]

    @cached_property
    def has_nested(self) -> bool:
        return any("steps" in step or step.get("type") in ("map", "loop") for step in self.written.values())

    @cached_property
    def _above(self) -> dict[str, str | None]:
        return parents(self.definition["steps"])

    @cached_property
    def _depths(self) -> dict[str, int]:
        return dict(depth_of(self.definition["steps"]))

    @cached_property
    def _places(self) -> dict[str, Place]:
        return {}

    def place(self, instance: str) -> Place:
        """Where the instance stands."""
        found = self._places.get(instance)
        if found is None:
            found = self._places[instance] = self._place(instance)
        return found

    def _place(self, instance: str) -> Place:
        name, suffix = split(instance)
        step, _, undo = name.partition(":")
        if undo:
            return Place(step, "undo", step + suffix)
        if step in self.of_handlers:
            return Place(step, "handler")
        brackets = [f"[{part}" for part in suffix.split("[")[1:]]
        if len(brackets) > self._depths[step]:  # the action in a map or loop
            return Place(step, "nested", step + "".join(brackets[:-1]), int(brackets[-1][1:-1]))
        above = self._above[step]
        if above is None:
            return Place(step, "root")
        if self.written[above].get("type") == "parallel":
            return Place(step, "nested", above + "".join(brackets))
        return Place(step, "nested", above + "".join(brackets[:-1]), int(brackets[-1][1:-1]))

    def step(self, instance: str) -> rules.Step:
        """What the definition says of it; of the action in a map or loop and of what undoes a step, their part."""
        place = self.place(instance)
        written = self.written[place.step]
        if place.kind == "undo":
            undo: Mapping[str, Any] = written["compensate"]
            return undo
        if place.container is not None and split(place.container)[0] == place.step:
            return _action_in(self, place.step)
        return written

    def inside(self, instance: str) -> list[str]:
        """The ids of the steps in a container; of an action for items or rounds its own."""
        written = self.written[self.place(instance).step]
        return [step["id"] for step in written["steps"]] if "steps" in written else [written["id"]]

    def is_container(self, instance: str) -> bool:
        step = self.step(instance)
        return step.get("type") in ("map", "loop") or "steps" in step

    def policy(self, instance: str) -> Mapping[str, Any]:
        return self.script.policy(self.step(instance))


_OF_ACTIONS = (*nested.OF_THE_ACTION, "cache", "concurrency", "timeout")


def _action_in(story: Story, name: str) -> rules.Step:
    written = story.written[name]
    return {key: written[key] for key in _OF_ACTIONS if key in written}


# --- as served


def _served(step: Mapping[str, Any]) -> dict[str, Any]:
    served = dict(step)
    if "when" in step:
        served["when"] = "told('when')"
    if "until" in step:
        served["until"] = "told('until')"
    if "items" in step:
        served["items"] = "{{ told('items') }}"
    if "cases" in step:
        served["cases"] = [case | {"when": f"told('case', {i})"} for i, case in enumerate(step["cases"])]
    if step.get("action") == "condition":
        served["params"] = {"expression": "told('branch')"}
    if "steps" in step:
        served["steps"] = [_served(inner) for inner in step["steps"]]
    return served


# --- making them up


def random_stories(rng: random.Random, padding: int) -> dict[str, Story]:
    """One to three workflows; each may start those after it."""
    theme = rng.choice(_THEMES)
    count = rng.choice((2, 2, 3) if theme == "child" else (1, 2, 2, 3))
    names = [f"w{i}" for i in range(count)]
    return {name: _random_story(rng, name, names[i + 1 :], padding, theme) for i, name in enumerate(names)}


def _random_story(
    rng: random.Random, name: str, others: list[str], padding: int, theme: Kind | None
) -> Story:
    play = random_play(rng.getrandbits(32), _features(rng))
    definition = play.definition | {"id": name}
    dresser = _Dresser(rng, others, theme)
    for step in all_steps(definition["steps"]):
        dresser.dress(cast("dict[str, Any]", step))
    definition |= _of_the_whole(rng, name)
    opaque = frozenset(step["id"] for step in all_steps(definition["steps"]) if _is_opaque(step))
    script = Staged(play.script.seed, play.script.trouble, {}, play.script.defaults, padding, opaque)
    return Story(definition, script)


def _is_opaque(step: rules.Step) -> bool:
    return step.get("action") in UNTOLD or "cache" in step or "cases" in step


def _features(rng: random.Random) -> Features:
    depth = rng.choice((0, 0, 1, 1, 2))
    return Features(
        most_steps=(8, 4, 3)[depth],
        depth=depth,
        containers=60,
        catches=rng.choice((0, 30)),
        counts=rng.choice((0, 30)),
        gives_up=rng.choice((0, 60)),
        parks=rng.choice((0, 0, 30)),
        undoes=rng.choice((0, 0, 40)),
        handlers=rng.choice((0, 0, 60)),
        finishes=rng.choice((0, 0, 5)),
    )


def _of_the_whole(rng: random.Random, name: str) -> dict[str, Any]:
    definition: dict[str, Any] = {}
    if rng.random() < 0.4:
        receivers = ("onComplete", "onFailure", "onCancel", "onStep")
        definition["webhooks"] = dict.fromkeys(receivers, "http://r/")
    if rng.random() < 0.08:
        definition["timeout"] = rng.choice((50, 5_000, 60_000))
    if (stop := rng.choice(("continue", "continue", "continue", "drain", "cancel"))) != "continue":
        definition["onCriticalFailure"] = stop
    if rng.random() < 0.1:
        definition["output"] = {"told": "{{ told('output') }}"}
    if rng.random() < 0.2:
        on_limit = rng.choice(("queue", "queue", "skip", "cancelOlder"))
        definition["concurrency"] = [
            {"key": f"of {name}", "limit": rng.choice((1, 1, 2)), "onLimit": on_limit}
        ]
    return definition


Kind = Literal["delay", "signal", "approval", "callback", "set", "child", "slots", "cache"]

_USUAL: dict[Kind, int] = {
    "delay": 7, "signal": 7, "approval": 4, "callback": 4, "set": 3, "child": 7, "slots": 10, "cache": 6,
}  # fmt: skip
"""How many of 100 scripted tasks are made such."""

_OFTEN = 35
_THEMES: tuple[Kind | None, ...] = (
    None,
    None,
    None,
    "signal",
    "approval",
    "callback",
    "child",
    "child",
    "slots",
    "cache",
)
"""What a world may be about: there is much of it."""


class _Dresser:
    """Gives the scripted tasks of one workflow other things to do; `others` are workflows that they may start."""

    def __init__(self, rng: random.Random, others: list[str], theme: Kind | None) -> None:
        self.rng = rng
        self.others = others
        self.children_left = 4 if theme == "child" else 2
        weights = _USUAL if theme is None else _USUAL | {theme: _OFTEN}
        self.kinds: list[Kind | None] = [kind for kind, weight in weights.items() for _ in range(weight)]
        self.kinds += [None] * (100 - len(self.kinds))

    def dress(self, step: dict[str, Any]) -> None:
        rng = self.rng
        if rng.random() < 0.03:
            step["totalTimeout"] = rng.choice((100, 20_000, 200_000))
        kind = rng.choice(self.kinds)
        if kind is not None and step.get("action") == ACTION:
            step |= getattr(self, f"_{kind}")(step)

    def _timeout(self) -> int:
        return self.rng.choice((0, 0, 0, 30_000, 120_000))

    def _delay(self, step: rules.Step) -> dict[str, Any]:
        return {"action": "delay", "params": {"duration": self.rng.choice((0, 10, 7_000, 60_000))}}

    def _signal(self, step: rules.Step) -> dict[str, Any]:
        params = {"name": self.rng.choice(SIGNALS), "timeout": self._timeout()}
        return {"action": "signal.wait", "params": params}

    def _approval(self, step: rules.Step) -> dict[str, Any]:
        rng = self.rng
        params: dict[str, Any] = {
            "timeout": self._timeout(),
            "onTimeout": rng.choice(("fail", "reject", "approve")),
        }
        if rng.random() < 0.5:
            params["minApprovals"] = 2
        if rng.random() < 0.3:
            params["approvers"] = list(PEOPLE)
        return {"action": "approval", "params": params}

    def _callback(self, step: rules.Step) -> dict[str, Any]:
        return {"action": "callback", "params": {"timeout": self._timeout()}}

    def _set(self, step: rules.Step) -> dict[str, Any]:
        return {"action": "set", "params": {"values": {self.rng.choice(("x", "y")): step["id"]}}}

    def _child(self, step: rules.Step) -> dict[str, Any]:
        if not self.others or not self.children_left:
            return {}
        self.children_left -= 1
        rng = self.rng
        params: dict[str, Any] = {
            "workflowId": rng.choice(self.others),
            "context": {"sku": "{{ input.sku }}"},
            "wait": rng.random() < 0.7,
        }
        if rng.random() < 0.4:
            params["onParentClose"] = "abandon"
        return {"action": "workflow.run", "params": params}

    def _slots(self, step: rules.Step) -> dict[str, Any]:
        rng = self.rng
        keys = rng.sample(sorted(KEYS), rng.choice((1, 1, 2)))
        shared: dict[str, Any] = {"concurrency": [{"key": key, "limit": KEYS[key]} for key in keys]}
        if rng.random() < 0.1:
            shared["queueTimeout"] = rng.choice((100, 20_000))
        if rng.random() < 0.3:
            shared["priority"] = rng.choice((-1, 1, 5))
        return shared

    def _cache(self, step: rules.Step) -> dict[str, Any]:
        return {"cache": {"key": "{{ input.sku }}", "ttl": self.rng.choice((3_000, 10_000_000_000))}}
