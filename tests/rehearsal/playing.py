"""Plays cases on a stage of their own, with the product's JavaScript evaluated in this process."""

from __future__ import annotations

from typing import Any

import msgspec

from tenuto.runtime.rehearsal.disturbed import simulate
from tenuto.runtime.rehearsal.local import told
from tenuto.runtime.rehearsal.stage import Stage
from tenuto.wire.definitions import parse_definition
from tenuto.wire.rehearsal import read_rehearsal, read_simulation
from tests.patterns.scripts import InlineScripts

EVERYTHING = frozenset({"call", "note"})


def stage_of(definition: dict[str, Any]) -> Stage:
    """A stage for the definition, which must be one that could be registered."""
    parsed = parse_definition({"id": "w", **definition}, EVERYTHING)
    return Stage(parsed.definition, 1, InlineScripts(), lambda node: None)


async def rehearse(definition: dict[str, Any], **case: Any) -> dict[str, Any]:
    """How the case goes, as JSON data."""
    stage, read = stage_of(definition), read_rehearsal(case)
    stage.check(read)
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told(read, await stage.play(read))))
    return decoded


async def simulated(definition: dict[str, Any], **case: Any) -> dict[str, Any]:
    """What mishaps do, by step."""
    stage, read = stage_of(definition), read_simulation(case)
    stage.check(read)
    return {row["step"]: row for row in (await simulate(stage, read))["steps"]}


def steps(*given: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A definition of these steps."""
    return {"steps": list(given), **fields}


def call(step_id: str, *dependencies: str, **fields: Any) -> dict[str, Any]:
    """A step that asks a system which is not there."""
    return {"id": step_id, "action": "call", "dependencies": list(dependencies), **fields}


def statuses(document: dict[str, Any]) -> dict[str, str]:
    """The statuses of its steps, with reasons."""
    return {
        name: " ".join(filter(None, (step["status"], step.get("reason"))))
        for name, step in document["stepResults"].items()
    }
