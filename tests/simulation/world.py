"""One simulated world: real node, real core, real codec; simulated time, disk, executors, receivers and people.

Everything that happens is drawn from one seed. A world first lives through its faults, crashes and restarts, then is
left in peace, and must come to rest with every promise kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from tenuto.core.inputs import Complete
from tenuto.core.state import State
from tenuto.core.view import document
from tenuto.errors import StoreError
from tenuto.journal.fold import fold
from tenuto.ports.store import OutboxMessage, WorkflowVersion
from tenuto.ports.telemetry import Silent
from tenuto.runtime import driver
from tenuto.runtime.children import HostChildren
from tenuto.runtime.large_results import INLINE_LIMIT, encode_record
from tenuto.runtime.node import Node
from tenuto.runtime.outbox import DeliveryResult, OutboxSender
from tenuto.runtime.settings import NodeSettings
from tenuto.stores.memory import MemoryStore
from tests.simulation import loop as simulated
from tests.simulation import rest
from tests.simulation.broken import Broken
from tests.simulation.disk import Disk, Faults
from tests.simulation.executors import Cast
from tests.simulation.people import REFUSED, People
from tests.simulation.stories import random_stories
from tests.simulation.swap import swapped
from tests.simulation.witness import Witness

EPOCH = 1_700_000_000_000
IDLE_S = 120
PATIENCE_S = 200_000.0
"""Simulated seconds that a world may need to come to rest: the longest delays there are, many times over."""

LINGERS_S = 60
AGAIN_S = 20
"""Simulated seconds after which what is idle has left memory."""


class SimulatedClock:
    """A wall clock that somebody sets forward and back."""

    def __init__(self) -> None:
        self.offset = 0

    def now(self) -> int:
        return EPOCH + self.offset + int(asyncio.get_running_loop().time() * 1000)


class World:
    """One seed's world."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.clock = SimulatedClock()
        self.inner = MemoryStore()
        is_large = rng.random() < 0.1
        self.inline_limit = 300 if is_large else INLINE_LIMIT
        self.at_once = rng.choice((250, 250, 3))
        self.stories = random_stories(rng, padding=400 if is_large else 0)
        self.witness = Witness(self.stories)
        self.people = People(self, rng, self.new_id)
        self.taken: dict[int, list[str]] = {}
        self.crashed = asyncio.Event()
        self.disk: Disk | None = None
        self.node: Node | None = None
        self.peace = False
        self.crashes = 0
        self.broken: Broken | None = None
        rough = rng.random() < 0.8
        self.faults = Faults(
            slow=rng.choice([0.0, 0.01, 2.0]),
            commit_refused=rng.choice([0, 0.05, 0.3]) if rough else 0,
            answer_lost=rng.choice([0, 0.05, 0.2]) if rough else 0,
            crash_before=rng.choice([0, 0.02, 0.1]) if rough else 0,
            crash_after=rng.choice([0, 0.02, 0.1]) if rough else 0,
            read_refused=rng.choice([0, 0, 0.1]) if rough else 0,
        )

    def now(self) -> int:
        return self.clock.now()

    def jump(self, ms: int) -> None:
        self.clock.offset += ms

    def new_id(self) -> str:
        return f"exec-{self.rng.getrandbits(64):016x}"

    # -- one life of the process ------------------------------------------------------------------------------

    async def boot(self) -> None:
        """Start the process: a new node on the disk as it is. Raises StoreError where it cannot be read."""
        self.crashed.clear()
        self.witness.booted()
        faults = Faults(slow=0.01) if self.peace else self.faults
        self.disk = Disk(self.inner, self, self.rng, faults)
        children = HostChildren()
        cast = Cast(self, self.rng, children)
        outbox = OutboxSender(self.disk, self.clock, self.deliver, rng=self.rng)
        node = Node(
            store=self.disk,
            clock=self.clock,
            scripts=cast.engine,
            outbox=outbox,
            find_action=cast.find,
            known_actions=lambda: ["scripted"],
            telemetry=Silent(),
            settings=NodeSettings(
                grace=self.rng.choice([0, 500, 30_000]), idle=1_000, horizon=3_000, batch=3
            ),
            rng=self.rng,
            new_id=self.new_id,
        )
        children.host = node
        await node.open()
        self.node = node

    def crash(self) -> None:
        self.crashes += 1
        self.crashed.set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """What somebody objects to ends the world, wherever the program would have put the exception."""
        try:
            yield
        except Broken as broken:
            self.broken = self.broken or broken
            self.crashed.set()
            raise

    async def bury(self) -> None:
        """The process is gone: nothing it still meant to do happens."""
        if self.disk is not None:
            self.disk.is_dead = True
        if self.broken is not None:
            raise self.broken
        me = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, simulated.SimulatedLoop)
        idle_turns = 0
        while idle_turns < 3:  # a callback that is scheduled already may still make a task
            doomed = sorted((task for task in asyncio.all_tasks() if task is not me), key=_age)
            for task in doomed:
                task.cancel()
            loop.drop_timers()
            await asyncio.sleep(0)
            idle_turns = 0 if doomed else idle_turns + 1
        self.node = None

    async def deliver(self, message: OutboxMessage) -> DeliveryResult:
        """A receiver: slow, and away at times."""
        await asyncio.sleep(self.rng.random())
        if not self.peace and self.rng.random() < 0.3:
            return DeliveryResult("again", "simulated: 503")
        with self.watching():
            self.witness.delivered(message, self.taken)
        return DeliveryResult("sent")

    def call_back(self, execution_id: str, given: Complete) -> None:
        """Somebody calls back, perhaps before the step waits for it."""
        asyncio.ensure_future(self._call_back(execution_id, given))  # noqa: RUF006 - buried with the process

    async def _call_back(self, execution_id: str, given: Complete) -> None:
        await asyncio.sleep(self.rng.choice([0, 0.5, 10]))
        if self.node is not None:
            with contextlib.suppress(StoreError, *REFUSED):
                await self.node.act(execution_id, given)

    # -- what must hold ---------------------------------------------------------------------------------------

    def check_shown(self, execution_id: str, state: State) -> None:
        """What is served is what the journal says."""
        books = self.witness.by_id[execution_id]
        shown = document(state, 0)
        folded = document(fold(state.graph, books.records[: state.seq]), 0)
        if shown != folded:
            raise Broken(f"{execution_id}: served {shown}, the journal says {folded}")

    async def check_rest(self) -> None:
        assert self.node is not None
        for books in self.witness.by_id.values():
            state = await self.node.read(books.execution_id)
            self.check_shown(books.execution_id, state)
            row = await self.inner.find_execution(books.execution_id)
            assert row is not None
            rest.check_end(books, state, row)
            rest.check_by_model(books, state)
        for key, books in self.witness.books.items():
            rest.check_webhooks(books, self.witness.messages.get(key, []), self.taken.get(key, []))

    # -- the whole story --------------------------------------------------------------------------------------

    async def live(self) -> None:
        await self.inner.open()
        for workflow_id, story in self.stories.items():
            encoded = msgspec.json.encode(story.served)
            await self.inner.put_workflow(
                WorkflowVersion(
                    workflow_id=workflow_id, version=0, digest=workflow_id, definition=encoded, created_at=0
                )
            )
            for _ in range(self.rng.randint(1, 2)):
                self.people.wish(workflow_id)
        lives = self.rng.randint(1, 4)
        for life in range(lives):
            goes_on = life == lives - 1 and self.rng.random() < 0.5
            await self._one_life(goes_on=goes_on)
        self.peace = True
        await self._last_life()

    async def _one_life(self, *, goes_on: bool) -> None:
        """Boot, let people do what they do, and crash or stop in the middle of it; or (`goes_on`) let only the faults end."""
        length = self.rng.random() * self.rng.choice([0.1, 5, 100])
        people = asyncio.ensure_future(self._come_and_go())
        died = asyncio.ensure_future(self.crashed.wait())
        try:
            async with asyncio.timeout(length):
                await asyncio.wait([people, died], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        if people.done() and not people.cancelled():
            people.result()
        if goes_on and not self.crashed.is_set() and self.node is not None and self.disk is not None:
            self.disk.faults = Faults(slow=0.01)
            for task in (people, died):
                task.cancel()
            return
        if not self.crashed.is_set() and self.node is not None and self.rng.random() < 0.5:
            people.cancel()
            closing = asyncio.ensure_future(self.node.close())
            await asyncio.wait([closing, died], return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                closing.result()
        for task in (people, died):
            task.cancel()
        await self.bury()
        await asyncio.sleep(self.rng.random() * 10)

    async def _come_and_go(self) -> None:
        """Boot, and let everybody ask for what they want."""
        try:
            await self.boot()
        except StoreError:  # a server that cannot read its store does not start
            self.crashed.set()
            return
        async with asyncio.TaskGroup() as group:
            for execution_id in self.people.wishes:
                if execution_id not in self.people.acknowledged:
                    group.create_task(self.people.start(execution_id))
            group.create_task(self.people.meddle())

    async def _last_life(self) -> None:
        """No more faults: everything asked for must come to its end, with nobody looking."""
        if self.node is None:
            await self.boot()
        node = self.node
        assert node is not None
        for execution_id in self.people.wishes:
            await self.people.start(execution_id)
        await asyncio.sleep(LINGERS_S)  # what people asked for before may still be on its way
        await self._check_memory(node)
        helping = asyncio.ensure_future(self.people.help())
        await self._must_end()
        if self.rng.random() < 0.4 and await self.people.retry_some(node):
            await self._must_end()
        helping.cancel()
        await self._comes(lambda: all(self._is_all_taken(key) for key in self.witness.messages))
        await self.check_rest()
        await self._check_idle(node)
        await node.close()
        await self.bury()

    async def _check_memory(self, node: Node) -> None:
        """What is idle leaves memory; what was told something a moment ago has some seconds for it."""
        seen = self._idle_in_memory(node)
        if seen:
            await asyncio.sleep(AGAIN_S)
            if stay := seen & self._idle_in_memory(node):
                raise Broken(f"{sorted(stay)} are idle and stay in memory")

    def _idle_in_memory(self, node: Node) -> set[str]:
        now_s = asyncio.get_running_loop().time()
        return rest.idle_in_memory(self.witness.by_id, set(node._driver.live), self.clock.now(), now_s)

    async def _must_end(self) -> None:
        if not await self._comes(self._has_all_ended):
            raise Broken(f"never ended: {rest.still_open(self.witness.by_id)}")

    def _has_all_ended(self) -> bool:
        return all(books.ended is not None for books in self.witness.by_id.values())

    async def _check_idle(self, node: Node) -> None:
        """Idle costs nothing: the store is asked once a second at most, and no ended execution stays in memory."""
        assert self.disk is not None
        await asyncio.sleep(IDLE_S / 4)
        before = self.disk.reads
        await asyncio.sleep(IDLE_S)
        if self.disk.reads - before > IDLE_S:
            raise Broken(f"{self.disk.reads - before} reads in {IDLE_S} idle seconds")
        if node._driver.live:
            raise Broken(f"{list(node._driver.live)} ended and stayed in memory")
        if uses := list(node._driver.queueing.admission.uses()):
            raise Broken(f"everything has ended, and slots are used: {uses}")

    async def _comes(self, what: Callable[[], bool]) -> bool:
        """Whether it comes true with time alone."""
        for _ in range(int(PATIENCE_S / 40)):
            if self.broken is not None:
                raise self.broken
            if what():
                return True
            await asyncio.sleep(10)
        return False

    def _is_all_taken(self, key: int) -> bool:
        return set(self.witness.messages[key]) <= set(self.taken.get(key, []))


def _age(task: asyncio.Task[Any]) -> int:
    """Tasks by when they were made: sets of them have another order each time."""
    return int(task.get_name().rpartition("-")[2])


def simulate(seed: int) -> World:
    """Live through one seed. Raises Broken (or whatever else went wrong)."""
    worlds: list[World] = []

    async def main() -> None:
        world = World(seed)
        worlds.append(world)
        encode = partial(encode_record, inline_limit=world.inline_limit)
        with swapped(driver, "encode_record", encode), swapped(driver, "AT_ONCE", world.at_once):
            await world.live()

    simulated.run(main, longest_s=PATIENCE_S)
    return worlds[0]
