"""Outputs and answers held to what they must fit, whoever gives them."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core.inputs import Approve, Complete
from tenuto.errors import Forbidden, Invalid
from tests.runtime.lab import Lab, simulated

NUMBER = {"type": "object", "required": ["b"]}


async def end_of(*steps: dict[str, Any], **fields: Any) -> Any:
    async with Lab() as lab:
        await lab.define(*steps, **fields)
        return await lab.ended(await lab.start())


@simulated
async def test_the_results_of_the_last_steps_must_fit_too() -> None:
    shown = await end_of({"id": "a"}, outputSchema=NUMBER)
    assert (shown["status"], shown["error"]["type"]) == ("failed", "invalid-output")
    shown = await end_of({"id": "b"}, outputSchema=NUMBER)
    assert (shown["status"], shown["output"]) == ("completed", {"b": None})


@simulated
async def test_what_finish_gives_must_fit_too() -> None:
    finish: dict[str, Any] = {"id": "a", "action": "finish", "params": {"output": {"c": 1}}}
    shown = await end_of(finish, outputSchema=NUMBER)
    assert (shown["status"], shown["error"]["type"]) == ("failed", "invalid-output")
    finish["params"] = {"output": {"b": 1}}
    shown = await end_of(finish, outputSchema=NUMBER)
    assert (shown["status"], shown["output"]) == ("completed", {"b": 1})


@simulated
async def test_a_key_of_the_start_context_may_be_no_step_however_deep() -> None:
    async with Lab() as lab:
        await lab.define({"id": "box", "type": "parallel", "steps": [{"id": "inner"}]})
        with pytest.raises(Invalid, match="id of a step"):
            await lab.start(context={"inner": 1})


@simulated
async def test_who_may_not_approve_is_told_that_first() -> None:
    form = {"type": "object", "required": ["amount"]}
    async with Lab() as lab:
        await lab.define({"id": "a", "action": "approval", "params": {"form": form, "approvers": ["ann"]}})
        started = await lab.start()
        await lab.node.wait(started, 1)
        with pytest.raises(Forbidden):
            await lab.node.act(started, Approve("a", "bob"))
        with pytest.raises(Invalid, match="object"):
            await lab.node.act(started, Approve("a", "ann"))


@simulated
async def test_a_result_by_hand_must_fit_its_step() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a", "action": "delay", "params": {"duration": 1000}, "outputSchema": NUMBER})
        started = await lab.start()
        with pytest.raises(Invalid, match="b"):
            await lab.node.act(started, Complete("a", {"c": 1}))
        state = await lab.node.act(started, Complete("a", {"b": 1}))
        assert state.step("a").result == {"b": 1}
