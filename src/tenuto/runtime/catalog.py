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
from tenuto.runtime.receivers import receiver_problems
from tenuto.runtime.workflow import FindAction, Workflow
from tenuto.wire.definitions import Parsed, examine_definition
from tenuto.wire.schema import MAX_PROBLEMS

REMEMBERED = 1_000
"""Compiled versions kept in memory, and ids whose newest version is known; the least recently used go first."""

LARGE = 100_000
"""Bytes of JSON from which a definition is checked, and compiled, in a thread."""


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
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._changes = 0
        self._compiling: dict[tuple[str, int], asyncio.Future[Workflow]] = {}

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
        if len(problems) < MAX_PROBLEMS:
            told = {problem.path for problem in problems}
            problems += [problem for problem in receiver_problems(document) if problem.path not in told]
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
        self._changes += 1
        self._is_newest(stored)
        created = before is None or before.version != stored.version
        return Registration(stored.workflow_id, stored.version, created, parsed.warnings)

    async def archive(self, workflow_id: str) -> None:
        """Hide a workflow. Raises NotFound."""
        found = await self._store.archive_workflow(workflow_id)
        self._changes += 1
        self._newest.pop(workflow_id, None)
        if not found:
            raise NotFound(f"there is no workflow {workflow_id!r}")

    def find_at_hand(self, workflow_id: str, version: int | None) -> Workflow | None:
        """The compiled version, if it is in memory."""
        if version is None:
            version = self._newest.get(workflow_id)
            if version is None:
                return None
        found = self._compiled.get((workflow_id, version))
        if found is not None:
            self._compiled.move_to_end((workflow_id, version))
        return found

    async def get(self, workflow_id: str, version: int | None = None) -> Workflow:
        """The compiled version (the newest when none is named). Raises NotFound."""
        found = self.find_at_hand(workflow_id, version)
        if found is not None:
            return found
        changes = self._changes
        stored = await self.get_stored(workflow_id, version)
        if version is None and changes == self._changes:  # else what was read may be the newest no longer
            self._is_newest(stored)
        return await self._compile(stored)

    def _is_newest(self, stored: WorkflowVersion) -> None:
        self._newest[stored.workflow_id] = stored.version
        self._newest.move_to_end(stored.workflow_id)
        if len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)

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

    async def _compile(self, stored: WorkflowVersion) -> Workflow:
        """Compile it once, however many ask meanwhile."""
        name = (stored.workflow_id, stored.version)
        found = self.find_at_hand(*name)
        if found is not None:
            return found
        if len(stored.definition) <= LARGE:
            return self._keep(name, self._compiled_from(stored))
        compiling = self._compiling.get(name)
        if compiling is None:
            compiling = asyncio.ensure_future(asyncio.to_thread(self._compiled_from, stored))
            self._compiling[name] = compiling
            compiling.add_done_callback(lambda ended: self._compiling.pop(name, None) and ended.exception())
        compiled = self._compiled
        workflow = await asyncio.shield(compiling)
        return self._keep(name, workflow) if compiled is self._compiled else workflow

    def _compiled_from(self, stored: WorkflowVersion) -> Workflow:
        definition = msgspec.json.decode(stored.definition, type=Definition)
        return Workflow(definition, stored.version, self._find_action)

    def _keep(self, name: tuple[str, int], workflow: Workflow) -> Workflow:
        workflow = self._compiled.setdefault(name, workflow)
        if len(self._compiled) > REMEMBERED:
            self._compiled.popitem(last=False)
        return workflow

    def forget_compiled(self) -> None:
        """Compile again on next use: the actions this process serves have changed."""
        self._compiled = OrderedDict()
        self._compiling = {}


def _is_large(document: Any) -> bool:
    """Whether checking it takes so long that other executions would wait."""
    try:
        return len(msgspec.json.encode(document)) > LARGE
    except (TypeError, ValueError, RecursionError):  # not JSON data: the check says so at once
        return False
