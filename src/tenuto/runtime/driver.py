"""The heart of the local host: own → decide → commit → act, for all executions in memory.

Inputs of an execution queue up while a decision of it is being committed and are then decided together. The
decisions of all executions that are ready share one commit. Nothing is answered and no command is carried out before
the commit has come back. When a commit fails, the states it came from are thrown away and folded again from the
journal, which alone knows what took effect; outcomes of attempts are given again, callers are told.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from msgspec import Struct

from tenuto.core import inputs as inp
from tenuto.core.commands import AbandonAttempt, Command, ComputeOutput, RunAttempt
from tenuto.core.decide import Decision, Refusal, decide, lost_attempts, pending_commands
from tenuto.core.state import State, is_parked, next_wake
from tenuto.errors import StoreError, StoreUnavailable, TenutoError, UnreadableRecord
from tenuto.journal.fold import fold
from tenuto.ports.clock import Clock
from tenuto.ports.store import Batch, Item, Record, Store, StoredExecution, SummaryChange
from tenuto.ports.telemetry import Telemetry
from tenuto.runtime import inbox
from tenuto.runtime.attempts import Performer, close_unbegun
from tenuto.runtime.large_results import encode_record, read_whole
from tenuto.runtime.live import Given, Kept, Live
from tenuto.runtime.messages import outbox_messages
from tenuto.runtime.queueing import Queueing
from tenuto.runtime.rows import NEVER, changed_row, has_moved, new_row
from tenuto.runtime.settings import NodeSettings

log = structlog.get_logger(__name__)

AT_ONCE = 250
"""Inputs decided in one go and commands carried out in one go, for one execution."""

RELIEF_S = 0.25
"""Seconds between two searches for executions that only wait, where many are in memory."""

LONGEST_TIMER_S = 30.0
"""Loop timers are armed for no longer, so that a jump of the wall clock is noticed."""


class Work(Struct):
    """One execution's part of a commit that is under way: what was given and decided, and the number of the record."""

    live: Live
    given: list[Given]
    decision: Decision
    seq: int
    wake_at: int | None = None
    posts: Sequence[Item] = ()


class Driver:
    """Drives the executions in `live`, by public id. `aside` names those that a fault of ours made undecidable."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        performer: Performer,
        telemetry: Telemetry,
        settings: NodeSettings,
        rng: random.Random,
        on_messages: Callable[[], None],
        on_parked: Callable[[int], None],
        on_ended: Callable[[Live], None],
        on_records: Callable[[Live], None],
        on_posts: Callable[[Sequence[Item]], None],
        cancel_other: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._performer = performer
        self._telemetry = telemetry
        self._settings = settings
        self._rng = rng
        self._on_messages = on_messages
        self._on_parked = on_parked
        self._on_ended = on_ended
        self._on_records = on_records
        self._on_posts = on_posts
        self.live: dict[str, Live] = {}
        self.queueing = Queueing(self.live, performer, self.tell, cancel_other)
        self.aside: set[str] = set()
        self._ready: deque[Live] = deque()
        self._in_flight = 0
        self._pump_scheduled = False
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._is_closed = False
        self.holding = False
        self.trouble: str | None = None
        self._failures = 0
        self._relief_due = 0.0

    # -- inputs -----------------------------------------------------------------------------------------------

    def begin(self, live: Live, first: inp.Start) -> asyncio.Future[Refusal | None]:
        """Take a new execution; the future is done when it is on disk. Raises from it what the commit raised."""
        self.live[live.execution_id] = live
        live.is_taken_up = True
        return self.ask(live, first)

    def ask(self, live: Live, given: inp.Input) -> asyncio.Future[Refusal | None]:
        """Give an input and learn when its decision is durable, or that it was refused."""
        answer: asyncio.Future[Refusal | None] = self._loop.create_future()
        self._give(live, Given(given, answer))
        return answer

    def tell(self, live: Live, given: inp.Input) -> None:
        """Give an input that nobody waits for."""
        self._give(live, Given(given, None))

    def _give(self, live: Live, given: Given) -> None:
        if live.is_aside:
            self._refuse_aside(given.answer)
            return
        # One that left memory a moment ago comes back as it is, unless it was taken up again meanwhile.
        live = self.live.setdefault(live.execution_id, live)
        live.inbox.append(given)
        live.idle_since = None
        if not live.queued and not live.busy and not live.broken:
            live.queued = True
            self._ready.append(live)
            self._schedule_pump()

    def adopt(self, live: Live) -> None:
        """Take up an execution that was folded from its journal: what ran is gone, the rest goes on."""
        self.live[live.execution_id] = live
        live.is_taken_up = True
        if live.state.is_terminal:
            return
        for lost in lost_attempts(live.state):
            self.tell(live, lost)
        for command in pending_commands(live.state):
            self._carry_out(live, command)
        self.tell(live, inp.TimeCame())

    # -- deciding and committing ------------------------------------------------------------------------------

    def _schedule_pump(self) -> None:
        if not self._pump_scheduled and self._in_flight < self._settings.commits_in_flight:
            self._pump_scheduled = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        if self._is_closed or not self._ready or self._in_flight >= self._settings.commits_in_flight:
            return
        batch = Batch([], [], [], [])
        work = self._prepare(batch)
        if work:
            self._in_flight += 1
            self._spawn(self._commit(batch, work))
        if self._ready:
            self._schedule_pump()

    def _prepare(self, batch: Batch) -> list[Work]:
        """Decide for every ready execution and gather what must be written."""
        work: list[Work] = []
        now = self._clock.now()
        while self._ready and len(work) < self._settings.batch:
            live = self._ready.popleft()
            live.queued = False
            given, live.inbox = live.inbox, live.inbox[AT_ONCE:]
            if live.inbox:
                given = given[:AT_ONCE]
            try:
                item = self._decide(live, given, now, batch)
            except Exception:  # a fault of ours in one execution must not stop the others
                log.exception("execution_stuck", execution=live.execution_id)
                self._set_aside(live, given)
                continue
            if item is None:
                self._rest(live)
            else:
                live.busy = True
                work.append(item)
        return work

    def _decide(self, live: Live, given: list[Given], now: int, batch: Batch) -> Work | None:
        state = live.state
        decision = decide(state, [item.input for item in given], now, hold=self.holding)
        if not decision.events:
            self._note_refusals(live, given, decision)
            return None
        data, apart = encode_record(now, decision.events)
        live.size += len(data)
        state.seq += 1
        work = Work(live, given, decision, state.seq)
        work.wake_at = self._stored_wake(state)
        if live.is_new:
            batch.starts.append(new_row(live, now, work.wake_at))
        if state.is_terminal or (not live.is_new and has_moved(live, work.wake_at)):
            batch.changes.append(changed_row(live, now, work.wake_at))
        batch.records.append(Record(live.key, state.seq, data))
        if decision.messages:
            batch.messages.extend(outbox_messages(live, decision.messages, now))
        if apart:
            live.size += sum(len(blob.data or b"") for blob in apart)
            batch.items.extend(apart)
        if decision.posts:
            work.posts = inbox.items_of(live.execution_id, state.seq, decision.posts)
            batch.items.extend(work.posts)
        if live.workflow.shares:
            batch.items.extend(self.queueing.items_of(live, decision))
            batch.items.extend(_kept_items(given, decision))
        return work

    def _note_refusals(self, live: Live, given: list[Given], decision: Decision) -> None:
        for refusal in decision.refused:
            self._telemetry.refused(live.state.workflow_id, refusal.why)
            self.queueing.refused(live, refusal.given)
        _release(given, is_written=False)
        live.answer(given, decision.refused)

    def _stored_wake(self, state: State) -> int | None:
        # What a node decides while it stops leaves steps unstarted that no instant will start.
        if state.running or state.is_terminal or self.holding or not is_parked(state):
            return None
        wake = next_wake(state)
        return NEVER if wake is None else wake

    async def _commit(self, batch: Batch, work: list[Work]) -> None:
        began = time.perf_counter()
        try:
            await self._store.commit(batch)
        except BaseException as error:
            self._in_flight -= 1
            self._commit_failed(work, error)
            if not isinstance(error, TenutoError):
                raise  # being stopped, or a fault of ours: to be seen, though everything goes on
        else:
            self._in_flight -= 1
            self.trouble = None
            self._failures = 0
            self._telemetry.committed(len(batch.records), time.perf_counter() - began)
            self._committed(work)
            if batch.messages:
                self._on_messages()
        self._schedule_pump()

    def _committed(self, work: list[Work]) -> None:
        for item in work:
            live, decision = item.live, item.decision
            live.busy = False
            live.wake_at = item.wake_at
            live.status = live.state.status
            live.is_new = False
            self._telemetry.recorded(live.state.workflow_id, decision.events)
            live.answer(item.given, decision.refused)
            if live.workflow.shares:
                self._free(item)
            if decision.commands:
                self._carry_out_all(live, decision.commands)
            if item.posts:
                self._on_posts(item.posts)
            self._on_records(live)
            self._rest(live)

    def _free(self, item: Work) -> None:
        """Give others what the decision, which is on disk now, has left to them."""
        _release(item.given, is_written=True)
        self.queueing.committed(item.live)
        for refusal in item.decision.refused:
            self.queueing.refused(item.live, refusal.given)

    def _rest(self, live: Live) -> None:
        """After a decision: go on with what came meanwhile, else wait for time, or leave memory."""
        if live.busy or live.broken:
            return  # looked at again when the commit, or the journal, has answered
        if live.inbox:
            if not live.queued:
                live.queued = True
                self._ready.append(live)
            return
        if live.state.is_terminal:
            self._disarm(live)
            if live.is_quiet and self.live.get(live.execution_id) is live:
                del self.live[live.execution_id]
                self._on_ended(live)
            return
        self._arm(live)
        if len(self.live) > self._settings.crowd and self._loop.time() >= self._relief_due:
            self._relief_due = float("inf")
            self._spawn(self._relieve())

    # -- commands ---------------------------------------------------------------------------------------------

    def _carry_out_all(self, live: Live, commands: list[Command]) -> None:
        rest: list[Command] = []
        if len(commands) > AT_ONCE:
            # All that is given up ends now: what one of them held, the next must not begin with.
            begun: list[Command] = [c for c in commands if not isinstance(c, AbandonAttempt)]
            given_up = [command for command in commands if isinstance(command, AbandonAttempt)]
            commands, rest = [*given_up, *begun[:AT_ONCE]], begun[AT_ONCE:]
        for command in commands:
            self._carry_out(live, command)
        if rest:
            self._spawn(self._carry_out_rest(live, rest))

    async def _carry_out_rest(self, live: Live, commands: list[Command]) -> None:
        """The rest of a wide fan, a slice at a time, so that other executions get their turns. Once the state has been
        folded anew, after a commit that failed, what it says runs has been started with it."""
        state = live.state
        for at in range(0, len(commands), AT_ONCE):
            await asyncio.sleep(0)
            if live.state is not state:
                return
            for command in commands[at : at + AT_ONCE]:
                self._carry_out(live, command)

    def _carry_out(self, live: Live, command: Command) -> None:
        if isinstance(command, RunAttempt):
            if not self.holding:
                self._run(live, command)
        elif isinstance(command, AbandonAttempt):
            task = live.attempts.pop(command.key, None)
            if task is not None:
                task.cancel()
        elif isinstance(command, ComputeOutput):
            self._send(live, self._compute_output(live))
        else:
            self._send(live, self.queueing.ask(live, command))

    def _run(self, live: Live, command: RunAttempt) -> None:
        step = live.state.steps[command.step]
        if not step.acting or step.attempts != command.attempt or step.generation != command.generation:
            return  # begun and given up in one decision
        plan = live.workflow.plans[step.node.number]
        ending = self._performer.perform_at_once(live.state, step, plan)
        if isinstance(ending, inp.Ending):
            ended = inp.AttemptEnded(step.slot, step.attempts, step.generation, ending, self._noise())
            self._give(live, Given(ended, None))
        else:
            key = command.key
            task = self._spawn(self._follow(live, key, ending))
            task.add_done_callback(lambda _: close_unbegun(ending))
            live.attempts[key] = task

    async def _follow(self, live: Live, key: inp.AttemptKey, ending: Awaitable[Any]) -> None:
        outcome = await ending
        kept = outcome if isinstance(outcome, Kept) else None
        if kept is not None:
            outcome = kept.outcome
        if live.attempts.pop(key, None) is None:
            self._telemetry.refused(live.state.workflow_id, "the attempt had been given up")
            if kept is not None:
                kept.release(is_written=False)
        else:
            self._give(live, Given(inp.AttemptEnded(*key, outcome, self._noise()), None, kept))

    def _noise(self) -> float:
        return 2 * self._rng.random() - 1

    async def _compute_output(self, live: Live) -> None:
        life = live.state.retries
        computed = await self._performer.compute_output(live.state, live.workflow)
        self.tell(live, computed._replace(life=life))

    def _send(self, live: Live, errand: Any) -> None:
        """Have something worked out for the execution, which stays in memory meanwhile: what comes of it must not
        come to a state that others have moved on from."""
        live.errands += 1
        self._spawn(errand).add_done_callback(lambda _: self._errand_done(live))

    def _errand_done(self, live: Live) -> None:
        live.errands -= 1
        if live.state.is_terminal:
            self._rest(live)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    # -- time -------------------------------------------------------------------------------------------------

    def _arm(self, live: Live) -> None:
        wake = None if self.holding else next_wake(live.state)
        if live.timer is not None:
            if live.timer_at == wake:
                return
            self._disarm(live)
        if wake is not None:
            delay = min(max(0, wake - self._clock.now()) / 1000, LONGEST_TIMER_S)
            live.timer_at = wake
            live.timer = self._loop.call_later(delay, self._ring, live)

    def _disarm(self, live: Live) -> None:
        if live.timer is not None:
            live.timer.cancel()
        live.timer = live.timer_at = None

    def _ring(self, live: Live) -> None:
        live.timer = live.timer_at = None
        wake = next_wake(live.state)
        if wake is not None and wake <= self._clock.now():
            self.tell(live, inp.TimeCame())
        else:
            self._arm(live)  # the wall clock is behind, or the instant lay beyond the longest timer

    # -- failure ----------------------------------------------------------------------------------------------

    def _commit_failed(self, work: list[Work], error: BaseException) -> None:
        self.trouble = str(error)
        self._failures += 1
        log.warning("commit_failed", error=str(error), executions=len(work))
        for item in work:
            live = item.live
            live.busy = False
            live.broken = True
            live.settle_readers()
            for given in item.given:
                if given.answer is not None and not given.answer.done():
                    given.answer.set_exception(_for_caller(error))
            kept = [given for given in item.given if given.answer is None]
            live.inbox[:0] = kept
            self._disarm(live)
            if not isinstance(error, asyncio.CancelledError):
                self._spawn(self._mend(item))

    async def _mend(self, work: Work) -> None:
        """Read the journal until it answers, then go on from what it says."""
        live = work.live
        while True:
            # What failed a moment ago is likely to fail again: let the store recover first.
            await asyncio.sleep(self._backoff_s())
            try:
                row = await self._store.find_execution(live.execution_id)
                records = [] if row is None else await read_whole(self._store, row.key)
                break
            except UnreadableRecord:
                log.exception("execution_unreadable", execution=live.execution_id)
                self._set_aside(live, [])
                return
            except StoreError as error:
                self._failures += 1
                log.warning("journal_unreadable", execution=live.execution_id, error=str(error))
        if row is None or row.key != live.key:
            self._give_up_on(live)
            return
        try:
            self._take_from_journal(live, row, records)
            if work.posts and live.state.seq >= work.seq:
                self._on_posts(work.posts)  # the commit took effect though its answer was lost
        except Exception:  # its journal makes no sense to us
            log.exception("execution_unreadable", execution=live.execution_id)
            self._set_aside(live, [])

    def _backoff_s(self) -> float:
        """Seconds to wait after the last failures, spread so that not all come back at once."""
        longest: int = self._settings.first_backoff << min(self._failures, 20)
        return min(longest, self._settings.max_backoff) / 1000 * self._rng.uniform(0.5, 1)

    def _give_up_on(self, live: Live) -> None:
        """The execution never came into being: its start was answered with the error."""
        if self.live.get(live.execution_id) is live:
            del self.live[live.execution_id]
        for waiter in live.waiters:
            if not waiter.future.done():
                waiter.future.set_exception(StoreUnavailable("the execution could not be written"))

    def _take_from_journal(self, live: Live, row: StoredExecution, records: Sequence[bytes]) -> None:
        live.state = fold(live.workflow.graph, records)
        live.size = sum(map(len, records))
        live.is_new = False
        live.broken = False
        live.wake_at, live.status = row.wake_at, row.status
        self.queueing.committed(live)  # as far as the commit took effect though its answer was lost
        if live.is_taken_up:
            self._go_on(live)
        else:
            self.adopt(live)  # what it says to be running, another process began
        self._on_records(live)
        self._on_messages()  # the commit may have brought some though its answer was lost

    def _go_on(self, live: Live) -> None:
        self._drop_overtaken_attempts(live)
        reported = live.reported()
        for lost in lost_attempts(live.state):
            key = lost.key
            if key not in live.attempts and key not in reported:
                self._carry_out(live, RunAttempt(*key))  # written as started, but never begun
        for command in pending_commands(live.state):
            self._carry_out(live, command)
        self.tell(live, inp.TimeCame())

    def _drop_overtaken_attempts(self, live: Live) -> None:
        for key, task in list(live.attempts.items()):
            step = live.state.steps[key[0]]
            if not step.acting or (step.attempts, step.generation) != key[1:]:
                del live.attempts[key]
                task.cancel()

    def _set_aside(self, live: Live, given: list[Given]) -> None:
        """Let an execution that our own fault has made undecidable leave memory, its state being worth nothing. A
        person who asks something of it, or a restart, takes it up again from its journal; time does not."""
        live.broken = live.is_aside = True
        self.aside.add(live.execution_id)
        self._disarm(live)
        for task in live.attempts.values():
            task.cancel()
        live.attempts.clear()
        if self.live.get(live.execution_id) is live:
            del self.live[live.execution_id]
        _release([*given, *live.inbox], is_written=False)
        for item in [*given, *live.inbox]:
            self._refuse_aside(item.answer)
        for waiter in live.waiters:
            self._refuse_aside(waiter.future)
        live.settle_readers()

    def _refuse_aside(self, answer: asyncio.Future[Any] | None) -> None:
        if answer is not None and not answer.done():
            answer.set_exception(RuntimeError("the execution could not be decided; see the server's log"))

    # -- leaving ----------------------------------------------------------------------------------------------

    async def _relieve(self) -> None:
        """Where many are in memory, those that only wait do not stay for a while first. Looking for them takes a
        tenth of the time at most, however many there are."""
        try:
            began = time.perf_counter()
            leaving = self._leaving(at_once=True)
            spent = time.perf_counter() - began
            await self._let_leave(leaving)
        finally:
            self._relief_due = self._loop.time() + max(RELIEF_S, 10 * spent)

    async def sweep(self) -> None:
        """Let executions that have had nothing running for a while leave memory."""
        for live in [live for live in self.live.values() if live.state.is_terminal]:
            self._rest(live)
        self._telemetry.live(len(self.live))
        await self._let_leave(self._leaving(at_once=False))

    def _leaving(self, *, at_once: bool) -> list[Live]:
        now, loop_now = self._clock.now(), self._loop.time()
        return [live for live in self.live.values() if self._may_leave(live, now, loop_now, at_once=at_once)]

    async def _let_leave(self, leaving: list[Live]) -> None:
        """Write the rows of these and forget them, unless something comes meanwhile."""
        if not leaving:
            return
        now = self._clock.now()
        changes = [self._resting_row(live, now) for live in leaving]
        for live in leaving:
            live.busy = True  # what comes meanwhile waits: two writes of one row must not overtake each other
        kept = False
        try:
            await self._store.commit(Batch([], [], changes, []))
            kept = True
        except StoreError as error:
            log.warning("sweep_failed", error=str(error))
        except Exception:  # a mistake of ours must not leave executions waiting for ever for this commit
            log.exception("sweep_broken")
        for live in leaving:
            live.busy = False
            live.settle_readers()
            if kept and live.is_quiet:
                self._disarm(live)
                del self.live[live.execution_id]
                self._on_parked(live.wake_at or NEVER)
            else:
                self._rest(live)
                self._schedule_pump()

    def _may_leave(self, live: Live, now: int, loop_now: float, *, at_once: bool) -> bool:
        if not live.is_quiet or not is_parked(live.state) or live.is_new:
            return False
        wake = next_wake(live.state)
        is_near = wake is not None and wake - now < self._settings.horizon
        if at_once or is_near:
            return not is_near
        if live.idle_since is None:
            live.idle_since = loop_now
            return False
        return loop_now - live.idle_since >= self._settings.idle / 1000

    def _resting_row(self, live: Live, now: int) -> SummaryChange:
        live.wake_at = self._stored_wake(live.state)
        return changed_row(live, now, live.wake_at, is_resting=True)

    def release_waiters(self) -> None:
        """Let everybody who waits for an execution go, as if their time were up."""
        for live in self.live.values():
            for waiter in live.waiters:
                waiter.release()

    def hold(self) -> None:
        """From now on record what happens and start nothing."""
        self.holding = True

    async def drain(self) -> None:
        """Give running attempts the grace period, give up the rest, and see everything they said onto the disk."""
        running = [task for live in self.live.values() for task in live.attempts.values()]
        if running and self._settings.grace:
            log.info("waiting_for_attempts", attempts=len(running), at_most_ms=self._settings.grace)
            await asyncio.wait(running, timeout=self._settings.grace / 1000)
        await self._flush()
        for live in list(self.live.values()):
            self._interrupt(live)
        await self._flush()

    async def _flush(self) -> None:
        """Until everything given is written, or the store has had time enough."""
        try:
            async with asyncio.timeout(self._settings.flush / 1000):
                while self._ready or self._in_flight:
                    self._schedule_pump()
                    await asyncio.sleep(0.001)
        except TimeoutError:
            log.warning("stopped_before_all_was_written", executions=len(self._ready), error=self.trouble)

    def _interrupt(self, live: Live) -> None:
        """What still runs is given up; what finished but is not written yet stands in the inbox already. Whoever takes
        the execution up next counts what could not be said here as lost."""
        reported = live.reported()
        for key, task in list(live.attempts.items()):
            task.cancel()
            del live.attempts[key]
        if live.broken or live.busy:
            return
        for lost in lost_attempts(live.state, counted=False):
            if lost.key not in reported:
                self.tell(live, lost)

    async def close(self) -> None:
        """Stop everything that is still under way."""
        self._is_closed = True
        for live in self.live.values():
            self._disarm(live)
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            _, deaf = await asyncio.wait(tasks, timeout=self._settings.flush / 1000)
            if deaf:  # code of users that catches being cancelled; nothing it does is heard any more
                log.warning("attempts_left_behind", attempts=len(deaf))

    async def wait(self, live: Live, timeout_ms: int, until_step: str | None) -> None:
        """Until the execution (or the step) has ended, or the time is up."""
        try:
            await live.wait(timeout_ms, until_step)
        finally:
            self._rest(live)


def _kept_items(given: Sequence[Given], decision: Decision) -> list[Item]:
    """What the commit writes of results that later executions may take."""
    items = []
    for item in given:
        if item.kept is None:
            continue
        if any(refusal.given is item.input for refusal in decision.refused):
            item.kept.release(is_written=False)  # the attempt had been given up
        elif item.kept.item is not None:
            items.append(item.kept.item)
    return items


def _release(given: Sequence[Given], *, is_written: bool) -> None:
    """Let those who wait for results of these attempts go on."""
    for item in given:
        if item.kept is not None:
            item.kept.release(is_written=is_written)


def _for_caller(error: BaseException) -> BaseException:
    if isinstance(error, TenutoError):
        return error
    return StoreUnavailable("the server is stopping")
