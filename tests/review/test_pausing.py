"""A pause holds whatever fails meanwhile, and its time counts towards no timeout."""

from __future__ import annotations

from tenuto.ports.host import Who
from tests.runtime.lab import Lab, hand, passed, simulated

WHO = Who("me", None)
RETRIED = {"maxAttempts": 2, "initialDelay": 1_000}


@simulated
async def test_a_critical_failure_under_drain_leaves_a_paused_execution_paused() -> None:
    async with Lab() as lab:
        steps = [hand("a"), hand("b", retryPolicy=RETRIED), hand("c", "a")]
        await lab.define(*steps, onCriticalFailure="drain", timeout=60_000)
        execution_id = await lab.start()
        first, other = await lab.hands.take("a"), await lab.hands.take("b")
        await lab.node.pause(execution_id, WHO)
        other.fail()
        first.fail("rejected")
        await passed(300)
        shown = await lab.show(execution_id)
        assert shown["status"] == "paused"
        assert shown["stepResults"]["c"]["reason"] == "run_cancelled"
        assert len(lab.hands.of("b")) == 1
        await lab.node.resume(execution_id, WHO)
        (await lab.hands.take("b")).succeed()
        shown = await lab.ended(execution_id)
        assert shown["status"] == "failed"
        assert shown["error"]["stepId"] == "a"
        assert shown["stepResults"]["b"]["status"] == "success"


@simulated
async def test_a_critical_failure_under_cancel_ends_a_paused_execution() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b"), onCriticalFailure="cancel")
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        await lab.node.pause(execution_id, WHO)
        attempt.fail("rejected")
        shown = await lab.ended(execution_id)
        assert shown["status"] == "failed"
        assert shown["stepResults"]["b"]["status"] == "cancelled"


@simulated
async def test_a_draining_paused_execution_can_be_cancelled() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", retryPolicy=RETRIED), onCriticalFailure="drain")
        execution_id = await lab.start()
        first, other = await lab.hands.take("a"), await lab.hands.take("b")
        await lab.node.pause(execution_id, WHO)
        other.fail()
        first.fail("rejected")
        await passed(10)
        await lab.node.cancel(execution_id, WHO)
        shown = await lab.ended(execution_id)
        assert shown["status"] == "cancelled"
        assert shown["stepResults"]["b"]["status"] == "cancelled"


@simulated
async def test_a_pause_during_a_retry_survives_a_restart_and_counts_towards_no_timeout() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", retryPolicy=RETRIED, totalTimeout=30_000), timeout=40_000)
        execution_id = await lab.start()
        (await lab.hands.take("a")).fail()
        await lab.node.pause(execution_id, WHO)
        await passed(100)
        await lab.restart()
        await passed(100)
        await lab.node.resume(execution_id, WHO)
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"
