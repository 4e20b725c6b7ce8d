"""Tenuto in one object: adapters chosen by settings, executors registered by users, executions driven in this process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, TypeVar, overload

import msgspec

from tenuto.actions.built_in import built_in_actions
from tenuto.actions.custom import Executor
from tenuto.actions.decision import Decision
from tenuto.actions.http_client import HttpCaller
from tenuto.actions.json_data import NotJson, TooDeep, copy_json
from tenuto.actions.registry import Registry
from tenuto.api.bodies import read_rerun, read_start
from tenuto.bootstrap.settings import Settings, open_store
from tenuto.core.definition import is_decision
from tenuto.core.events import StepError
from tenuto.core.graph import Node as StepNode
from tenuto.core.inputs import Approve, Complete, RetryStep, Signal, SkipStep
from tenuto.core.state import State
from tenuto.core.view import document
from tenuto.errors import ConfigurationError, Invalid, Problem
from tenuto.observability.measured import MeasuredScripts, measured_delivery
from tenuto.ports.action import Action
from tenuto.ports.clock import Clock
from tenuto.ports.host import Registration, Who
from tenuto.ports.schedules import ScheduleView
from tenuto.ports.script import ScriptEngine
from tenuto.ports.store import ExecutionQuery, Store
from tenuto.ports.telemetry import Silent, Telemetry
from tenuto.runtime.bulk import LocalBulk
from tenuto.runtime.children import HostChildren
from tenuto.runtime.clock import SystemClock
from tenuto.runtime.delivery import HttpDelivery
from tenuto.runtime.ids import new_execution_id
from tenuto.runtime.node import Node
from tenuto.runtime.outbox import Deliver, OutboxSender
from tenuto.runtime.schedules.local import LocalSchedules
from tenuto.runtime.schedules.shelf import StoreShelf
from tenuto.runtime.settings import NodeSettings
from tenuto.scripting.engine import QuickJsEngine
from tenuto.scripting.request import Limits as ScriptLimits
from tenuto.wire.schedules import read_schedule
from tenuto.wire.steps import BY_HAND

F = TypeVar("F", bound=Callable[..., Any])


class Registering(Awaitable[Registration]):
    """A registration under way, or waiting for its engine to open."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self._definition = definition
        self._task: asyncio.Task[Registration] | None = None

    def begin(self, node: Node) -> None:
        """Hand the definition to an open node."""
        self._task = asyncio.get_running_loop().create_task(node.register(self._definition))

    def __await__(self) -> Generator[Any, None, Registration]:
        if self._task is None:
            raise ConfigurationError("the engine is not open; its workflows are registered when it opens")
        return self._task.__await__()


class Engine:
    """Tenuto in your own asyncio program, without a server; or, with executors registered on it, what
    `tenuto serve --app module:name` serves.

        engine = tenuto.Engine("sqlite:///orders.db")

        @engine.executor("reserve-stock")
        async def reserve(params, context): ...

        async with engine:
            await engine.register_workflow({"id": "order", "steps": [...]})
            result = await engine.execute("order", {"orderId": "123"})
    """

    def __init__(self, database: str | None = None, *, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        if database is not None:
            self.settings = msgspec.structs.replace(self.settings, database=database)
        self._http = HttpCaller()
        self._webhook_http = (
            HttpCaller()
        )  # of their own, so that steps never take the connections of webhooks
        self._scripts = MeasuredScripts(self._new_scripts(), self._script_evaluated)
        self._children = HostChildren()
        self._registry = Registry(built_in_actions(self._scripts, self._http, children=self._children))
        self._documents: list[Registering] = []
        self._store: Store | None = None
        self._node: Node | None = None
        self._schedules: LocalSchedules | None = None
        self._bulk: LocalBulk | None = None
        self.clock: Clock = SystemClock()
        self.telemetry: Telemetry = Silent()

    # -- what it can do ---------------------------------------------------------------------------------------

    @overload
    def register_executor(self, name: str) -> Callable[[F], F]: ...

    @overload
    def register_executor(self, name: str, executor: Executor | Action) -> None: ...

    def register_executor(
        self, name: str, executor: Executor | Action | None = None
    ) -> Callable[[F], F] | None:
        """Serve the action `name` by `fn(params, context)`, sync or async; without `fn` it is a decorator. Raises
        ConfigurationError where the name is taken."""
        if self._node is not None:
            self._node.actions_changed()
        if executor is None:
            return self._registry.register(name)
        self._registry.register(name, executor)
        return None

    def executor(self, name: str) -> Callable[[F], F]:
        """The decorator form of `register_executor`."""
        return self.register_executor(name)

    def register_workflow(self, definition: Mapping[str, Any]) -> Registering:
        """Register a definition (the JSON form, as a dict). On an open engine `await` the answer, a Registration; on
        one that is not open yet it is registered when the engine opens. Raises DefinitionInvalid, then."""
        registering = Registering(definition)
        if self._node is None:
            self._documents.append(registering)
        else:
            registering.begin(self._node)
        return registering

    # -- life -------------------------------------------------------------------------------------------------

    @property
    def node(self) -> Node:
        """What drives executions in an open engine. Raises ConfigurationError when it is not open."""
        return self._open_node()

    @property
    def schedules(self) -> LocalSchedules:
        """What starts workflows as time passes in an open engine. Raises ConfigurationError when it is not open."""
        if self._schedules is None:
            self._open_node()
        assert self._schedules is not None, "an open engine has schedules"
        return self._schedules

    @property
    def bulk(self) -> LocalBulk:
        """What does a verb to many executions in an open engine. Raises ConfigurationError when it is not open."""
        if self._bulk is None:
            self._open_node()
        assert self._bulk is not None, "an open engine has bulk jobs"
        return self._bulk

    async def open(self) -> None:
        """Open the store, take up what had not ended, register what is waiting. Raises StoreError, DefinitionInvalid."""
        if self._node is not None:
            raise ConfigurationError("the engine is open already")
        rng = random.Random()  # noqa: S311 - spreads retries; nothing secret hangs on it
        self._scripts.engine = self._new_scripts()  # by the settings of now, and after a close a living one
        store = open_store(self.settings.database, self.settings)
        await store.open()
        node = Node(
            store=store,
            clock=self.clock,
            scripts=self._scripts,
            outbox=OutboxSender(store, self.clock, self._delivery(), rng=rng),
            find_action=self._find_action,
            known_actions=self._registry.names,
            telemetry=self.telemetry,
            settings=self._node_settings(),
            rng=rng,
            new_id=new_execution_id,
        )
        self._store, self._node = store, node
        self._children.host = node  # and stays it while it stops, for the attempts that still run
        try:
            await node.open()
            for registering in self._documents:
                registering.begin(node)
                await registering
            self._documents.clear()
            schedules = LocalSchedules(shelf=StoreShelf(store), host=node, clock=self.clock)
            self._schedules = schedules
            await schedules.open()
            self._bulk = LocalBulk(store=store, host=node, clock=self.clock)
            await self._bulk.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop: running attempts get the grace period, all they said is written, nothing is lost."""
        bulk, self._bulk = self._bulk, None
        if bulk is not None:
            await bulk.close()
        schedules, self._schedules = self._schedules, None
        if schedules is not None:
            await schedules.close()
        node, self._node = self._node, None
        if node is not None:
            await node.close()
        await self._http.close()
        await self._webhook_http.close()
        await self._scripts.close()
        self._registry.close()
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    async def __aenter__(self) -> Engine:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def _open_node(self) -> Node:
        if self._node is None:
            raise ConfigurationError(
                "the engine is not open: use `async with engine:` or `await engine.open()`"
            )
        return self._node

    def _node_settings(self) -> NodeSettings:
        url = self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}"
        return NodeSettings(grace=self.settings.grace, public_url=url)

    def _new_scripts(self) -> ScriptEngine:
        limits = ScriptLimits(timeout_ms=self.settings.script_timeout)
        return QuickJsEngine(self.settings.script_workers, limits)

    def _script_evaluated(self, outcome: str, seconds: float) -> None:
        self.telemetry.script_evaluated(outcome, seconds)  # which is set only after the engine was made

    def _delivery(self) -> Deliver:
        return measured_delivery(HttpDelivery(self._webhook_http, self.clock), self.telemetry.webhook_tried)

    def _find_action(self, step: StepNode) -> Action | None:
        if is_decision(step.spec) and step.spec.action != "condition":
            return Decision(step.spec, self._scripts)
        return self._registry.find(step.spec.action)

    # -- executions -------------------------------------------------------------------------------------------

    async def start(
        self,
        workflow_id: str,
        context: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        execution_id: str | None = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: int | None = None,
    ) -> str:
        """Start an execution and answer its id once it is on disk. `workflow_id` may name a version as `id@2`; with
        `start_at` (ms since the epoch) it begins then. Raises NotFound, Invalid, Conflict."""
        given = {
            "workflowId": workflow_id,
            "context": dict(context or {}),
            "version": version,
            "executionId": execution_id,
            "tags": dict(tags or {}),
            "startAt": start_at,
        }
        document = {name: _own(name, value) for name, value in given.items() if value is not None}
        return (await self._open_node().start(read_start(document, idempotency_key))).execution_id

    async def wait(self, execution_id: str, timeout_ms: int = 86_400_000) -> dict[str, Any]:
        """The execution's document once it has ended, or as it stands when the time is up. Raises NotFound."""
        return self._document(await self._open_node().wait(execution_id, timeout_ms))

    async def execute(
        self, workflow_id: str, context: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Start and wait: the document of the ended execution. Options as for `start`."""
        return await self.wait(await self.start(workflow_id, context, **options))

    async def get(self, execution_id: str) -> dict[str, Any]:
        """The execution's document now. Raises NotFound."""
        return self._document(await self._open_node().read(execution_id))

    async def list(self, workflow_id: str | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        """Executions, newest first, without contexts and results."""
        query = ExecutionQuery(workflow_id=workflow_id, limit=limit)
        return (await self._open_node().list_executions(query))[0]

    async def cancel(
        self, execution_id: str, reason: str | None = None, *, by: str | None = None
    ) -> dict[str, Any]:
        """Give up what runs, start nothing more; handlers and compensations run. Raises NotFound, Conflict."""
        return self._document(await self._open_node().cancel(execution_id, Who(by, reason)))

    async def terminate(
        self, execution_id: str, reason: str | None = None, *, by: str | None = None
    ) -> dict[str, Any]:
        """End at once, whatever the state. Raises NotFound, Conflict."""
        return self._document(await self._open_node().terminate(execution_id, Who(by, reason)))

    async def pause(
        self, execution_id: str, reason: str | None = None, *, by: str | None = None
    ) -> dict[str, Any]:
        """Start nothing until resumed. Raises NotFound, Conflict."""
        return self._document(await self._open_node().pause(execution_id, Who(by, reason)))

    async def resume(
        self, execution_id: str, reason: str | None = None, *, by: str | None = None
    ) -> dict[str, Any]:
        """Go on after a pause. Raises NotFound, Conflict."""
        return self._document(await self._open_node().resume(execution_id, Who(by, reason)))

    async def retry(
        self, execution_id: str, reason: str | None = None, *, by: str | None = None
    ) -> dict[str, Any]:
        """Do the failed part of a failed execution again. Raises NotFound, Conflict."""
        return self._document(await self._open_node().retry(execution_id, Who(by, reason)))

    async def rerun(
        self,
        execution_id: str,
        from_step: str,
        *,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        new_id: str | None = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> str:
        """Start a new execution that does `from_step` and all after it again and copies the rest, and answer its id.
        Raises NotFound, Invalid, Conflict."""
        given = {
            "fromStep": from_step,
            "context": None if context is None else dict(context),
            "version": version,
            "executionId": new_id,
            "by": by,
            "reason": reason,
        }
        wish, who = read_rerun({name: _own(name, v) for name, v in given.items() if v is not None})
        return (await self._open_node().rerun(execution_id, wish, who)).execution_id

    # -- signals and steps ------------------------------------------------------------------------------------

    async def signal(
        self,
        execution_id: str,
        name: str,
        payload: Any = None,
        *,
        idempotency_key: str | None = None,
        by: str | None = None,
    ) -> None:
        """Send a message to the step that waits, or will wait, for that name; it is on disk when this returns. Raises
        NotFound, Invalid, Conflict, Overloaded."""
        given = Signal(name, _own("payload", payload), idempotency_key, by)
        await self._open_node().signal(execution_id, given)

    async def approve(
        self, execution_id: str, step_id: str, by: str, *, comment: str | None = None, data: Any = None
    ) -> dict[str, Any]:
        """Approve of what an approval step asks. Raises NotFound, Invalid (its form), Forbidden, Conflict."""
        return await self._act(execution_id, Approve(step_id, by, True, comment, _own("data", data)))

    async def reject(
        self, execution_id: str, step_id: str, by: str, *, comment: str | None = None, data: Any = None
    ) -> dict[str, Any]:
        """Reject what an approval step asks. Raises NotFound, Forbidden, Conflict."""
        return await self._act(execution_id, Approve(step_id, by, False, comment, _own("data", data)))

    async def complete_step(
        self,
        execution_id: str,
        step_id: str,
        result: Any = None,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Have a step that has not ended succeed with that result. Raises NotFound, Conflict."""
        return await self._act(execution_id, Complete(step_id, _own("result", result), None, by, reason))

    async def fail_step(
        self,
        execution_id: str,
        step_id: str,
        message: str,
        *,
        error_type: str = BY_HAND,
        by: str | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Have a step that has not ended fail. Raises NotFound, Conflict."""
        return await self._act(
            execution_id, Complete(step_id, None, StepError(error_type, message), by, reason)
        )

    async def skip_step(
        self, execution_id: str, step_id: str, *, by: str | None = None, reason: str | None = None
    ) -> dict[str, Any]:
        """Have a step that has not ended skipped, and what comes only after it. Raises NotFound, Conflict."""
        return await self._act(execution_id, SkipStep(step_id, by, reason))

    async def retry_step(
        self, execution_id: str, step_id: str, *, by: str | None = None, reason: str | None = None
    ) -> dict[str, Any]:
        """Have a step tried again now. Raises NotFound, Conflict."""
        return await self._act(execution_id, RetryStep(step_id, by, reason))

    async def _act(
        self, execution_id: str, given: Approve | Complete | SkipStep | RetryStep
    ) -> dict[str, Any]:
        return self._document(await self._open_node().act(execution_id, given))

    def _document(self, state: State) -> dict[str, Any]:
        return document(state, self.clock.now())

    # -- schedules --------------------------------------------------------------------------------------------

    async def schedule(self, schedule_id: str, schedule: Mapping[str, Any]) -> ScheduleView:
        """Keep a schedule (the JSON form, as a dict) in place of any that has the id. Raises Invalid."""
        document = _own("schedule", dict(schedule))
        return (await self.schedules.put(read_schedule(document, schedule_id))).view


def _own(name: str, value: Any) -> Any:
    """A copy that the caller does not hold. Raises Invalid where it is not JSON data."""
    try:
        return copy_json(value, name)
    except NotJson as problem:
        raise Invalid(
            [Problem(problem.where, "json", f"This {problem.what}, which is not JSON data.")]
        ) from None
    except TooDeep as problem:
        raise Invalid([Problem(name, "json", f"This {problem}.")]) from None
