"""Copies of finished executions, and the workloads they are copies of."""

from __future__ import annotations

from itertools import count

import pytest

from tenuto.cli.bench.client import BenchFailed
from tenuto.cli.bench.filling import APART_MS, fill, read_pattern
from tenuto.cli.bench.workloads import Workload, chain, fan
from tenuto.ports.store import Batch, ExecutionQuery, NewExecution, Record, SummaryChange
from tenuto.stores.memory import MemoryStore

PATTERN_ID = "exec-pattern"


async def store_with_pattern() -> MemoryStore:
    store = MemoryStore()
    await store.open()
    (key,) = store.reserve_keys(1)
    start = NewExecution(
        key=key, execution_id=PATTERN_ID, workflow_id="w", version=1, status="running", start_time=1_000_000
    )
    records = [Record(key, 1, b"begins exec-pattern"), Record(key, 2, b"ends")]
    change = SummaryChange(key, "completed", 1_000_007, None, b'{"executionId":"exec-pattern"}')
    await store.commit(Batch([start], records, [change], []))
    return store


async def test_copies_have_ids_and_times_of_their_own_and_the_patterns_journal() -> None:
    store = await store_with_pattern()
    numbers = count()
    examples = await fill(store, await read_pattern(store), 3, lambda: f"exec-copy-{next(numbers):02}")
    rows = await store.list_executions(ExecutionQuery())
    assert [row.execution_id for row in rows] == [PATTERN_ID, "exec-copy-02", "exec-copy-01", "exec-copy-00"]
    assert examples == ["exec-copy-00", "exec-copy-01", "exec-copy-02"]
    copy = rows[1]
    assert (copy.status, copy.start_time, copy.end_time) == (
        "completed",
        1_000_000 - APART_MS,
        1_000_007 - APART_MS,
    )
    assert copy.brief == b'{"executionId":"exec-copy-02"}'
    records = await store.read_journal(copy.key)
    assert [record.data for record in records] == [b"begins exec-copy-02", b"ends"]


async def test_copies_are_written_in_batches_and_told_of() -> None:
    store = await store_with_pattern()
    numbers = count()
    told: list[int] = []
    examples = await fill(
        store, await read_pattern(store), 4_500, lambda: f"exec-{next(numbers):07}", told.append
    )
    assert told == [2_000, 4_000, 4_500]
    assert len(await store.list_executions(ExecutionQuery(limit=10_000))) == 4_501
    assert examples[:2] == ["exec-0000000", "exec-0000009"]


async def test_an_empty_store_has_nothing_to_copy() -> None:
    store = MemoryStore()
    await store.open()
    with pytest.raises(BenchFailed, match="no finished execution"):
        await read_pattern(store)


@pytest.mark.parametrize(("workload", "edges"), [(chain(3), 2), (chain(1), 0), (fan(4), 8)])
def test_a_workload_has_the_steps_and_edges_of_its_shape(workload: Workload, edges: int) -> None:
    steps = workload.definition["steps"]
    assert len(steps) == workload.steps
    assert sum(len(step.get("dependencies", [])) for step in steps) == edges
