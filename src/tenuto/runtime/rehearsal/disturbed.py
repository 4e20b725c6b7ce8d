"""A case played again and again, each time with something else going wrong: every attempt of every step is lost with its
process, every step fails for good, every step runs into its timeout.

Of the items of a map and the rounds of a loop, the first that was played stands for all.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct, structs

from tenuto.core.events import StepError
from tenuto.core.graph import Graph, Node
from tenuto.core.view import output
from tenuto.runtime.rehearsal.cast import step_of
from tenuto.runtime.rehearsal.expectations import is_of, same
from tenuto.runtime.rehearsal.play import Disturbance, Play
from tenuto.runtime.rehearsal.record import Record
from tenuto.runtime.rehearsal.stage import Stage
from tenuto.runtime.rehearsal.verdicts import (
    Doing,
    Safety,
    Verdict,
    has_effect,
    is_decided_within,
    judge,
    likely_errors,
)
from tenuto.wire.rehearsal import Case, Event, SimulationBody

MOST_LOST = 20
"""So many attempts of one step are lost, one at a time."""

MOST_NAMED = 50


class Aftermath(Struct, frozen=True, rename="camel"):
    """What a mishap leads to, next to the undisturbed case: how the execution ends, the steps that are skipped or given up,
    those that run for it, what is undone, and what has been done and stays. `summary` says it in a sentence."""

    cause: str
    status: str
    error: str | None
    skipped: list[str]
    also_run: list[str]
    undone: list[str]
    left_undone: list[str]
    summary: str


class Row(Struct, frozen=True, rename="camel"):
    """One step. `crash` says how the execution ends if the process dies during an attempt of it; `reached` whether the
    undisturbed case does the step at all."""

    step: str
    action: str
    verdict: Safety
    why: str
    reached: bool
    attempts: int
    crash: str | None
    failures: list[Aftermath]
    timeout: Aftermath | None


async def simulate(stage: Stage, told: SimulationBody) -> dict[str, Any]:
    """The rows of all steps, and how the undisturbed case ends, as JSON data."""
    simulation = _Simulation(stage, told, await stage.play(told))
    rows = [await simulation.row(part.node) for part in stage.cast.parts.values() if part.node.kind == "task"]
    base = simulation.base
    said: dict[str, Any] = {"workflowId": base.state.workflow_id, "status": base.state.status}
    if base.stopped is not None:
        said["stopped"] = base.stopped
    said |= {"steps": [simulation.settled(row) for row in rows], "unmocked": list(base.unmocked)}
    plain: dict[str, Any] = msgspec.to_builtins(said)
    return plain


class _Simulation:
    """One case, and its undisturbed play. `seen` is how each step was done first, in whatever play."""

    def __init__(self, stage: Stage, told: SimulationBody, base: Play) -> None:
        self.stage = stage
        self.told = told
        self.base = base
        self.idempotent = frozenset(told.idempotent)
        self.seen: dict[str, Doing] = {}
        self._note(base)
        self.parts = stage.cast.parts
        graph: Graph = stage.workflow.graph
        self.after_the_end = {node.id for block in graph.handlers.values() for node in block.nodes}

    async def row(self, node: Node) -> Row:
        """The step's row, as far as plays of its own tell."""
        mine = [performed for performed in self.base.performed if is_of(performed.step, node.id)]
        if not mine:
            return Row(node.id, node.spec.action, "unknown", "", False, 0, None, [], None)
        instance = mine[0].step
        attempts = [performed.attempt for performed in mine if performed.step == instance]
        verdict, crash = await self._crashes(node, instance, attempts[:MOST_LOST])
        failures = [
            await self._disturb(
                node, error, Disturbance(instance, error=StepError(error, "as the simulation has it"))
            )
            for error in likely_errors(node)
        ]
        timeout = await self._time_out(node, instance)
        return Row(
            node.id, node.spec.action, verdict.safety, verdict.why, True, len(attempts), crash, failures, timeout
        )  # fmt: skip

    def settled(self, row: Row) -> Row:
        """The row, with a verdict also where only a mishap reaches the step."""
        if row.reached:
            return row
        verdict = judge(self.parts[row.step].node, self.seen.get(row.step), None, self.idempotent)
        return structs.replace(row, verdict=verdict.safety, why=verdict.why)

    # -- mishaps ----------------------------------------------------------------------------------------------

    async def _crashes(self, node: Node, instance: str, attempts: list[int]) -> tuple[Verdict, str]:
        verdicts: list[Verdict] = []
        ends: list[str] = []
        for attempt in attempts:
            play = await self._play(self.told, Disturbance(instance, lost=attempt))
            first, again = _doing(play, instance, attempt), _doing(play, instance, attempt + 1)
            verdicts.append(judge(node, first, again, self.idempotent))
            ends.append(self._compared(play, attempt))
        worst = max(verdicts, key=lambda verdict: _GRAVITY.index(verdict.safety))
        return worst, next((end for end in ends if end != _SAME), _SAME)

    async def _time_out(self, node: Node, instance: str) -> Aftermath | None:
        action = node.spec.action
        is_called_back = action == "http.request" and node.spec.params.get("completion") == "callback"
        if action in ("approval", "signal.wait") or is_called_back:
            return await self._disturb(node, "no answer", None, _unanswered(self.told, node, instance))
        if is_decided_within(node) and action != "transform":
            return None
        return await self._disturb(node, "timeout", Disturbance(instance, hangs=True))

    async def _disturb(
        self, node: Node, cause: str, disturbance: Disturbance | None, case: Case | None = None
    ) -> Aftermath:
        return self._aftermath(node, cause, await self._play(case or self.told, disturbance))

    async def _play(self, case: Case, disturbance: Disturbance | None) -> Play:
        play = await self.stage.play(case, disturbance)
        self._note(play)
        return play

    def _note(self, play: Play) -> None:
        for performed in play.performed:
            static = performed.step.partition("[")[0]
            if static not in self.seen:
                self.seen[static] = Doing(performed, _sent(play, performed.step, performed.attempt))

    # -- what comes of them -----------------------------------------------------------------------------------

    def _compared(self, play: Play, attempt: int) -> str:
        """How the execution ends after that crash, next to how it would have."""
        if _ends(play) == _ends(self.base) and same(output(play.state), output(self.base.state)):
            return _SAME
        return f"otherwise, if attempt {attempt} is lost: {_ended(play)}"

    def _aftermath(self, node: Node, cause: str, play: Play) -> Aftermath:
        before, after = self.base.record, play.record
        skipped = [name for name in before.deeds if _was_done(before, name) and not _was_done(after, name)]
        skipped = [name for name in skipped if not is_of(name, node.id)]
        also_run = [name for name in after.deeds if after.deed(name).began and not before.deed(name).began]
        state = play.state
        left = [] if state.status == "completed" else self._left(play)
        error = None if state.error is None else state.error.type
        told = Aftermath(
            cause, state.status, error, _statics(skipped)[:MOST_NAMED], _statics(also_run)[:MOST_NAMED], list(play.record.undone),
            left[:MOST_NAMED], "",
        )  # fmt: skip
        in_doubt = cause == "timeout" and has_effect(node, self.seen.get(node.id))
        return structs.replace(told, summary=_summary(told, play, node.id if in_doubt else None))

    def _left(self, play: Play) -> list[str]:
        """Steps that changed something in the world, succeeded, and were not undone."""
        left = []
        for name, deed in play.record.deeds.items():
            static = name.partition("[")[0]
            part = self.parts.get(static)
            if (
                part is None
                or deed.status != "success"
                or part.node.kind != "task"
                or name in play.record.undone
            ):
                continue
            if ":" in static or static in self.after_the_end or (not is_of(name, static)):
                continue
            done = [performed for performed in play.performed if performed.step == name]
            if done and has_effect(part.node, Doing(done[-1], _sent(play, name, done[-1].attempt))):
                left.append(name)
        return left


def _was_done(record: Record, name: str) -> bool:
    """Whether it was begun and not given up."""
    deed = record.deed(name)
    return deed.began is not None and deed.status not in ("skipped", "cancelled")


def _statics(names: list[str]) -> list[str]:
    """The steps that these are items and rounds of, each once."""
    return list(dict.fromkeys(name.partition("[")[0] for name in names))


_SAME = "the same"
_GRAVITY: list[Safety] = ["safe", "safe if honoured", "unknown", "not safe"]


def _doing(play: Play, step: str, attempt: int) -> Doing | None:
    found = [done for done in play.performed if done.step == step and done.attempt == attempt]
    return Doing(found[0], _sent(play, step, attempt)) if found else None


def _sent(play: Play, step: str, attempt: int) -> Any:
    return next((sent for sent in play.sent if sent[:2] == (step, attempt)), None)


def _ends(play: Play) -> Any:
    error = None if play.state.error is None else play.state.error.type
    return play.state.status, error, {name: deed.said for name, deed in play.record.deeds.items()}


def _ended(play: Play) -> str:
    """How the execution ends, in words."""
    state = play.state
    if play.stopped is not None:
        return f"the execution stands still: {play.stopped}"
    if state.status == "failed" and state.error is not None:
        return f"the execution fails ({state.error.type})"
    return {"completed": "the execution completes", "cancelled": "the execution is cancelled"}.get(
        state.status, f"the execution is {state.status}"
    )


def _summary(told: Aftermath, play: Play, in_doubt: str | None) -> str:
    parts = [_ended(play)]
    for words, names in (
        ("skips", told.skipped),
        ("runs", [name for name in told.also_run if ":compensate" not in name]),
        ("undoes", told.undone),
        ("LEAVES DONE", told.left_undone),
    ):
        if names:
            parts.append(f"{words} {_named(names)}")
    if play.state.compensation == "partial":
        parts.append("not all could be undone")
    if in_doubt is not None:
        parts.append(f"whether {in_doubt} was done is not known")
    return "; ".join(parts)


def _named(instances: list[str]) -> str:
    names = _statics(instances)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _unanswered(told: SimulationBody, node: Node, instance: str) -> Case:
    """The case in which nobody says what the step waits for."""
    events = tuple(event for event in told.events if not _concerns(event, node, instance))
    mocks = {name: mock for name, mock in told.mocks.items() if name not in (node.id, instance)}
    return structs.replace(told, events=events, mocks=mocks)


def _concerns(event: Event, node: Node, instance: str) -> bool:
    if event.signal is not UNSET:
        return bool(event.signal == node.spec.params.get("name"))
    return step_of(event) in (node.id, instance)
