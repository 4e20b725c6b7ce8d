"""The names that expressions may use, by where they stand."""

from __future__ import annotations

from tenuto.core.definition import StepSpec
from tenuto.core.outline import Place

SCOPE = frozenset({"context", "input", "steps", "execution", "step", "vars"})
OUTPUT_SCOPE = SCOPE - {"step"}
CODE_SCOPE = frozenset({"context", "input"})
BEGIN_SCOPE = frozenset({"context", "input"})
"""What the keys of a workflow's own `concurrency` read: they are asked for before anything runs."""

TAKEN_NAMES = SCOPE | {"secrets", "index", "result"}
"""What an item cannot be called."""


def scope_of(place: Place) -> frozenset[str]:
    """What `when` and all else that concerns a step as a whole may use: what the steps around it give, too."""
    names = SCOPE
    owner = place.block.owner
    while owner is not None:
        names |= given_within(owner.spec)
        owner = owner.block.owner
    return names


def given_within(step: StepSpec) -> frozenset[str]:
    """What a step gives to all that is done within it: a map the item, a loop the round before."""
    if step.type == "map":
        return frozenset({step.item_name, "index"})
    return frozenset({"result", "index"}) if step.type == "loop" else frozenset()


def where_known(name: str) -> str:
    """Where a name that is not known everywhere may be used, in a sentence; empty if it is just unknown."""
    match name:
        case "item":
            return "`item` is known within a map only, and only where its `as` gives no other name."
        case "index":
            return "`index` is known within maps and loops only."
        case "result":
            return "`result` is known within a loop only: what the round before gave."
    return ""
