"""Results kept for later executions, on a real node: one does the work, the others take what it made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.ports.host import Who
from tests.runtime.cuts import every_cut, served, times
from tests.runtime.lab import Lab, hand, passed, simulated

TTL = 60_000


async def priced(lab: Lab, key: str = "{{ context.sku }}", ttl: int = TTL, **fields: Any) -> None:
    await lab.define(hand("price", cache={"key": key, "ttl": ttl}, **{"timeout": 0} | fields))


async def start(lab: Lab, sku: Any = "a") -> str:
    return await lab.start({"sku": sku})


async def result(lab: Lab, execution_id: str) -> tuple[Any, bool]:
    """The price, and whether it was kept from before."""
    shown = (await lab.ended(execution_id))["stepResults"]["price"]
    return shown["result"], shown.get("cached", False)


@simulated
async def test_a_result_is_taken_instead_of_doing_the_step_again() -> None:
    async with Lab() as lab:
        await priced(lab)
        first = await start(lab)
        (await lab.hands.take("price")).succeed({"eur": 5})
        assert await result(lab, first) == ({"eur": 5}, False)
        assert await result(lab, await start(lab)) == ({"eur": 5}, True)
        assert len(lab.hands.attempts) == 1


@simulated
async def test_another_key_and_another_step_have_results_of_their_own() -> None:
    async with Lab() as lab:
        await priced(lab)
        async with served(lab, price=1, other=2):
            await result(lab, await start(lab, "a"))
            assert await result(lab, await start(lab, "b")) == (1, False)
            assert await result(lab, await start(lab, ["a"])) == (1, False)
            await lab.define(hand("price", cache={"key": "{{ context.sku }}", "ttl": TTL}), id="v")
            other = await lab.start({"sku": "a"}, workflow_id="v")
            assert await result(lab, other) == (1, False)
        assert len(lab.hands.attempts) == 4


@simulated
async def test_a_result_is_taken_until_its_time_is_up() -> None:
    async with Lab() as lab:
        await priced(lab)
        async with served(lab, price=1):
            await result(lab, await start(lab))
            await passed(59.9)
            assert await result(lab, await start(lab)) == (1, True)
            await passed(0.1)
            assert await result(lab, await start(lab)) == (1, False)


@simulated
async def test_a_result_is_there_after_a_restart() -> None:
    async with Lab() as lab:
        await priced(lab)
        async with served(lab, price=1):
            await result(lab, await start(lab))
        await lab.reboot()
        assert await result(lab, await start(lab)) == (1, True)


@simulated
async def test_of_many_at_once_one_does_the_work() -> None:
    async with Lab() as lab:
        await priced(lab)
        ids = [await start(lab) for _ in range(5)]
        await passed(1)
        assert len(lab.hands.attempts) == 1
        (await lab.hands.take("price")).succeed(7)
        assert sorted([await result(lab, each) for each in ids]) == [(7, False)] + [(7, True)] * 4
        assert len(lab.hands.attempts) == 1


@pytest.mark.parametrize("how", ["fails", "is cancelled", "is done by hand"])
@simulated
async def test_where_one_does_not_come_to_a_result_the_next_does_the_work(how: str) -> None:
    async with Lab() as lab:
        await priced(lab)
        first, second, third = [await start(lab) for _ in range(3)]
        attempt = await lab.hands.take("price")
        assert attempt.request.execution_id == first
        if how == "fails":
            attempt.fail()
        elif how == "is cancelled":
            await lab.node.cancel(first, Who())
        else:
            await lab.node.act(first, inp.Complete("price", "by hand"))
        (await lab.hands.take("price")).succeed(7)
        assert sorted([await result(lab, each) for each in (second, third)]) == [(7, False), (7, True)]


@simulated
async def test_who_waits_for_anothers_result_waits_no_longer_than_its_own_timeout() -> None:
    async with Lab() as lab:
        await lab.define(hand("price", timeout=0, cache={"key": "k", "ttl": TTL}))
        await lab.start()
        await lab.hands.take("price")
        await lab.define(hand("price", timeout=1_000, cache={"key": "k", "ttl": TTL}))
        shown = await lab.ended(await lab.start(version=2))
        assert shown["error"]["type"] == "timeout"
        assert len(lab.hands.attempts) == 1


@simulated
async def test_who_waits_for_anothers_result_may_be_cancelled() -> None:
    async with Lab() as lab:
        await priced(lab)
        first, second, third = [await start(lab) for _ in range(3)]
        attempt = await lab.hands.take("price")
        await lab.node.cancel(second, Who())
        attempt.succeed(7)
        assert await result(lab, first) == (7, False)
        assert await result(lab, third) == (7, True)


@simulated
async def test_a_result_is_kept_once_it_is_on_disk_and_not_before() -> None:
    async with Lab() as lab:
        await priced(lab)
        first, second = [await start(lab) for _ in range(2)]
        lab.store.hold()
        (await lab.hands.take("price")).succeed(7)
        await passed(1)
        assert len(lab.hands.attempts) == 1
        lab.store.release()
        assert await result(lab, first) == (7, False)
        assert await result(lab, second) == (7, True)


@simulated
async def test_a_result_that_could_not_be_written_is_given_again_and_kept_then() -> None:
    async with Lab() as lab:
        await priced(lab)
        first = await start(lab)
        attempt = await lab.hands.take("price")
        lab.store.is_full = True
        attempt.succeed(7)
        await lab.store.refused.wait()
        lab.store.is_full = False
        assert await result(lab, first) == (7, False)
        async with served(lab, price=8):
            assert (await result(lab, await start(lab)))[0] in (7, 8)


@simulated
async def test_a_result_is_kept_wherever_it_is_cut() -> None:
    async def story(lab: Lab) -> None:
        async with served(lab, price={"eur": 5}):
            for name in ("p", "q"):
                await lab.start({"sku": "a"}, execution_id=name)
                await lab.ended(name)

    async def check(lab: Lab) -> None:
        for name in ("p", "q"):
            assert (await lab.show(name))["context"]["price"] == {"eur": 5}
            assert await times(lab, name, "step.succeeded price") == 1
        assert await result(lab, "q") == ({"eur": 5}, True)
        assert {each.request.execution_id for each in lab.hands.attempts} == {"p"}

    await every_cut(priced, story, check)


@simulated
async def test_a_hit_makes_no_attempt_asks_its_condition_and_leads_on() -> None:
    async with Lab() as lab:
        cache = {"key": "k", "ttl": TTL}
        await lab.define(hand("price", cache=cache, when="context.go"), hand("b", "price"))
        async with served(lab, price=1, b=2):
            await lab.ended(await lab.start({"go": True}))
            skipped = await lab.ended(await lab.start({"go": False}))
            assert skipped["stepResults"]["price"]["reason"] == "condition_false"
            hit = await lab.ended(await lab.start({"go": True}))
            assert hit["context"] == {"go": True, "price": 1, "b": 2}
        assert len(lab.hands.of("price")) == 1


@simulated
async def test_items_of_a_map_share_results_by_their_keys() -> None:
    async with Lab() as lab:
        step = {"id": "m", "type": "map", "items": ["a", "b", "a"], "action": "hand"}
        await lab.define({**step, "cache": {"key": "{{ item }}", "ttl": TTL}})
        execution_id = await lab.start()
        await passed(1)
        assert len(lab.hands.attempts) == 2
        async with served(lab, m="done"):
            assert (await lab.ended(execution_id))["context"]["m"] == ["done"] * 3
        assert len(lab.hands.attempts) == 2


@simulated
async def test_a_key_that_cannot_be_worked_out_fails_the_step() -> None:
    async with Lab() as lab:
        await priced(lab, key="{{ context.nowhere }}")
        shown = await lab.ended(await start(lab))
        assert (shown["error"]["type"], lab.hands.attempts) == ("expression", [])


@simulated
async def test_expired_results_are_dropped_from_the_store() -> None:
    async with Lab() as lab:
        await priced(lab)
        async with served(lab, price=1):
            await result(lab, await start(lab))
        assert len(await lab.store.items("cache")) == 1
        await passed(200)
        assert await lab.store.items("cache") == []


@simulated
async def test_a_queued_and_cached_step_holds_its_slot_only_while_it_is_looked_up() -> None:
    async with Lab() as lab:
        await priced(lab, concurrency=[{"key": "k", "limit": 1}])
        async with served(lab, price=1):
            ids = await asyncio.gather(*(start(lab) for _ in range(3)))
            assert sorted([await result(lab, each) for each in ids]) == [(1, False), (1, True), (1, True)]
        assert lab.node.limits.list() == []
