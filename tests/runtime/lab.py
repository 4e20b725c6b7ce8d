"""A node on a bench: a store that fails and a clock that moves as told, steps that a test performs by hand, and
processes that die. On a simulated loop time passes only when everybody waits."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import msgspec

from tenuto.actions.built_in import built_in_actions
from tenuto.actions.decision import Decision
from tenuto.actions.http_client import HttpCaller
from tenuto.actions.registry import Registry
from tenuto.core.definition import Definition, is_decision
from tenuto.core.events import StepError
from tenuto.core.graph import Node as StepNode
from tenuto.core.inputs import Failed, Outcome, Succeeded
from tenuto.core.view import document
from tenuto.errors import StoreUnavailable
from tenuto.ports.action import Action, ActionRequest
from tenuto.ports.host import StartRequest
from tenuto.ports.store import Batch, OutboxMessage, Record, Store, StoredExecution, WorkflowVersion
from tenuto.ports.telemetry import Silent
from tenuto.runtime.children import HostChildren
from tenuto.runtime.node import Node
from tenuto.runtime.outbox import DeliveryResult, OutboxSender
from tenuto.runtime.settings import NodeSettings
from tenuto.scripting.fake import FakeScriptEngine
from tenuto.stores.memory import MemoryStore
from tests.simulation import loop as simulated_loop

EPOCH = 1_800_000_000_000
LONGEST_S = 50_000.0
"""Simulated seconds after which a test that still waits has failed."""


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test on a loop whose time jumps."""

    @wraps(test)
    def on_simulated_loop(*args: Any, **kwargs: Any) -> None:
        simulated_loop.run(lambda: test(*args, **kwargs), longest_s=LONGEST_S)

    return on_simulated_loop


async def passed(seconds: float) -> None:
    """Simulated time passes, and everything it brings happens."""
    await asyncio.sleep(seconds)


class Clock:
    """A wall clock that follows the running loop's time and that somebody sets forward and back (`offset`, ms)."""

    def __init__(self) -> None:
        self.offset = 0

    def now(self) -> int:
        return EPOCH + self.offset + round(asyncio.get_running_loop().time() * 1000)


class Veil(MemoryStore):
    """A memory store that refuses commits while `is_full`, every call while `is_away`, and loses the answers of
    commits that took effect while `loses_answers`. While `held`, commits wait; `breaks_with` is raised by
    every call, as no store should. `commits` are those that took effect;
    `reads` counts questions about
    executions; `refused` is set once the disk was full for a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.is_away = False
        self.loses_answers = False
        self.breaks_with: Exception | None = None
        self.is_dead = False
        self.commits: list[Batch] = []
        self.refused = asyncio.Event()
        self.reads = 0
        self._may_commit = asyncio.Event()
        self._may_commit.set()

    def hold(self) -> None:
        """Let commits wait."""
        self._may_commit.clear()

    def release(self) -> None:
        """Let them go."""
        self._may_commit.set()

    def next_life(self) -> Veil:
        """The same data for the next process; nothing of this one reaches it any more."""
        after = copy.copy(self)
        after.release()
        self.is_dead = True
        return after

    async def commit(self, batch: Batch) -> None:
        await self._may_commit.wait()
        await self._answer()
        if self.is_full:
            self.refused.set()
            raise StoreUnavailable("the disk is full")
        await super().commit(batch)
        self.commits.append(batch)
        if self.loses_answers:
            raise StoreUnavailable("the answer was lost")

    async def find_execution(self, execution_id: str) -> StoredExecution | None:
        self.reads += 1
        await self._answer()
        return await super().find_execution(execution_id)

    async def find_start(self, idempotency_key: str) -> StoredExecution | None:
        self.reads += 1
        await self._answer()
        return await super().find_start(idempotency_key)

    async def find_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion | None:
        self.reads += 1
        await self._answer()
        return await super().find_workflow(workflow_id, version)

    async def read_journal(self, key: int, after_seq: int = 0, limit: int = 100_000) -> list[Record]:
        self.reads += 1
        await self._answer()
        return await super().read_journal(key, after_seq, limit)

    async def due(self, now: int, limit: int = 1000) -> list[StoredExecution]:
        self.reads += 1
        await self._answer()
        return await super().due(now, limit)

    async def next_wake(self) -> int | None:
        self.reads += 1
        await self._answer()
        return await super().next_wake()

    def damage(self, execution_id: str, data: bytes) -> None:
        """Overwrite the last record of an execution's journal."""
        journal = self._journals[self._by_id[execution_id]]
        journal[-1] = msgspec.structs.replace(journal[-1], data=data)

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.is_dead:
            await asyncio.Event().wait()
        if self.breaks_with is not None:
            raise self.breaks_with
        if self.is_away:
            raise StoreUnavailable("the store is away")


class Attempt:
    """One attempt in the hands of a test."""

    def __init__(self, request: ActionRequest) -> None:
        self.request = request
        self.ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def was_given_up(self) -> bool:
        """Whether the node has cancelled it."""
        return self.ended.cancelled()

    def succeed(self, result: Any = None) -> None:
        """It returns."""
        self.ended.set_result(Succeeded(result))

    def fail(self, error_type: str = "http.503") -> None:
        """It fails."""
        self.ended.set_result(Failed(StepError(error_type, "down")))

    def raise_(self, error: Exception) -> None:
        """The action breaks."""
        self.ended.set_exception(error)


class Hands:
    """The action `hand`: every attempt waits until the test says what becomes of it."""

    name = "hand"
    scripts: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._news = asyncio.Condition()
        self._taken: set[int] = set()

    async def run(self, request: ActionRequest) -> Outcome:
        attempt = Attempt(request)
        self.attempts.append(attempt)
        async with self._news:
            self._news.notify_all()
        outcome: Outcome = await attempt.ended
        return outcome

    async def take(self, step_id: str) -> Attempt:
        """The next attempt of the step that runs and that was not taken yet, once there is one."""
        async with self._news:
            await self._news.wait_for(lambda: self._find(step_id) is not None)
        found = self._find(step_id)
        assert found is not None
        self._taken.add(id(found))
        return found

    def _find(self, step_id: str) -> Attempt | None:
        under_way = (a for a in self.attempts if id(a) not in self._taken and not a.ended.done())
        return next((a for a in under_way if a.request.step_id == step_id), None)

    def of(self, step_id: str) -> list[Attempt]:
        """All attempts of the step so far."""
        return [attempt for attempt in self.attempts if attempt.request.step_id == step_id]


class Lab:
    """One node after another on the same store. `settings` as for a node; `deliver` sends webhooks."""

    def __init__(self, *, store: Store | None = None, clock: Clock | None = None, **settings: Any) -> None:
        self.store: Any = store or Veil()
        self.clock = clock or Clock()
        self.hands = Hands()
        self.scripts = FakeScriptEngine()
        self._http = HttpCaller()
        self.children = HostChildren()
        built_in = built_in_actions(self.scripts, self._http, children=self.children)
        self.registry = Registry([*built_in, self.hands])
        self.settings = NodeSettings(**settings)
        self.delivered: list[OutboxMessage] = []
        self.node: Node = None  # type: ignore[assignment]  # booted before use
        self._ids = 0

    async def boot(self) -> Node:
        """Start a process on the store."""
        await self.store.open()
        rng = random.Random(7)
        self.node = Node(
            store=self.store,
            clock=self.clock,
            scripts=self.scripts,
            outbox=OutboxSender(self.store, self.clock, self._deliver, rng=rng),
            find_action=self._find_action,
            known_actions=self.registry.names,
            telemetry=Silent(),
            settings=self.settings,
            rng=rng,
            new_id=self._new_id,
        )
        self.children.host = self.node
        await self.node.open()
        return self.node

    async def crash(self) -> None:
        """The process is gone, and with it all its tasks and timers (on a simulated loop)."""
        await asyncio.sleep(0)  # a task that has not begun leaves a coroutine that nobody awaits
        self.store = self.store.next_life()
        me, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert isinstance(loop, simulated_loop.SimulatedLoop)
        idle_turns = 0
        while idle_turns < 3:  # a callback that is scheduled already may still make a task
            doomed = [task for task in asyncio.all_tasks() if task is not me]
            for task in doomed:
                task.cancel()
            loop.drop_timers()
            await asyncio.sleep(0)
            idle_turns = 0 if doomed else idle_turns + 1

    async def reboot(self) -> Node:
        """Crash, and start again."""
        await self.crash()
        return await self.boot()

    async def restart(self) -> Node:
        """Stop gracefully, and start again."""
        await self.node.close()
        return await self.boot()

    async def close(self) -> None:
        """Stop."""
        await self.node.close()
        await self._http.close()
        self.registry.close()
        await self.store.close()

    async def __aenter__(self) -> Lab:
        await self.boot()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def define(self, *steps: dict[str, Any], **fields: Any) -> None:
        """Keep a workflow `w` of these steps."""
        document = {"id": "w", "steps": list(steps)} | fields
        definition = msgspec.convert(document, Definition)
        await self.store.put_workflow(
            WorkflowVersion(
                workflow_id=definition.id,
                version=0,
                digest=str(document),
                definition=msgspec.json.encode(definition),
                created_at=0,
            )
        )

    async def start(self, context: dict[str, Any] | None = None, **fields: Any) -> str:
        """Start an execution of `w` and answer its id."""
        request = StartRequest(**{"workflow_id": "w", "context": context or {}} | fields)
        return (await self.node.start(request)).execution_id

    async def show(self, execution_id: str) -> dict[str, Any]:
        """The document, as JSON data."""
        shown = document(await self.node.read(execution_id), self.clock.now())
        decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
        return decoded

    async def ended(self, execution_id: str, timeout_ms: int = 10**9) -> dict[str, Any]:
        """The document when the execution has ended."""
        await self.node.wait(execution_id, timeout_ms)
        return await self.show(execution_id)

    async def kinds(self, execution_id: str) -> list[str]:
        """The kinds of events in the journal, in order, with the step they speak of."""
        entries = await self.node.journal(execution_id)
        events = [event for entry in entries for event in entry.events]
        return [f"{event['type']} {event['step']}" if "step" in event else event["type"] for event in events]

    def is_in_memory(self, execution_id: str) -> bool:
        """Whether the node holds the execution in memory."""
        return execution_id in self.node._driver.live

    def _new_id(self) -> str:
        self._ids += 1
        return f"exec-{self._ids}"

    def _find_action(self, step: StepNode) -> Action | None:
        if is_decision(step.spec) and step.spec.action != "condition":
            return Decision(step.spec, self.scripts)
        return self.registry.find(step.spec.action)

    async def _deliver(self, message: OutboxMessage) -> DeliveryResult:
        self.delivered.append(message)
        return DeliveryResult("sent")


def hand(step_id: str, *dependencies: str, **fields: Any) -> dict[str, Any]:
    """A step that the test performs."""
    return {"id": step_id, "action": "hand", "dependencies": list(dependencies), **fields}


def waiting(step_id: str, duration_ms: int, *dependencies: str, **fields: Any) -> dict[str, Any]:
    """A step that waits."""
    return {
        "id": step_id,
        "action": "delay",
        "params": {"duration": duration_ms},
        "dependencies": list(dependencies),
        **fields,
    }
