"""The workflows this node knows: checked, stored, compiled once and kept at hand.

This node is the only writer of its store, so what it remembers of the newest versions is true.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from tenuto.core.definition import Definition
from tenuto.core.validate import ToCheck
from tenuto.errors import DefinitionInvalid, NotFound, Problem
from tenuto.ports.clock import Clock
from tenuto.ports.host import Registration
from tenuto.ports.script import Script, ScriptEngine
from tenuto.ports.store import Store, WorkflowVersion
from tenuto.runtime.workflow import FindAction, Workflow
from tenuto.wire.definitions import Parsed, examine_definition

REMEMBERED = 1_000
"""Compiled versions kept in memory; the least recently used go first."""

LARGE = 100_000
"""Bytes of JSON from which a definition is checked in a thread."""


class Catalog:
    """Workflow versions by id."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        scripts: ScriptEngine,
        find_action: FindAction,
        known_actions: Callable[[], list[str]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._scripts = scripts
        self._find_action = find_action
        self._known_actions = known_actions
        self._compiled: OrderedDict[tuple[str, int], Workflow] = OrderedDict()
        self._newest: dict[str, int] = {}

    async def check(self, document: Any) -> Parsed:
        """The definition, checked as a whole, scripts included. Raises DefinitionInvalid with every problem."""
        known = frozenset(self._known_actions())
        if _is_large(document):
            problems, scripts, parsed = await asyncio.to_thread(examine_definition, document, known)
        else:
            problems, scripts, parsed = examine_definition(document, known)
        problems += [
            problem for script in scripts if (problem := await self._script_problem(script)) is not None
        ]
        if parsed is None or problems:
            raise DefinitionInvalid(problems)
        return parsed

    async def _script_problem(self, script: ToCheck) -> Problem | None:
        path, kind, source = script
        why = await self._scripts.check(Script(kind, source))
        return None if why is None else Problem(path, "script", f"does not parse as JavaScript: {why}")

    async def register(self, document: Any) -> Registration:
        """Check and keep a definition. Raises DefinitionInvalid."""
        parsed = await self.check(document)
        offered = WorkflowVersion(
            workflow_id=parsed.definition.id,
            version=0,
            digest=parsed.digest,
            definition=parsed.canonical,
            created_at=self._clock.now(),
        )
        before = await self._store.find_workflow(offered.workflow_id)
        stored = await self._store.put_workflow(offered)
        self._newest[stored.workflow_id] = stored.version
        created = before is None or before.version != stored.version
        return Registration(stored.workflow_id, stored.version, created, parsed.warnings)

    async def archive(self, workflow_id: str) -> None:
        """Hide a workflow. Raises NotFound."""
        self._newest.pop(workflow_id, None)
        if not await self._store.archive_workflow(workflow_id):
            raise NotFound(f"there is no workflow {workflow_id!r}")

    def find_at_hand(self, workflow_id: str, version: int | None) -> Workflow | None:
        """The compiled version, if it is in memory."""
        if version is None:
            version = self._newest.get(workflow_id)
            if version is None:
                return None
        return self._compiled.get((workflow_id, version))

    async def get(self, workflow_id: str, version: int | None = None) -> Workflow:
        """The compiled version (the newest when none is named). Raises NotFound."""
        found = self.find_at_hand(workflow_id, version)
        if found is not None:
            return found
        stored = await self.get_stored(workflow_id, version)
        if version is None:
            self._newest[workflow_id] = stored.version
        return self._compile(stored)

    async def get_stored(self, workflow_id: str, version: int | None = None) -> WorkflowVersion:
        """The version as it is stored. Raises NotFound."""
        stored = await self._store.find_workflow(workflow_id, version)
        if stored is None:
            what = (
                f"workflow {workflow_id!r}"
                if version is None
                else f"version {version} of workflow {workflow_id!r}"
            )
            raise NotFound(f"there is no {what}")
        return stored

    def _compile(self, stored: WorkflowVersion) -> Workflow:
        definition = msgspec.json.decode(stored.definition, type=Definition)
        workflow = Workflow(definition, stored.version, self._find_action)
        self._compiled[stored.workflow_id, stored.version] = workflow
        if len(self._compiled) > REMEMBERED:
            self._compiled.popitem(last=False)
        return workflow

    def forget_compiled(self) -> None:
        """Compile again on next use: the actions this process serves have changed."""
        self._compiled.clear()


def _is_large(document: Any) -> bool:
    """Whether checking it takes so long that other executions would wait."""
    try:
        return len(msgspec.json.encode(document)) > LARGE
    except (TypeError, ValueError, RecursionError):  # not JSON data: the check says so at once
        return False
