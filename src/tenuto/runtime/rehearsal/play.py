"""One rehearsal under way: the core decides, the stand-ins perform, and time is a number that jumps from one happening
to the next.

At one instant everything that the execution does by itself comes first, in the order in which it began; what comes from
outside comes when nothing is left to do. So the same case always ends the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from heapq import heappop, heappush
from typing import Any, NamedTuple

from msgspec import UNSET, Struct

from tenuto.actions.http_client import Call
from tenuto.core import inputs as inp
from tenuto.core.commands import (
    AbandonAttempt,
    AcquireExecution,
    AcquireSlots,
    Command,
    ComputeOutput,
    RunAttempt,
)
from tenuto.core.decide import Refusal, decide, lost_attempts, pending_commands
from tenuto.core.events import StepError, StepSucceeded
from tenuto.core.state import State, StepState, next_wake
from tenuto.errors import Invalid, ScriptFailed
from tenuto.ports.action import ActionRequest, Failed
from tenuto.runtime.admission import read_key
from tenuto.runtime.attempts import Performer
from tenuto.runtime.rehearsal.cast import Script
from tenuto.runtime.rehearsal.outside import Due, Outside, input_of
from tenuto.runtime.rehearsal.record import Record
from tenuto.runtime.rehearsal.stand_ins import FORCED, step_error
from tenuto.runtime.verbs import check_form, check_result, check_signal, fitting
from tenuto.runtime.workflow import Workflow
from tenuto.wire.rehearsal import Case, Mock, MockError

EXECUTION_ID = "rehearsal"
MOST_ATTEMPTS = 20_000
"""A rehearsal that makes more attempts is stopped."""

TURN = 50
"""After so many attempts others get their turn on the event loop."""


class Disturbance(NamedTuple):
    """What befalls one instance of a step, whatever the case says: its process dies during the attempt `lost`; or every
    attempt fails with `error`, or (`hangs`) runs into its timeout."""

    step: str
    lost: int | None = None
    error: StepError | None = None
    hangs: bool = False


class Performed(Struct, frozen=True, rename="camel"):
    """One attempt of an action. `params` are as it was given them; `at` is virtual ms since the start."""

    step: str
    attempt: int
    at: int
    action: str
    params: Any


class Sent(NamedTuple):
    """A call that an attempt would have sent."""

    step: str
    attempt: int
    call: Call


class Refused(NamedTuple):
    """An event from outside that was turned away."""

    number: int
    at: int
    why: str


class Play:
    """One case, played once. `timeouts` are those of the nodes, by number, which the performer is not told of: its own
    time is not that of the rehearsal."""

    def __init__(
        self,
        workflow: Workflow,
        timeouts: list[int],
        performer: Performer,
        case: Case,
        disturbance: Disturbance | None = None,
    ) -> None:
        self._workflow = workflow
        self._timeouts = timeouts
        self._performer = performer
        self._case = case
        self._script = Script(case)
        self._disturbance = disturbance
        self._outside = Outside(case)
        self._due: list[tuple[int, int, inp.Input]] = []
        self._running: set[inp.AttemptKey] = set()
        self._last = 0
        self._attempts = 0
        self._acting: StepState | None = None
        self._takes: int | None = 0
        self._turned_away: list[Refusal] = []
        self._is_dying = False
        self.now = case.start_time
        self.state = State(workflow.graph)
        self.record = Record(case.start_time)
        self.performed: list[Performed] = []
        self.sent: list[Sent] = []
        self.unmocked: dict[str, None] = {}
        self.refused: list[Refused] = []
        self.stopped: str | None = None

    # -- the course of it -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play it to its end, or to where nothing moves it any more (`stopped` says why)."""
        case = self._case
        tags = self._workflow.definition.tags | case.tags
        commands = self._decide([inp.Start(EXECUTION_ID, case.context, tags=tags)])
        while True:
            await self._carry_out(commands)
            if self._attempts > MOST_ATTEMPTS:
                self.stopped = f"more than {MOST_ATTEMPTS:,} attempts were made"
                return
            due = self._step()
            if due is None:
                return
            commands = due

    def _step(self) -> list[Command] | None:
        """Let the next thing happen; None if there is none."""
        if self.state.is_terminal:
            self._due.clear()
        own = self._next_own()
        if own is not None and own <= self.now:
            return self._decide(self._take_due())
        self._outside.arm(self.state, self.now)
        event = self._outside.take(self.now)
        if event is not None:
            return self._happen(event)
        upcoming = [at for at in (own, self._outside.next_at()) if at is not None]
        if not upcoming:
            self._stuck()
            return None
        limit = self._case.until
        if limit and min(upcoming) > self._case.start_time + limit:
            self.now = self._case.start_time + limit
            self.stopped = f"the time of the rehearsal, {limit} ms, is up"
            return None
        self.now = min(upcoming)
        return []

    def _next_own(self) -> int | None:
        """When the execution goes on by itself."""
        while self._due and not self._is_wanted(self._due[0][2]):
            heappop(self._due)
        wake = next_wake(self.state)
        ahead = [self._due[0][0]] if self._due else []
        return min([*ahead, wake] if wake is not None else ahead, default=None)

    def _take_due(self) -> list[inp.Input]:
        taken: list[inp.Input] = []
        while self._due and self._due[0][0] <= self.now:
            given = heappop(self._due)[2]
            if isinstance(given, inp.AttemptEnded):
                self._running.discard(given.key)
            taken.append(given)
        return taken or [inp.TimeCame()]

    def _is_wanted(self, given: inp.Input) -> bool:
        return not isinstance(given, inp.AttemptEnded) or given.key in self._running

    def _stuck(self) -> None:
        if self.state.is_terminal:
            return
        waits = [f"`{step.id}` waits for {step.waiting_for}" for step in self.state.steps if step.waiting_for]
        waits += [f"`{step.id}` hangs and has no timeout" for step in self.state.steps if step.acting]
        why = "; ".join(waits[:20]) or f"the execution is {self.state.status}"
        self.stopped = f"nothing moves it any more: {why}"

    def _decide(self, inputs: Iterable[inp.Input]) -> list[Command]:
        decision = decide(self.state, list(inputs), self.now)
        if decision.events:
            self.state.seq += 1
        self.record.add(decision.events, self.now)
        for event in decision.events:
            if isinstance(event, StepSucceeded) and event.gathered:
                step = self.state.find_step(event.step)
                self.record.gather(
                    event.step, None if step is None else step.result, is_known=step is not None
                )
        for message in decision.messages:
            self.record.say(self.now, None, f"webhook {message.kind}", message.body.get("stepId"))
        self._turned_away = decision.refused
        return decision.commands

    @property
    def duration(self) -> int:
        """Virtual ms from the start to the end, or so far."""
        end = self.now if self.state.end_time is None else self.state.end_time
        return end - self._case.start_time

    # -- what comes from outside ------------------------------------------------------------------------------

    def _happen(self, due: Due) -> list[Command]:
        given = input_of(due.event, due.step)
        try:
            if isinstance(given, inp.Signal):
                check_signal(self._workflow.graph, given)
            elif isinstance(given, inp.Approve):
                check_form(self.state, given)
            elif isinstance(given, inp.Complete):
                check_result(self._workflow, self.state, given)
        except Invalid as misfit:
            self._refuse(due, str(misfit))
            return []
        commands = self._decide([given])
        for refusal in self._turned_away:
            self._refuse(due, refusal.why)
        return commands

    def _refuse(self, due: Due, why: str) -> None:
        self.refused.append(Refused(due.number, self.now - self._case.start_time, why))
        self.record.say(self.now, due.step, f"refused: {due.event.verb}", why)

    def left(self) -> list[int]:
        """The numbers of the events that never came."""
        return self._outside.left()

    # -- what is commanded ------------------------------------------------------------------------------------

    async def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            await self._carry_out_one(command)
        if self._is_dying:
            self._is_dying = False
            for command in self._crash():
                await self._carry_out_one(command)

    async def _carry_out_one(self, command: Command) -> None:
        match command:
            case RunAttempt():
                await self._perform(command)
            case AbandonAttempt():
                self._running.discard(command.key)
            case ComputeOutput():
                self._give(await self._performer.compute_output(self.state, self._workflow))
            case AcquireSlots():
                await self._grant_step(command)
            case AcquireExecution():
                await self._grant_execution()

    async def _perform(self, command: RunAttempt) -> None:
        step, key = self.state.steps[command.step], command.key
        if not step.acting or (step.attempts, step.generation) != key[1:]:
            return  # given up in the decision that made it
        self._attempts += 1
        if self._attempts % TURN == 0:
            await asyncio.sleep(0)
        self._acting, self._takes = step, 0
        plan = self._workflow.plans[step.node.number]
        ending = self._performer.perform_at_once(self.state, step, plan)
        if isinstance(ending, Awaitable):
            ending = await ending
        self._running.add(key)
        takes, timeout = self._time_taken(), self._timeouts[step.node.number]
        if timeout and (takes is None or takes >= timeout):
            message = f"the attempt took longer than its timeout of {timeout} ms"
            takes, ending = timeout, Failed(StepError("timeout", message))
        told = self._disturbance
        if told is not None and told.step == step.id and told.lost == step.attempts:
            self._is_dying = True
        elif takes is not None:  # else it never ends; what is around it may
            self._give(inp.AttemptEnded(*key, ending), takes)

    def _time_taken(self) -> int | None:
        """What the stand-in said of the attempt that was just made; None: it never ends."""
        return self._takes

    def _crash(self) -> list[Command]:
        """The process is gone and another takes the execution up: what ran is lost, what was asked is asked again."""
        self.record.say(self.now, None, "the process died")
        self._running.clear()
        self._due = [due for due in self._due if isinstance(due[2], inp.ChildEnded)]
        for lost in lost_attempts(self.state):
            self._give(lost)
        return pending_commands(self.state)

    async def _grant_step(self, command: AcquireSlots) -> None:
        step = self.state.steps[command.step]
        compiled = self._workflow.plans[step.node.number].slot_keys
        assert compiled is not None, "only steps with `concurrency` ask for slots"
        error = None
        try:
            for key in await self._performer.slot_keys(self.state, step, compiled):
                read_key(key)
        except ScriptFailed as failure:
            error = StepError(failure.kind, f"concurrency: {failure}")
        self._give(inp.SlotsGranted(command.step, command.generation, error))

    async def _grant_execution(self) -> None:
        compiled = self._workflow.slot_keys
        assert compiled is not None, "only executions of workflows with `concurrency` ask for slots"
        refused = None
        try:
            for key in await self._performer.slot_keys(self.state, None, compiled):
                read_key(key)
        except ScriptFailed as failure:
            refused = f"concurrency: {failure}"
        self._give(inp.ExecutionGranted(refused))

    def _give(self, given: inp.Input, after: int = 0) -> None:
        self._last += 1
        heappush(self._due, (self.now + after, self._last, given))

    # -- what the stand-ins ask -------------------------------------------------------------------------------

    def attempt(self, request: ActionRequest, action: str) -> Mock | Failed | None:
        """Note the attempt that is made now, and answer what it comes to. See `Prompter`."""
        step = self._step_acting()
        at = self.now - self._case.start_time
        self.performed.append(Performed(step.id, step.attempts, at, action, dict(request.params)))
        told = self._disturbance
        if told is not None and told.step == step.id:
            if told.error is not None:
                return Mock(error=MockError(type=told.error.type, message=told.error.message))
            if told.hangs:
                return Mock(hang=True)
        if self._script.has_fail(step):
            return Failed(FORCED, retry=False)
        return self._script.find(step)

    def sends(self, call: Call) -> None:
        """See `Prompter`."""
        step = self._step_acting()
        self.sent.append(Sent(step.id, step.attempts, call))

    def takes(self, mock: Mock) -> None:
        """See `Prompter`."""
        self._takes = None if mock.hang else mock.delay

    def child_ends(self, child: str, mock: Mock | None) -> None:
        """See `Prompter`."""
        step = self._step_acting()
        said = mock or Mock()
        if said.hang:
            return
        error = None if said.error is UNSET else step_error(said.error)
        result = None if said.result is UNSET else said.result
        ended = inp.ChildEnded(step.id, step.generation, child, result, error)
        self._give(fitting(self._workflow, self.state, ended), said.delay)

    def is_unmocked(self) -> None:
        """See `Prompter`."""
        self.unmocked[self._step_acting().node.id] = None

    def _step_acting(self) -> StepState:
        assert self._acting is not None, "asked while an attempt is made"
        return self._acting
