"""`outputSchema` of steps and of workflows, and `inputSchema`, on a real node."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.errors import Invalid
from tests.runtime.cuts import served
from tests.runtime.lab import Lab, hand, simulated

PRICE = {"type": "object", "required": ["eur"], "properties": {"eur": {"type": "number"}}}


def priced(step_id: str = "a", **fields: Any) -> dict[str, Any]:
    return hand(step_id, outputSchema=PRICE, **fields)


async def told(lab: Lab, *results: Any, **results_of: Any) -> dict[str, Any]:
    """The end of an execution of `w` whose step `a` returns these, one after another."""
    execution_id = await lab.start()
    for result in results:
        (await lab.hands.take("a")).succeed(result)
    async with served(lab, **results_of):
        return await lab.ended(execution_id)


@simulated
async def test_a_result_that_fits_is_the_steps() -> None:
    async with Lab() as lab:
        await lab.define(priced())
        assert (await told(lab, {"eur": 5}))["context"]["a"] == {"eur": 5}


@simulated
async def test_a_result_that_does_not_fit_fails_the_step_and_is_not_tried_again() -> None:
    async with Lab() as lab:
        await lab.define(priced(retryPolicy={"maxAttempts": 5}))
        shown = await told(lab, {"eur": "five"})
        error = shown["stepResults"]["a"]["error"]
        assert (shown["status"], error["type"]) == ("failed", "invalid-output")
        assert error["message"].startswith("result.eur: ")
        assert shown["stepResults"]["a"]["attempts"] == 1


@simulated
async def test_a_policy_may_have_it_tried_again() -> None:
    async with Lab() as lab:
        policy = {"maxAttempts": 2, "retryOn": ["invalid-output"], "initialDelay": 0}
        await lab.define(priced(retryPolicy=policy))
        shown = await told(lab, None, {"eur": 5})
        assert (shown["status"], shown["stepResults"]["a"]["attempts"]) == ("completed", 2)


@simulated
async def test_it_may_be_caught() -> None:
    async with Lab() as lab:
        rule = {"errors": ["invalid-output"], "next": ["mend"]}
        await lab.define(priced(catch=[rule]), {"id": "mend"})
        assert (await told(lab, []))["stepResults"]["mend"]["status"] == "success"


@simulated
async def test_only_the_first_few_places_are_named() -> None:
    async with Lab() as lab:
        schema = {"type": "array", "items": {"type": "number"}}
        await lab.define(hand("a", outputSchema=schema))
        message = (await told(lab, ["x"] * 5))["error"]["message"]
        assert message.count("result[") == 3
        assert message.endswith("; and 2 more")


@simulated
async def test_the_schema_of_a_map_of_an_action_is_that_of_each_item() -> None:
    async with Lab() as lab:
        step = {"id": "m", "type": "map", "items": [1], "action": "hand", "outputSchema": PRICE}
        await lab.define(step, {"id": "a"})
        shown = await told(lab, m={"eur": 1})
        assert shown["context"]["m"] == [{"eur": 1}]
        failed = await told(lab, m={})
        assert failed["error"]["type"] == "invalid-output"


@simulated
async def test_a_result_that_does_not_fit_is_not_kept_for_later() -> None:
    async with Lab() as lab:
        await lab.define(priced(cache={"key": "k", "ttl": 60_000}))
        assert (await told(lab, {}))["status"] == "failed"
        shown = await told(lab, {"eur": 5})
        assert (shown["status"], shown["stepResults"]["a"].get("cached", False)) == ("completed", False)


@simulated
async def test_the_output_of_a_child_must_fit_the_step_that_started_it() -> None:
    async with Lab() as lab:
        await lab.define(hand("x"), id="child", output="{{ context.x }}")
        step = {"id": "a", "action": "workflow.run", "params": {"workflowId": "child"}, "outputSchema": PRICE}
        await lab.define(step)
        assert (await told(lab, x={"eur": 1}))["context"]["a"] == {"eur": 1}
        shown = await told(lab, x={})
        error = shown["stepResults"]["a"]["error"]
        assert error["type"] == "invalid-output"
        assert error["details"] == {"childExecutionId": "exec-2.a.0"}


@simulated
async def test_an_output_that_does_not_fit_fails_the_execution_after_all_its_steps() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), output="{{ context.a }}", outputSchema=PRICE)
        assert (await told(lab, {"eur": 5}))["output"] == {"eur": 5}
        shown = await told(lab, {"eur": None})
        assert (shown["status"], shown["error"]["type"], shown["error"]["stepId"]) == (
            "failed",
            "invalid-output",
            None,
        )
        assert shown["error"]["message"].startswith("output.eur: ")
        assert shown["stepResults"]["a"]["status"] == "success"


@simulated
async def test_handlers_run_for_an_output_that_does_not_fit() -> None:
    async with Lab() as lab:
        handlers = {"failure": [{"id": "sorry"}]}
        await lab.define(hand("a"), output="{{ context.a }}", outputSchema=PRICE, handlers=handlers)
        shown = await told(lab, None)
        assert shown["stepResults"]["sorry"]["status"] == "success"


@simulated
async def test_a_start_that_does_not_fit_starts_nothing() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), inputSchema=PRICE)
        for context in ({}, {"eur": "five"}):
            with pytest.raises(Invalid, match=r"context"):
                await lab.start(context, execution_id="e")
        await lab.start({"eur": 5}, execution_id="e")
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended("e"))["status"] == "completed"


@simulated
async def test_a_child_whose_context_does_not_fit_is_not_started() -> None:
    async with Lab() as lab:
        await lab.define(hand("x"), id="child", inputSchema=PRICE)
        await lab.define({"id": "a", "action": "workflow.run", "params": {"workflowId": "child"}})
        assert (await told(lab))["error"]["type"] == "invalid-params"
