"""docs/control.md says what every verb answers in every status of an execution and of a step; each cell is driven."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tenuto.bootstrap import Engine
from tests.api.client import Client, Reply
from tests.api.conftest import Gate
from tests.api.situations import EXECUTIONS, STEPS, Situation, Stage, Stumbling
from tests.docs.pages import table_rows, text_of
from tests.receivers import receiver

PAGE = text_of("docs/control.md")
WHO = {"by": "ann", "reason": "why not"}
BODIES: dict[str, Any] = {
    "signal": {"payload": 1, "by": "ann"},
    "rerun": {"fromStep": "a", **WHO},
    "approve": {"by": "ann"},
    "reject": {"by": "ann"},
    "complete": {"result": 7, **WHO},
    "fail": {"message": "no", **WHO},
    "callback": {"done": True},
}


def cells(heading: str) -> list[tuple[str, str, str, str]]:
    """Verb, status, what it answers there, and what it answers right after that."""
    columns = head_of(heading)
    found = []
    for row in table_rows(PAGE, heading):
        verb = row[0].strip("`")
        for status, cell in zip(columns[1:], row[1:], strict=True):
            first, _, again = cell.partition(", ")
            found.append((verb, status, first, again or first))
    return found


def head_of(heading: str) -> list[str]:
    section = PAGE.split(f"# {heading}\n")[1]
    line = next(line for line in section.splitlines() if line.startswith("|"))
    return [cell.strip().strip("`") for cell in line.split("|")[1:-1]]


@pytest.fixture
async def stage(engine: Engine, client: Client, gate: Gate) -> AsyncIterator[Stage]:
    engine.register_executor("stumble", Stumbling(gate).run)
    async with receiver() as service:
        yield Stage(client, service.url())


async def ask(engine: Engine, client: Client, path: str, verb: str) -> Reply:
    """One verb for the execution, or for its step `a`."""
    body = BODIES.get(verb, WHO)
    if verb == "signal":
        return await client.post(f"{path}/signals/go", body)
    if verb == "callback":
        execution_id = path.rpartition("/")[2]
        url = engine.node.callbacks.url(execution_id, "a", 0)
        return await client.post("/" + url.partition("://")[2].partition("/")[2], body)
    return await client.post(f"{path}/{verb}", body)


async def hold_to_cell(
    engine: Engine, stage: Stage, situation: Situation, place: str, verb: str, first: str, again: str
) -> None:
    path = await situation(stage)
    before = (await stage.client.get(path)).json()
    reply = await ask(engine, stage.client, path + place, verb)
    assert str(reply.status) == first, reply.text
    if reply.status == 409:
        after = (await stage.client.get(path)).json()
        assert (after["status"], after["stepResults"]) == (before["status"], before["stepResults"])
    reply = await ask(engine, stage.client, path + place, verb)
    assert str(reply.status) == again, reply.text


@pytest.mark.parametrize(("verb", "status", "first", "again"), cells("Verbs for an execution"))
async def test_verbs_for_an_execution_answer_as_the_page_says(
    engine: Engine, stage: Stage, verb: str, status: str, first: str, again: str
) -> None:
    await hold_to_cell(engine, stage, EXECUTIONS[status], "", verb, first, again)


@pytest.mark.parametrize(("status", "verb", "first", "again"), cells("Verbs for a step"))
async def test_verbs_for_a_step_answer_as_the_page_says(
    engine: Engine, stage: Stage, verb: str, status: str, first: str, again: str
) -> None:
    place = "" if verb == "callback" else "/steps/a"
    await hold_to_cell(engine, stage, STEPS[status], place, verb, first, again)


@pytest.mark.parametrize(("verb", "status", "first", "again"), cells("Where the execution does not run"))
async def test_verbs_for_a_step_heed_the_status_of_the_execution(
    engine: Engine, stage: Stage, verb: str, status: str, first: str, again: str
) -> None:
    place = "" if verb == "callback" else "/steps/a"
    await hold_to_cell(engine, stage, EXECUTIONS[status], place, verb, first, again)


def test_the_page_has_every_verb_and_every_status() -> None:
    of_executions = {"cancel", "terminate", "pause", "resume", "retry", "rerun", "signal"}
    of_steps = {"approve", "reject", "complete", "fail", "skip", "retry", "callback"}
    assert {cell[0] for cell in cells("Verbs for an execution")} == of_executions
    assert head_of("Verbs for an execution")[1:] == list(EXECUTIONS)
    assert {cell[1] for cell in cells("Verbs for a step")} == of_steps
    assert [row[0].strip("`") for row in table_rows(PAGE, "Verbs for a step")] == list(STEPS)
    assert {cell[0] for cell in cells("Where the execution does not run")} == of_steps
