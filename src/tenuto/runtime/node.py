"""The local runtime as a Host: what the API, the command line and `Engine` ask of it, answered by the driver, the
catalog and the store. Here names become executions, and repeated starts are told from new ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import structlog

from tenuto.core import inputs as inp
from tenuto.core.state import State
from tenuto.core.validate import Warning_, check_start_context
from tenuto.core.view import brief
from tenuto.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Overloaded,
    StoreError,
    TenutoError,
)
from tenuto.journal.codec import decode_plain
from tenuto.ports.clock import Clock
from tenuto.ports.host import JournalEntry, Registration, Rerun, Started, StartRequest, Who
from tenuto.ports.script import ScriptEngine
from tenuto.ports.store import Batch, ExecutionQuery, OutboxMessage, Store, StoredExecution, WorkflowVersion
from tenuto.ports.telemetry import Telemetry
from tenuto.runtime.attempts import Performer
from tenuto.runtime.callbacks import Callbacks, load_key
from tenuto.runtime.catalog import Catalog
from tenuto.runtime.driver import Driver
from tenuto.runtime.inbox import Inbox
from tenuto.runtime.large_results import whole_records
from tenuto.runtime.limits import Limits
from tenuto.runtime.live import Live, Start
from tenuto.runtime.outbox import OutboxSender
from tenuto.runtime.rehearsal.local import LocalRehearsals
from tenuto.runtime.reruns import rerun_of
from tenuto.runtime.residents import Residents
from tenuto.runtime.result_cache import ResultCache
from tenuto.runtime.settings import NodeSettings
from tenuto.runtime.sleeper import Sleeper
from tenuto.runtime.variables import Variables
from tenuto.runtime.verbs import check_form, check_result, check_signal, fitting
from tenuto.runtime.workflow import FindAction

log = structlog.get_logger(__name__)

SWEEP_S = 5.0
PURGE_S = 60.0
KEYS_AT_ONCE = 1_024
WHOLE_JOURNAL = 10_000_000


class Node:
    """Drives executions on this machine. Made inside a running event loop; `open` before use, `close` after."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        scripts: ScriptEngine,
        outbox: OutboxSender,
        find_action: FindAction,
        known_actions: Callable[[], list[str]],
        telemetry: Telemetry,
        settings: NodeSettings,
        rng: random.Random,
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._outbox = outbox
        self._known_actions = known_actions
        self._new_id = new_id
        self._catalog = Catalog(store, clock, scripts, find_action, known_actions)
        self._inbox = Inbox(store, self._give)
        self.variables = Variables(store)
        self.rehearsals = LocalRehearsals(self._catalog, scripts, find_action, lambda: self.variables.values)
        self._performer = Performer(
            clock, scripts, variables=lambda: self.variables.values, cache=ResultCache(store)
        )
        self._driver = Driver(
            store=store,
            clock=clock,
            performer=self._performer,
            telemetry=telemetry,
            settings=settings,
            rng=rng,
            on_messages=outbox.notify,
            on_parked=self._parked,
            on_ended=self._ended,
            on_records=self._recorded,
            on_posts=self._inbox.put,
            cancel_other=self._cancel_for_another,
        )
        self._residents = Residents(store, self._catalog, self._driver, settings.remembered)
        self.limits = Limits(store, self._driver.queueing.admission)
        self._callbacks: Callbacks | None = None
        self._sleeper = Sleeper(store, clock, settings, self._residents.take_up)
        self._keys = iter(range(0))
        self._starting: dict[tuple[str, str | None], asyncio.Event] = {}
        self._followers: dict[str, list[asyncio.Event]] = defaultdict(list)
        self._is_stopping = False
        self._background: list[asyncio.Task[None]] = []

    # -- life -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take up what had not ended, and begin to serve time and webhooks. The store is open already."""
        await self.variables.open()
        await self.limits.open()
        self._callbacks = Callbacks(await load_key(self._store), self._settings.public_url)
        self._performer.callback_url = self._callbacks.url
        await self._inbox.load()
        await self._residents.recover()
        self._background = [
            asyncio.create_task(self._sleeper.watch()),
            asyncio.create_task(self._sweep()),
            asyncio.create_task(self._residents.take_up_left()),
            asyncio.create_task(self._outbox.run()),
            asyncio.create_task(self._inbox.run()),
            asyncio.create_task(self._purge()),
        ]

    @property
    def callbacks(self) -> Callbacks:
        """The URLs that steps give away, once the node is open."""
        assert self._callbacks is not None, "asked for once the node is open"
        return self._callbacks

    def stop_waiting(self) -> None:
        """Let everybody who waits for an execution or follows one go: the server is about to stop."""
        self._is_stopping = True
        self._driver.release_waiters()
        for news in [news for followers in self._followers.values() for news in followers]:
            news.set()

    async def close(self) -> None:
        """Stop: attempts get their grace period, everything they said is written, nothing new starts."""
        self.stop_waiting()
        self._driver.hold()
        await self._driver.drain()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._driver.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await self._driver.sweep()

    async def _purge(self) -> None:
        """Drop what has expired, now and then."""
        while True:
            await asyncio.sleep(PURGE_S)
            try:
                await self._store.commit(Batch([], [], [], [], purge_before=self._clock.now()))
            except StoreError as error:
                log.warning("purge_failed", error=str(error))

    async def ready(self) -> None:
        """Return when a start could be written now. Raises StoreUnavailable."""
        await self._store.ping()

    def actions(self) -> list[str]:
        """Names of the actions this process serves."""
        return self._known_actions()

    def actions_changed(self) -> None:
        """Compile workflows again on next use: an executor was registered."""
        self._catalog.forget_compiled()

    # -- workflows --------------------------------------------------------------------------------------------

    async def register(self, document: Any) -> Registration:
        """Check a definition as a whole and keep it as a version. Raises DefinitionInvalid."""
        return await self._catalog.register(document)

    async def validate(self, document: Any) -> list[Warning_]:
        """Check only. Raises DefinitionInvalid."""
        return (await self._catalog.check(document)).warnings

    async def list_workflows(self, q: str | None = None) -> list[WorkflowVersion]:
        """The newest version of each workflow."""
        return await self._store.list_workflows(q)

    async def get_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion:
        """That version, or the newest. Raises NotFound."""
        return await self._catalog.get_stored(workflow_id, version)

    async def list_versions(self, workflow_id: str) -> list[WorkflowVersion]:
        """All versions, oldest first. Raises NotFound."""
        versions = await self._store.list_versions(workflow_id)
        if not versions:
            raise NotFound(f"there is no workflow {workflow_id!r}")
        return versions

    async def archive_workflow(self, workflow_id: str) -> None:
        """Hide it from lists and from starts that name no version. Raises NotFound."""
        await self._catalog.archive(workflow_id)

    # -- starting ---------------------------------------------------------------------------------------------

    async def start(self, request: StartRequest) -> Started:
        """Start an execution; it is on disk when this returns. Raises NotFound, Invalid, Conflict, Overloaded,
        StoreUnavailable."""
        if len(self._driver.live) >= self._settings.max_live:
            raise Overloaded(f"{self._settings.max_live} executions are under way already")
        if request.execution_id is None and request.idempotency_key is None:
            return await self._start_new(request, None)
        return await self._start_once(request)

    async def _start_once(self, request: StartRequest) -> Started:
        """A start that may have been made before: one at a time under each name, compared by what it asks."""
        names = [("id", request.execution_id), ("key", request.idempotency_key)]
        while under_way := next((self._starting[name] for name in names if name in self._starting), None):
            await under_way.wait()
        done = asyncio.Event()
        self._starting.update((name, done) for name in names if name[1] is not None)
        starting = asyncio.ensure_future(self._start_unless_made(request))
        starting.add_done_callback(lambda ended: self._start_ended(names, done, ended))
        # The name is taken until the start has come to its end, even if the caller goes away meanwhile.
        return await asyncio.shield(starting)

    def _start_ended(
        self, names: list[tuple[str, str | None]], done: asyncio.Event, ended: asyncio.Future[Started]
    ) -> None:
        done.set()
        if not ended.cancelled():
            ended.exception()  # the caller may have gone; then nobody else looks at it
        for name in names:
            self._starting.pop(name, None)

    async def _start_unless_made(self, request: StartRequest) -> Started:
        digest = _digest(request)
        before = await self._find_before(request)
        if before is None:
            return await self._start_new(request, digest)
        if before.request_hash != digest:
            raise Conflict(
                "another request used this executionId or Idempotency-Key already, for execution "
                f"{before.execution_id!r}; a repeated request must be the same in every part"
            )
        return Started(before.execution_id, created=False)

    async def _find_before(self, request: StartRequest) -> StoredExecution | None:
        if request.idempotency_key is not None:
            found = await self._store.find_start(request.idempotency_key)
            if found is not None:
                return found
        if request.execution_id is not None:
            return await self._store.find_execution(request.execution_id)
        return None

    async def _start_new(self, request: StartRequest, digest: str | None) -> Started:
        workflow = self._catalog.find_at_hand(request.workflow_id, request.version)
        if workflow is None:
            workflow = await self._catalog.get(request.workflow_id, request.version)
        if request.context:
            problems = check_start_context(workflow.taken_keys, request.context)
            if problems:
                raise Invalid(problems)
        if workflow.input_schema is not None:
            misfits = workflow.input_schema.problems(request.context, ("context",))
            if misfits:
                raise Invalid(misfits)
        execution_id = request.execution_id or self._new_id()
        asked = Start(request.idempotency_key, digest)
        live = Live(self._next_key(), execution_id, workflow, State(workflow.graph), start=asked)
        tags = workflow.definition.tags | request.tags if request.tags else workflow.definition.tags
        first = inp.Start(
            execution_id,
            request.context,
            request.priority,
            tags,
            request.start_at,
            request.parent,
            request.fork_of,
            request.copied,
        )
        await self._driver.begin(live, first)
        return Started(execution_id, created=True)

    def _next_key(self) -> int:
        for key in self._keys:
            return key
        self._keys = iter(self._store.reserve_keys(KEYS_AT_ONCE))
        return next(self._keys)

    # -- reading ----------------------------------------------------------------------------------------------

    async def read(self, execution_id: str) -> State:
        """The state now, all of it on disk. Raises NotFound."""
        live = self._driver.live.get(execution_id)
        if live is not None and not live.is_new and await live.settle():
            return live.state
        return await self._residents.read_stored(execution_id)

    async def wait(self, execution_id: str, timeout_ms: int, until_step: str | None = None) -> State:
        """The state when the execution (or that step) has ended, or when the time is up. Raises NotFound."""
        live = self._driver.live.get(execution_id)
        if live is None:
            live = await self._residents.load(execution_id)
        if live is None:
            return await self.read(execution_id)
        if until_step is not None and until_step not in live.state.graph.index:
            raise NotFound(f"workflow {live.state.workflow_id!r} has no step {until_step!r}")
        await self._driver.wait(live, timeout_ms, until_step)
        if live.state.is_terminal and not live.busy and not live.broken:
            return live.state
        return await self.read(execution_id)

    async def list_executions(
        self, query: ExecutionQuery
    ) -> tuple[list[dict[str, Any]], tuple[int, int] | None]:
        """Documents without contexts and results, newest first, and where the next page starts."""
        rows = await self._store.list_executions(query)
        now = self._clock.now()
        after = (rows[-1].start_time, rows[-1].key) if len(rows) == query.limit else None
        return [self._brief(row, now) for row in rows], after

    def _brief(self, row: StoredExecution, now: int) -> dict[str, Any]:
        live = self._driver.live.get(row.execution_id)
        if live is not None and not live.busy and not live.broken:
            return brief(live.state, now)
        shown: dict[str, Any] = msgspec.json.decode(row.brief)
        shown["status"] = row.status
        return shown

    async def journal(self, execution_id: str, after_seq: int = 0, limit: int = 1000) -> list[JournalEntry]:
        """Decisions after that one. Raises NotFound."""
        row = await self._residents.find_row(execution_id)
        return await self._entries(row.key, after_seq, limit)

    async def _entries(self, key: int, after_seq: int, limit: int) -> list[JournalEntry]:
        records = await self._store.read_journal(key, after_seq, limit)
        whole = await whole_records(self._store, [record.data for record in records])
        return [
            JournalEntry(record.seq, *decode_plain(data)) for record, data in zip(records, whole, strict=True)
        ]

    async def follow(self, execution_id: str, after_seq: int = 0) -> AsyncIterator[JournalEntry]:
        """Decisions as they become durable, until the execution has ended. Raises NotFound."""
        row = await self._residents.find_row(execution_id)
        news = asyncio.Event()
        self._followers[execution_id].append(news)
        try:
            while True:
                news.clear()
                ended = (await self._residents.find_row(execution_id)).end_time is not None
                entries = await self._entries(row.key, after_seq, 1000)
                for entry in entries:
                    after_seq = entry.seq
                    yield entry
                if self._is_stopping or (ended and len(entries) < 1000):
                    return
                if not entries:
                    await news.wait()
        finally:
            self._followers[execution_id].remove(news)
            if not self._followers[execution_id]:
                del self._followers[execution_id]

    # -- control ----------------------------------------------------------------------------------------------

    async def cancel(self, execution_id: str, who: Who) -> State:
        """Give up what runs, start nothing more. Raises Conflict once it has ended."""
        return await self._control(execution_id, inp.Cancel(*who), "be cancelled")

    async def terminate(self, execution_id: str, who: Who) -> State:
        """End at once. Raises Conflict once it has ended. One that is not in memory is not taken up for it, so that an
        execution which a fault of ours has made undecidable can be ended all the same."""
        live = self._driver.live.get(execution_id)
        if live is None:
            row = await self._residents.find_row(execution_id)
            if row.end_time is not None:
                raise Conflict(f"execution {execution_id!r} cannot be terminated: it is {row.status}")
            live = await self._residents.fold_stored(row)
        return await self._ask(live, inp.Terminate(*who), "be terminated")

    async def pause(self, execution_id: str, who: Who) -> State:
        """Start nothing until resumed. Raises Conflict unless it runs."""
        return await self._control(execution_id, inp.Pause(*who), "be paused")

    async def resume(self, execution_id: str, who: Who) -> State:
        """Go on after a pause. Raises Conflict unless it is paused."""
        return await self._control(execution_id, inp.Resume(*who), "be resumed")

    async def retry(self, execution_id: str, who: Who) -> State:
        """Do the failed part again. Raises Conflict unless it has failed."""
        live = await self._residents.load(execution_id, ended_too=True)
        assert live is not None, "loading ended executions too finds every one there is"
        return await self._ask(live, inp.Retry(*who), "be retried")

    async def rerun(self, execution_id: str, wish: Rerun, who: Who) -> Started:
        """Start a new execution in which what came before the step is copied. Raises NotFound, Invalid."""
        state = await self.read(execution_id)
        workflow = await self._catalog.get(state.workflow_id, wish.version or state.version)
        journal = await self.journal(execution_id, limit=WHOLE_JOURNAL) if state.vars else []
        return await self.start(rerun_of(state, wish, workflow.graph, who, journal))

    async def signal(self, execution_id: str, given: inp.Signal) -> None:
        """Send it a message. Raises NotFound, Invalid, Conflict, Overloaded."""
        live = await self._residents.load(execution_id)
        if live is None:
            state = await self.read(execution_id)
            if given.key is not None and (given.name, given.key) in state.rare.signal_keys:
                return  # sent again because its answer was lost
            raise Conflict(f"execution {execution_id!r} takes no signals: it is {state.status}")
        check_signal(live.state.graph, given)
        await self._ask(live, given, f"take the signal {given.name!r}")

    async def act(
        self, execution_id: str, given: inp.Approve | inp.Complete | inp.SkipStep | inp.RetryStep
    ) -> State:
        """What a person or a callback says of one step. Raises NotFound, Invalid, Forbidden, Conflict."""
        live = await self._residents.load(execution_id, ended_too=True)
        assert live is not None, "loading ended executions too finds every one there is"
        if not live.state.knows_step(given.step):
            raise NotFound(f"workflow {live.state.workflow_id!r} has no step {given.step!r}")
        if isinstance(given, inp.Approve):
            check_form(live.state, given)
        elif isinstance(given, inp.Complete):
            check_result(live.workflow, live.state, given)
        return await self._ask(live, given, f"have step {given.step!r} {_DONE[type(given)]}")

    async def _give(self, execution_id: str, given: inp.Input) -> None:
        """What another execution says. Raises NotFound, Conflict, StoreError."""
        live = await self._residents.load(execution_id)
        if live is None:
            return
        if isinstance(given, inp.ChildEnded):
            given = fitting(live.workflow, live.state, given)
        await self._ask(live, given, "be told")

    def _cancel_for_another(self, execution_id: str, reason: str) -> None:
        self._inbox.put_now(execution_id, inp.Cancel(None, reason))

    async def _control(self, execution_id: str, given: inp.Input, verb: str) -> State:
        live = await self._residents.load(execution_id)
        if live is None:
            state = await self.read(execution_id)
            raise Conflict(f"execution {execution_id!r} cannot {verb}: it is {state.status}")
        return await self._ask(live, given, verb)

    async def _ask(self, live: Live, given: inp.Input, verb: str) -> State:
        self._residents.forget(
            live.execution_id
        )  # it may have ended a moment ago, and is about to move again
        refusal = await self._driver.ask(live, given)
        if refusal is not None:
            raise _REFUSED[refusal.kind](
                f"execution {live.state.execution_id!r} cannot {verb}: {refusal.why}"
            )
        if await live.settle():
            return live.state
        return await self._residents.read_stored(live.execution_id)

    # -- webhooks ---------------------------------------------------------------------------------------------

    async def dead_letters(self, after_id: int = 0, limit: int = 1000) -> list[OutboxMessage]:
        """Webhooks that were given up, oldest first."""
        return list(await self._store.outbox(dead=True, after_id=after_id, limit=limit))

    async def resend(self, message_id: int) -> None:
        """Make a dead webhook due again. Raises NotFound."""
        await self._outbox.resend(message_id)

    def _parked(self, wake_at: int) -> None:
        self._sleeper.parked(wake_at)

    def _ended(self, live: Live) -> None:
        self._residents.remember(live.state, live.size)

    def _recorded(self, live: Live) -> None:
        followers = self._followers.get(live.state.execution_id)
        if followers:
            for news in followers:
                news.set()


_REFUSED: dict[str, type[TenutoError]] = {
    "conflict": Conflict,
    "forbidden": Forbidden,
    "unknown": NotFound,
    "limit": Overloaded,
}
_DONE: dict[type[Any], str] = {
    inp.Approve: "approved or rejected",
    inp.Complete: "completed or failed",
    inp.SkipStep: "skipped",
    inp.RetryStep: "tried again",
}


def _digest(request: StartRequest) -> str:
    """What tells a repeated start from another: everything it asks for, whatever the order of keys."""
    asked: tuple[Any, ...] = (
        request.workflow_id,
        request.version,
        request.execution_id,
        request.context,
        request.priority,
        request.tags,
        request.start_at,
    )
    if request.fork_of is not None:
        asked += ((request.fork_of.execution_id, request.fork_of.from_step),)
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()
