"""Plays a case of an example on the real engine: its memory store, its JavaScript, a clock that jumps; what steps come
to, and what people and others do meanwhile, as the case has it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec import UNSET

import tenuto
from tenuto import errors
from tenuto.actions.custom import ExecutorContext, StepFailed
from tenuto.core.inputs import Approve, Complete, RetryStep, Signal, SkipStep
from tenuto.ports.host import Who
from tenuto.ports.script import ScriptEngine
from tests.patterns.examples import Case, Happening, Outcome, documents_of
from tests.patterns.record import Record
from tests.patterns.scripts import InlineScripts
from tests.simulation.loop import SimulatedLoop, Stuck

EPOCH = 1_800_000_000_000
LONGEST_MS = 3_000_000_000
"""Simulated milliseconds after which a case that still waits has failed."""


class Played(NamedTuple):
    """How a case ended: the document and the record of its execution, and of all executions, by workflow."""

    document: dict[str, Any]
    record: Record
    documents: dict[str, list[dict[str, Any]]]
    records: dict[str, list[Record]]


class LoopClock:
    """A wall clock that follows the running loop's time."""

    def now(self) -> int:
        return EPOCH + round(asyncio.get_running_loop().time() * 1000)


class Stage(tenuto.Engine):
    """An engine on a simulated loop."""

    def __init__(self) -> None:
        super().__init__("memory:")
        self.clock = LoopClock()

    def _new_scripts(self) -> ScriptEngine:
        return InlineScripts()


def play(definition: Path, case: Case) -> Played:
    """Play the case to its end."""
    loop = SimulatedLoop(longest_s=2 * LONGEST_MS / 1000)
    trouble: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: trouble.append(context))
    try:
        played = loop.run_until_complete(_play(documents_of(definition), case))
    finally:
        _give_up_all(loop)
    assert trouble == [], "errors that nobody heard"
    return played


def _give_up_all(loop: SimulatedLoop) -> None:
    """Let what still runs end, so that a case that failed leaves nothing to the next."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        with contextlib.suppress(Stuck):
            loop.run_until_complete(asyncio.wait(left))
    loop.close()


async def _play(documents: list[dict[str, Any]], case: Case) -> Played:
    stage = Stage()

    async def perform(params: dict[str, Any], context: ExecutorContext) -> Any:
        instance = context.step_key.removeprefix(f"{context.execution_id}/").rpartition("/")[0]
        outcome = case.outcome(instance, context.attempt)
        await asyncio.sleep(outcome.takes / 1000)
        await _tell(stage, outcome, context)
        if outcome.error is not None:
            raise StepFailed(outcome.error, "as the case has it")
        return params.get("result") if outcome.result is UNSET else outcome.result

    stage.register_executor("played", perform)
    async with stage:
        for document in documents:
            await stage.register_workflow({**document, **_played(document, case)})
        execution_id = await stage.start(documents[0]["id"], case.context)
        for happening in sorted(case.events, key=lambda happening: happening.at):
            await asyncio.sleep(happening.at / 1000 - (stage.clock.now() - EPOCH) / 1000)
            await _happen(stage, execution_id, happening)
        document = await stage.wait(execution_id, LONGEST_MS)
        return await _seen(stage, documents, document)


async def _tell(stage: Stage, outcome: Outcome, context: ExecutorContext) -> None:
    if outcome.signal is None:
        return
    target = context.execution_id if outcome.to is None else context[outcome.to]
    await stage.node.signal(target, Signal(outcome.signal, outcome.payload, context.step_key))


async def _happen(stage: Stage, execution_id: str, happening: Happening) -> None:
    if happening.refused is None:
        await _do(stage, execution_id, happening)
        return
    with pytest.raises(getattr(errors, happening.refused)):
        await _do(stage, execution_id, happening)


async def _do(stage: Stage, execution_id: str, what: Happening) -> None:
    node = stage.node
    if what.signal is not None:
        await node.signal(execution_id, Signal(what.signal, what.payload, by=what.by))
    elif what.cancel is not None:
        await node.cancel(execution_id, Who(what.by, what.cancel))
    else:
        await node.act(execution_id, _verb(what))


def _verb(what: Happening) -> Approve | Complete | SkipStep | RetryStep:
    if what.approve is not None:
        return Approve(what.approve, what.by)
    if what.reject is not None:
        return Approve(what.reject, what.by, approved=False)
    if what.complete is not None:
        return Complete(what.complete, what.result, by=what.by, reason=what.reason)
    if what.skip is not None:
        return SkipStep(what.skip, what.by, what.reason)
    assert what.retry is not None, "a happening says what happens"
    return RetryStep(what.retry, what.by, what.reason)


async def _seen(stage: Stage, documents: list[dict[str, Any]], document: dict[str, Any]) -> Played:
    ended: dict[str, list[dict[str, Any]]] = {}
    records: dict[str, list[Record]] = {}
    for workflow_id in [document["id"] for document in documents]:
        listed = await stage.list(workflow_id)
        ended[workflow_id] = [await stage.wait(brief["executionId"], LONGEST_MS) for brief in listed]
        records[workflow_id] = [await _record(stage, brief["executionId"]) for brief in listed]
    return Played(document, await _record(stage, document["executionId"]), ended, records)


async def _record(stage: Stage, execution_id: str) -> Record:
    return Record(await stage.node.journal(execution_id, limit=100_000))


def _played(part: dict[str, Any], case: Case) -> dict[str, Any]:
    """The steps of a definition, or of a container, with what the case performs in the place of work left out."""
    fields: dict[str, Any] = (
        {"steps": [_played_step(step, case) for step in part["steps"]]} if "steps" in part else {}
    )
    if "handlers" in part:
        fields["handlers"] = {
            kind: [_played_step(step, case) for step in steps] for kind, steps in part["handlers"].items()
        }
    return fields


def _played_step(step: dict[str, Any], case: Case) -> dict[str, Any]:
    if "steps" in step:
        return {**step, **_played(step, case)}
    is_mocked = any(name.partition("[")[0] == step["id"] for name in case.mocks)
    if "cases" in step or not (is_mocked or step.get("action", "noop") == "noop"):
        return step
    params = step.get("params", {})
    if step.get("action", "noop") != "noop":  # what it would have worked with is worked out all the same
        params = {"asked": params}
    return {"timeout": 0, **step, "action": "played", "params": params}


def ids_at_top(document: dict[str, Any]) -> Iterator[str]:
    """The ids of the steps that stand in no other."""
    for step in document["steps"]:
        yield step["id"]
