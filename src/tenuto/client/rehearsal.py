"""Rehearsals from a program: a workflow played with made-up outcomes, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from tenuto.client.calls import Calls
from tenuto.client.results import Answer, Execution, answer
from tenuto.client.transport import path


class RehearsedMoment(Struct, kw_only=True):
    """Something that happened, `at` virtual ms since the start; `step` is None for the execution as a whole."""

    at: int
    what: str
    step: str | None = None
    detail: str | None = None


class RehearsedCall(Struct, kw_only=True):
    """An attempt of an action, and the params it was made with."""

    step: str
    attempt: int
    at: int
    action: str
    params: dict[str, Any] = {}


class RehearsedExpectation(Struct, kw_only=True):
    """Something that was expected, and what is so."""

    what: str
    ok: bool
    expected: Any = None
    actual: Any = None


class Rehearsed(Answer, kw_only=True):
    """How a rehearsal went. `duration` in virtual ms; `stopped` says why it stands still, where it did not end; `ok` whether
    all expectations are met; `unmocked` are steps that would have asked another system, of which nothing was said."""

    workflow_id: str
    status: str
    workflow_version: int = 0
    duration: int = 0
    stopped: str | None = None
    ok: bool = True
    document: dict[str, Any] = field(default_factory=dict)
    timeline: list[RehearsedMoment] = field(default_factory=list)
    calls: list[RehearsedCall] = field(default_factory=list)
    unmocked: list[str] = field(default_factory=list)
    expectations: list[RehearsedExpectation] = field(default_factory=list)

    @property
    def execution(self) -> Execution:
        """The document as a type."""
        return answer(Execution, self.document)


class RehearsalCalls(Calls):
    """The call that rehearses."""

    async def rehearse(
        self,
        workflow_id: str,
        case: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        definition: Mapping[str, Any] | None = None,
    ) -> Rehearsed:
        """Play a case (`context`, `mocks`, `events`, `expect` …, as docs/testing.md has them) of a workflow, or of a
        `definition` that need not be registered. Nothing of it is kept. Raises ApiError (400, 404)."""
        body = {**(case or {}), **({} if definition is None else {"definition": definition})}
        page = await self._page(
            "POST", path("workflows", workflow_id, "test"), {"version": version}, body=body
        )
        return self._answer(Rehearsed, page.data)
