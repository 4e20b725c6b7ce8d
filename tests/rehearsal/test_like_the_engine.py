"""A rehearsal ends as the real engine does when its executors do what the mocks say: random workflows, played both ways.

`TENUTO_SEEDS` sets how many of each kind are played.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import Any

import msgspec
import pytest

import tenuto
from tenuto.actions.custom import ExecutorContext, StepFailed
from tenuto.errors import Conflict
from tenuto.ports.host import Who
from tenuto.ports.script import ScriptEngine
from tenuto.runtime.rehearsal.local import told
from tenuto.runtime.rehearsal.stage import Stage
from tenuto.wire.definitions import parse_definition
from tenuto.wire.rehearsal import read_rehearsal
from tests.model.generate import ACTION, Shape, random_case
from tests.model.plays import Features, random_play
from tests.patterns.record import Record
from tests.patterns.scripts import InlineScripts
from tests.rehearsal.stories import CANCELLER, Story, story_of_case, story_of_play
from tests.simulation import loop as simulated_loop

SEEDS = int(os.environ.get("TENUTO_SEEDS", "60"))
EPOCH = 1_800_000_000_000
MESSAGE = "as the rehearsal has it"
NESTED = Features(parks=0, undoes=40, handlers=60, gives_up=60)
FLAT = Shape(stops=("continue", "drain", "cancel"), catches=25, counts=20)


class _Clock:
    """A wall clock that follows the running loop's time."""

    def now(self) -> int:
        return EPOCH + round(asyncio.get_running_loop().time() * 1000)


class _Engine(tenuto.Engine):
    """The real engine on a simulated loop, with scripts that take no time."""

    def __init__(self) -> None:
        super().__init__("memory:")
        self.clock = _Clock()

    def _new_scripts(self) -> ScriptEngine:
        return InlineScripts()


def run_for_real(story: Story) -> tuple[dict[str, Any], Record]:
    """The document and the record of an execution whose executors do what the story says."""

    async def perform(params: dict[str, Any], context: ExecutorContext) -> Any:
        instance = context.step_key.split("/")[1]
        mocks = story.mocks[instance]
        mock = mocks[min(context.attempt, len(mocks)) - 1]
        await asyncio.sleep(mock["delay"] / 1000)
        if "error" in mock:
            raise StepFailed(mock["error"], MESSAGE)
        return mock["result"]

    async def main() -> tuple[dict[str, Any], Record]:
        engine = _Engine()
        engine.register_executor(ACTION, perform)
        async with engine:
            await engine.register_workflow(story.definition)
            execution_id = await engine.start(story.definition["id"], story.context, execution_id="rehearsal")
            if story.cancel_at is not None:
                await asyncio.sleep(story.cancel_at / 1000)
                with contextlib.suppress(Conflict):
                    await engine.node.cancel(execution_id, Who(CANCELLER))
            document = await engine.wait(execution_id)
            decoded = msgspec.json.decode(msgspec.json.encode(document))
            return decoded, Record(await engine.node.journal(execution_id, limit=100_000))

    played: tuple[dict[str, Any], Record] = simulated_loop.run(main)
    return played


def rehearse(story: Story) -> tuple[dict[str, Any], Any]:
    """The document and the record of the rehearsal of the same."""
    case = read_rehearsal({**story.case, "startTime": EPOCH})
    parsed = parse_definition(story.definition, {ACTION})

    async def main() -> tuple[dict[str, Any], Any]:
        stage = Stage(parsed.definition, 1, InlineScripts(), lambda node: None)
        stage.check(case)
        play = await stage.play(case)
        return told(case, play), play.record

    return asyncio.run(main())


def assert_alike(story: Story) -> None:
    """The documents are the same, times included, and every instance of every step ended the same way."""
    real, record = run_for_real(story)
    rehearsed, deeds = rehearse(story)
    assert "stopped" not in rehearsed
    assert rehearsed["document"] == real
    ended = {name: deed.said for name, deed in record.deeds.items() if deed.end is not None}
    assert {name: deed.said.split(" ")[0] for name, deed in deeds.deeds.items() if deed.ended} == {
        name: said.split(" ")[0] for name, said in ended.items()
    }
    times = {name: record.start(name).at for name in ended if record.has_started(name)}
    begun = {
        moment.step: moment.at
        for moment in reversed(deeds.moments)
        if moment.what == "started" and moment.step
    }
    assert begun == times


@pytest.mark.parametrize("seed", range(SEEDS))
def test_flat_workflows_end_as_they_do_in_truth(seed: int) -> None:
    assert_alike(story_of_case(random_case(random.Random(seed), FLAT), seed))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nested_workflows_end_as_they_do_in_truth(seed: int) -> None:
    assert_alike(story_of_play(random_play(seed, NESTED), seed))


def test_the_stories_have_everything_in_them() -> None:
    """Else the two tests above would say little."""
    statuses, kinds = set(), set()
    for seed in range(SEEDS):
        for story in (
            story_of_case(random_case(random.Random(seed), FLAT), seed),
            story_of_play(random_play(seed, NESTED), seed),
        ):
            document = rehearse(story)[0]["document"]
            statuses.add(document["status"])
            kinds |= {step["error"]["type"] for step in document["stepResults"].values() if "error" in step}
            kinds |= {name.partition(":")[2].partition("[")[0] for name in document["stepResults"]}
    assert {"completed", "failed", "cancelled"} <= statuses
    assert {"timeout", "http.503", "expression", "compensate"} <= kinds
