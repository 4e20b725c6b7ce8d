"""Children that are only remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tenuto.core.events import ParentLink
from tenuto.errors import StoreUnavailable
from tenuto.ports.children import ChildEnd


class Start(NamedTuple):
    parent: ParentLink
    workflow_id: str
    version: int | None
    context: Mapping[str, Any]
    execution_id: str


class FakeChildren:
    """Remembers what was started; answers or raises what it is told, once the store has failed `unanswered` times."""

    def __init__(self, answer: ChildEnd | Exception | None = None, *, unanswered: int = 0) -> None:
        self.started: list[Start] = []
        self._answer = answer
        self._unanswered = unanswered

    async def start_child(
        self,
        parent: ParentLink,
        workflow_id: str,
        version: int | None,
        context: Mapping[str, Any],
        execution_id: str,
    ) -> ChildEnd | None:
        self.started.append(Start(parent, workflow_id, version, context, execution_id))
        if len(self.started) <= self._unanswered:
            raise StoreUnavailable("the disk is full")
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer
