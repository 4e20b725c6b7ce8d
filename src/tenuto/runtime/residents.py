"""Who is in memory: executions are brought in from their journals, looked at without being brought in, and, once they
have ended, remembered for a while for those who read them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog

from tenuto.core.state import State
from tenuto.errors import NotFound, StoreUnavailable
from tenuto.journal.fold import fold
from tenuto.ports.store import Store, StoredExecution
from tenuto.runtime.catalog import Catalog
from tenuto.runtime.driver import Driver
from tenuto.runtime.large_results import read_whole
from tenuto.runtime.live import Live

log = structlog.get_logger(__name__)

LEFT_S = 1.0
LARGEST_REMEMBERED = 64 * 1024
"""Ended executions with journals of more bytes than this are folded anew when somebody reads them."""


class Residents:
    """Brings executions to the driver. At most `most_remembered` ended ones are remembered."""

    def __init__(self, store: Store, catalog: Catalog, driver: Driver, most_remembered: int) -> None:
        self._store = store
        self._catalog = catalog
        self._driver = driver
        self._most_remembered = most_remembered
        self.remembered: OrderedDict[str, State] = OrderedDict()
        self.loading: dict[tuple[str, bool], asyncio.Future[Live | None]] = {}
        self._taken_up = 0
        self._left: list[StoredExecution] = []
        self._unreadable: set[str] = set()

    async def recover(self) -> None:
        """Take up all that needs attention when a process begins."""
        after = 0
        while True:
            rows = await self._store.unfinished(after)
            for row in rows:
                await self.take_up(row)
                after = row.key
            if not rows:
                return

    async def read_stored(self, execution_id: str) -> State:
        """The state as the journal has it. Raises NotFound."""
        remembered = self.remembered.get(execution_id)
        if remembered is not None:
            return remembered
        taken_up = self._taken_up
        row = await self.find_row(execution_id)
        workflow = await self._catalog.get(row.workflow_id, row.version)
        records = await read_whole(self._store, row.key)
        state = fold(workflow.graph, records)
        is_driven = execution_id in self._driver.live  # and may have gone on where a commit's answer was lost
        if state.is_terminal and not is_driven and taken_up == self._taken_up:
            self.remember(state, sum(map(len, records)))
        return state

    async def find_row(self, execution_id: str) -> StoredExecution:
        """The store's row. Raises NotFound."""
        row = await self._store.find_execution(execution_id)
        if row is None:
            raise NotFound(f"there is no execution {execution_id!r}")
        return row

    def remember(self, state: State, size: int) -> None:
        """Keep an ended execution, whose journal has that many bytes, for those who read it soon."""
        self.remembered.pop(state.execution_id, None)  # whatever was kept of it is older
        if size <= LARGEST_REMEMBERED:
            self.remembered[state.execution_id] = state
            if len(self.remembered) > self._most_remembered:
                self.remembered.popitem(last=False)

    async def take_up(self, row: StoredExecution) -> None:
        """Bring an execution into memory; one that cannot be, for now or for good, is left and keeps no other."""
        driver = self._driver
        if any(row.execution_id in those for those in (driver.live, driver.aside, self._unreadable)):
            return
        try:
            await self.load(row.execution_id)
        except StoreUnavailable as error:
            log.warning("execution_not_taken_up", execution=row.execution_id, error=str(error))
            if row.wake_at is None:  # no instant will bring it back
                self._left.append(row)
        except Exception:  # what is stored of it makes no sense to us; a person may ask for it and be told
            log.exception("execution_unreadable", execution=row.execution_id)
            self._unreadable.add(row.execution_id)

    async def take_up_left(self) -> None:
        """Go back to what could not be read when the node opened."""
        while self._left:
            await asyncio.sleep(LEFT_S)
            left, self._left = self._left, []
            for row in left:
                await self.take_up(row)

    async def load(self, execution_id: str, *, ended_too: bool = False) -> Live | None:
        """The execution in memory; None if it has ended (unless those are wanted too). Raises NotFound."""
        live = self._driver.live.get(execution_id)
        if live is not None:
            return live
        name = (execution_id, ended_too)
        loading = self.loading.get(name)
        if loading is None:
            loading = asyncio.ensure_future(self._load_stored(execution_id, ended_too=ended_too))
            self.loading[name] = loading
            loading.add_done_callback(lambda done: self._loaded(name, done))
        return await asyncio.shield(loading)

    def _loaded(self, name: tuple[str, bool], done: asyncio.Future[Live | None]) -> None:
        del self.loading[name]
        if not done.cancelled():
            done.exception()  # everybody who waited may have gone; then nobody else looks at it

    async def _load_stored(self, execution_id: str, *, ended_too: bool) -> Live | None:
        row = await self.find_row(execution_id)
        if row.end_time is not None and not ended_too:
            return None
        live = await self.fold_stored(row)
        if execution_id not in self._driver.live:
            self._driver.adopt(live)
        return live

    async def fold_stored(self, row: StoredExecution) -> Live:
        """The execution as its journal has it, not taken up yet (unless somebody else did meanwhile)."""
        workflow = await self._catalog.get(row.workflow_id, row.version)
        records = await read_whole(self._store, row.key)
        taken_up_meanwhile = self._driver.live.get(row.execution_id)
        if taken_up_meanwhile is not None:
            return taken_up_meanwhile
        state = fold(workflow.graph, records)
        live = Live(row.key, row.execution_id, workflow, state)
        live.size = sum(map(len, records))
        live.wake_at = row.wake_at
        self.forget(row.execution_id)
        return live

    def forget(self, execution_id: str) -> None:
        """What is remembered, or being read to be remembered, holds no longer."""
        self.remembered.pop(execution_id, None)
        self._taken_up += 1
