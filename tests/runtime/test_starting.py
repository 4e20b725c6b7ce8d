"""Starts: answered when they are on disk, and made once however often they are asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenuto.errors import Conflict, Invalid, NotFound, Overloaded
from tenuto.ports.host import StartRequest
from tenuto.ports.store import ExecutionQuery
from tests.runtime.lab import Lab, hand, passed, simulated

NAMED: list[dict[str, Any]] = [
    {"idempotency_key": "k"},
    {"execution_id": "mine"},
    {"idempotency_key": "k", "execution_id": "mine"},
]


def names(value: dict[str, Any]) -> str:
    return "-and-".join(value)


def request(**fields: Any) -> StartRequest:
    return StartRequest(**{"workflow_id": "w"} | fields)


@simulated
async def test_a_start_is_answered_only_when_it_is_on_disk() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        lab.store.hold()
        starting = asyncio.create_task(lab.start())
        await passed(1)
        assert not starting.done()
        assert not lab.hands.attempts
        lab.store.release()
        execution_id = await starting
        assert (await lab.store.find_execution(execution_id)).status == "running"
        (await lab.hands.take("a")).succeed()


@pytest.mark.parametrize("named", NAMED, ids=names)
@simulated
async def test_the_same_start_again_is_answered_with_the_same_execution(named: dict[str, Any]) -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        first = await lab.node.start(request(context={"a1": 1, "b1": {"c": 2, "d": 3}}, **named))
        again = await lab.node.start(request(context={"b1": {"d": 3, "c": 2}, "a1": 1}, **named))
        assert first.created
        assert not again.created
        assert again.execution_id == first.execution_id
        assert len((await lab.node.list_executions(ExecutionQuery()))[0]) == 1


@pytest.mark.parametrize("named", NAMED, ids=names)
@pytest.mark.parametrize(
    "other", [{"context": {"n": 2}}, {"priority": 1}, {"tags": {"a": "b"}}, {"version": 1}], ids=names
)
@simulated
async def test_another_start_under_the_same_name_is_refused(
    named: dict[str, Any], other: dict[str, Any]
) -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        await lab.node.start(request(**named))
        with pytest.raises(Conflict, match="a repeated request must be the same in every part"):
            await lab.node.start(request(**named | other))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"idempotency_key": "k", "execution_id": "a-1"}, {"idempotency_key": "k", "execution_id": "a-2"}),
        ({"idempotency_key": "k"}, {"idempotency_key": "k", "execution_id": "a-2"}),
        ({"idempotency_key": "k", "execution_id": "a-1"}, {"idempotency_key": "k"}),
    ],
)
@simulated
async def test_a_key_stands_for_one_execution_id(first: dict[str, Any], second: dict[str, Any]) -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        await lab.node.start(request(**first))
        with pytest.raises(Conflict, match="another request used this executionId or Idempotency-Key"):
            await lab.node.start(request(**second))


@simulated
async def test_an_id_that_the_node_gave_is_no_name_to_start_under() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        given = await lab.start()
        with pytest.raises(Conflict, match=f"'{given}'"):
            await lab.start(execution_id=given)


@pytest.mark.parametrize("named", NAMED, ids=names)
@simulated
async def test_the_same_start_many_times_at_once_is_made_once(named: dict[str, Any]) -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        answers = await asyncio.gather(*(lab.node.start(request(**named)) for _ in range(50)))
        assert len({answer.execution_id for answer in answers}) == 1
        assert [answer.created for answer in answers].count(True) == 1
        await passed(1)
        assert len(lab.hands.attempts) == 1
        lab.hands.attempts[0].succeed()


@simulated
async def test_different_starts_under_one_name_at_once_leave_one_winner() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        starts = (lab.node.start(request(idempotency_key="k", context={"n": n})) for n in range(20))
        answers = await asyncio.gather(*starts, return_exceptions=True)
        assert sum(isinstance(answer, Conflict) for answer in answers) == 19
        assert len((await lab.node.list_executions(ExecutionQuery()))[0]) == 1


@simulated
async def test_a_start_whose_caller_goes_away_is_made_and_the_next_one_gets_its_answer() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        lab.store.hold()
        gone = asyncio.create_task(lab.node.start(request(execution_id="mine")))
        await passed(1)
        gone.cancel()
        again = asyncio.create_task(lab.node.start(request(execution_id="mine")))
        await passed(1)
        lab.store.release()
        assert not (await again).created
        assert (await lab.ended("mine"))["status"] == "completed"


@simulated
async def test_the_same_start_after_a_crash_is_the_same_execution() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        await lab.start(idempotency_key="k", execution_id="mine")
        await lab.reboot()
        again = await lab.node.start(request(idempotency_key="k", execution_id="mine"))
        assert again == ("mine", False)
        (await lab.hands.take("a")).succeed()


@simulated
async def test_keys_of_executions_grow_across_lives() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        ids = [await lab.start()]
        await lab.reboot()
        ids.append(await lab.start())
        rows = [await lab.store.find_execution(execution_id) for execution_id in ids]
        assert rows[0].key < rows[1].key


@simulated
async def test_what_is_not_there_cannot_be_started() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        with pytest.raises(NotFound, match="there is no workflow 'nowhere'"):
            await lab.start(workflow_id="nowhere")
        with pytest.raises(NotFound, match="there is no version 2 of workflow 'w'"):
            await lab.start(version=2)
        await lab.node.archive_workflow("w")
        with pytest.raises(NotFound, match="there is no workflow 'w'"):
            await lab.start()
        assert (await lab.ended(await lab.start(version=1)))["status"] == "completed"


@simulated
async def test_an_execution_keeps_the_version_it_started_with() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        old = await lab.start()
        await lab.define(hand("a"), {"id": "b", "dependencies": ["a"]})
        await lab.reboot()
        new = await lab.start()
        for _ in range(2):
            (await lab.hands.take("a")).fail()
        assert (await lab.ended(old))["workflowVersion"] == 1
        assert (await lab.ended(new))["skippedSteps"] == ["b"]


@simulated
async def test_a_start_context_may_not_take_the_name_of_a_step() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"})
        with pytest.raises(Invalid) as refused:
            await lab.start({"a": 1, "n": 2})
        assert [problem.path for problem in refused.value.problems] == ["context.a"]
        assert (await lab.node.list_executions(ExecutionQuery()))[0] == []


@simulated
async def test_a_node_with_its_hands_full_refuses_more_for_a_moment() -> None:
    async with Lab(max_live=2) as lab:
        await lab.define(hand("a"))
        for _ in range(2):
            await lab.start()
        with pytest.raises(Overloaded, match="2 executions are under way already"):
            await lab.start()
        first = await lab.hands.take("a")
        first.succeed()
        await lab.ended(first.request.execution_id)
        await lab.start()
        for attempt in lab.hands.attempts[1:]:
            attempt.succeed()
        await passed(1)
        await lab.hands.take("a")
