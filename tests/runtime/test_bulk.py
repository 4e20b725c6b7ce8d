"""Bulk jobs through restarts, crashes and a store that is away: nobody is left out, and nobody has a verb done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tenuto.core.inputs import Signal
from tenuto.errors import Conflict, NotFound, StoreUnavailable
from tenuto.ports.bulk import BulkJob
from tenuto.ports.host import JournalEntry, Who
from tenuto.ports.store import Batch, NewExecution
from tenuto.runtime.bulk import AT_ONCE, MOST_RUNNING, PAGE, PAGE_KIND, REMEMBERED, LocalBulk
from tenuto.stores.memory import MemoryStore
from tenuto.wire.bulk import read_bulk
from tests.runtime.lab import EPOCH, Clock, passed, simulated


class FailingStore(MemoryStore):
    """A store that cannot be written while it `is_away`."""

    is_away = False

    async def commit(self, batch: Batch) -> None:
        if self.is_away:
            raise StoreUnavailable("the store is away")
        await super().commit(batch)


class Host:
    """Does verbs at once and journals them, unless `held`; refuses what has ended."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, str]] = []
        self.facts: dict[str, list[dict[str, Any]]] = {}
        self.keys: set[tuple[str, str | None]] = set()
        self.ended: set[str] = set()
        self.odd: dict[str, Exception] = {}
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.at_once = self.most_at_once = 0

    async def cancel(self, execution_id: str, who: Who) -> None:
        await self._do(execution_id, "execution.cancel-requested", who)

    async def retry(self, execution_id: str, who: Who) -> None:
        await self._do(execution_id, "execution.retried", who)

    async def signal(self, execution_id: str, given: Signal) -> None:
        if (execution_id, given.key) not in self.keys:
            self.keys.add((execution_id, given.key))
            await self._do(execution_id, "signal.received", Who(given.by))

    async def journal(self, execution_id: str, after_seq: int = 0, limit: int = 1000) -> list[JournalEntry]:
        facts = self.facts.get(execution_id, [])
        return [JournalEntry(n, fact["at"], [fact]) for n, fact in enumerate(facts, 1) if n > after_seq]

    async def _do(self, execution_id: str, kind: str, who: Who) -> None:
        if execution_id in self.odd:
            raise self.odd[execution_id]
        if execution_id in self.ended:
            raise Conflict("it has ended")
        self.asked.append((execution_id, kind))
        fact = {"type": kind, "at": self.clock.now(), "by": who.by, "reason": who.reason}
        self.facts.setdefault(execution_id, []).append(fact)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_go.wait()
        self.at_once -= 1


class Bench:
    """A store with executions, a host, and the bulk jobs of one process after the other."""

    def __init__(self, count: int) -> None:
        self.store = FailingStore()
        self.clock = Clock()
        self.host = Host(self.clock)
        self.names = [f"e{number:04}" for number in range(count)]

    async def open(self) -> LocalBulk:
        await self.store.open()
        await self.add(self.names)
        return await self.restart()

    async def add(self, names: Sequence[str]) -> None:
        keys = self.store.reserve_keys(len(names))
        starts = [
            NewExecution(
                key=key, execution_id=name, workflow_id="w", version=1, status="running", start_time=self.clock.now(),
            )
            for key, name in zip(keys, names, strict=True)
        ]  # fmt: skip
        await self.store.commit(Batch(starts, [], [], []))

    async def restart(self) -> LocalBulk:
        """The jobs as a new process finds them."""
        self.bulk = LocalBulk(store=self.store, host=self.host, clock=self.clock)  # type: ignore[arg-type]
        await self.bulk.open()
        return self.bulk

    async def crash(self) -> None:
        """The process ends in the middle of whatever it does."""
        for job in self.bulk._jobs.values():
            if job._task is not None:
                job._task.cancel()
        await passed(0)

    async def begin(self, action: str = "cancel", **more: Any) -> BulkJob:
        return await self.bulk.begin(read_bulk({"filter": {"workflowId": "w"}, "action": action, **more}))


def counts(job: BulkJob) -> tuple[str, int, int, int, int]:
    return job.status, job.matched, job.done, job.skipped, job.failed


@simulated
async def test_everybody_is_seen_to_once_newest_first_and_so_many_at_a_time() -> None:
    bench = Bench(PAGE + 10)
    bulk = await bench.open()
    job = await bulk.wait((await bench.begin()).job_id)
    assert counts(job) == ("done", PAGE + 10, PAGE + 10, 0, 0)
    assert [name for name, _ in bench.host.asked] == bench.names[::-1]
    assert bench.host.most_at_once <= AT_ONCE
    assert await bench.store.items(PAGE_KIND) == []


@simulated
async def test_who_starts_later_is_left_alone() -> None:
    bench = Bench(3)
    bulk = await bench.open()
    bench.host.may_go.clear()
    begun = await bench.begin()
    await passed(1)
    await bench.add(["late"])
    bench.host.may_go.set()
    assert counts(await bulk.wait(begun.job_id)) == ("done", 3, 3, 0, 0)
    assert "late" not in dict(bench.host.asked)


@simulated
async def test_what_is_refused_or_cannot_be_had_is_counted() -> None:
    bench = Bench(4)
    bench.host.ended = {"e0000"}
    bench.host.odd = {"e0001": NotFound("gone"), "e0002": ZeroDivisionError()}
    bulk = await bench.open()
    job = await bulk.wait((await bench.begin()).job_id)
    assert counts(job) == ("done", 4, 1, 1, 2)
    assert {(error.execution_id, error.message) for error in job.errors} == {
        ("e0001", "gone"),
        ("e0002", "something went wrong in the server; its log says more"),
    }


@pytest.mark.parametrize("action", ["retry", "signal"])
def test_a_crash_does_nothing_twice_and_leaves_nobody_out(action: str) -> None:
    @simulated
    async def test() -> None:
        bench = Bench(AT_ONCE * 3)
        await bench.open()
        bench.host.may_go.clear()
        more = {"signal": {"name": "go"}} if action == "signal" else {}
        begun = await bench.begin(action, by="ann", reason="why", **more)
        await passed(1)
        assert len(bench.host.asked) == AT_ONCE
        await bench.crash()
        bench.host.may_go.set()
        bulk = await bench.restart()
        job = await bulk.wait(begun.job_id)
        assert counts(job) == ("done", AT_ONCE * 3, AT_ONCE * 3, 0, 0)
        assert sorted(name for name, _ in bench.host.asked) == bench.names

    test()


@simulated
async def test_what_somebody_else_did_before_is_not_taken_for_the_jobs_own() -> None:
    bench = Bench(2)
    await bench.open()
    await bench.host.retry("e0000", Who("ann", "why"))
    await passed(1)
    bench.host.may_go.clear()
    begun = await bench.begin("retry", by="ann", reason="why")
    await bench.crash()
    bench.host.may_go.set()
    bulk = await bench.restart()
    await bulk.wait(begun.job_id)
    assert sorted(bench.host.asked).count(("e0000", "execution.retried")) == 2


@simulated
async def test_a_stop_finishes_the_group_under_way_and_goes_on_after() -> None:
    bench = Bench(AT_ONCE * 2)
    bulk = await bench.open()
    bench.host.may_go.clear()
    begun = await bench.begin()
    await passed(1)
    closing = asyncio.ensure_future(bulk.close())
    await passed(1)
    assert not closing.done()
    bench.host.may_go.set()
    await closing
    assert counts(await bulk.get(begun.job_id)) == ("running", AT_ONCE * 2, AT_ONCE, 0, 0)
    job = await (await bench.restart()).wait(begun.job_id)
    assert counts(job) == ("done", AT_ONCE * 2, AT_ONCE * 2, 0, 0)
    assert len(bench.host.asked) == AT_ONCE * 2


@simulated
async def test_a_cancelled_job_does_no_more() -> None:
    bench = Bench(AT_ONCE * 2)
    bulk = await bench.open()
    bench.host.may_go.clear()
    begun = await bench.begin()
    await passed(1)
    cancelling = asyncio.ensure_future(bulk.cancel(begun.job_id))
    await passed(1)
    bench.host.may_go.set()
    job = await cancelling
    assert counts(job) == ("cancelled", AT_ONCE * 2, AT_ONCE, 0, 0)
    assert isinstance(job.ended_at, int)
    assert job.ended_at >= EPOCH
    assert await bench.store.items(PAGE_KIND) == []
    with pytest.raises(Conflict):
        await bulk.cancel(begun.job_id)


@simulated
async def test_a_job_waits_for_a_store_that_is_away() -> None:
    bench = Bench(AT_ONCE * 2)
    bulk = await bench.open()
    begun = await bench.begin()
    bench.store.is_away = True
    await passed(60)
    assert (await bulk.get(begun.job_id)).status == "running"
    with pytest.raises(StoreUnavailable):
        await bench.begin()
    with pytest.raises(StoreUnavailable):
        await bulk.cancel(begun.job_id)
    bench.store.is_away = False
    assert counts(await bulk.wait(begun.job_id)) == ("done", AT_ONCE * 2, AT_ONCE * 2, 0, 0)
    assert len(bench.host.asked) == AT_ONCE * 2


@simulated
async def test_so_many_jobs_run_at_once_and_so_many_are_remembered() -> None:
    bench = Bench(1)
    bulk = await bench.open()
    bench.host.may_go.clear()
    begun = [await bench.begin() for _ in range(MOST_RUNNING)]
    with pytest.raises(Conflict):
        await bench.begin()
    bench.host.may_go.set()
    for job in begun:
        await bulk.wait(job.job_id)
    for _ in range(REMEMBERED):
        await passed(1)
        await bulk.wait((await bench.begin()).job_id)
    names = [job.job_id for job in await bulk.list_jobs()]
    assert len(names) == REMEMBERED
    assert begun[0].job_id not in names
    assert [job.job_id for job in await (await bench.restart()).list_jobs()] == names
