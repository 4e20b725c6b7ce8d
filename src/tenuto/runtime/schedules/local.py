"""The schedules of this machine: kept in the store, woken by one timer, started through the host."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import msgspec
import structlog

from tenuto.errors import Conflict, Invalid, NotFound, Problem
from tenuto.ports.clock import Clock
from tenuto.ports.host import Host
from tenuto.ports.schedules import (
    BackfillView,
    DryRun,
    NextTime,
    Put,
    ScheduleBrief,
    ScheduleView,
    Triggered,
)
from tenuto.runtime.schedules.alarm import Alarm
from tenuto.runtime.schedules.backfills import MOST_TIMES, LiveBackfill, times_between
from tenuto.runtime.schedules.live import AT_ONCE, LiveSchedule
from tenuto.runtime.schedules.record import (
    BackfillRecord,
    Record,
    backfill_view,
    brief_of,
    decode_backfill,
    decode_schedule,
    view_of,
)
from tenuto.runtime.schedules.shelf import BACKFILL, SCHEDULE, Shelf
from tenuto.runtime.schedules.times import Fire, fires, first_times, instant_name, local_text
from tenuto.wire.schedules import BackfillBody, ScheduleSpec, Wish

log = structlog.get_logger(__name__)

MOST_BACKFILLS = 10
"""So many backfills of one schedule may be under way at once."""
REMEMBERED_BACKFILLS = 20
MOST_SHOWN = 1_000


class LocalSchedules:
    """Keeps schedules. Made inside a running event loop; `open` before use, `close` after, while the host is open."""

    def __init__(self, *, shelf: Shelf, host: Host, clock: Clock) -> None:
        self._shelf = shelf
        self._host = host
        self._clock = clock
        self._alarm = Alarm(clock, self._ring)
        self._schedules: dict[str, LiveSchedule] = {}
        self._backfills: dict[str, dict[str, LiveBackfill]] = defaultdict(dict)
        self._tending: dict[str, asyncio.Task[None]] = {}
        self._putting = asyncio.Lock()

    # -- life -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Load them, and go on where they stood. Raises StoreUnavailable."""
        async for name, data in self._shelf.read(SCHEDULE):
            with _told_apart(name):
                self._schedules[name] = self._live(decode_schedule(data))
        async for name, data in self._shelf.read(BACKFILL):
            with _told_apart(name):
                backfill = LiveBackfill(decode_backfill(data), shelf=self._shelf, host=self._host)
                self._backfills[backfill.record.spec.id][backfill.record.id] = backfill
                backfill.begin()
        for schedule in self._schedules.values():
            schedule.arm()

    async def close(self) -> None:
        """Stop; what is under way is written."""
        self._alarm.close()
        for schedule in self._schedules.values():
            schedule.stop()
        for backfills in self._backfills.values():
            for backfill in backfills.values():
                await backfill.stop()
        await asyncio.gather(*self._tending.values(), return_exceptions=True)
        for schedule in self._schedules.values():
            await schedule.flush()

    def _live(self, record: Record) -> LiveSchedule:
        return LiveSchedule(
            record, shelf=self._shelf, host=self._host, clock=self._clock, arm=self._alarm.set
        )

    def _ring(self, schedule_id: str) -> None:
        """Tend to a schedule. One at which somebody is at work already is looked at by whoever that is, at its end."""
        schedule = self._schedules.get(schedule_id)
        if schedule is not None and schedule_id not in self._tending:
            task = self._tending[schedule_id] = asyncio.create_task(schedule.tend())
            task.add_done_callback(lambda _: self._tending.pop(schedule_id, None))

    # -- keeping ----------------------------------------------------------------------------------------------

    async def create(self, wish: Wish) -> Put:
        """Keep a new schedule; the same one again changes nothing. Raises Invalid, and Conflict for an id that has
        another."""
        async with self._putting:
            before = self._schedules.get(wish.spec.id)
            if before is None:
                return await self._put_new(wish)
            if before.record.spec != wish.spec:
                raise Conflict(
                    f"there is another schedule {wish.spec.id!r}; PUT /schedules/{wish.spec.id} replaces it"
                )
            return Put(self._view(before), created=False)

    async def put(self, wish: Wish) -> Put:
        """Keep a schedule in place of any that has the id. Raises Invalid."""
        async with self._putting:
            before = self._schedules.get(wish.spec.id)
            if before is None:
                return await self._put_new(wish)
            await self._check(wish.spec)
            await before.change(wish)
            return Put(self._view(before), created=False)

    async def _put_new(self, wish: Wish) -> Put:
        await self._check(wish.spec)
        now = self._clock.now()
        record = Record(
            spec=wish.spec,
            created_at=now,
            updated_at=now,
            after=now,
            paused=bool(wish.paused),
            paused_at=now if wish.paused else None,
            note=wish.note,
        )
        schedule = self._live(record)
        await schedule.keep()
        self._schedules[wish.spec.id] = schedule
        return Put(self._view(schedule), created=True)

    async def _check(self, spec: ScheduleSpec) -> None:
        """Refuse what would never start anything. Raises Invalid with every problem."""
        problems = []
        if next(fires(spec, self._clock.now()), None) is None:
            path = "endAt" if spec.end_at is not None else "cron"
            problems.append(Problem(path, "never", "No time of this schedule lies in the future."))
        try:
            await self._host.get_workflow(spec.workflow_id, spec.version)
        except NotFound as error:
            problems.append(Problem("workflowId", "unknown_workflow", f"{str(error).capitalize()}."))
        if problems:
            raise Invalid(problems)

    async def list_schedules(
        self, workflow_id: str | None = None, after: str = "", limit: int = MOST_SHOWN
    ) -> list[ScheduleBrief]:
        """Schedules by id, from after that id on."""
        names = (
            name
            for name in sorted(self._schedules)
            if name > after and workflow_id in (None, self._schedules[name].record.spec.workflow_id)
        )
        found = [self._schedules[name] for name in islice(names, limit)]
        return [brief_of(schedule.record, schedule.next_at) for schedule in found]

    async def get(self, schedule_id: str) -> ScheduleView:
        """One, in full. Raises NotFound."""
        return self._view(self._find(schedule_id))

    async def delete(self, schedule_id: str) -> None:
        """Forget it and its backfills. Raises NotFound."""
        async with self._putting:
            schedule = self._find(schedule_id)
            backfills = self._backfills[schedule_id].values()
            for backfill in backfills:
                await backfill.stop()
            await schedule.forget([backfill.slip(gone=True) for backfill in backfills])
            del self._schedules[schedule_id]
            del self._backfills[schedule_id]

    def _find(self, schedule_id: str) -> LiveSchedule:
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            raise NotFound(f"there is no schedule {schedule_id!r}")
        return schedule

    def _view(self, schedule: LiveSchedule) -> ScheduleView:
        backfills = self._backfills.get(schedule.record.spec.id, {})
        shown = tuple(backfill_view(backfill.record) for backfill in backfills.values())
        return view_of(schedule.record, schedule.next_at, shown)

    # -- control ----------------------------------------------------------------------------------------------

    async def trigger(self, schedule_id: str, execution_id: str | None = None) -> Triggered:
        """Start an execution now. Raises NotFound, Conflict, Invalid, Overloaded."""
        return await self._find(schedule_id).trigger(execution_id)

    async def pause(self, schedule_id: str, note: str | None, by: str | None) -> ScheduleView:
        """Let times pass without starting anything. Raises NotFound."""
        return await self._turn(schedule_id, paused=True, note=note, by=by)

    async def resume(self, schedule_id: str, note: str | None, by: str | None) -> ScheduleView:
        """Start executions again, for times from now on. Raises NotFound."""
        return await self._turn(schedule_id, paused=False, note=note, by=by)

    async def _turn(
        self, schedule_id: str, *, paused: bool, note: str | None, by: str | None
    ) -> ScheduleView:
        schedule = self._find(schedule_id)
        await schedule.turn(paused=paused, note=note, by=by)
        return self._view(schedule)

    async def next_times(self, schedule_id: str, count: int, after: int | None = None) -> list[NextTime]:
        """Times after that instant (now), paused or not. Raises NotFound."""
        spec = self._find(schedule_id).record.spec
        since = self._clock.now() if after is None else after
        return [_shown_time(spec, fire) for fire in first_times(spec, since, count)]

    # -- backfills --------------------------------------------------------------------------------------------

    async def rehearse(self, schedule_id: str, body: BackfillBody) -> DryRun:
        """What that backfill would start. Raises NotFound, Invalid."""
        spec = self._find(schedule_id).record.spec
        times = await self._times_of(spec, body)
        return DryRun(
            count=len(times), times=tuple(_shown_time(spec, Fire(at, at)) for at in times[:MOST_SHOWN])
        )

    async def backfill(self, schedule_id: str, body: BackfillBody) -> BackfillView:
        """Begin to start the times of a past range. Raises NotFound, Invalid, Conflict."""
        spec = self._find(schedule_id).record.spec
        times = await self._times_of(spec, body)
        async with self._putting:
            self._find(schedule_id)
            kept = self._backfills[schedule_id]
            under_way = sum(backfill.record.status == "running" for backfill in kept.values())
            if under_way >= MOST_BACKFILLS:
                raise Conflict(f"{under_way} backfills of schedule {schedule_id!r} are under way already")
            record = self._new_backfill(spec, body, len(times))
            backfill = LiveBackfill(record, shelf=self._shelf, host=self._host)
            forgotten = self._too_old(schedule_id)
            await self._shelf.write([backfill.slip(), *(kept[name].slip(gone=True) for name in forgotten)])
            for name in forgotten:
                del kept[name]
            kept[record.id] = backfill
            backfill.begin()
        return backfill_view(record)

    async def get_backfill(self, schedule_id: str, backfill_id: str) -> BackfillView:
        """How far it is. Raises NotFound."""
        return backfill_view(self._find_backfill(schedule_id, backfill_id).record)

    async def cancel_backfill(self, schedule_id: str, backfill_id: str) -> BackfillView:
        """Start no more of it. Raises NotFound, and Conflict when it is over."""
        backfill = self._find_backfill(schedule_id, backfill_id)
        if backfill.record.status != "running":
            raise Conflict(f"backfill {backfill_id!r} is {backfill.record.status}")
        await backfill.cancel()
        return backfill_view(backfill.record)

    def _find_backfill(self, schedule_id: str, backfill_id: str) -> LiveBackfill:
        self._find(schedule_id)
        backfill = self._backfills.get(schedule_id, {}).get(backfill_id)
        if backfill is None:
            raise NotFound(f"schedule {schedule_id!r} has no backfill {backfill_id!r}")
        return backfill

    async def _times_of(self, spec: ScheduleSpec, body: BackfillBody) -> list[int]:
        if body.until > self._clock.now():
            raise Invalid(
                [Problem("until", "not_past", "A backfill ends in the past; `until` is still to come.")]
            )
        times = await _some_times(spec, body.since, body.until)
        if len(times) > MOST_TIMES:
            message = f"The range has more than {MOST_TIMES:,} times; take it in parts."
            raise Invalid([Problem("from", "too_many", message)])
        return times

    def _new_backfill(self, spec: ScheduleSpec, body: BackfillBody, total: int) -> BackfillRecord:
        at = self._clock.now()
        while (name := f"backfill-{instant_name(at)}") in self._backfills[spec.id]:
            at += 1
        return BackfillRecord(
            id=name,
            spec=spec,
            since=body.since,
            until=body.until,
            concurrency=body.concurrency,
            total=total,
            created_at=at,
            after=body.since - 1,
            by=body.by,
            reason=body.reason,
        )

    def _too_old(self, schedule_id: str) -> list[str]:
        """Backfills that are over and of which there are enough, the oldest first."""
        over = [
            name
            for name, backfill in self._backfills[schedule_id].items()
            if backfill.record.status != "running"
        ]
        return over[: max(0, len(over) - REMEMBERED_BACKFILLS + 1)]


@contextmanager
def _told_apart(name: str) -> Iterator[None]:
    """What is stored of one and cannot be read (damaged, or of a newer Tenuto) keeps no other from its work."""
    try:
        yield
    except msgspec.DecodeError as error:
        log.error("schedule_unreadable", schedule=name, error=str(error))


async def _some_times(spec: ScheduleSpec, since: int, until: int) -> list[int]:
    """The times of the range, or one more than a backfill may have; others have their turn meanwhile."""
    times: list[int] = []
    for at in islice(times_between(spec, since, until), MOST_TIMES + 1):
        times.append(at)
        if len(times) % AT_ONCE == 0:
            await asyncio.sleep(0)
    return times


def _shown_time(spec: ScheduleSpec, fire: Fire) -> NextTime:
    return NextTime(at=fire.at, local=local_text(fire.at, spec.timezone), due_at=fire.due_at)
