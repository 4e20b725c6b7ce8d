"""Where each step of a workflow stands: in which container, among which handlers, undoing what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tenuto.core.graph import Block, BlockKind, Graph, HandlerKind, Node


class Spot(NamedTuple):
    """A step and where it stands. `owner` is the container, or the step that it undoes; None for the workflow's own
    steps and for handlers. `is_one` says that there is one such step at most in an execution, not one for each item
    or round."""

    node: Node
    kind: BlockKind
    owner: Spot | None
    handlers: HandlerKind | None
    is_one: bool


def spots(graph: Graph) -> Iterator[Spot]:
    """Every step, each container before what is in it: the workflow's own in their order, then the handlers. Maps and
    loops without nested steps have none here; what they do they do themselves."""
    yield from _of_block(graph.root, None, None, is_one=True)
    for kind, block in graph.handlers.items():
        yield from _of_block(block, None, kind, is_one=True)


def _of_block(
    block: Block, owner: Spot | None, handlers: HandlerKind | None, *, is_one: bool
) -> Iterator[Spot]:
    """Recursion follows the nesting, which is bounded."""
    for node in block.nodes:
        spot = Spot(node, block.kind, owner, handlers, is_one)
        yield spot
        if node.body is not None and node.spec.steps:
            is_shared = node.body.kind in ("item", "round")
            yield from _of_block(node.body, spot, handlers, is_one=is_one and not is_shared)
        if node.undo is not None:
            yield from _of_block(node.undo, spot, handlers, is_one=is_one)
