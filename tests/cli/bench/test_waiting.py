"""When timers fired is read from the store."""

from __future__ import annotations

import pytest

from tenuto.cli.bench.client import BenchFailed
from tenuto.cli.bench.waiting import read_ends
from tenuto.ports.store import Batch, NewExecution, SummaryChange
from tenuto.stores.memory import MemoryStore


async def store_with(ends: list[int | None]) -> MemoryStore:
    """A store of executions that completed at these instants, or go on."""
    store = MemoryStore()
    await store.open()
    batch = Batch([], [], [], [])
    for key, end in zip(store.reserve_keys(len(ends)), ends, strict=True):
        batch.starts.append(
            NewExecution(
                key=key, execution_id=f"e{key}", workflow_id="w", version=1, status="running", start_time=1
            )
        )
        if end is not None:
            batch.changes.append(SummaryChange(key, "completed", end, None, b"{}"))
    await store.commit(batch)
    return store


async def test_every_instant_is_read() -> None:
    assert sorted(await read_ends(await store_with([30, 10, 20]), 3)) == [10, 20, 30]


@pytest.mark.parametrize(("ends", "told"), [([10, None], "1 of 2"), ([1, 2, 3], "3 of 2")])
async def test_timers_that_did_not_fire_once_are_told(ends: list[int | None], told: str) -> None:
    with pytest.raises(BenchFailed, match=told):
        await read_ends(await store_with(ends), 2)
