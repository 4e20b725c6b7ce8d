"""Plays by the thousand, and what is left of one that shows a fault when everything is taken away that can be."""

from __future__ import annotations

import random
import re
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from tests.model import rules
from tests.model.agreement import disagreements
from tests.model.generate import Draws
from tests.model.plays import ALL, FREE, WITH_ENDINGS, Features, Play, random_play
from tests.model.stage import Stage
from tests.model.tally import blocks

TIMINGS = 12
"""In so many ways a smaller play is tried before it counts as one without the fault."""

MOST_DECISIONS = 5_000


class Manner(NamedTuple):
    """What a campaign plays, and how often (of 100 moments) somebody steps in, somebody cancels,
    or the process goes down."""

    features: Features
    meddling: int = 0
    cancelling: int = 0
    crashing: int = 0


MANNERS = {
    "free": Manner(FREE),
    "by-hand": Manner(FREE, meddling=15),
    "endings": Manner(WITH_ENDINGS),
    "cancelled": Manner(WITH_ENDINGS, meddling=5, cancelling=5),
    "crashing": Manner(FREE, crashing=20),
    "all": Manner(ALL, meddling=3, cancelling=1, crashing=5),
}
"""`free` leaves nothing to the order in which things happen (but for which failure comes first)."""


class Fault(NamedTuple):
    """A play, the timing that shows what is wrong with it, and what that is."""

    play: Play
    timing: int
    said: list[str]

    @property
    def kind(self) -> str:
        """What is wrong without names and numbers."""
        return re.sub(r"\S*[0-9]\S*", "#", self.said[0])


def play_seed(seed: int, manner: Manner) -> Fault | None:
    """The fault that the play of this seed shows, if any."""
    return perform(random_play(seed, manner.features), seed, manner)


def perform(play: Play, timing: int, manner: Manner) -> Fault | None:
    """Have the play go to its end with this timing, and say what was wrong."""
    said = list(_wrong(stage_of(play, timing, manner)))
    return Fault(play, timing, said) if said else None


def stage_of(play: Play, timing: int, manner: Manner) -> Stage:
    draws = Draws(random.Random(f"timing {timing}").randint)
    return Stage(
        play, draws, meddling=manner.meddling, cancelling=manner.cancelling, crashing=manner.crashing
    )


def _wrong(stage: Stage) -> Iterator[str]:
    try:
        stage.start()
        while stage.can_advance and len(stage.moments) < MOST_DECISIONS:
            stage.advance()
    except Exception as error:  # noqa: BLE001 - whatever the core raises is a fault to be shown
        where = traceback.extract_tb(error.__traceback__)[-1].name
        yield f"the core raised {type(error).__name__} in {where}: {error}"
        return
    if not stage.state.is_terminal:
        yield f"the execution goes nowhere after {len(stage.moments)} decisions"
    yield from disagreements(stage)


# --- making it smaller -------------------------------------------------------------------------------------------


def shrink(fault: Fault, manner: Manner) -> Fault:
    """A smaller play that shows the same kind of fault in some timing."""
    while smaller := next(_smaller(fault, manner), None):
        fault = smaller
    return fault


def _smaller(fault: Fault, manner: Manner) -> Iterator[Fault]:
    for definition in _reductions(fault.play.definition):
        play = replace(fault.play, definition=definition)
        for timing in (fault.timing, *range(TIMINGS)):
            found = _perform_reduced(play, timing, manner)
            if found is not None and found.kind == fault.kind:
                yield found
                break


def _perform_reduced(play: Play, timing: int, manner: Manner) -> Fault | None:
    if not all(_can_count(block) for block in blocks(play.definition["steps"])):
        return None
    try:
        return perform(play, timing, manner)
    except Exception:  # noqa: BLE001 - a reduction may have left what is no definition any more
        return None


def _can_count(block: list[dict[str, Any]]) -> bool:
    """Whether every join that counts has as many edges as it asks for."""
    edges = [edge.target for edge in rules.edges_of({"steps": block})]
    counted = ((step["id"], step["join"]) for step in block if isinstance(step.get("join"), dict))
    return all(edges.count(name) >= join["atLeast"] for name, join in counted)


def _reductions(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The definition with one thing less."""
    for key in ("handlers", "compensation", "defaults", "output", "onCriticalFailure"):
        if key in definition:
            yield {name: value for name, value in definition.items() if name != key}
    for steps in _fewer(definition["steps"]):
        if steps:
            yield {**definition, "steps": steps}
    for kind in definition.get("handlers", {}):
        for steps in _fewer(definition["handlers"][kind]):
            yield {**definition, "handlers": {**definition["handlers"], kind: steps}}


def _fewer(steps: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for i, step in enumerate(steps):
        yield [_without_mention(other, step["id"]) for other in steps[:i] + steps[i + 1 :]]
    for i, step in enumerate(steps):
        for less in _less(step):
            yield [*steps[:i], less, *steps[i + 1 :]]


def _less(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The step with something taken away, inside it or of itself."""
    for key in step:
        if key not in ("id", "action", "type", "steps", "items", "until", "cases", "params"):
            yield {name: value for name, value in step.items() if name != key}
    for inside in _fewer(step.get("steps", [])):
        if inside:
            yield {**step, "steps": inside}
    if len(step.get("items", [])) > 1:
        yield {**step, "items": step["items"][:-1]}
    for key in ("dependencies", "onSuccess", "onFailure"):
        for i in range(len(step.get(key, []))):
            yield {**step, key: step[key][:i] + step[key][i + 1 :]}


def _without_mention(step: dict[str, Any], name: str) -> dict[str, Any]:
    """The step without its edges from and to another that is gone."""
    step = dict(step)
    for key in ("dependencies", "onSuccess", "onFailure", "default"):
        if key in step:
            step[key] = [other for other in step[key] if other != name]
    if "cases" in step:
        step["cases"] = [{**case, "next": [n for n in case["next"] if n != name]} for case in step["cases"]]
    if "catch" in step:
        kept = [{**rule, "next": [n for n in rule["next"] if n != name]} for rule in step["catch"]]
        step["catch"] = [rule for rule in kept if rule["next"]]
    return step


def account_of(fault: Fault, manner: Manner) -> str:
    """All that is needed to see the fault again: the definition, what was given to the core, what is wrong."""
    stage = stage_of(fault.play, fault.timing, manner)
    said = list(_wrong(stage))
    names = {slot: step.id for slot, step in enumerate(stage.state.steps)}
    lines = [f"definition = {fault.play.definition}"]
    for now, inputs in stage.inputs:
        for given in inputs:
            slot = getattr(given, "step", None)
            lines.append(f"  at {now}: {given}" + (f"  # {names.get(slot)}" if isinstance(slot, int) else ""))
    return "\n".join([*lines, *said])
