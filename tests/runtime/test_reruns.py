"""Reruns on a real node: a new execution that takes over what came before a step."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.errors import Conflict, Invalid, NotFound
from tenuto.ports.host import Rerun, Who
from tests.runtime.cuts import every_cut, served
from tests.runtime.lab import Lab, hand, passed, simulated


async def rerun(lab: Lab, first: str, from_step: str, **fields: Any) -> str:
    wish = Rerun(from_step=from_step, **fields)
    return (await lab.node.rerun(first, wish, Who("ada", "why"))).execution_id


async def chain(lab: Lab, **results: Any) -> str:
    """An ended execution of a → b → c."""
    await lab.define(hand("a"), hand("b", "a", params={"x": "{{ context.a }}"}), hand("c", "b"))
    execution_id = await lab.start({"n": 1}, tags={"team": "t"}, priority=3)
    async with served(lab, **({"a": 1, "b": 2, "c": 3} | results)):
        await lab.ended(execution_id)
    return execution_id


def steps(shown: dict[str, Any]) -> dict[str, str]:
    return {name: step["status"] for name, step in shown["stepResults"].items()}


@simulated
async def test_what_came_before_is_copied_and_the_rest_is_done() -> None:
    async with Lab() as lab:
        first = await chain(lab)
        second = await rerun(lab, first, "b")
        attempt = await lab.hands.take("b")
        assert (attempt.request.params, attempt.request.step_key) == ({"x": 1}, f"{second}/b/0")
        attempt.succeed(20)
        (await lab.hands.take("c")).succeed(30)
        shown = await lab.ended(second)
        assert shown["context"] == {"n": 1, "a": 1, "b": 20, "c": 30}
        assert shown["forkOf"] == {"executionId": first, "fromStep": "b"}
        assert (shown["tags"], shown["priority"]) == ({"team": "t"}, 3)
        assert (await lab.show(first))["context"] == {"n": 1, "a": 1, "b": 2, "c": 3}
        assert len(lab.hands.of("a")) == 1


@simulated
async def test_a_rerun_may_have_another_context_another_version_and_a_name() -> None:
    async with Lab() as lab:
        first = await chain(lab)
        await lab.define(hand("a"), hand("b", "a", params={"y": "{{ input.n }}"}), hand("new", "b"))
        name = await rerun(lab, first, "b", context={"n": 5}, version=2, execution_id="again")
        assert name == "again"
        attempt = await lab.hands.take("b")
        assert attempt.request.params == {"y": 5}
        attempt.succeed()
        (await lab.hands.take("new")).succeed()
        shown = await lab.ended("again")
        assert (shown["workflowVersion"], shown["context"]["a"]) == (2, 1)


@simulated
async def test_the_same_rerun_again_is_the_same_execution() -> None:
    async with Lab() as lab:
        first = await chain(lab)
        for _ in range(2):
            assert await rerun(lab, first, "b", execution_id="again") == "again"
        with pytest.raises(Conflict):
            await rerun(lab, first, "c", execution_id="again")


@simulated
async def test_a_rerun_of_a_failed_execution_does_what_failed_elsewhere_too() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"), hand("bad"), hand("d", "bad"))
        first = await lab.start()
        async with served(lab, a=1, b=2, bad=ValueError("http.500")):
            await lab.ended(first)
        second = await rerun(lab, first, "b")
        async with served(lab, b=3, bad=4, d=5):
            assert (await lab.ended(second))["context"] == {"a": 1, "b": 3, "bad": 4, "d": 5}


@simulated
async def test_a_rerun_of_what_still_runs_leaves_that_alone() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"), hand("slow", timeout=0))
        first = await lab.start()
        (await lab.hands.take("a")).succeed(1)
        await lab.hands.take("b")
        await lab.hands.take("slow")
        second = await rerun(lab, first, "b")
        async with served(lab, b=2, slow=3):
            assert (await lab.ended(second))["context"] == {"a": 1, "b": 2, "slow": 3}
        assert (await lab.show(first))["status"] == "running"


@simulated
async def test_steps_that_are_not_there_or_stand_inside_others_are_no_beginning() -> None:
    async with Lab() as lab:
        await lab.define(
            {"id": "box", "type": "parallel", "steps": [{"id": "x"}]}, handlers={"always": [{"id": "h"}]}
        )
        first = await lab.start()
        await lab.ended(first)
        for name in ("nowhere", "x", "h"):
            with pytest.raises(NotFound, match=f"has no step '{name}' of its own to run from"):
                await rerun(lab, first, name)
        with pytest.raises(NotFound):
            await rerun(lab, "nobody", "box")
        await lab.define({"id": "other"})
        with pytest.raises(Invalid, match="has no step 'box'"):
            await rerun(lab, first, "box", version=2)


@simulated
async def test_what_was_set_before_can_be_read_again() -> None:
    async with Lab() as lab:
        await lab.define(
            {"id": "one", "action": "set", "params": {"values": {"x": 1, "y": 1}}},
            {"id": "two", "action": "set", "params": {"values": {"x": 2}}, "dependencies": ["one"]},
            hand("read", "two", params={"seen": ["{{ vars.x }}", "{{ vars.y }}"]}),
        )
        first = await lab.start()
        (await lab.hands.take("read")).succeed()
        await lab.ended(first)
        second = await rerun(lab, first, "read")
        attempt = await lab.hands.take("read")
        assert attempt.request.params == {"seen": [2, 1]}
        attempt.succeed()
        assert (await lab.ended(second))["status"] == "completed"


@simulated
async def test_what_was_set_inside_a_container_can_be_read_again() -> None:
    async with Lab() as lab:
        inner = {"id": "one", "action": "set", "params": {"values": {"x": 1}}}
        await lab.define(
            {"id": "box", "type": "parallel", "steps": [inner]},
            hand("read", "box", params={"seen": "{{ vars.x }}"}),
        )
        first = await lab.start()
        (await lab.hands.take("read")).succeed()
        await lab.ended(first)
        await rerun(lab, first, "read")
        assert (await lab.hands.take("read")).request.params == {"seen": 1}


@simulated
async def test_what_a_join_did_not_need_stays_undone() -> None:
    async with Lab() as lab:
        join = {"atLeast": 1, "cancelRemaining": True}
        await lab.define(hand("a"), hand("b"), hand("j", "a", "b", join=join), hand("c", "j"))
        first = await lab.start()
        async with served(lab, a=1, j=2, c=3):
            await lab.ended(first)
        before = len(lab.hands.of("b"))
        second = await rerun(lab, first, "c")
        async with served(lab, c=4):
            assert steps(await lab.ended(second, 60_000))["c"] == "success"
        assert len(lab.hands.of("b")) == before
        assert (await lab.show(second))["status"] == "completed"


@simulated
async def test_what_a_person_left_out_stays_left_out() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b"), hand("c", "a"))
        first = await lab.start()
        await passed(1)
        await lab.node.act(first, inp.SkipStep("b"))
        async with served(lab, a=1, c=3):
            await lab.ended(first)
            second = await rerun(lab, first, "c")
            shown = await lab.ended(second)
        assert shown["stepResults"]["b"]["reason"] == "manual_skip"


@simulated
async def test_a_rerun_is_made_once_wherever_it_is_cut() -> None:
    async def define(lab: Lab) -> None:
        await chain(lab)

    async def story(lab: Lab) -> None:
        async with served(lab, b=20, c=30):
            await rerun(lab, "exec-1", "b", execution_id="again")
            await lab.ended("again")

    async def check(lab: Lab) -> None:
        assert (await lab.show("again"))["context"] == {"n": 1, "a": 1, "b": 20, "c": 30}
        assert {each.request.execution_id for each in lab.hands.of("a")} == {"exec-1"}

    await every_cut(define, story, check)


@simulated
async def test_large_results_are_copied_whole() -> None:
    async with Lab() as lab:
        large = "x" * 3_000_000
        first = await chain(lab, a=large)
        second = await rerun(lab, first, "b")
        await lab.hands.take("b")
        await lab.reboot()
        attempt = await lab.hands.take("b")
        assert attempt.request.params == {"x": large}
        attempt.succeed()
        (await lab.hands.take("c")).succeed()
        assert (await lab.ended(second))["context"]["a"] == large
