"""Fills a store with finished executions: one that really ran is copied under new ids and times, through the store's
own `commit`, so that rows, indexes and journals are what a server would have left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tenuto.cli.bench.client import BenchFailed
from tenuto.ports.store import (
    Batch,
    ExecutionQuery,
    NewExecution,
    Record,
    Store,
    StoredExecution,
    SummaryChange,
)

PER_BATCH = 2_000
APART_MS = 250
"""Between the starts of two executions: a million of them are three days."""


class Pattern(NamedTuple):
    """An execution that ended, with its journal: what is copied."""

    row: StoredExecution
    records: list[Record]


async def read_pattern(store: Store) -> Pattern:
    """The newest execution of the store. Raises BenchFailed when there is none that ended."""
    rows = await store.list_executions(ExecutionQuery(limit=1, status=("completed",)))
    if not rows:
        raise BenchFailed("there is no finished execution to copy")
    return Pattern(rows[0], await store.read_journal(rows[0].key))


async def fill(
    store: Store,
    pattern: Pattern,
    amount: int,
    new_id: Callable[[], str],
    say: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Add that many copies, each older executions before newer ones and all before the pattern; the ids of a few of
    them, spread evenly. `new_id` must give ids as long as the pattern's."""
    first_start = pattern.row.start_time - amount * APART_MS
    examples: list[str] = []
    for done in range(0, amount, PER_BATCH):
        batch = Batch([], [], [], [])
        keys = store.reserve_keys(min(PER_BATCH, amount - done))
        for number, key in enumerate(keys, done):
            execution_id = new_id()
            if number % max(1, amount // 500) == 0:
                examples.append(execution_id)
            _add_copy(batch, pattern, key, execution_id, first_start + number * APART_MS)
        await store.commit(batch)
        say(done + len(keys))
    return examples


def _add_copy(batch: Batch, pattern: Pattern, key: int, execution_id: str, start_time: int) -> None:
    """Ids in journal and brief are replaced as bytes; times inside them stay the pattern's, which nothing reads."""
    row = pattern.row
    old, new = row.execution_id.encode(), execution_id.encode()
    assert len(old) == len(new), "ids of copies are as long as the pattern's"
    brief = row.brief.replace(old, new)
    duration = (row.end_time or row.start_time) - row.start_time
    batch.starts.append(
        NewExecution(
            key=key,
            execution_id=execution_id,
            workflow_id=row.workflow_id,
            version=row.version,
            status="running",
            start_time=start_time,
            priority=row.priority,
            tags=row.tags,
            request_hash=row.request_hash,
        )
    )
    batch.records.extend(Record(key, record.seq, record.data.replace(old, new)) for record in pattern.records)
    batch.changes.append(SummaryChange(key, row.status, start_time + duration, None, brief))
