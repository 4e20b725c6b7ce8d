"""Bulk jobs on this machine: first every execution that fits is written down, page by page, then the verb is done to one
small group after the other.

So the set is that of the start, whatever the verb does to what was filtered by. How far a job is gets written after
each group; one that a crash interrupted is done again, where executions that were seen to are told by their journals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec
import structlog
from msgspec import UNSET, Struct
from msgspec.structs import replace

from tenuto.core.inputs import Signal
from tenuto.errors import Conflict, NotFound, StoreUnavailable, TenutoError
from tenuto.ports.bulk import BulkJob, BulkMatch, JobStatus
from tenuto.ports.clock import Clock
from tenuto.ports.host import Host, Who
from tenuto.ports.store import Batch, ExecutionQuery, Item, Store
from tenuto.runtime.schedules.times import instant_name
from tenuto.wire.bulk import Action, BulkBody, BulkError, BulkSignal

log = structlog.get_logger(__name__)

KIND, PAGE_KIND = "bulk", "bulk-page"
PAGE = 1_000
AT_ONCE = 32
"""So many executions of a job are seen to at once."""
MOST_RUNNING = 10
REMEMBERED = 100
MOST_ERRORS = 100
SAMPLE = 20
RETRY_S = 2.0
LONGEST_MESSAGE = 500

Outcome = Literal["done", "skipped", "unknown"] | BulkError

FACTS: dict[Action, str] = {
    "cancel": "execution.cancel-requested",
    "terminate": "execution.cancelled",
    "pause": "execution.paused",
    "resume": "execution.resumed",
    "retry": "execution.retried",
}
"""What stands in the journal of an execution that a verb was done to. A signal is told by its key."""


class JobRecord(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A job as it is stored. Until `found`, executions are looked for after the one at `cursor`; they stand on `pages`
    pages, of which the job is at number `page`, `at` executions into it."""

    id: str
    body: BulkBody
    started_at: int
    status: JobStatus = "running"
    ended_at: int | None = None
    found: bool = False
    cursor: tuple[int, int] | None = None
    pages: int = 0
    page: int = 0
    at: int = 0
    matched: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    errors: tuple[BulkError, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JobRecord).decode
_decode_page = msgspec.json.Decoder(list[str]).decode


class LocalBulk:
    """Keeps bulk jobs. Made inside a running event loop; `open` before use, `close` after, while the host is open."""

    def __init__(self, *, store: Store, host: Host, clock: Clock) -> None:
        self._store = store
        self._host = host
        self._clock = clock
        self._jobs: dict[str, LiveJob] = {}
        self._beginning = asyncio.Lock()

    async def open(self) -> None:
        """Load the jobs, and go on with those that are not over. Raises StoreUnavailable."""
        after = ""
        while items := await self._store.items(KIND, after=after):
            for item in items:
                assert item.data is not None, "what is stored has data"
                self._jobs[item.name] = self._live(_decode(item.data))
            after = items[-1].name
        for job in self._jobs.values():
            job.begin()

    async def close(self) -> None:
        """Stop; what is under way is finished and written."""
        await asyncio.gather(*(job.stop() for job in self._jobs.values()))

    def _live(self, record: JobRecord) -> LiveJob:
        return LiveJob(record, store=self._store, host=self._host, clock=self._clock)

    async def begin(self, body: BulkBody) -> BulkJob:
        """Begin a job; it is on disk when this returns. Raises Conflict when too many are under way."""
        async with self._beginning:
            running = sum(job.record.status == "running" for job in self._jobs.values())
            if running >= MOST_RUNNING:
                raise Conflict(f"{running} bulk jobs are under way already")
            at = self._clock.now()
            while (job_id := f"bulk-{instant_name(at)}") in self._jobs:
                at += 1
            job = self._live(JobRecord(id=job_id, body=body, started_at=at))
            forgotten = self._too_old()
            await job.keep([Item(kind=KIND, name=name) for name in forgotten])
            for name in forgotten:
                del self._jobs[name]
            self._jobs[job_id] = job
            job.begin()
        return job.view()

    def _too_old(self) -> list[str]:
        """Jobs that are over and of which there are enough, the oldest first."""
        over = [job.record.id for job in self._by_age() if job.record.status != "running"]
        return over[: max(0, len(over) - REMEMBERED + 1)]

    def _by_age(self) -> list[LiveJob]:
        return sorted(self._jobs.values(), key=lambda job: job.record.started_at)

    async def rehearse(self, body: BulkBody) -> BulkMatch:
        """What that job would find."""
        matched, sample = 0, list[str]()
        wanted = query_of(body, self._clock.now())
        while True:
            rows = await self._store.list_executions(wanted)
            matched += len(rows)
            sample += [row.execution_id for row in rows[: SAMPLE - len(sample)]]
            if len(rows) < PAGE:
                return BulkMatch(matched=matched, sample=tuple(sample))
            wanted = replace(wanted, after=(rows[-1].start_time, rows[-1].key))

    async def list_jobs(self) -> list[BulkJob]:
        """Jobs that are remembered, newest first."""
        return [job.view() for job in reversed(self._by_age())]

    async def get(self, job_id: str) -> BulkJob:
        """How far it is. Raises NotFound."""
        return self._find(job_id).view()

    async def wait(self, job_id: str) -> BulkJob:
        """The job once nothing more of it is done here: it is over, or this process stops. Raises NotFound."""
        job = self._find(job_id)
        await job.rest()
        return job.view()

    async def cancel(self, job_id: str) -> BulkJob:
        """Do no more of it. Raises NotFound, and Conflict when it is over."""
        job = self._find(job_id)
        await job.cancel()
        return job.view()

    def _find(self, job_id: str) -> LiveJob:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"there is no bulk job {job_id!r}")
        return job


class LiveJob:
    """A job in memory, and its task while it runs."""

    def __init__(self, record: JobRecord, *, store: Store, host: Host, clock: Clock) -> None:
        self.record = record
        self._store = store
        self._host = host
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._in_doubt = record.found
        """Whether the next group may have been seen to, in part, by a process that ended."""

    def view(self) -> BulkJob:
        """With its progress."""
        record, body = self.record, self.record.body
        return BulkJob(
            job_id=record.id,
            status=record.status,
            action=body.action,
            filter=body.filter,
            matched=record.matched,
            done=record.done,
            failed=record.failed,
            skipped=record.skipped,
            errors=record.errors,
            started_at=record.started_at,
            ended_at=UNSET if record.ended_at is None else record.ended_at,
            by=UNSET if body.by is None else body.by,
            reason=UNSET if body.reason is None else body.reason,
        )

    async def keep(self, more: Sequence[Item] = ()) -> None:
        """Write one that is new."""
        await self._write(self.record, more)

    def begin(self) -> None:
        """Go on, unless it is over."""
        if self.record.status == "running":
            self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Do nothing more for now, once the group under way is done; it goes on when it is loaded again."""
        self._stopping.set()
        await self.rest()

    async def rest(self) -> None:
        """Return when it does nothing any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def cancel(self) -> None:
        """Do no more of it. Raises Conflict when it is over, StoreUnavailable."""
        self._refuse_over()
        await self.stop()
        self._refuse_over()  # it may have come to its end meanwhile
        try:
            await self._end("cancelled")
        except StoreUnavailable:
            self._stopping.clear()
            self.begin()
            raise

    def _refuse_over(self) -> None:
        if self.record.status != "running":
            raise Conflict(f"bulk job {self.record.id!r} is {self.record.status}")

    # -- work -------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while not self._stopping.is_set() and self.record.status == "running":
            try:
                await (self._act() if self.record.found else self._find())
            except StoreUnavailable as error:
                log.warning("bulk_put_off", job=self.record.id, error=str(error))
                await self._pause()
            except Exception:  # the top of a task nobody waits for
                log.exception("bulk_broken", job=self.record.id)
                await self._pause()

    async def _pause(self) -> None:
        """Let some time pass, unless the job is to stop."""
        try:
            async with asyncio.timeout(RETRY_S):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _find(self) -> None:
        """Write down the next page of executions."""
        record = self.record
        wanted = replace(query_of(record.body, record.started_at), after=record.cursor)
        rows = await self._store.list_executions(wanted)
        if not rows:
            await self._write(replace(record, found=True))
            return
        page = Item(
            kind=PAGE_KIND,
            name=_page_name(record.id, record.pages),
            data=_encode([row.execution_id for row in rows]),
        )
        further = replace(
            record,
            cursor=(rows[-1].start_time, rows[-1].key),
            pages=record.pages + 1,
            matched=record.matched + len(rows),
            found=len(rows) < PAGE,
        )
        await self._write(further, [page])

    async def _act(self) -> None:
        """Do the verb to the executions of the next page, or come to the end."""
        record = self.record
        if record.page >= record.pages:
            await self._end("done")
            return
        name = _page_name(record.id, record.page)
        (item,) = await self._store.items(PAGE_KIND, names=[name])
        assert item.data is not None, "what is stored has data"
        ids = _decode_page(item.data)
        while self.record.at < len(ids) and not self._stopping.is_set():
            await self._see_to(ids[self.record.at : self.record.at + AT_ONCE])
        if self.record.at >= len(ids):
            await self._write(
                replace(self.record, page=record.page + 1, at=0), [Item(kind=PAGE_KIND, name=name)]
            )

    async def _see_to(self, group: Sequence[str]) -> None:
        in_doubt = self._in_doubt
        outcomes = await asyncio.gather(*(self._outcome(name, in_doubt=in_doubt) for name in group))
        if "unknown" in outcomes:
            self._in_doubt = True
            return
        record = self.record
        errors = [outcome for outcome in outcomes if isinstance(outcome, BulkError)]
        counted = replace(
            record,
            at=record.at + len(group),
            done=record.done + outcomes.count("done"),
            skipped=record.skipped + outcomes.count("skipped"),
            failed=record.failed + len(errors),
            errors=(*record.errors, *errors)[:MOST_ERRORS],
        )
        # What these came to is known now, so it stays known even if writing it fails for a while.
        self.record = counted
        self._in_doubt = False
        await self._write(counted)

    async def _outcome(self, execution_id: str, *, in_doubt: bool) -> Outcome:
        """What came of one execution. While the store is away this waits for it; `unknown` if the job stops first."""
        while True:
            try:
                if in_doubt and await self._was_seen_to(execution_id):
                    return "done"
                await self._do(execution_id)
                return "done"
            except Conflict:
                return "skipped"
            except StoreUnavailable as error:
                log.warning("bulk_put_off", job=self.record.id, error=str(error))
                if self._stopping.is_set():
                    return "unknown"
                await self._pause()
            except TenutoError as error:
                return BulkError(execution_id, str(error)[:LONGEST_MESSAGE])
            except Exception:  # one execution that nobody can read keeps no other from its turn
                log.exception("bulk_execution_failed", job=self.record.id, execution=execution_id)
                return BulkError(execution_id, "something went wrong in the server; its log says more")

    async def _do(self, execution_id: str) -> None:
        body = self.record.body
        if isinstance(body.signal, BulkSignal):
            given = Signal(body.signal.name, body.signal.payload, f"bulk:{self.record.id}", body.by)
            await self._host.signal(execution_id, given)
        else:
            await getattr(self._host, body.action)(execution_id, Who(body.by, body.reason))

    async def _was_seen_to(self, execution_id: str) -> bool:
        """Whether this job did its verb to it before the process ended."""
        body = self.record.body
        if body.action == "signal":
            return False
        after = 0
        while entries := await self._host.journal(execution_id, after):
            for entry in entries:
                if entry.at >= self.record.started_at:
                    said = [(event["type"], event.get("by"), event.get("reason")) for event in entry.events]
                    if (FACTS[body.action], body.by, body.reason) in said:
                        return True
            after = entries[-1].seq
        return False

    async def _end(self, status: JobStatus) -> None:
        record = self.record
        left = [
            Item(kind=PAGE_KIND, name=_page_name(record.id, page))
            for page in range(record.page, record.pages)
        ]
        await self._write(replace(record, status=status, ended_at=self._clock.now()), left)

    async def _write(self, record: JobRecord, more: Sequence[Item] = ()) -> None:
        items = [Item(kind=KIND, name=record.id, data=_encode(record)), *more]
        await self._store.commit(Batch([], [], [], [], items=items))
        self.record = record


def query_of(body: BulkBody, now: int) -> ExecutionQuery:
    """The first page of what the filter takes: nothing that starts after the instant `now`."""
    wanted = body.filter
    status = wanted.status
    name, colon, value = wanted.tag.partition(":") if isinstance(wanted.tag, str) else ("", "", "")
    return ExecutionQuery(
        workflow_id=None if wanted.workflow_id is UNSET else wanted.workflow_id,
        status=() if status is UNSET else (status,) if isinstance(status, str) else tuple(status),
        tag=(name, value if colon else None) if name else None,
        since=None if wanted.since is UNSET else wanted.since,
        until=now + 1 if wanted.until is UNSET else min(wanted.until, now + 1),
        q=None if wanted.q is UNSET else wanted.q,
        limit=PAGE,
    )


def _page_name(job_id: str, number: int) -> str:
    return f"{job_id}/{number:08}"
