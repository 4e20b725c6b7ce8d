"""A graceful stop keeps what attempts say within the grace period, gives the rest up without counting it against them,
and whoever starts next goes on from there."""

from __future__ import annotations

import asyncio

from tests.runtime.lab import Lab, hand, passed, simulated


@simulated
async def test_an_attempt_that_ends_within_the_grace_period_is_recorded_and_what_follows_starts_next_time() -> (
    None
):
    async with Lab(grace=5_000) as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        stopping = asyncio.create_task(lab.node.close())
        await passed(3)
        attempt.succeed("kept")
        await stopping
        assert (await lab.kinds(execution_id))[-1] == "step.succeeded a"
        await lab.boot()
        (await lab.hands.take("b")).succeed()
        shown = await lab.ended(execution_id)
        assert shown["status"] == "completed"
        assert shown["context"]["a"] == "kept"
        assert len(lab.hands.of("a")) == 1
