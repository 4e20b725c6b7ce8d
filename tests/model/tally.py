"""Reading a journal as the model would: what has begun, what has ended and how, and what the order of things decided.

This looks at events alone, so that what is compared with the model does not come from the state that decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenuto.core import events as ev
from tests.model import nested, rules
from tests.model.nested import split

OUTSIDER = "outsider"
"""Who ends steps by hand without being asked to: what they do is not in the script."""

CUT = frozenset({"run_cancelled", "not_needed"})


@dataclass
class Tally:
    """All that the events say, by instance id. `begun` are those that have started, `ends` those that have ended, with
    the one reason that a skip gave; `succeeded` are in their order."""

    begun: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    ends: dict[str, rules.End] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    by: dict[str, str | None] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    succeeded: list[str] = field(default_factory=list)
    handlers: list[tuple[str, str]] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)

    def add(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.StepStarted() | ev.StepQueued():
                self.begun.add(event.step)
            case ev.MapExpanded():
                self.opened.add(event.step)
            case ev.BodiesStarted():
                self.begun.add(event.step)
                self.opened.add(event.step)
                self.rounds[event.step] = event.first
                self.items[event.step] = self.items.get(event.step, 0) + event.count
            case ev.StepParked():
                self.parked[event.step] = self.parked.get(event.step, 0) + 1
            case ev.StepSucceeded():
                chosen = None if event.chosen is None else frozenset(event.chosen)
                self._end(event.step, rules.End("success", chosen=chosen), event.by)
                self.results[event.step] = event.result
                self.succeeded.append(event.step)
            case ev.StepFailed():
                self._end(event.step, rules.End("failed", error=event.error.type), event.by)
            case ev.StepSkipped():
                self._end(event.step, rules.End("skipped", frozenset({event.reason})), event.by)
            case ev.StepCancelled():
                self._end(event.step, rules.End("cancelled", frozenset({event.reason})), None)
            case ev.HandlersStarted():
                self.handlers.append((event.handlers, event.outcome))
            case ev.UndoStarted():
                self.undone.append(event.step)

    def _end(self, instance: str, end: rules.End, by: str | None) -> None:
        assert instance not in self.ends, f"{instance} ended twice"
        self.ends[instance] = end
        self.by[instance] = by

    @property
    def by_hand(self) -> list[str]:
        """Instances that an outsider ended."""
        return [instance for instance, by in self.by.items() if by == OUTSIDER]


def tally(events: Iterable[ev.AnyEvent]) -> Tally:
    told = Tally()
    for event in events:
        told.add(event)
    return told


def taken(definition: Mapping[str, Any], told: Tally) -> nested.Taken:
    """What the order of things decided: what was given up or ended from outside, how many items had begun, and which
    errors came first."""
    giving_up = sources_given_up(definition)
    given = {
        instance: end
        for instance, end in told.ends.items()
        if told.by[instance] == OUTSIDER
        or "run_cancelled" in end.reasons
        or (end.reasons == rules.NOT_NEEDED and split(instance)[0] in giving_up)
    }
    errors = {instance: end.error for instance, end in told.ends.items() if end.error is not None}
    return nested.Taken(given, {i: told.results.get(i) for i in given}, told.items, errors)


def sources_given_up(definition: Mapping[str, Any]) -> dict[str, set[str]]:
    """Of each step that may be given up because a join is met: the steps whose join that is."""
    found: dict[str, set[str]] = {}
    for block in blocks(definition["steps"]):
        joins = {step["id"] for step in block if rules.gives_up_the_rest(step)}
        for edge in rules.edges_of({"steps": block}):
            if edge.target in joins:
                found.setdefault(edge.source, set()).add(edge.target)
    return found


def blocks(steps: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    """The block and those inside its steps."""
    yield steps
    for step in steps:
        if step.get("steps"):
            yield from blocks(step["steps"])


def parents(steps: Iterable[rules.Step], inside: str | None = None) -> dict[str, str | None]:
    """The container that each step is in."""
    found: dict[str, str | None] = {}
    for step in steps:
        found[step["id"]] = inside
        found |= parents(step.get("steps", ()), step["id"])
    return found
