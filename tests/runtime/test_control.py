"""Cancel, terminate, pause, resume and retry, as they meet running attempts."""

from __future__ import annotations

import asyncio

import pytest

from tenuto.errors import Conflict
from tenuto.ports.host import Who
from tests.runtime.lab import Lab, hand, passed, simulated, waiting

ADA = Who("ada", "wrong order")


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
@simulated
async def test_giving_up_stops_running_attempts_and_their_late_answers_count_for_nothing(verb: str) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b"), hand("c", "a"))
        execution_id = await lab.start()
        a, b = await lab.hands.take("a"), await lab.hands.take("b")
        b.succeed("in time")
        await passed(1)
        state = await getattr(lab.node, verb)(execution_id, ADA)
        assert state.status == "cancelled"
        await passed(1)
        assert a.was_given_up()
        shown = await lab.ended(execution_id)
        assert (shown["completedSteps"], shown["cancelledSteps"], shown["skippedSteps"]) == (
            ["b"],
            ["a"],
            ["c"],
        )
        last = (await lab.node.journal(execution_id))[-1].events[-1]
        assert (last["by"], last["reason"]) == ("ada", "wrong order")


@simulated
async def test_an_attempt_that_ends_while_its_cancelling_is_written_is_given_up_all_the_same() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        lab.store.hold()
        cancelling = asyncio.create_task(lab.node.cancel(execution_id, ADA))
        await passed(1)
        attempt.succeed("too late")
        await passed(1)
        lab.store.release()
        await cancelling
        shown = await lab.ended(execution_id)
        assert shown["cancelledSteps"] == ["a"]
        assert shown["context"] == {}


@simulated
async def test_an_outcome_that_comes_first_is_kept_though_the_cancel_waits_for_the_same_commit() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        attempt = await lab.hands.take("a")
        attempt.succeed("in time")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await lab.node.cancel(execution_id, ADA)
        shown = await lab.ended(execution_id)
        assert shown["completedSteps"] == ["a"]
        assert shown["status"] == "cancelled"


@simulated
async def test_verbs_given_at_once_are_taken_in_order_and_each_gets_its_own_answer() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        await lab.hands.take("a")
        node = lab.node
        answers = await asyncio.gather(
            node.pause(execution_id, Who()),
            node.pause(execution_id, Who()),
            node.resume(execution_id, Who()),
            node.cancel(execution_id, Who()),
            node.cancel(execution_id, Who()),
            return_exceptions=True,
        )
        refused = [isinstance(answer, Conflict) for answer in answers]
        assert refused == [False, True, False, False, True]
        assert "the execution is paused" in str(answers[1])
        assert "being cancelled already" in str(answers[4])


@simulated
async def test_a_failed_execution_is_retried_with_what_failed_and_what_follows() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"), hand("c", "b"), hand("d", "a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).succeed(1)
        (await lab.hands.take("b")).fail()
        (await lab.hands.take("d")).succeed(2)
        assert (await lab.ended(execution_id))["status"] == "failed"
        state = await lab.node.retry(execution_id, Who("ada", "mended"))
        assert state.status == "running"
        again = await lab.hands.take("b")
        assert again.request.step_key == f"{execution_id}/b/1"
        assert again.request.attempt == 1
        again.succeed(3)
        (await lab.hands.take("c")).succeed(4)
        shown = await lab.ended(execution_id)
        assert shown["context"] == {"a": 1, "d": 2, "b": 3, "c": 4}
        assert [len(lab.hands.of(step_id)) for step_id in "abcd"] == [1, 2, 1, 1]


@simulated
async def test_a_retry_survives_a_crash() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), hand("b", "a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).fail()
        await lab.ended(execution_id)
        await lab.node.retry(execution_id, Who())
        await lab.hands.take("a")
        await lab.reboot()
        (await lab.hands.take("a")).succeed()
        (await lab.hands.take("b")).succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_two_who_retry_at_once_retry_it_once() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        (await lab.hands.take("a")).fail()
        await lab.ended(execution_id)
        answers = await asyncio.gather(
            *(lab.node.retry(execution_id, Who()) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(answer, Conflict) for answer in answers) == 4
        (await lab.hands.take("a")).succeed()
        await lab.ended(execution_id)
        assert len(lab.hands.attempts) == 2


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "resume"])
@simulated
async def test_what_has_ended_takes_no_verb(verb: str) -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        execution_id = await lab.start()
        await lab.ended(execution_id)
        with pytest.raises(Conflict, match=f"'{execution_id}' cannot be .*: it is completed"):
            await getattr(lab.node, verb)(execution_id, Who())
        with pytest.raises(Conflict, match=f"'{execution_id}' cannot be retried: the execution is completed"):
            await lab.node.retry(execution_id, Who())
        assert not lab.is_in_memory(execution_id)


@simulated
async def test_a_wait_that_is_cancelled_does_not_come_back() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", 20_000))
        execution_id = await lab.start()
        await lab.node.cancel(execution_id, Who())
        before = len(await lab.node.journal(execution_id))
        await passed(100)
        assert len(await lab.node.journal(execution_id)) == before
