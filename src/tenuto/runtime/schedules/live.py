"""One schedule at work. Whatever it is about to do is written before it is done, and done again after a crash if it may
not have been: the ids of executions are made of the times, so a time is started once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfoNotFoundError

import structlog
from msgspec.structs import replace

from tenuto.core.state import State
from tenuto.errors import Conflict, NotFound, Overloaded, StoreError
from tenuto.ports.clock import Clock
from tenuto.ports.host import Host, Who
from tenuto.ports.schedules import Triggered
from tenuto.runtime.schedules.overlap import meet, without_waiting
from tenuto.runtime.schedules.record import Pending, Record, counted, encode, noted
from tenuto.runtime.schedules.shelf import SCHEDULE, Shelf, Slip
from tenuto.runtime.schedules.starting import (
    ended,
    execution_name,
    has_ended,
    is_ours,
    request_of,
    start_once,
)
from tenuto.runtime.schedules.times import Fire, fires, instant_name
from tenuto.wire.schedules import ScheduleSpec, Wish

log = structlog.get_logger(__name__)

AT_ONCE = 200
"""After so many times others have their turn."""
MOST_LOOKED_AT = 1_000_000
"""So many times are looked at after a downtime; what is left of it then is passed over."""
FIRST_DELAY_MS = 1_000
LONGEST_DELAY_MS = 60_000

Verb = Callable[[str, Who], Awaitable[State]]


class LiveSchedule:
    """A schedule in memory. `arm` is told the instant at which `tend` must be called next, or None."""

    def __init__(
        self,
        record: Record,
        *,
        shelf: Shelf,
        host: Host,
        clock: Clock,
        arm: Callable[[str, int | None], None],
    ) -> None:
        self.record = record
        self._shelf = shelf
        self._host = host
        self._clock = clock
        self._arm_at = arm
        self._lock = asyncio.Lock()
        self._next: Fire | None = None
        self._delay_ms = 0
        self._watcher: asyncio.Task[None] | None = None
        self._asked_to_end: frozenset[str] = frozenset()
        self._last_trigger = 0
        self._is_changed = False
        self._is_stopping = False

    @property
    def next_at(self) -> int | None:
        """Its next time, paused or not."""
        return None if self._next is None else self._next.at

    # -- what people do ---------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Write a schedule that is new."""
        async with self._lock:
            await self._write(self.record)
            self.arm()

    async def change(self, wish: Wish) -> None:
        """Become what is wished for. Other times count from now on; what runs and waits stays."""
        async with self._lock:
            now, record, spec = self._clock.now(), self.record, wish.spec
            draft = replace(
                record,
                spec=spec,
                updated_at=now,
                after=record.after if _timing(spec) == _timing(record.spec) else now,
                note=record.note if wish.note is None else wish.note,
            )
            if spec.overlap == "skip":
                draft = without_waiting(draft, "the overlap policy was changed")
            if wish.paused is not None and wish.paused != record.paused:
                draft = self._turned(draft, paused=wish.paused, by=None)
            await self._write(draft)
            self._look_again()

    async def turn(self, *, paused: bool, note: str | None, by: str | None) -> None:
        """Pause or resume. The note stays if there is no new one."""
        async with self._lock:
            draft = self.record
            if paused != draft.paused:
                draft = self._turned(draft, paused=paused, by=by)
            await self._write(replace(draft, note=draft.note if note is None else note))
            self._look_again()

    async def trigger(self, execution_id: str | None) -> Triggered:
        """Start an execution now. Raises Conflict, Invalid, NotFound, Overloaded, StoreError."""
        async with self._lock:
            spec = self.record.spec
            if execution_id is not None and await is_ours(self._host, execution_id, spec.id):
                return Triggered(execution_id, created=False)
            at = self._last_trigger = max(self._clock.now(), self._last_trigger + 1)
            name = execution_id or f"{spec.id}-trigger-{instant_name(at)}"
            await self._host.start(request_of(spec, at, name))
            self._hold(counted(self._with_running(self.record, name), triggered=1))
            await self.flush()
            return Triggered(name, created=True)

    async def forget(self, slips: list[Slip]) -> None:
        """Take it away, together with these."""
        async with self._lock:
            await self._shelf.write([Slip(SCHEDULE, self.record.spec.id, None), *slips])
            self.stop()

    def stop(self) -> None:
        """Do nothing more."""
        self._is_stopping = True
        self._arm_at(self.record.spec.id, None)
        if self._watcher is not None:
            self._watcher.cancel()

    async def flush(self) -> None:
        """Write what is known and not written, as far as the store takes it: all of it can be found out again."""
        if self._is_changed:
            try:
                await self._write(self.record)
            except StoreError as error:
                log.warning("schedule_not_written", schedule=self.record.spec.id, error=str(error))

    # -- what time does ---------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Find the next time, and have `tend` called when there is something to do."""
        record = self.record
        self._next = self._find_next()
        if self._is_stopping:
            return
        at = None if record.paused or self._next is None else self._next.due_at
        if self._delay_ms:
            at = self._clock.now() + self._delay_ms
        elif record.starting or (record.waiting and self._watcher is None):
            at = self._clock.now()
        self._arm_at(record.spec.id, at)

    def _find_next(self) -> Fire | None:
        try:
            return next(fires(self.record.spec, self._after()), None)
        except ZoneInfoNotFoundError as error:  # a zone that is gone from this machine's files
            log.warning("schedule_without_zone", schedule=self.record.spec.id, error=str(error))
            return None

    async def tend(self) -> None:
        """Deal with every time that has come and with what waits. What cannot be done for now is tried again."""
        async with self._lock:
            if self._is_stopping:
                return
            try:
                await self._finish_starting()
                await self._serve_waiting()
                await self._meet_due()
                await self._serve_waiting()
                self._delay_ms = 0
            except (Overloaded, StoreError) as error:
                self._put_off(error)
            except (
                Exception
            ) as error:  # the top of a task nobody waits for: it must not be the schedule's end
                log.exception("schedule_broken", schedule=self.record.spec.id)
                self._put_off(error)
            self.arm()

    async def _finish_starting(self) -> None:
        for pending in self.record.starting:
            await self._begin(pending)

    async def _meet_due(self) -> None:
        if self.record.paused:
            return
        now, draft, looked = self._clock.now(), self.record, False
        for number, fire in enumerate(fires(draft.spec, draft.after), 1):
            if fire.due_at > now or self._is_stopping:
                break
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            draft = replace(draft, after=fire.at if number < MOST_LOOKED_AT else now)
            if now - fire.due_at > draft.spec.catch_up_window:
                draft = counted(draft, missed=1)
            else:
                if not looked:
                    draft, looked = await self._without_ended(draft), True
                met = meet(draft, fire.at)
                draft = await self._start(met.record, fire.at) if met.starts else met.record
            if number >= MOST_LOOKED_AT:
                break
        if draft is not self.record:
            await self._write(draft)

    async def _serve_waiting(self) -> None:
        """Start what waits, one after the other, as far as nothing is in its way."""
        while self.record.waiting and not self.record.paused:
            self._hold(await self._without_ended(self.record))
            if self.record.is_busy:
                await self._make_way()
            if self.record.is_busy:
                self._watch(self.record.running)
                return
            at, *later = self.record.waiting
            await self._start(replace(self.record, waiting=tuple(later)), at)

    async def _make_way(self) -> None:
        """End what is in the way, where the policy says so."""
        policy, names = self.record.spec.overlap, frozenset(self.record.running)
        if policy == "cancelOther":
            await self._end(names - self._asked_to_end, self._host.cancel)
            self._asked_to_end = names
        elif policy == "terminateOther":
            await self._end(names, self._host.terminate)
            self._hold(await self._without_ended(self.record))

    async def _end(self, names: frozenset[str], verb: Verb) -> None:
        who = Who(f"schedule {self.record.spec.id}", "the next one is due")
        for name in sorted(names):
            with contextlib.suppress(NotFound, Conflict):  # it has ended meanwhile, or is about to
                await verb(name, who)

    def _watch(self, names: tuple[str, ...]) -> None:
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._tell_when_free(names))

    async def _tell_when_free(self, names: tuple[str, ...]) -> None:
        for name in names:
            await ended(self._host, name)
        self._watcher = None
        self._arm_at(self.record.spec.id, self._clock.now())

    # -- starting ---------------------------------------------------------------------------------------------

    async def _start(self, draft: Record, at: int) -> Record:
        """Write that this time is being started, and start it. Answers the record after that."""
        pending = Pending(at=at, execution_id=execution_name(draft.spec.id, at))
        await self._write(replace(draft, starting=(*draft.starting, pending)))
        await self._begin(pending)
        return self.record

    async def _begin(self, pending: Pending) -> None:
        record = self.record
        refusal = await start_once(self._host, request_of(record.spec, pending.at, pending.execution_id))
        record = replace(record, starting=tuple(other for other in record.starting if other != pending))
        if refusal is None:
            record = self._with_running(record, pending.execution_id)
            self._hold(noted(record, pending.at, "started", execution_id=pending.execution_id))
        else:
            log.warning("scheduled_start_refused", execution=pending.execution_id, error=refusal)
            self._hold(noted(record, pending.at, "failed", message=refusal))

    def _with_running(self, record: Record, name: str) -> Record:
        if record.spec.overlap == "allowAll":  # nobody asks which these are, and they may be many
            return replace(record, running=())
        return replace(record, running=(*record.running, name))

    async def _without_ended(self, record: Record) -> Record:
        if not record.running:
            return record
        going_on = [name for name in record.running if not await has_ended(self._host, name)]
        return replace(record, running=tuple(going_on))

    # -- the record -------------------------------------------------------------------------------------------

    async def _write(self, record: Record) -> None:
        await self._shelf.write([Slip(SCHEDULE, record.spec.id, encode(record))])
        self.record, self._is_changed = record, False

    def _hold(self, record: Record) -> None:
        """Know something that is written with the next change; after a crash it is found out again."""
        self._is_changed = self._is_changed or record != self.record
        self.record = record

    def _turned(self, record: Record, *, paused: bool, by: str | None) -> Record:
        now = self._clock.now()
        if paused:
            record = without_waiting(record, "the schedule was paused")
            return replace(record, paused=True, paused_at=now, paused_by=by)
        return replace(record, paused=False, paused_at=None, paused_by=None, after=max(now, record.after))

    def _after(self) -> int:
        """Times up to here are over; while it is paused they pass without being dealt with."""
        return max(self.record.after, self._clock.now()) if self.record.paused else self.record.after

    def _look_again(self) -> None:
        """After a change: what was put off, or watched for, may be possible or needless now."""
        self._delay_ms = 0
        self.arm()

    def _put_off(self, error: Exception) -> None:
        self._delay_ms = min(max(2 * self._delay_ms, FIRST_DELAY_MS), LONGEST_DELAY_MS)
        log.warning(
            "schedule_put_off", schedule=self.record.spec.id, delay_ms=self._delay_ms, error=str(error)
        )


def _timing(spec: ScheduleSpec) -> tuple[object, ...]:
    return spec.cron, spec.timezone, spec.interval, spec.anchor, spec.start_at, spec.end_at, spec.jitter
