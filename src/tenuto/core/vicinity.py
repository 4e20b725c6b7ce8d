"""How steps of different blocks stand to one another, and sentences for those who mix them up: edges join steps of one
list, and what is nested is read through the result of the step that holds it."""

from __future__ import annotations

from tenuto.core.outline import Outline, Place
from tenuto.core.whole import Whole


def as_seen_from(block: Outline, place: Place) -> Place | None:
    """The step of the block that is, or holds, the given one; None if it does not stand in the block at any depth."""
    while place.block is not block:
        if place.block.owner is None:
            return None
        place = place.block.owner
    return place


def _holders(target: Place) -> list[Place]:
    """The steps around one, the outermost first."""
    holders: list[Place] = []
    owner = target.block.owner
    while owner is not None:
        holders.append(owner)
        owner = owner.block.owner
    return holders[::-1]


def _first_unshared(reader: Place | None, target: Place, outermost: Outline) -> list[Place]:
    """The steps around the target that do not also hold the reader, the outermost first; the reader itself may be the
    first of them."""
    shared = {outermost} if reader is None else {reader.block, *(held.block for held in _holders(reader))}
    around = _holders(target)
    blocks = [holder.block in shared for holder in around]
    # from the last block that both stand in
    first = max((k for k, is_shared in enumerate(blocks) if is_shared), default=len(around))
    return around[first:]


def unreadable(text: str, reader: Place | None, target: Place) -> str:
    """Why a result cannot be read from there, and what to read instead."""
    name = target.spec.id
    if target.block.outermost.is_handlers:
        is_other = reader is not None and reader.block.outermost.is_handlers
        if not is_other or reader is None or reader.block.outermost is not target.block.outermost:
            of_another = "of another list" if is_other else "and runs when all else has ended"
            return f"`{text}` cannot be read here: `{name}` is a handler {of_another}."
    outermost = target.block.outermost
    around = _first_unshared(reader, target, outermost)
    if not around:
        return f"`{text}` cannot be read here."
    box = around[0].spec
    if reader is not None and around[0] == reader:
        remedy = f" Read `result.{name}`." if box.type == "loop" and len(around) == 1 else ""
        return f"`{text}` cannot be read here: `{name}` is nested in `{box.id}` itself.{remedy}"
    way = "".join(f".{held.spec.id}" + ("[0]" if held.spec.type == "map" else "") for held in around)
    one = " (of the first item)" if "[0]" in way else ""
    remedy = f"read `{{{{ context{way}.{name} }}}}`{one}"
    return f"`{text}` cannot be read here: `{name}` is nested in `{around[-1].spec.id}`; {remedy}."


def unjoinable(whole: Whole, here: Place, target: Place) -> str:
    """Why there can be no edge between two steps of different lists, and what to do instead."""
    name, own = target.spec.id, here.spec.id
    if target.block.outermost is not here.block.outermost:
        if target.block.outermost is whole.root:
            return f"`{own}` is a handler: it runs when all else has ended, so nothing leads from or to `{name}`."
        if here.block.outermost is whole.root:
            return (
                f"`{name}` is a handler: it runs by itself when all else has ended, and nothing leads to it."
            )
        return f"`{name}` is a handler of another list; edges join steps of one list."
    standing = as_seen_from(here.block, target)
    if standing == here:
        return f"`{name}` is nested in `{own}` itself; edges join steps of one list."
    if standing is not None:
        box = standing.spec.id
        return f"`{name}` is nested in `{box}`; edges join steps of one list, so name `{box}` instead."
    holder = here.block.owner
    assert holder is not None, "in one outermost list, one that does not hold the target is nested"
    box = holder.spec.id
    if as_seen_from(target.block, here) == target:
        return f"`{own}` is nested in `{name}` itself; edges join steps of one list."
    return f"`{own}` is nested in `{box}` and `{name}` is not; edges join steps of one list, so give it to `{box}`."
