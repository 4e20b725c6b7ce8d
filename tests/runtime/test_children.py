"""Starting children on a real node."""

from __future__ import annotations

import pytest

from tenuto.core.events import ParentLink, StepError
from tenuto.errors import Conflict, NotFound, StoreUnavailable
from tenuto.ports.children import ChildEnd
from tenuto.ports.host import Who
from tenuto.runtime.children import HostChildren
from tests.runtime.lab import Lab, hand, simulated

PARENT = ParentLink("parent-1", "pay[3]", 0, 1)


@simulated
async def test_a_child_knows_its_parent_and_is_started_once() -> None:
    async with Lab() as lab:
        await lab.define(hand("work"))
        children = HostChildren(lab.node)
        for _ in range(2):
            assert await children.start_child(PARENT, "w", None, {"a": 1}, "parent-1.pay.3.0") is None
        state = await lab.node.read("parent-1.pay.3.0")
        assert (state.parent, state.context) == (PARENT, {"a": 1})


@simulated
async def test_a_repeated_start_answers_how_the_child_ended() -> None:
    async with Lab() as lab:
        await lab.define(hand("work"))
        children = HostChildren(lab.node)
        ends: list[ChildEnd | None] = []
        for name in ("well", "badly", "given-up"):
            await children.start_child(PARENT, "w", None, {}, name)
            if name == "given-up":
                await lab.node.cancel(name, Who())
            elif name == "well":
                (await lab.hands.take("work")).succeed({"n": 1})
            else:
                (await lab.hands.take("work")).fail("http.500")
            await lab.ended(name)
            ends.append(await children.start_child(PARENT, "w", None, {}, name))
        well, badly, given_up = ends
        assert well == ChildEnd({"work": {"n": 1}})
        assert badly is not None
        assert badly.error is not None
        assert badly.error.type == "http.500"
        assert given_up == ChildEnd(None, StepError("cancelled", "the execution given-up was cancelled"))


@simulated
async def test_an_execution_of_somebody_else_is_no_child() -> None:
    async with Lab() as lab:
        await lab.define(hand("work"))
        own = await lab.start(execution_id="parent-1.pay.3.0")
        with pytest.raises(Conflict, match="no child of this step"):
            await HostChildren(lab.node).start_child(PARENT, "w", None, {}, own)


@simulated
async def test_what_cannot_be_started_is_said_as_to_everybody() -> None:
    async with Lab() as lab:
        children = HostChildren(lab.node)
        with pytest.raises(NotFound):
            await children.start_child(PARENT, "no-such-flow", None, {}, "child-1")
        await lab.define(hand("work"))
        lab.store.is_away = True
        with pytest.raises(StoreUnavailable):
            await children.start_child(PARENT, "w", None, {}, "child-1")
