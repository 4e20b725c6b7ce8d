"""A disk that is slow, fails, loses its answer, and outlives crashes: the memory store behind a veil of faults. One
veil belongs to one process; when the process dies, nothing of it reaches the disk any more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from msgspec import Struct

from tenuto.errors import StoreUnavailable
from tenuto.ports.store import Batch, ExecutionQuery, Item, OutboxMessage, StoredExecution, WorkflowVersion
from tenuto.stores.memory import MemoryStore
from tests.simulation.witness import Witness


class Faults(Struct):
    """How often what goes wrong, as probabilities; `slow` is the longest a call takes, in seconds."""

    slow: float = 0.01
    commit_refused: float = 0.0
    answer_lost: float = 0.0
    crash_before: float = 0.0
    crash_after: float = 0.0
    read_refused: float = 0.0


class Watcher(Protocol):
    """The world that a disk belongs to."""

    witness: Witness

    def crash(self) -> None:
        """The process has died."""

    def watching(self) -> AbstractContextManager[None]:
        """Report what the witness objects to."""


class Disk:
    """The store of one simulated process."""

    def __init__(self, inner: MemoryStore, world: Watcher, rng: random.Random, faults: Faults) -> None:
        self._inner = inner
        self._world = world
        self._rng = rng
        self.faults = faults
        self.is_dead = False
        self.reads = 0

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        pass

    async def ping(self) -> None:
        await self._inner.ping()

    def reserve_keys(self, count: int) -> range:
        return self._inner.reserve_keys(count)

    async def _take_time(self) -> None:
        if self.is_dead:
            await asyncio.Event().wait()
        if self._rng.random() < 0.7:
            await asyncio.sleep(self._rng.random() * self.faults.slow)
        if self.is_dead:
            await asyncio.Event().wait()

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability

    async def commit(self, batch: Batch) -> None:
        await self._take_time()
        if self._chance(self.faults.crash_before):
            self.die()
            await asyncio.Event().wait()
        if self._chance(self.faults.commit_refused):
            raise StoreUnavailable("simulated: the disk is full")
        await self._inner.commit(batch)
        with self._world.watching():
            self._world.witness.saw(batch, asyncio.get_running_loop().time())
        if self._chance(self.faults.crash_after):
            self.die()
            await asyncio.Event().wait()
        if self._chance(self.faults.answer_lost):
            raise StoreUnavailable("simulated: the answer was lost")
        await self._take_time()
        self._world.witness.answered(batch)

    def die(self) -> None:
        """The process ends here and now."""
        self.is_dead = True
        self._world.crash()

    async def _read(self) -> None:
        self.reads += 1
        await self._take_time()
        if self._chance(self.faults.read_refused):
            raise StoreUnavailable("simulated: the disk cannot be read")

    async def put_workflow(self, version: WorkflowVersion) -> WorkflowVersion:
        return await self._inner.put_workflow(version)

    async def find_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion | None:
        await self._read()
        return await self._inner.find_workflow(workflow_id, version)

    async def list_workflows(self, q: str | None = None, limit: int = 1000) -> list[WorkflowVersion]:
        return await self._inner.list_workflows(q, limit)

    async def list_versions(self, workflow_id: str) -> list[WorkflowVersion]:
        return await self._inner.list_versions(workflow_id)

    async def archive_workflow(self, workflow_id: str) -> bool:
        return await self._inner.archive_workflow(workflow_id)

    async def find_execution(self, execution_id: str) -> StoredExecution | None:
        await self._read()
        return await self._inner.find_execution(execution_id)

    async def find_start(self, idempotency_key: str) -> StoredExecution | None:
        await self._read()
        return await self._inner.find_start(idempotency_key)

    async def list_executions(self, query: ExecutionQuery) -> list[StoredExecution]:
        await self._read()
        return await self._inner.list_executions(query)

    async def read_journal(self, key: int, after_seq: int = 0, limit: int = 100_000) -> Any:
        await self._read()
        return await self._inner.read_journal(key, after_seq, limit)

    async def unfinished(self, after_key: int = 0, limit: int = 1000) -> list[StoredExecution]:
        return await self._inner.unfinished(after_key, limit)

    async def due(self, now: int, limit: int = 1000) -> list[StoredExecution]:
        await self._read()
        return await self._inner.due(now, limit)

    async def next_wake(self) -> int | None:
        await self._read()
        return await self._inner.next_wake()

    async def items(
        self,
        kind: str,
        *,
        names: Sequence[str] | None = None,
        prefix: str = "",
        after: str = "",
        limit: int = 1000,
    ) -> list[Item]:
        await self._read()
        return await self._inner.items(kind, names=names, prefix=prefix, after=after, limit=limit)

    async def outbox(
        self, *, dead: bool = False, after_id: int = 0, limit: int = 1000
    ) -> Sequence[OutboxMessage]:
        await self._read()
        return await self._inner.outbox(dead=dead, after_id=after_id, limit=limit)

    async def update_outbox(self, sent: Sequence[int], changed: Sequence[OutboxMessage]) -> None:
        await self._take_time()
        if self._chance(self.faults.commit_refused):
            raise StoreUnavailable("simulated: the disk is full")
        await self._inner.update_outbox(sent, changed)
