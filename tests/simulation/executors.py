"""What executes in a simulated world: the actions of all steps and the engine of their expressions. What becomes of an
attempt is what the story's script says; how long it takes, and whether it hears that it is given up, is drawn.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from tenuto.actions.approval import Approval
from tenuto.actions.condition import Condition
from tenuto.actions.decision import Decision
from tenuto.actions.delay import Delay
from tenuto.actions.finish import Finish
from tenuto.actions.set_vars import Set
from tenuto.actions.signal_wait import SignalWait
from tenuto.actions.workflow_run import WorkflowRun
from tenuto.core.events import StepError
from tenuto.core.graph import Node as StepNode
from tenuto.core.inputs import Complete, Failed, Succeeded, Waiting
from tenuto.errors import ScriptFailed
from tenuto.ports.action import Action, ActionRequest
from tenuto.ports.script import Script
from tenuto.runtime.children import HostChildren
from tests.simulation.books import Books
from tests.simulation.broken import Broken
from tests.simulation.stories import KEYS, Story
from tests.simulation.witness import Witness

_TOLD = re.compile(r"told\('(\w+)'(?:, (\d+))?\)")


class Surroundings(Protocol):
    """The world that executors are in."""

    witness: Witness
    peace: bool
    crashed: asyncio.Event

    def watching(self) -> Any:
        """Report what the witness objects to."""

    def call_back(self, execution_id: str, given: Complete) -> None:
        """Have somebody say that a step is done, some time soon."""


class StageEngine:
    """Expressions that ask the script of the story how they turn out."""

    def __init__(self, world: Surroundings, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        if not self._world.peace and self._rng.random() < 0.2:
            await asyncio.sleep(self._rng.random() * self._rng.choice([0.001, 1, 5]))
        else:
            await asyncio.sleep(0)
        asked = _TOLD.search(script.source)
        assert asked is not None, f"not of this world: {script.source}"
        if asked[1] == "output":
            return "told"
        execution_id, instance, _ = scope["step"]["key"].split("/")
        story = self._world.witness.by_id[execution_id].story
        return _tell(story, instance, asked[1], asked[2], scope)

    async def check(self, script: Script) -> str | None:
        return None

    async def close(self) -> None:
        pass


def _tell(story: Story, instance: str, what: str, number: str | None, scope: Mapping[str, Any]) -> Any:
    step, script = story.step(instance), story.script
    answer: Any
    match what:
        case "when":
            answer = script.truth(instance, step)
        case "until":
            answer = script.verdict(instance, step, scope["index"])
        case "items":
            answer = script.items(instance, step)
            answer = answer if isinstance(answer, str) else step["items"][:answer]
        case "case":
            answer = script.truths(instance, step)[int(number or 0)]
        case _:
            answer = script.branch(instance)
    if isinstance(answer, str):
        raise ScriptFailed("expression", f"scripted {answer}")
    return answer


class Callback:
    """Waits for somebody to call back, who may do so before it waits."""

    name = "callback"
    scripts: frozenset[str] = frozenset()

    def __init__(self, world: Surroundings, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    async def run(self, request: ActionRequest) -> Any:
        if self._rng.random() < 0.5:
            given = Complete(request.instance_id, {"called": True}, generation=request.generation)
            self._world.call_back(request.execution_id, given)
            await asyncio.sleep(self._rng.choice([0, 1, 20]))
        timeout = request.params["timeout"]
        until = request.now + timeout if timeout else None
        return Waiting(until, waiting_for="callback", on_time="fail")


class Cast:
    """All executors of one process. `busy` counts attempts that go on and have not been given up, by what they share."""

    def __init__(self, world: Surroundings, rng: random.Random, children: HostChildren) -> None:
        self._world = world
        self._rng = rng
        self.engine = StageEngine(world, rng)
        self.busy: Counter[str] = Counter()
        actions: list[Action] = [
            Delay(), SignalWait(), Approval(), Set(), Finish(), Condition(self.engine), Callback(world, rng),
            WorkflowRun(children),
        ]  # fmt: skip
        self._actions = {action.name: action for action in actions}

    def find(self, node: StepNode) -> Action:
        """The executor of a step."""
        if node.spec.cases:
            return Actor(self, Decision(node.spec, self.engine))
        return Actor(self, self._actions.get(node.spec.action))

    async def perform(self, request: ActionRequest, action: Action | None) -> Any:
        """One attempt: quick or slow, hanging, or deaf to being cancelled."""
        with self._world.watching():
            books = self._world.witness.called(
                request.execution_id, request.instance_id, request.generation, request.attempt
            )
        life = books.lives.get(request.instance_id)
        failures = 0 if life is None else life.failed
        shared = list(_shared(books, request))
        for name in shared:
            self.busy[name] += 1
        try:
            with self._world.watching():
                self._check_busy(shared)
            await self._take_time()
        except asyncio.CancelledError:
            self._leave(shared)
            shared = []
            is_child = isinstance(action, WorkflowRun)  # which hears that it is cancelled
            if self._rng.random() >= 0.3 or self._world.crashed.is_set() or is_child:
                raise
            await asyncio.sleep(self._rng.random() * self._rng.choice([0, 30, 300]))  # a zombie
        try:
            return await self._outcome(books, request, action, failures)
        finally:
            self._leave(shared)

    def _check_busy(self, shared: list[str]) -> None:
        for name in shared:
            if self.busy[name] > KEYS.get(name, 1):
                raise Broken(f"{self.busy[name]} attempts share {name} at once")

    def _leave(self, shared: list[str]) -> None:
        for name in shared:
            self.busy[name] -= 1

    async def _take_time(self) -> None:
        rng = self._rng
        mood = 1.0 if self._world.peace else rng.random()
        if mood < 0.04:
            await asyncio.Event().wait()  # hangs until its timeout, or until the process dies
        elif mood < 0.5:
            await asyncio.sleep(rng.random() * rng.choice([0.001, 1, 30]))

    async def _outcome(
        self, books: Books, request: ActionRequest, action: Action | None, failures: int
    ) -> Any:
        instance = request.instance_id
        story = books.story
        step = story.step(instance)
        script = story.script.attempts(instance, step)
        ended = script[min(failures, len(script) - 1)]
        if books.life_count[instance] > 1 and self._rng.random() < 0.5:
            ended = "ok"  # what is done again need not fail again
        if ended not in ("ok", "no_case_matched"):
            return Failed(StepError(ended, f"scripted {ended}"))
        if action is not None:
            outcome = action.run(request)
            return await outcome if asyncio.iscoroutine(outcome) else outcome
        if "cache" in step:
            return Succeeded(f"{request.execution_id} {instance} {request.generation} {request.attempt}")
        return Succeeded(story.script.result(instance, step))


class Actor:
    """The action of one step."""

    name = "scripted"
    scripts: frozenset[str]

    def __init__(self, cast: Cast, action: Action | None) -> None:
        self._cast = cast
        self._action = action
        self.scripts = frozenset() if action is None else action.scripts

    async def run(self, request: ActionRequest) -> Any:
        return await self._cast.perform(request, self._action)


def _shared(books: Books, request: ActionRequest) -> list[str]:
    """The names of what attempts of the step share: its slots' keys, and the result that only one may work out."""
    step = books.story.step(request.instance_id)
    shared = [slots["key"] for slots in step.get("concurrency", ())]
    if "cache" in step:
        shared.append(f"{request.workflow_id}/{request.step_id}/{request.scope['input']['sku']}")
    return shared
