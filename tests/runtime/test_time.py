"""Instants come when they are due and never before, through pauses, crashes and clocks that are set."""

from __future__ import annotations

import pytest

from tenuto.core.view import visualize
from tenuto.ports.host import Who
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated, waiting


@simulated
async def test_retries_wait_as_their_policy_says() -> None:
    async with Lab() as lab:
        policy = {"maxAttempts": 5, "backoffMultiplier": 2, "initialDelay": 1000, "maxDelay": 30000}
        await lab.define(hand("a", retryPolicy=policy))
        execution_id = await lab.start()
        began = []
        for _ in range(5):
            attempt = await lab.hands.take("a")
            began.append(attempt.request.now - EPOCH)
            attempt.fail()
        assert began == [0, 1_000, 3_000, 7_000, 15_000]
        assert (await lab.ended(execution_id))["stepResults"]["a"]["attempts"] == 5


@simulated
async def test_an_attempt_that_takes_too_long_fails_and_is_given_up() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", timeout=2_000, retryPolicy={"maxAttempts": 2, "initialDelay": 0}))
        execution_id = await lab.start()
        first = await lab.hands.take("a")
        second = await lab.hands.take("a")
        assert first.was_given_up()
        assert second.request.now == EPOCH + 2_000
        second.succeed()
        kinds = await lab.kinds(execution_id)
        assert kinds.count("attempt.failed a") == 1
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_a_timeout_of_zero_is_none() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", timeout=0))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        await passed(10_000)
        attempt.succeed()
        assert (await lab.ended(execution_id))["duration"] == 10_000_000


@simulated
async def test_attempts_and_waits_together_take_no_longer_than_the_total_timeout() -> None:
    async with Lab() as lab:
        policy = {"maxAttempts": 100, "initialDelay": 700, "backoffMultiplier": 1}
        await lab.define(hand("a", totalTimeout=2_000, retryPolicy=policy))
        execution_id = await lab.start()
        for _ in range(2):
            (await lab.hands.take("a")).fail()
        last = await lab.hands.take("a")
        shown = await lab.ended(execution_id)
        assert last.was_given_up()
        assert shown["error"]["type"] == "timeout"
        assert shown["endTime"] == EPOCH + 2_000


@simulated
async def test_a_wait_is_bounded_by_the_total_timeout() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 60_000, totalTimeout=5_000))
        shown = await lab.ended(await lab.start())
        assert (shown["error"]["type"], shown["duration"]) == ("timeout", 5_000)


@simulated
async def test_the_execution_takes_no_longer_than_its_timeout_and_gives_up_what_runs() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"), timeout=5_000)
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        shown = await lab.ended(execution_id)
        assert attempt.was_given_up()
        assert shown["endTime"] == EPOCH + 5_000
        assert shown["error"] == {
            "stepId": None, "type": "timeout", "message": "the execution took longer than its timeout of 5000 ms",
        }  # fmt: skip
        assert (shown["cancelledSteps"], shown["skippedSteps"]) == (["a"], ["b"])


@simulated
async def test_a_pause_holds_timers_and_does_not_count_towards_timeouts() -> None:
    async with Lab() as lab:
        policy = {"maxAttempts": 2, "initialDelay": 1_000}
        await lab.define(hand("a", retryPolicy=policy, totalTimeout=10_000), timeout=20_000)
        execution_id = await lab.start()
        (await lab.hands.take("a")).fail()
        await passed(0.5)
        await lab.node.pause(execution_id, Who())
        await passed(1_000)
        assert len(lab.hands.attempts) == 1
        await lab.node.resume(execution_id, Who())
        second = await lab.hands.take("a")
        assert second.request.now == EPOCH + 1_000_500
        await passed(9)
        assert not second.was_given_up()
        shown = await lab.ended(execution_id)
        assert second.was_given_up()
        assert shown["endTime"] == EPOCH + 1_010_000
        assert shown["error"]["type"] == "timeout"


@simulated
async def test_an_attempt_that_ends_during_a_pause_is_recorded_and_nothing_follows() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        await lab.node.pause(execution_id, Who("ada", "lunch"))
        attempt.succeed(1)
        await passed(10)
        shown = await lab.show(execution_id)
        assert (shown["status"], shown["completedSteps"], len(lab.hands.attempts)) == ("paused", ["a"], 1)
        await lab.node.resume(execution_id, Who())
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@pytest.mark.parametrize("back_ms", [1, 5_000, 60_000])
@simulated
async def test_a_clock_set_back_never_makes_an_instant_come_early(back_ms: int) -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 10_000), hand("after", "nap"))
        execution_id = await lab.start()
        await passed(5)
        lab.clock.offset -= back_ms
        attempt = await lab.hands.take("after")
        assert EPOCH + 10_000 <= attempt.request.now < EPOCH + 10_100
        attempt.succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@pytest.mark.parametrize("duration_ms", [20_000, 600_000])
@simulated
async def test_a_clock_set_forward_is_noticed_within_half_a_minute(duration_ms: int) -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", duration_ms), hand("after", "nap"))
        execution_id = await lab.start()
        await passed(12)
        lab.clock.offset += 1_000_000
        attempt = await lab.hands.take("after")
        assert attempt.request.now <= EPOCH + 1_012_000 + 32_000
        attempt.succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_running_attempts_do_not_notice_that_the_clock_was_set() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", timeout=10_000))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.clock.offset += 86_400_000
        await passed(9)
        assert not attempt.was_given_up()
        lab.clock.offset -= 2 * 86_400_000
        attempt.succeed()
        shown = await lab.ended(execution_id)
        assert shown["status"] == "completed"


@simulated
async def test_ten_thousand_instants_at_once_come_in_good_time() -> None:
    async with Lab() as lab:
        await lab.define(*(waiting(f"n{i}", 30_000 + i % 7) for i in range(2_000)))
        ids = [await lab.start() for _ in range(5)]
        for execution_id in ids:
            shown = await lab.ended(execution_id)
            assert shown["status"] == "completed"
            assert shown["endTime"] >= EPOCH + 30_006


@simulated
async def test_nothing_took_less_than_no_time_though_the_clock_was_set_back() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.clock.offset -= 5_000
        assert (await lab.show(execution_id))["duration"] == 0
        attempt.succeed()
        shown = await lab.ended(execution_id)
        assert (shown["duration"], shown["stepResults"]["a"]["duration"]) == (0, 0)
        assert visualize(await lab.node.read(execution_id), lab.clock.now())["duration"] == 0
