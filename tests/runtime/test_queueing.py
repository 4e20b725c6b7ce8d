"""Slots on a real node: nobody holds more than there are, and all come back, however their holders go."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.errors import Conflict
from tenuto.ports.host import Who
from tests.runtime.cuts import every_cut, served, times
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated

ONE = [{"key": "k", "limit": 1}]


async def of_steps(lab: Lab, **fields: Any) -> None:
    """The workflow `w`, whose one step shares a slot with all its executions."""
    await lab.define(hand("a", concurrency=ONE, timeout=0, **fields))


async def of_executions(lab: Lab, on_limit: str = "queue", **fields: Any) -> None:
    """The workflow `w`, of which one execution is under way at a time."""
    await lab.define(
        hand("a", timeout=0), concurrency=[{"key": "k", "limit": 1, "onLimit": on_limit}], **fields
    )


def held(lab: Lab) -> list[tuple[int, int]]:
    """How many hold each key, and how many wait for it."""
    return [(use.held, use.waiting) for use in lab.node.limits.list()]


async def status(lab: Lab, execution_id: str, step_id: str | None = None) -> str:
    shown = await lab.show(execution_id)
    told: str = shown["status"] if step_id is None else shown["stepResults"][step_id]["status"]
    return told


async def one_after_another(lab: Lab, count: int) -> list[str]:
    """Start that many, each a little after the one before."""
    ids = []
    for _ in range(count):
        ids.append(await lab.start())
        await passed(0.1)
    return ids


# -- steps ----------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_second_attempt_waits_until_the_first_has_ended() -> None:
    async with Lab() as lab:
        await of_steps(lab)
        first, second = await one_after_another(lab, 2)
        assert (await status(lab, second, "a"), held(lab)) == ("queued", [(1, 1)])
        (await lab.hands.take("a")).succeed()
        attempt = await lab.hands.take("a")
        assert attempt.request.execution_id == second
        attempt.succeed()
        assert (await lab.ended(first))["status"] == (await lab.ended(second))["status"] == "completed"
        assert held(lab) == []


ENDS: dict[str, Any] = {
    "fails": lambda lab, one, attempt: attempt.fail(),
    "breaks": lambda lab, one, attempt: attempt.raise_(ValueError("no")),
    "is cancelled": lambda lab, one, attempt: lab.node.cancel(one, Who()),
    "is terminated": lambda lab, one, attempt: lab.node.terminate(one, Who()),
    "is completed by hand": lambda lab, one, attempt: lab.node.act(one, inp.Complete("a", 1)),
    "is skipped by hand": lambda lab, one, attempt: lab.node.act(one, inp.SkipStep("a")),
}


@pytest.mark.parametrize("how", ENDS)
@simulated
async def test_a_slot_is_free_again_when_the_attempt(how: str) -> None:
    async with Lab() as lab:
        await of_steps(lab)
        first, second = await one_after_another(lab, 2)
        done = ENDS[how](lab, first, await lab.hands.take("a"))
        if done is not None:
            await done
        attempt = await lab.hands.take("a")
        assert attempt.request.execution_id == second
        attempt.succeed()
        await lab.ended(second)
        assert held(lab) == []


@pytest.mark.parametrize(
    "policy",
    [{"maxAttempts": 2, "initialDelay": 60_000}, {"onExhausted": "pause"}],
    ids=["a retry", "a person"],
)
@simulated
async def test_what_waits_for_a_retry_or_a_person_holds_no_slot(policy: dict[str, Any]) -> None:
    async with Lab() as lab:
        await of_steps(lab, retryPolicy=policy)
        _, second = await one_after_another(lab, 2)
        (await lab.hands.take("a")).fail()
        attempt = await lab.hands.take("a")
        assert attempt.request.execution_id == second


@simulated
async def test_what_waits_for_a_signal_holds_no_slot() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a", "action": "signal.wait", "params": {"name": "go"}, "concurrency": ONE})
        ids = await one_after_another(lab, 3)
        assert [await status(lab, each, "a") for each in ids] == ["waiting"] * 3
        assert held(lab) == []


@simulated
async def test_an_attempt_that_takes_too_long_gives_its_slot_back() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", concurrency=ONE, timeout=1_000))
        first, second = await one_after_another(lab, 2)
        assert (await lab.ended(first))["error"]["type"] == "timeout"
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(second))["status"] == "completed"


@simulated
async def test_after_a_crash_nobody_holds_too_much_and_all_have_their_turn() -> None:
    async with Lab() as lab:
        await of_steps(lab)
        ids = await one_after_another(lab, 4)
        await lab.hands.take("a")
        for _ in range(4):
            await lab.reboot()
            await passed(1)
            assert held(lab) == [(1, sum([await status(lab, each, "a") == "queued" for each in ids]))]
            (await lab.hands.take("a")).succeed()
            await passed(1)
        assert {await status(lab, each) for each in ids} == {"completed"}
        assert held(lab) == []


@simulated
async def test_slots_are_taken_and_given_back_wherever_it_is_cut() -> None:
    async def story(lab: Lab) -> None:
        async with served(lab, a=1):
            for name in ("p", "q"):
                await lab.start(execution_id=name)
            for name in ("p", "q"):
                await lab.ended(name)

    async def check(lab: Lab) -> None:
        for name in ("p", "q"):
            assert await status(lab, name) == "completed"
            assert await times(lab, name, "step.succeeded a") == 1
        assert held(lab) == []

    await every_cut(of_steps, story, check)


@simulated
async def test_a_paused_execution_takes_no_slot_and_keeps_none_from_others() -> None:
    async with Lab() as lab:
        await of_steps(lab)
        first, second, third = await one_after_another(lab, 3)
        await lab.node.pause(second, Who())
        (await lab.hands.take("a")).succeed()
        attempt = await lab.hands.take("a")
        assert attempt.request.execution_id == third
        attempt.succeed()
        await lab.ended(third)
        await passed(1)
        assert held(lab) == []
        await lab.node.resume(second, Who())
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(second))["status"] == (await lab.ended(first))["status"] == "completed"


@simulated
async def test_what_runs_while_paused_keeps_its_slot_until_it_ends() -> None:
    async with Lab() as lab:
        await of_steps(lab)
        first, second = await one_after_another(lab, 2)
        await lab.node.pause(first, Who())
        assert await status(lab, second, "a") == "queued"
        (await lab.hands.take("a")).succeed()
        assert (await lab.hands.take("a")).request.execution_id == second


@simulated
async def test_one_that_waits_in_vain_fails_in_time() -> None:
    async with Lab() as lab:
        await of_steps(lab, queueTimeout=5_000)
        _, second = await one_after_another(lab, 2)
        shown = await lab.ended(second)
        assert (shown["error"]["type"], shown["endTime"]) == ("timeout", EPOCH + 5_100)
        assert held(lab) == [(1, 0)]


@simulated
async def test_the_more_urgent_goes_first_and_of_equals_the_older() -> None:
    async with Lab() as lab:
        await of_steps(lab)
        await lab.start()
        ids = [await lab.start(priority=priority) for priority in (0, 5, 5, 9)]
        order = []
        for _ in range(5):
            attempt = await lab.hands.take("a")
            order.append(attempt.request.execution_id)
            attempt.succeed()
        assert order[1:] == [ids[3], ids[1], ids[2], ids[0]]


@simulated
async def test_items_of_one_map_share_slots_with_each_other() -> None:
    async with Lab() as lab:
        await lab.define(
            {
                "id": "m",
                "type": "map",
                "items": [1, 2, 3],
                "action": "hand",
                "concurrency": [{"key": "k", "limit": 2}],
            }
        )
        execution_id = await lab.start()
        await passed(1)
        assert (len(lab.hands.attempts), held(lab)) == (2, [(2, 1)])
        async with served(lab, m="done"):
            assert (await lab.ended(execution_id))["context"]["m"] == ["done"] * 3
        assert held(lab) == []


@simulated
async def test_a_key_that_cannot_be_worked_out_fails_the_step() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", concurrency=[{"key": "{{ context.nowhere }}", "limit": 1}]))
        shown = await lab.ended(await lab.start())
        assert shown["error"]["type"] == "expression"
        assert shown["error"]["message"].startswith("concurrency: ")


@simulated
async def test_a_commit_that_fails_loses_no_slot() -> None:
    async with Lab() as lab:
        await of_steps(lab)
        first, second = await one_after_another(lab, 2)
        lab.store.is_full = True
        (await lab.hands.take("a")).succeed()
        await lab.store.refused.wait()
        lab.store.is_full = False
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(first))["status"] == (await lab.ended(second))["status"] == "completed"
        assert held(lab) == []


@simulated
async def test_a_commit_whose_answer_is_lost_loses_no_slot() -> None:
    async with Lab() as lab:
        await of_steps(lab)
        ids = await one_after_another(lab, 3)
        for _ in ids:
            attempt = await lab.hands.take("a")
            lab.store.loses_answers = True
            attempt.succeed()
            await passed(0.2)
            lab.store.loses_answers = False
            await passed(5)
        assert {await status(lab, each) for each in ids} == {"completed"}
        assert held(lab) == []


# -- executions -------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_second_execution_waits_until_the_first_has_ended() -> None:
    async with Lab() as lab:
        await of_executions(lab)
        first, second = await one_after_another(lab, 2)
        assert (await status(lab, first), await status(lab, second)) == ("running", "pending")
        (await lab.hands.take("a")).succeed()
        attempt = await lab.hands.take("a")
        assert attempt.request.execution_id == second
        attempt.succeed()
        await lab.ended(second)
        assert held(lab) == []
        assert await lab.store.items("slot") == []


@simulated
async def test_an_execution_keeps_its_slot_through_restarts_and_out_of_memory() -> None:
    async with Lab() as lab:
        step = {"id": "wait", "action": "signal.wait", "params": {"name": "go"}}
        await lab.define(step, concurrency=[{"key": "k", "limit": 1}])
        first, second = await one_after_another(lab, 2)
        await passed(60)
        assert not lab.is_in_memory(first)
        for _ in range(2):
            await lab.reboot()
            await passed(60)
            assert (await status(lab, first), await status(lab, second), held(lab)) == (
                "running",
                "pending",
                [(1, 1)],
            )
        await lab.node.signal(first, inp.Signal("go"))
        await passed(1)
        assert await status(lab, second) == "running"


@simulated
async def test_executions_have_their_turn_wherever_it_is_cut() -> None:
    async def story(lab: Lab) -> None:
        async with served(lab, a=1):
            for name in ("p", "q", "r"):
                await lab.start(execution_id=name)
            for name in ("p", "q", "r"):
                await lab.ended(name)

    async def check(lab: Lab) -> None:
        for name in ("p", "q", "r"):
            assert (await status(lab, name), await times(lab, name, "step.succeeded a")) == ("completed", 1)
        assert (held(lab), await lab.store.items("slot")) == ([], [])

    await every_cut(of_executions, story, check)


@simulated
async def test_an_older_execution_gives_way_wherever_it_is_cut() -> None:
    async def define(lab: Lab) -> None:
        await of_executions(lab, "cancelOlder")

    async def story(lab: Lab) -> None:
        for name in ("p", "q"):
            await lab.start(execution_id=name)
            await passed(1)
        async with served(lab, a=1):
            await lab.ended("q")
            await lab.ended("p")

    async def check(lab: Lab) -> None:
        assert (await status(lab, "p"), await status(lab, "q")) == ("cancelled", "completed")
        assert held(lab) == []

    await every_cut(define, story, check)


@simulated
async def test_one_too_many_is_cancelled_and_keeps_nothing() -> None:
    async with Lab() as lab:
        await of_executions(lab, "skip")
        first, second = await one_after_another(lab, 2)
        shown = await lab.show(second)
        assert (shown["status"], shown["cancelReason"][-18:]) == ("cancelled", "were there already")
        assert held(lab) == [(1, 0)]
        (await lab.hands.take("a")).succeed()
        await lab.ended(first)
        assert held(lab) == []


@simulated
async def test_an_execution_that_waits_is_cancelled_and_waits_no_more() -> None:
    async with Lab() as lab:
        await of_executions(lab)
        first, second, third = await one_after_another(lab, 3)
        await lab.node.cancel(second, Who())
        assert held(lab) == [(1, 1)]
        (await lab.hands.take("a")).succeed()
        assert (await lab.hands.take("a")).request.execution_id == third
        assert (await status(lab, first), await status(lab, second)) == ("completed", "cancelled")


@simulated
async def test_an_execution_that_starts_later_queues_when_its_instant_has_come() -> None:
    async with Lab() as lab:
        await of_executions(lab)
        later = await lab.start(start_at=EPOCH + 60_000)
        now = await lab.start()
        assert (await lab.hands.take("a")).request.execution_id == now
        await passed(61)
        assert (await status(lab, later), held(lab)) == ("pending", [(1, 1)])
        await lab.reboot()
        (await lab.hands.take("a")).succeed()
        assert (await lab.hands.take("a")).request.execution_id == later


@simulated
async def test_a_retry_of_an_ended_execution_queues_again() -> None:
    async with Lab() as lab:
        await of_executions(lab)
        first = await lab.start()
        (await lab.hands.take("a")).fail("http.500")
        await lab.ended(first)
        second = await lab.start()
        await lab.hands.take("a")
        await lab.node.retry(first, Who())
        await passed(1)
        assert (await status(lab, first), held(lab)) == ("pending", [(1, 1)])
        await lab.node.cancel(second, Who())
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(first))["status"] == "completed"
        assert held(lab) == []


@simulated
async def test_a_key_of_executions_that_cannot_be_worked_out_cancels_them() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), concurrency=[{"key": "{{ context.nowhere }}", "limit": 1}])
        shown = await lab.ended(await lab.start())
        assert (shown["status"], shown["cancelReason"].startswith("concurrency: ")) == ("cancelled", True)


@simulated
async def test_a_limit_set_by_hand_holds_after_a_restart() -> None:
    async with Lab() as lab:
        await lab.node.limits.put("k", 2)
        await of_steps(lab)
        await lab.reboot()
        await one_after_another(lab, 3)
        assert held(lab) == [(2, 1)]
        await lab.node.limits.remove("k")
        for _ in range(3):
            (await lab.hands.take("a")).succeed()
        await passed(1)
        assert held(lab) == []


@simulated
async def test_an_execution_that_waits_for_slots_cannot_be_paused() -> None:
    async with Lab() as lab:
        await of_executions(lab)
        _, second = await one_after_another(lab, 2)
        with pytest.raises(Conflict, match="the execution is pending"):
            await lab.node.pause(second, Who())
        assert (await lab.node.cancel(second, Who())).status == "cancelled"
