"""Parents and children on one node: through crashes at every commit, and whoever ends first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.errors import NotFound
from tenuto.ports.host import Who
from tenuto.ports.store import ExecutionQuery
from tests.runtime.cuts import every_cut, letters, served, times, unless_over
from tests.runtime.lab import Lab, hand, passed, simulated

CALL: dict[str, Any] = {"id": "call", "action": "workflow.run", "params": {"workflowId": "child"}}


def call(**fields: Any) -> dict[str, Any]:
    """A step that starts the workflow `child`."""
    params = {"workflowId": "child", **fields.pop("params", {})}
    return {**CALL, "params": params, **fields}


async def pair(lab: Lab, **fields: Any) -> None:
    await lab.define(hand("x", timeout=0), id="child")
    await lab.define(hand("a"), call(dependencies=["a"], **fields), hand("b", "call"))


async def ids(lab: Lab) -> list[str]:
    rows, _ = await lab.node.list_executions(ExecutionQuery())
    return sorted(row["executionId"] for row in rows)


async def end_of(lab: Lab, execution_id: str) -> str:
    """How an execution ended; `none` if it never was."""
    try:
        status: str = (await lab.show(execution_id))["status"]
    except NotFound:
        return "none"
    return status


# -- together -------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_crash_at_any_commit_loses_neither_parent_nor_child() -> None:
    async def story(lab: Lab) -> None:
        async with served(lab, a=1, x={"n": 2}, b=3):
            await lab.start(execution_id="p")
            await lab.ended("p")

    async def check(lab: Lab) -> None:
        assert await ids(lab) == ["p", "p.call.0"]
        shown = await lab.show("p")
        assert shown["status"] == "completed"
        assert shown["context"] == {"a": 1, "call": {"x": {"n": 2}}, "b": 3}
        assert (await lab.show("p.call.0"))["parent"] == {"executionId": "p", "stepId": "call"}
        for execution_id, step_id in (("p", "a"), ("p", "call"), ("p", "b"), ("p.call.0", "x")):
            assert await times(lab, execution_id, f"step.succeeded {step_id}") == 1
        assert await letters(lab) == 0

    await every_cut(pair, story, check)


@simulated
async def test_a_crash_at_any_commit_loses_no_failure_of_a_child_and_no_further_try() -> None:
    async def define(lab: Lab) -> None:
        await pair(lab, retryPolicy={"maxAttempts": 2, "initialDelay": 1_000})

    async def story(lab: Lab) -> None:
        async with served(lab, a=1, x=ValueError("http.500")):
            await lab.start(execution_id="p")
            await lab.ended("p")

    async def check(lab: Lab) -> None:
        assert await ids(lab) == ["p", "p.call.0", "p.call.0.2"]
        shown = await lab.show("p")
        assert (shown["status"], shown["error"]["type"]) == ("failed", "http.500")
        assert shown["stepResults"]["call"]["error"]["details"] == {"childExecutionId": "p.call.0.2"}
        assert await letters(lab) == 0

    await every_cut(define, story, check)


@simulated
async def test_a_parent_cancelled_at_any_commit_leaves_no_child_behind() -> None:
    async def story(lab: Lab) -> None:
        async with served(lab, a=1):
            await lab.start(execution_id="p")
            while await end_of(lab, "p.call.0") == "none" and await end_of(lab, "p") == "running":
                await passed(0.1)
            await unless_over(lab.node.cancel("p", Who("ada")))
            await lab.ended("p")

    async def check(lab: Lab) -> None:
        assert await end_of(lab, "p") == "cancelled"
        assert await end_of(lab, "p.call.0") in ("cancelled", "none")
        assert await letters(lab) == 0

    await every_cut(pair, story, check)


@simulated
async def test_a_child_that_nobody_waits_for_ends_with_its_parent_wherever_it_is_cut() -> None:
    async def define(lab: Lab) -> None:
        await pair(lab, params={"wait": False})

    async def story(lab: Lab) -> None:
        async with served(lab, a=1, b=2):
            await lab.start(execution_id="p")
            await lab.ended("p")

    async def check(lab: Lab) -> None:
        assert (await lab.show("p"))["context"]["call"] == {"executionId": "p.call.0"}
        assert await end_of(lab, "p.call.0") == "cancelled"
        assert await letters(lab) == 0

    await every_cut(define, story, check)


@simulated
async def test_children_of_items_come_back_wherever_they_are_cut() -> None:
    async def define(lab: Lab) -> None:
        await lab.define(hand("x"), id="child")
        params = {"workflowId": "child", "context": {"item": "{{ item }}"}}
        await lab.define(
            {"id": "m", "type": "map", "items": ["a", "b"], "action": "workflow.run", "params": params}
        )

    async def story(lab: Lab) -> None:
        async with served(lab, x="done"):
            await lab.start(execution_id="p")
            await lab.ended("p")

    async def check(lab: Lab) -> None:
        assert await ids(lab) == ["p", "p.m.0.0", "p.m.1.0"]
        assert (await lab.show("p"))["context"]["m"] == [{"x": "done"}, {"x": "done"}]
        assert (await lab.show("p.m.1.0"))["context"] == {"item": "b", "x": "done"}

    await every_cut(define, story, check)


# -- what comes back ------------------------------------------------------------------------------------------------------


@simulated
async def test_a_parent_waits_out_of_memory_and_its_child_brings_it_back() -> None:
    async with Lab() as lab:
        await pair(lab)
        parent = await lab.start()
        (await lab.hands.take("a")).succeed()
        child = await lab.hands.take("x")
        await passed(60)
        assert not lab.is_in_memory(parent)
        child.succeed("back")
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(parent))["context"]["call"] == {"x": "back"}


@simulated
async def test_the_end_of_a_child_waits_in_the_inbox_while_no_node_runs() -> None:
    async with Lab() as lab:
        await pair(lab)
        parent = await lab.start()
        (await lab.hands.take("a")).succeed()
        child = await lab.hands.take("x")
        lab.node._inbox._give = _never_answers  # a letter that is on its way
        child.succeed(1)
        await passed(1)
        assert (await lab.show(f"{parent}.call.0"))["status"] == "completed"
        assert (await lab.show(parent))["stepResults"]["call"]["status"] == "waiting"
        assert await letters(lab) == 1
        await lab.reboot()
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(parent))["status"] == "completed"
        assert await letters(lab) == 0


async def _never_answers(execution_id: str, given: inp.Input) -> None:
    await asyncio.Event().wait()


@simulated
async def test_a_child_that_is_retried_by_hand_comes_too_late_for_its_parent() -> None:
    async with Lab() as lab:
        await pair(lab)
        parent = await lab.start()
        (await lab.hands.take("a")).succeed()
        (await lab.hands.take("x")).fail("http.500")
        assert (await lab.ended(parent))["status"] == "failed"
        await lab.node.retry(f"{parent}.call.0", Who())
        (await lab.hands.take("x")).succeed()
        await lab.ended(f"{parent}.call.0")
        await passed(10)
        assert (await lab.show(parent))["status"] == "failed"
        assert await letters(lab) == 0


@simulated
async def test_a_retry_of_the_parent_starts_another_child() -> None:
    async with Lab() as lab:
        await pair(lab)
        parent = await lab.start()
        (await lab.hands.take("a")).succeed()
        (await lab.hands.take("x")).fail("http.500")
        await lab.ended(parent)
        await lab.node.retry(parent, Who())
        (await lab.hands.take("x")).succeed(2)
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(parent))["context"]["call"] == {"x": 2}
        assert await ids(lab) == [parent, f"{parent}.call.0", f"{parent}.call.1"]


@simulated
async def test_a_child_that_somebody_cancels_fails_the_step() -> None:
    async with Lab() as lab:
        await pair(lab)
        parent = await lab.start()
        (await lab.hands.take("a")).succeed()
        await lab.hands.take("x")
        await lab.node.cancel(f"{parent}.call.0", Who("ada"))
        assert (await lab.ended(parent))["error"]["type"] == "cancelled"


# -- ending with the parent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
@pytest.mark.parametrize("on_close", ["cancel", "abandon"])
@simulated
async def test_a_child_ends_with_its_parent_unless_it_was_to_be_left_alone(verb: str, on_close: str) -> None:
    async with Lab() as lab:
        await pair(lab, params={"onParentClose": on_close})
        parent = await lab.start()
        (await lab.hands.take("a")).succeed()
        child = await lab.hands.take("x")
        await getattr(lab.node, verb)(parent, Who("ada"))
        await passed(1)
        assert child.was_given_up() == (on_close == "cancel")
        assert await end_of(lab, f"{parent}.call.0") == ("cancelled" if on_close == "cancel" else "running")


@simulated
async def test_a_child_whose_start_was_given_up_is_cancelled_when_it_comes() -> None:
    async with Lab() as lab:
        await pair(lab)
        parent = await lab.start()
        first = await lab.hands.take("a")
        slow = SlowStarts(lab)
        first.succeed()
        await slow.asked.wait()
        await lab.node.cancel(parent, Who())
        await passed(2)
        assert await end_of(lab, f"{parent}.call.0") == "none"
        slow.go.set()
        await passed(5)
        assert await end_of(lab, f"{parent}.call.0") == "cancelled"
        assert await letters(lab) == 0
        assert lab.hands.of("x") == [] or all(attempt.was_given_up() for attempt in lab.hands.of("x"))


class SlowStarts:
    """From now on children are started when `go` is set, whatever becomes of who asked."""

    def __init__(self, lab: Lab) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self._start = lab.node.start
        self._lab = lab
        lab.children.host = self  # type: ignore[assignment]  # a host that only starts

    async def start(self, request: Any) -> Any:
        return await asyncio.shield(asyncio.ensure_future(self._later(request)))

    async def _later(self, request: Any) -> Any:
        self.asked.set()
        await self.go.wait()
        return await self._start(request)


@simulated
async def test_a_cancellation_finds_children_that_have_left_memory_and_their_own_children() -> None:
    async with Lab() as lab:
        await lab.define({"id": "s", "action": "signal.wait", "params": {"name": "go"}}, id="grandchild")
        await lab.define(call(params={"workflowId": "grandchild"}), id="child")
        await lab.define(call())
        parent = await lab.start()
        await passed(60)
        family = [parent, f"{parent}.call.0", f"{parent}.call.0.call.0"]
        assert [await end_of(lab, each) for each in family] == ["running"] * 3
        assert not any(lab.is_in_memory(each) for each in family)
        await lab.node.cancel(parent, Who())
        await passed(5)
        assert [await end_of(lab, each) for each in family] == ["cancelled"] * 3


@simulated
async def test_executions_may_start_one_another_thirty_two_deep() -> None:
    async with Lab() as lab:
        await lab.define(call(params={"workflowId": "w"}))
        top = await lab.start()
        shown = await lab.ended(top)
        assert shown["error"]["type"] == "limit"
        assert len(await ids(lab)) == 33


@simulated
async def test_a_large_result_of_a_child_reaches_its_parent_whole_and_outlasts_a_restart() -> None:
    async with Lab() as lab:
        await pair(lab)
        parent = await lab.start()
        (await lab.hands.take("a")).succeed()
        large = "x" * 3_000_000
        (await lab.hands.take("x")).succeed(large)
        await lab.hands.take("b")
        await lab.reboot()
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(parent))["context"]["call"] == {"x": large}
        records = await lab.store.read_journal((await lab.store.find_execution(parent)).key)
        assert max(len(record.data) for record in records) < 10_000
