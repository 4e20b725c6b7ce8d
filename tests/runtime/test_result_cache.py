"""The result cache: hits, claims, and who does the work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tenuto.errors import StoreUnavailable
from tenuto.ports.store import Item
from tenuto.runtime.result_cache import Claim, Hit, ResultCache, entry_name

NOW = 1_800_000_000_000
NAME = entry_name("orders", "price", {"sku": "a"})


class FakeItems:
    """Stored items; `asked` counts reads. With a gate, reads wait until it opens."""

    def __init__(self) -> None:
        self.stored: dict[str, Item] = {}
        self.asked = 0
        self.gate: asyncio.Event | None = None
        self.problem: Exception | None = None

    async def items(self, kind: str, *, names: Sequence[str]) -> list[Item]:
        assert kind == "cache"
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            raise self.problem
        return [self.stored[name] for name in names if name in self.stored]


@pytest.fixture
def stored() -> FakeItems:
    return FakeItems()


@pytest.fixture
def cache(stored: FakeItems) -> ResultCache:
    return ResultCache(stored)


async def claim_of(cache: ResultCache, name: str = NAME) -> Claim:
    claim = await cache.find_or_claim(name, NOW)
    assert isinstance(claim, Claim)
    return claim


async def waiting(cache: ResultCache, count: int) -> list[asyncio.Task[Hit | Claim]]:
    """Attempts that have asked for the result and have not got it."""
    tasks = [asyncio.create_task(cache.find_or_claim(NAME, NOW)) for _ in range(count)]
    await settle()
    assert not any(task.done() for task in tasks)
    return tasks


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_kept_is_found_until_it_expires(cache: ResultCache, stored: FakeItems) -> None:
    claim = await claim_of(cache)
    item = claim.keep({"price": 5}, NOW, 100)
    claim.release()
    assert (item.kind, item.name, item.expires_at) == ("cache", NAME, NOW + 100)
    assert await cache.find_or_claim(NAME, NOW + 99) == Hit({"price": 5})
    assert stored.asked == 1
    assert isinstance(await cache.find_or_claim(NAME, NOW + 100), Claim)


async def test_what_another_process_kept_is_read_once(cache: ResultCache, stored: FakeItems) -> None:
    stored.stored[NAME] = Item(kind="cache", name=NAME, data=b"[1]", expires_at=NOW + 1)
    assert await cache.find_or_claim(NAME, NOW) == Hit([1])
    assert await cache.find_or_claim(NAME, NOW) == Hit([1])
    assert stored.asked == 1


async def test_what_has_expired_in_the_store_is_no_hit(cache: ResultCache, stored: FakeItems) -> None:
    stored.stored[NAME] = Item(kind="cache", name=NAME, data=b"[1]", expires_at=NOW)
    assert isinstance(await cache.find_or_claim(NAME, NOW), Claim)


async def test_null_is_a_result(cache: ResultCache) -> None:
    claim = await claim_of(cache)
    claim.keep(None, NOW, 100)
    claim.release()
    assert await cache.find_or_claim(NAME, NOW) == Hit(None)


async def test_nobody_shares_what_was_found(cache: ResultCache) -> None:
    claim = await claim_of(cache)
    others = await waiting(cache, 2)
    claim.keep({"list": []}, NOW, 100)
    claim.release()
    found: list[Any] = [*await asyncio.gather(*others), await cache.find_or_claim(NAME, NOW)]
    for hit in found:
        assert hit.value == {"list": []}
        hit.value["list"].append(1)


async def test_one_works_and_the_others_get_what_it_made(cache: ResultCache, stored: FakeItems) -> None:
    claim = await claim_of(cache)
    others = await waiting(cache, 3)
    claim.keep(5, NOW, 100)
    await settle()
    assert not any(task.done() for task in others)
    claim.release()
    assert await asyncio.gather(*others) == [Hit(5)] * 3
    assert stored.asked == 1


async def test_those_who_come_while_the_store_is_read_wait_too(cache: ResultCache, stored: FakeItems) -> None:
    stored.gate = asyncio.Event()
    stored.stored[NAME] = Item(kind="cache", name=NAME, data=b"5", expires_at=NOW + 1)
    asking = await waiting(cache, 3)
    stored.gate.set()
    assert await asyncio.gather(*asking) == [Hit(5)] * 3
    assert stored.asked == 1


async def test_after_a_failure_the_next_one_does_it(cache: ResultCache) -> None:
    claim = await claim_of(cache)
    first, second = await waiting(cache, 2)
    claim.release()
    next_claim = await first
    assert isinstance(next_claim, Claim)
    await settle()
    assert not second.done()
    next_claim.keep(6, NOW, 100)
    next_claim.release()
    assert await second == Hit(6)


async def test_a_result_that_was_not_written_is_not_kept(cache: ResultCache) -> None:
    claim = await claim_of(cache)
    claim.keep(5, NOW, 100)
    claim.release(is_written=False)
    assert isinstance(await cache.find_or_claim(NAME, NOW), Claim)


async def test_a_claim_is_released_once(cache: ResultCache) -> None:
    claim = await claim_of(cache)
    claim.release()
    later = await claim_of(cache)
    claim.release()
    (other,) = await waiting(cache, 1)
    later.release()
    assert isinstance(await other, Claim)


async def test_whoever_gave_up_waiting_is_passed_over(cache: ResultCache) -> None:
    claim = await claim_of(cache)
    gone, other = await waiting(cache, 2)
    gone.cancel()
    await settle()
    claim.release()
    assert isinstance(await other, Claim)


async def test_a_claim_given_to_one_who_gives_up_at_that_moment_goes_on(cache: ResultCache) -> None:
    claim = await claim_of(cache)
    gone, other = await waiting(cache, 2)
    claim.release()
    gone.cancel()
    assert isinstance(await other, Claim)
    assert gone.cancelled()


async def test_what_cannot_be_read_is_worked_out_again(cache: ResultCache, stored: FakeItems) -> None:
    stored.problem = StoreUnavailable("the disk cannot be read")
    claim = await claim_of(cache)
    (other,) = await waiting(cache, 1)
    claim.keep("it", NOW, 100)
    claim.release()
    assert await other == Hit("it")


async def test_the_results_least_used_leave_memory_first(stored: FakeItems) -> None:
    cache = ResultCache(stored, remembered_bytes=3_000)
    for name in ("a", "b", "c"):
        if name == "c":
            assert await cache.find_or_claim("a", NOW) == Hit("x" * 700)
        claim = await claim_of(cache, name)
        claim.keep("x" * 700, NOW, 100)
        claim.release()
    assert await cache.find_or_claim("a", NOW) == Hit("x" * 700)
    assert isinstance(await cache.find_or_claim("b", NOW), Claim)


async def test_a_result_too_large_for_memory_still_reaches_who_waits(stored: FakeItems) -> None:
    cache = ResultCache(stored, remembered_bytes=1_000)
    claim = await claim_of(cache)
    (other,) = await waiting(cache, 1)
    claim.keep("x" * 5_000, NOW, 100)
    claim.release()
    assert await other == Hit("x" * 5_000)


def test_equal_keys_have_one_name_whatever_the_order_and_others_another() -> None:
    assert entry_name("w", "s", {"a": 1, "b": 2}) == entry_name("w", "s", {"b": 2, "a": 1})
    names = {entry_name("w", "s", key) for key in ("1", 1, None, "null", [1], {"1": 1})}
    assert len(names) == 6
    assert entry_name("w", "s", 1) != entry_name("w", "t", 1)
