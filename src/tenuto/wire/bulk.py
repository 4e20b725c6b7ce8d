"""Bulk jobs as they are asked for: which executions, and what to do to each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tenuto.core.definition import Id
from tenuto.core.state import ExecutionStatus
from tenuto.errors import Invalid, Problem
from tenuto.wire.requests import LATEST, WHO, Body, Reader, Text
from tenuto.wire.steps import SIGNAL_NAME

Action = Literal["cancel", "terminate", "pause", "resume", "retry", "signal"]
JOB_ID = r"^bulk-[0-9]{8}T[0-9]{6}(\.[0-9]{3})?Z$"

Instant = Annotated[int, Meta(ge=0, le=LATEST)]


class BulkFilter(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Which executions: those that fit everything given."""

    workflow_id: Id | UnsetType = UNSET
    status: (
        ExecutionStatus | Annotated[list[ExecutionStatus], Meta(min_length=1, max_length=6)] | UnsetType
    ) = UNSET
    tag: (
        Annotated[
            str,
            Meta(pattern="^[^:]", max_length=2001, description="name:value, or a name alone for any value"),
        ]
        | UnsetType
    ) = UNSET
    since: Annotated[Instant, Meta(description="started at or after this instant (ms)")] | UnsetType = UNSET
    until: Annotated[Instant, Meta(description="started before this instant (ms)")] | UnsetType = UNSET
    q: (
        Annotated[
            str, Meta(min_length=1, max_length=200, description="found in the execution's or workflow's id")
        ]
        | UnsetType
    ) = UNSET
    all: Annotated[bool, Meta(description="every execution; in place of everything else")] = False


class BulkSignal(Body, frozen=True, kw_only=True):
    """The signal of the action `signal`."""

    name: Annotated[str, Meta(pattern=SIGNAL_NAME)]
    payload: Any = None


class BulkBody(Body, frozen=True, kw_only=True):
    """What to do to which executions; who asks, and why, stands in the journal of each."""

    filter: BulkFilter
    action: Action
    signal: Annotated[BulkSignal, Meta(description="with action `signal`")] | UnsetType = UNSET
    by: Text | None = None
    reason: Text | None = None
    dry_run: Annotated[bool, Meta(description="say how many and which, do nothing")] = False


class BulkError(Struct, frozen=True, rename="camel"):
    """Why an execution could not be done anything to."""

    execution_id: str
    message: str


_bulk = Reader(
    BulkBody, {"workflow": "workflowId", "where": "filter", "query": "filter", "verb": "action", "dryrun": "dryRun", **WHO}
)  # fmt: skip


def read_bulk(document: object) -> BulkBody:
    """The document as what to do. Raises Invalid with every problem."""
    body = _bulk(document)
    problems = list(_senseless(body))
    if problems:
        raise Invalid(problems)
    return body


def _senseless(body: BulkBody) -> Iterator[Problem]:
    narrowed = body.filter != BulkFilter(all=body.filter.all)
    if body.filter.all and narrowed:
        yield Problem("filter.all", "conflict", "`all` is every execution; give it alone or not at all.")
    if not (body.filter.all or narrowed):
        message = 'An empty filter would take every execution; if that is meant, say so: {"all": true}.'
        yield Problem("filter", "empty", message)
    if body.action == "signal" and body.signal is UNSET:
        yield Problem("signal", "required", 'The action `signal` needs one: {"name": "…", "payload": …}.')
    if body.action != "signal" and body.signal is not UNSET:
        yield Problem("signal", "conflict", "`signal` belongs to the action `signal`.")
