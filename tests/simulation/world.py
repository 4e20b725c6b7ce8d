"""One simulated world: real node, real core, real codec; simulated time, disk, executors, receivers and people.

Everything that happens is drawn from one seed. A world first lives through its faults, crashes and restarts, then is
left in peace, and must come to rest with every promise kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tenuto.actions.decision import Decision
from tenuto.core.events import StepError
from tenuto.core.graph import Node as StepNode
from tenuto.core.inputs import Failed, Succeeded, Waiting
from tenuto.core.state import State
from tenuto.core.view import document
from tenuto.errors import Conflict, NotFound, Overloaded, StoreError, StoreUnavailable
from tenuto.journal.fold import fold
from tenuto.ports.action import Action, ActionRequest
from tenuto.ports.host import StartRequest, Who
from tenuto.ports.script import Script
from tenuto.ports.store import OutboxMessage, WorkflowVersion
from tenuto.ports.telemetry import Silent
from tenuto.runtime.node import Node
from tenuto.runtime.outbox import DeliveryResult, OutboxSender
from tenuto.runtime.settings import NodeSettings
from tenuto.scripting.params import compile_expression
from tenuto.stores.memory import MemoryStore
from tests.model import rules
from tests.model.generate import Case, Shape, random_case
from tests.simulation import loop as simulated
from tests.simulation.disk import Disk, Faults
from tests.simulation.witness import Books, Broken, Witness

EPOCH = 1_700_000_000_000
STEPS = Shape(most_steps=9, stops=("continue", "continue", "continue", "drain", "cancel"))
IDLE_S = 120
PATIENCE_S = 200_000.0
"""Simulated seconds that a world may need to come to rest: the longest delays there are, many times over."""


class SimulatedClock:
    """A wall clock that somebody sets forward and back."""

    def __init__(self) -> None:
        self.offset = 0

    def now(self) -> int:
        return EPOCH + self.offset + int(asyncio.get_running_loop().time() * 1000)


class PathEngine:
    """Scripts that are plain paths, which is all that generated workflows need."""

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0)
        return compile_expression(script.source).evaluate_plain(scope)

    async def check(self, script: Script) -> str | None:
        return None

    async def close(self) -> None:
        pass


class World:
    """One seed's world."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = SimulatedClock()
        self.witness = Witness()
        self.inner = MemoryStore()
        self.cases = {f"w{i}": random_case(self.rng, STEPS) for i in range(self.rng.randint(1, 3))}
        self.acknowledged: dict[str, str] = {}
        self.controlled: set[str] = set()
        self.taken: dict[int, list[str]] = {}
        self.crashed = asyncio.Event()
        self.disk: Disk | None = None
        self.node: Node | None = None
        self.peace = False
        self.crashes = 0
        self.lives = 0  # still to come before peace
        self.broken: Broken | None = None
        rng = self.rng
        rough = rng.random() < 0.8
        self.faults = Faults(
            slow=rng.choice([0.0, 0.01, 2.0]),
            commit_refused=rng.choice([0, 0.05, 0.3]) if rough else 0,
            answer_lost=rng.choice([0, 0.05, 0.2]) if rough else 0,
            crash_before=rng.choice([0, 0.02, 0.1]) if rough else 0,
            crash_after=rng.choice([0, 0.02, 0.1]) if rough else 0,
            read_refused=rng.choice([0, 0, 0.1]) if rough else 0,
        )

    # -- one life of the process ------------------------------------------------------------------------------

    async def boot(self) -> None:
        """Start the process: a new node on the disk as it is."""
        self.crashed.clear()
        faults = Faults(slow=0.01) if self.peace else self.faults
        self.disk = Disk(self.inner, self, self.rng, faults)
        engine = PathEngine()
        outbox = OutboxSender(self.disk, self.clock, self.deliver, rng=self.rng)
        node = Node(
            store=self.disk,
            clock=self.clock,
            scripts=engine,
            outbox=outbox,
            find_action=lambda step: self.find_action(step, engine),
            known_actions=lambda: ["scripted", "condition"],
            telemetry=Silent(),
            settings=NodeSettings(
                grace=self.rng.choice([0, 500, 30_000]), idle=1_000, horizon=3_000, batch=3
            ),
            rng=self.rng,
            new_id=self.new_id,
        )
        try:
            await node.open()
        except StoreUnavailable:  # a server that cannot use its store at the start ends, and is started again
            self.lives += 1
            self.disk.die()
            await asyncio.Event().wait()
        self.node = node

    def crash(self) -> None:
        self.crashes += 1
        self.crashed.set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """What the witness objects to ends the world, wherever the program would have put the exception."""
        try:
            yield
        except Broken as broken:
            self.broken = self.broken or broken
            self.crashed.set()
            raise

    async def bury(self) -> None:
        """The process is gone: nothing it still meant to do happens."""
        assert self.disk is not None
        self.disk.is_dead = True
        if self.broken is not None:
            raise self.broken
        me = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, simulated.SimulatedLoop)
        idle_turns = 0
        while idle_turns < 3:  # a callback that is scheduled already may still make a task
            doomed = [task for task in asyncio.all_tasks() if task is not me]
            for task in doomed:
                task.cancel()
            loop.drop_timers()
            await asyncio.sleep(0)
            idle_turns = 0 if doomed else idle_turns + 1
        self.node = None

    def new_id(self) -> str:
        return f"exec-{self.rng.getrandbits(64):016x}"

    # -- executors --------------------------------------------------------------------------------------------

    def find_action(self, step: StepNode, engine: PathEngine) -> Action | None:
        if step.spec.cases:
            return Scripted(self, Decision(step.spec, engine))
        return Scripted(self, None)

    async def perform(self, request: ActionRequest, decision: Decision | None) -> Any:
        """One attempt, as the case's script says: quick or slow, hanging, or deaf to being cancelled."""
        with self.watching():
            failures = self.witness.called(request.execution_id, request.step_id, request.attempt)
        case = self.witness.cases[request.execution_id]
        mood = 1.0 if self.peace else self.rng.random()
        try:
            if mood < 0.05:
                await asyncio.Event().wait()  # hangs until its timeout, or until the process dies
            elif mood < 0.6:
                await asyncio.sleep(self.rng.random() * self.rng.choice([0.001, 1, 30]))
        except asyncio.CancelledError:
            if self.rng.random() < 0.3 and not self.crashed.is_set():
                await asyncio.sleep(self.rng.random() * self.rng.choice([0, 30, 300]))
                return await self._outcome(case, request, decision, failures)  # a zombie's answer
            raise
        return await self._outcome(case, request, decision, failures)

    async def _outcome(
        self, case: Case, request: ActionRequest, decision: Decision | None, failures: int
    ) -> Any:
        script = case.scripts[request.step_id]
        ended = script[min(failures, len(script) - 1)]
        if ended != "ok":
            return Failed(StepError(ended, f"scripted {ended}"))
        if decision is not None:
            return await decision.run(request)
        if request.step_id in case.branches:
            holds = case.branches[request.step_id]
            return Succeeded({"result": holds, "branch": "true" if holds else "false"})
        if request.step_id in case.waits:
            return Waiting(until=self.clock.now() + self.rng.choice([0, 10, 7_000, 60_000]), result="waited")
        return Succeeded(request.step_id)

    async def deliver(self, message: OutboxMessage) -> DeliveryResult:
        """A receiver: slow, and away at times."""
        await asyncio.sleep(self.rng.random())
        if not self.peace and self.rng.random() < 0.3:
            return DeliveryResult("again", "simulated: 503")
        with self.watching():
            self.witness.delivered(message, self.taken)
        return DeliveryResult("sent")

    # -- people -----------------------------------------------------------------------------------------------

    async def register(self) -> None:
        for workflow_id, case in self.cases.items():
            definition = case.definition | {"id": workflow_id}
            if self.rng.random() < 0.6:
                definition["webhooks"] = {
                    "onComplete": "http://r/",
                    "onFailure": "http://r/",
                    "onStep": "http://r/",
                }
            if self.rng.random() < 0.1:
                definition["timeout"] = self.rng.choice([50, 5_000])
                self.controlled.add(workflow_id)
            encoded = msgspec.json.encode(definition)
            await self.inner.put_workflow(
                WorkflowVersion(
                    workflow_id=workflow_id, version=0, digest=workflow_id, definition=encoded, created_at=0
                )
            )

    async def start(self, execution_id: str, workflow_id: str) -> None:
        """A client who does not give up: the same request until it is answered."""
        request = StartRequest(
            workflow_id=workflow_id, execution_id=execution_id, context=self.cases[workflow_id].context
        )
        while True:
            node = self.node
            if node is not None:
                try:
                    started = await node.start(request)
                    break
                except (StoreError, Overloaded):
                    pass
            await asyncio.sleep(self.rng.random() * 2)
        if started.execution_id != execution_id:
            raise Broken("a start was answered with another execution's id")
        if execution_id not in self.witness.by_id:
            raise Broken(f"{execution_id} was acknowledged and is not on disk")
        self.acknowledged[execution_id] = workflow_id

    async def meddle(self, execution_ids: list[str]) -> None:
        """Somebody who looks, pauses, resumes, cancels, retries and sets the clock, at any moment."""
        while True:
            await asyncio.sleep(self.rng.random() * self.rng.choice([0.01, 1, 20]))
            node, execution_id = self.node, self.rng.choice(execution_ids)
            if node is None:
                continue
            verb = self.rng.choice(
                ["read"] * 4 + ["pause", "resume", "resume", "retry", "retry", "cancel", "terminate", "clock"]
            )
            with contextlib.suppress(StoreError, Conflict, NotFound):
                await self._meddle_once(node, verb, execution_id)

    async def _meddle_once(self, node: Node, verb: str, execution_id: str) -> None:
        if verb == "read":
            self._check_shown(execution_id, await node.read(execution_id))
        elif verb == "clock":
            self.clock.offset += self.rng.choice([-5_000, -10, 10, 5_000, 60_000])
        elif verb in ("cancel", "terminate"):
            if self.rng.random() < 0.1:
                self.controlled.add(execution_id)
                await getattr(node, verb)(execution_id, Who("somebody", None))
        else:
            await getattr(node, verb)(execution_id, Who("somebody", None))

    # -- what must hold ---------------------------------------------------------------------------------------

    def _check_shown(self, execution_id: str, state: State) -> None:
        """What is served is what the journal says."""
        books = self.witness.by_id[execution_id]
        shown = document(state, 0)
        folded = document(fold(state.graph, books.records[: state.seq]), 0)
        if shown != folded:
            raise Broken(f"{execution_id}: served {shown}, the journal says {folded}")

    async def check_rest(self) -> None:
        assert self.node is not None
        for execution_id, workflow_id in self.acknowledged.items():
            state = await self.node.read(execution_id)
            self._check_shown(execution_id, state)
            books = self.witness.by_id[execution_id]
            if state.seq != books.seq:
                raise Broken(f"{execution_id}: served at {state.seq}, the journal is at {books.seq}")
            row = await self.inner.find_execution(execution_id)
            assert row is not None
            if (row.status, row.end_time) != (state.status, state.end_time):
                raise Broken(
                    f"{execution_id}: its row says {row.status} {row.end_time}, it is {state.status}"
                )
            if not state.is_terminal:
                raise Broken(f"{execution_id}: never ended; it is {state.status}")
            if execution_id not in self.controlled and workflow_id not in self.controlled:
                self._check_ends(books, state)
            await self._check_webhooks(books, state)

    def _check_ends(self, books: Books, state: State) -> None:
        """The ends that the independent model works out, where crashes did not use up a step."""
        case = books.case
        if any(step.error is not None and step.error.type == "infra" for step in state.steps):
            return
        if any(step.error is not None and step.error.type == "timeout" for step in state.steps):
            return
        if "onCriticalFailure" in case.definition or books.retries or books.timed_out:
            return
        prediction = rules.predict(case.definition, case.oracle, case.conditions)
        for step_id, end in prediction.steps.items():
            step = state.step(step_id)
            if not isinstance(end, rules.End) or step.status != end.status:
                raise Broken(f"{books.execution_id}: {step_id} is {step.status}, the model says {end}")
        if state.status != prediction.execution:
            raise Broken(f"{books.execution_id}: {state.status}, the model says {prediction.execution}")

    async def _check_webhooks(self, books: Books, state: State) -> None:
        key = next(key for key, found in self.witness.books.items() if found is books)
        written = self.witness.messages.get(key, [])
        if len(set(written)) != len(written):
            raise Broken(f"{books.execution_id}: a webhook was written twice")
        if state.graph.definition.webhooks.on_step is not None:
            ends = books.ends if state.status != "cancelled" else books.ends - 1
            if len(written) != books.step_ends + ends:
                raise Broken(
                    f"{books.execution_id}: {len(written)} webhooks for {books.step_ends} steps and {ends} ends"
                )
        missing = set(written) - set(self.taken.get(key, []))
        if missing:
            raise Broken(f"{books.execution_id}: webhooks {missing} never came")

    # -- the whole story --------------------------------------------------------------------------------------

    async def live(self) -> None:
        await self.inner.open()
        await self.register()
        names = {
            self.new_id(): workflow_id for workflow_id in self.cases for _ in range(self.rng.randint(1, 2))
        }
        for execution_id, workflow_id in names.items():
            self.witness.cases[execution_id] = self.cases[workflow_id]
        self.lives = self.rng.randint(1, 4)
        while self.lives > 0:
            self.lives -= 1
            goes_on = self.lives == 0 and self.rng.random() < 0.5
            await self._one_life(names, goes_on=goes_on)
        self.peace = True
        await self._last_life(names)

    async def _one_life(self, names: Mapping[str, str], *, goes_on: bool) -> None:
        """Boot, let people do what they do, and crash or stop in the middle of it; or (`goes_on`) let only the faults end."""
        length = self.rng.random() * self.rng.choice([0.1, 5, 100])
        people = asyncio.ensure_future(self._people(names))
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

    async def _people(self, names: Mapping[str, str]) -> None:
        await self.boot()
        async with asyncio.TaskGroup() as group:
            for execution_id, workflow_id in names.items():
                if execution_id not in self.acknowledged:
                    group.create_task(self.start(execution_id, workflow_id))
            group.create_task(self.meddle(list(names)))

    async def _last_life(self, names: Mapping[str, str]) -> None:
        """No more faults: everything asked for must come to its end, with nobody looking."""
        if self.node is None:
            await self.boot()
        node = self.node
        assert node is not None
        for execution_id, workflow_id in names.items():
            await self.start(execution_id, workflow_id)
        await asyncio.sleep(60)  # what people asked for before may still be on its way
        resuming = asyncio.ensure_future(self._resume_paused(node, names))
        if not await self._comes(lambda: all(self.witness.by_id[name].ended for name in names)):
            open_ones = [name for name in names if not self.witness.by_id[name].ended]
            raise Broken(f"{open_ones} never ended")
        resuming.cancel()
        await self._comes(lambda: all(self._is_all_taken(key) for key in self.witness.messages))
        await self.check_rest()
        await self._check_idle(node)
        await node.close()
        await self.bury()

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

    async def _resume_paused(self, node: Node, names: Mapping[str, str]) -> None:
        """Somebody who resumes what is paused, and asks nothing of any other: that would bring it back to mind."""
        while True:
            for execution_id in names:
                if self.witness.by_id[execution_id].paused_at is not None:
                    with contextlib.suppress(Conflict, StoreError):
                        await node.resume(execution_id, Who())
            await asyncio.sleep(30)

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


class Scripted:
    """The action of every simulated step."""

    name = "scripted"
    scripts: frozenset[str] = frozenset({"expression"})

    def __init__(self, world: World, decision: Decision | None) -> None:
        self._world = world
        self._decision = decision

    async def run(self, request: ActionRequest) -> Any:
        return await self._world.perform(request, self._decision)


def simulate(seed: int) -> World:
    """Live through one seed. Raises Broken (or whatever else went wrong)."""
    worlds: list[World] = []

    async def main() -> None:
        worlds.append(World(seed))
        await worlds[0].live()

    simulated.run(main, longest_s=PATIENCE_S)
    return worlds[0]
