"""Steps and executions that wait for slots: their keys are worked out, the admission is asked, and what they hold is
given back in the commit that ends it. The driver calls this at the points of a decision's life where slots matter.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from msgspec import UNSET

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.commands import AcquireExecution, AcquireSlots
from tenuto.core.decide import Decision
from tenuto.core.events import StepError
from tenuto.core.state import State, StepState
from tenuto.errors import ScriptFailed
from tenuto.ports.store import Item
from tenuto.runtime.admission import Admission, StepTicket, Wanted, read_key
from tenuto.runtime.attempts import Performer
from tenuto.runtime.live import Live

log = structlog.get_logger(__name__)

Tell = Callable[[Live, inp.Input], None]


class Queueing:
    """Asks the admission for the executions in `live` and tells them what it grants."""

    def __init__(
        self,
        live: dict[str, Live],
        performer: Performer,
        tell: Tell,
        cancel_other: Callable[[str, str], None],
    ) -> None:
        self._live = live
        self._performer = performer
        self._tell = tell
        self.admission = Admission(self._granted, cancel_other)

    def _granted(self, execution_id: str, given: inp.SlotsGranted | inp.ExecutionGranted) -> None:
        live = self._live.get(execution_id)
        if live is None:
            log.warning("slots_granted_to_nobody", execution=execution_id)
            return
        self._tell(live, given)

    def ask(self, live: Live, command: AcquireSlots | AcquireExecution) -> Coroutine[Any, Any, None]:
        """Work out the keys and ask. A step or execution that is not waiting any more by then does not ask."""
        if isinstance(command, AcquireSlots):
            return self._ask_for_step(live, command)
        return self._ask_for_execution(live)

    async def _ask_for_step(self, live: Live, command: AcquireSlots) -> None:
        state = live.state
        step = state.steps[command.step]
        if not _waits(step, command):
            return  # it was given up before this had its turn
        compiled = live.workflow.plans[step.node.number].slot_keys
        assert compiled is not None, "only steps with `concurrency` ask for slots"
        try:
            keys = [read_key(key) for key in await self._performer.slot_keys(state, step, compiled)]
        except ScriptFailed as failure:
            error = StepError(failure.kind, f"concurrency: {failure}")
            self._tell(live, inp.SlotsGranted(command.step, command.generation, error))
            return
        if live.state is not state or not _waits(step, command):
            return  # it was given up meanwhile, or its commit failed and it asks anew
        ticket = StepTicket(live.execution_id, command.step, command.generation)
        if live.tickets is None:
            live.tickets = {}
        live.tickets[ticket] = None
        spec = step.node.spec
        limits = [slots.limit for slots in spec.concurrency]
        priority = state.priority if spec.priority is UNSET else spec.priority
        self.admission.ask_step(ticket, list(zip(keys, limits, strict=True)), priority, step.since or 0)

    async def _ask_for_execution(self, live: Live) -> None:
        state, compiled = live.state, live.workflow.slot_keys
        assert compiled is not None, "only executions of workflows with `concurrency` ask for slots"
        try:
            keys = [read_key(key) for key in await self._performer.slot_keys(state, None, compiled)]
        except ScriptFailed as failure:
            self._tell(live, inp.ExecutionGranted(f"concurrency: {failure}"))
            return
        if live.state is not state or not state.waits_for_slots:
            return
        rules = live.workflow.definition.concurrency
        wanted = [Wanted(key, rule.limit, rule.on_limit) for key, rule in zip(keys, rules, strict=True)]
        since = state.start_time if state.start_at is None else state.start_at
        self.admission.ask_execution(live.execution_id, wanted, state.priority, since)

    def items_of(self, live: Live, decision: Decision) -> list[Item]:
        """What the commit of this decision must write of the slots that the execution as a whole holds."""
        if not live.workflow.definition.concurrency:
            return []
        if live.state.is_terminal:
            return self.admission.taken_away(live.execution_id)
        began = any(isinstance(event, ev.ExecutionBegan) for event in decision.events)
        return self.admission.written(live.execution_id) if began else []

    def committed(self, live: Live) -> None:
        """Give back what the decision that is on disk now has freed."""
        if live.tickets:
            for ticket in [ticket for ticket in live.tickets if not _needs(live.state, ticket)]:
                self.give_back(live, ticket)
        if live.state.is_terminal and live.workflow.definition.concurrency:
            self.admission.ended(live.execution_id)

    def refused(self, live: Live, given: inp.Input) -> None:
        """Slots that were granted and not taken go to others. They were taken if the attempt runs: then this is told a
        second time, because the commit that took them lost its answer."""
        if isinstance(given, inp.SlotsGranted) and not _uses(live.state, given):
            self.give_back(live, StepTicket(live.execution_id, given.step, given.generation))

    def give_back(self, live: Live, ticket: StepTicket) -> None:
        """The attempt of that ticket has ended, or is not to be made."""
        if live.tickets is not None:
            live.tickets.pop(ticket, None)
        self.admission.ended(ticket)


def _waits(step: StepState, command: AcquireSlots) -> bool:
    return step.status == "queued" and step.generation == command.generation


def _uses(state: State, ticket: StepTicket | inp.SlotsGranted) -> bool:
    """Whether the step uses the slots of that ticket now."""
    step = state.steps[ticket.step]
    return step.generation == ticket.generation and step.acting


def _needs(state: State, ticket: StepTicket) -> bool:
    """Whether the step of the ticket waits for its slots or uses them."""
    step = state.steps[ticket.step]
    return step.generation == ticket.generation and (step.acting or step.status == "queued")
