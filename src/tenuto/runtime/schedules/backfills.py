"""A backfill at work: the times of a past range, started in order, so many at once, whatever the overlap policy says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import structlog
from msgspec.structs import replace

from tenuto.errors import Overloaded, StoreError
from tenuto.ports.host import Host
from tenuto.runtime.schedules.record import BackfillRecord, Pending, encode
from tenuto.runtime.schedules.shelf import BACKFILL, Shelf, Slip
from tenuto.runtime.schedules.starting import ended, execution_name, find, request_of, start_once
from tenuto.runtime.schedules.times import fire_times
from tenuto.wire.schedules import ScheduleSpec

log = structlog.get_logger(__name__)

MOST_TIMES = 100_000
"""So many times one backfill may have."""
RETRY_S = 5.0


def times_between(spec: ScheduleSpec, since: int, until: int) -> Iterator[int]:
    """The times from `since` to before `until`."""
    for at in fire_times(spec, since - 1):
        if at >= until:
            return
        yield at


def slip_name(schedule_id: str, backfill_id: str) -> str:
    """What a backfill is kept under; ids have no slash."""
    return f"{schedule_id}/{backfill_id}"


class LiveBackfill:
    """A backfill in memory. What is about to be started is written before, so that after a crash it goes on where it
    was, and nothing of it is started twice."""

    def __init__(self, record: BackfillRecord, *, shelf: Shelf, host: Host) -> None:
        self.record = record
        self._shelf = shelf
        self._host = host
        self._task: asyncio.Task[None] | None = None

    def slip(self, *, gone: bool = False) -> Slip:
        """How it is kept."""
        name = slip_name(self.record.spec.id, self.record.id)
        return Slip(BACKFILL, name, None if gone else encode(self.record))

    async def keep(self) -> None:
        """Write one that is new."""
        await self._shelf.write([self.slip()])

    def begin(self) -> None:
        """Go on, unless it is over."""
        if self.record.status == "running":
            self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Do nothing more for now; it goes on when it is loaded again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def cancel(self) -> None:
        """Start no more of it; what it has started goes on."""
        await self.stop()
        await self._write(replace(self.record, status="cancelled", running=()))

    async def _work(self) -> None:
        while self.record.status == "running":
            try:
                await self._run()
            except (Overloaded, StoreError) as error:
                log.warning("backfill_put_off", backfill=self.record.id, error=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:  # the top of a task nobody waits for
                log.exception("backfill_broken", backfill=self.record.id)
                await asyncio.sleep(RETRY_S)

    async def _run(self) -> None:
        """To the end, or until something cannot be done for now."""
        under_way: dict[asyncio.Task[str], Pending] = {}
        try:
            await self._begin(self.record.running, under_way)
            while True:
                await self._fill_up(under_way)
                if not under_way:
                    break
                over, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in over:
                    self._count_ended(under_way.pop(task), task.result())
        finally:
            for task in under_way:
                task.cancel()
        await self._write(replace(self.record, status="done"))

    async def _fill_up(self, under_way: dict[asyncio.Task[str], Pending]) -> None:
        """Start the next times until as many are under way as may be, or there are no more."""
        times = times_between(self.record.spec, self.record.after + 1, self.record.until)
        while len(under_way) < self.record.concurrency:
            new, draft = [], self.record
            for at in times:
                pending = Pending(at=at, execution_id=execution_name(draft.spec.id, at))
                draft = replace(draft, after=at)
                if await find(self._host, pending.execution_id) is None:
                    new.append(pending)
                else:
                    draft = replace(draft, existing=draft.existing + 1)
                if len(under_way) + len(new) >= draft.concurrency:
                    break
            if draft is self.record:
                return
            await self._write(replace(draft, running=(*draft.running, *new)))
            await self._begin(tuple(new), under_way)

    async def _begin(
        self, pendings: tuple[Pending, ...], under_way: dict[asyncio.Task[str], Pending]
    ) -> None:
        for pending in pendings:
            record = self.record
            refusal = await start_once(
                self._host, request_of(record.spec, pending.at, pending.execution_id, record.id)
            )
            if refusal is not None:
                log.warning("scheduled_start_refused", execution=pending.execution_id, error=refusal)
                self.record = replace(
                    record, refused=record.refused + 1, running=_without(record.running, pending)
                )
            else:
                under_way[asyncio.create_task(self._end_of(pending.execution_id))] = pending

    async def _end_of(self, execution_id: str) -> str:
        state = await ended(self._host, execution_id)
        return "failed" if state is None else state.status

    def _count_ended(self, pending: Pending, status: str) -> None:
        """Known now, and written with the next change; after a crash it is found out again."""
        record = self.record
        is_completed = status == "completed"
        self.record = replace(
            record,
            running=_without(record.running, pending),
            completed=record.completed + is_completed,
            failed=record.failed + (not is_completed),
        )

    async def _write(self, record: BackfillRecord) -> None:
        before, self.record = self.record, record
        try:
            await self._shelf.write([self.slip()])
        except BaseException:
            self.record = before
            raise


def _without(pendings: tuple[Pending, ...], gone: Pending) -> tuple[Pending, ...]:
    return tuple(pending for pending in pendings if pending != gone)
