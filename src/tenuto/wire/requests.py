"""The small request bodies about whole executions: what starts one, who asks for a control verb, what to do again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from tenuto.core.definition import ID_PATTERN, Id
from tenuto.errors import Invalid, Problem
from tenuto.wire.schema import Checker

MAX_KEY = 255
LATEST = 10**14
"""The last instant that a request may name: some time in the year 5138."""
RESERVED = frozenset({"start", "bulk"})
"""Ids that an execution cannot have, for these paths under /executions are calls of their own."""

WorkflowName = Annotated[
    str,
    Meta(
        pattern=ID_PATTERN.removesuffix("$") + r"(@[1-9][0-9]{0,8})?$",
        description="the workflow's id; `id@2` names a version",
    ),
]
B = TypeVar("B", bound="Body")
Text = Annotated[str, Meta(max_length=1000)]
Version = Annotated[int, Meta(ge=1, le=999_999_999)]


class Body(Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """camelCase keys, and no others."""


class StartBody(Body, frozen=True, kw_only=True):
    """What to start."""

    workflow_id: WorkflowName
    context: dict[str, Any] = field(default_factory=dict)
    version: Version | UnsetType = UNSET
    execution_id: Annotated[Id, Meta(description="an id of your own")] | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    tags: Annotated[dict[Text, Text], Meta(max_length=100)] = field(default_factory=dict)
    start_at: (
        Annotated[
            int,
            Meta(ge=0, le=LATEST, description="when it begins (ms since the epoch); at once if that is past"),
        ]
        | UnsetType
    ) = UNSET


class ControlBody(Body, frozen=True, kw_only=True):
    """Who asks, and why; both go into the journal."""

    by: Text | None = None
    reason: Text | None = None


class RerunBody(Body, frozen=True, kw_only=True):
    """From which step on to do an execution again, as a new one."""

    from_step: Annotated[Id, Meta(description="one of the workflow's own steps; it and all after it run")]
    context: (
        Annotated[dict[str, Any], Meta(description="another start context than the first execution had")]
        | UnsetType
    ) = UNSET
    version: (
        Annotated[Version, Meta(description="another version than that of the first execution")] | UnsetType
    ) = UNSET
    execution_id: Annotated[Id, Meta(description="an id of your own")] | UnsetType = UNSET
    by: Text | None = None
    reason: Text | None = None


class Reader(Generic[B]):
    """Reads documents as one type of body. `synonyms` maps what people write to what a field is called."""

    def __init__(self, body_type: type[B], synonyms: Mapping[str, str] | None = None) -> None:
        self._type = body_type
        self._checker = Checker(msgspec.json.schema(body_type), synonyms=synonyms)

    def __call__(self, document: object) -> B:
        """The document as that type. Raises Invalid with every problem."""
        try:
            return msgspec.convert(document, self._type)
        except msgspec.ValidationError:
            problems = self._checker.problems(document)
            if problems:
                raise Invalid(problems) from None
        return msgspec.convert(document, self._type, strict=False)  # 5.0 where a whole number stands


WHO = {"user": "by", "why": "reason"}
"""What people write for who asks and why."""

_start = Reader(
    StartBody, {"workflow": "workflowId", "input": "context", "id": "executionId", "at": "startAt", "runAt": "startAt"}
)  # fmt: skip
_rerun = Reader(
    RerunBody, {"from": "fromStep", "step": "fromStep", "stepId": "fromStep", "input": "context", "id": "executionId", **WHO}
)  # fmt: skip
_control = Reader(ControlBody, WHO)


def read_start_body(document: object) -> StartBody:
    """The document as a start. Raises Invalid with every problem."""
    body = _start(document)
    _check_id(body.execution_id)
    return body


def read_rerun_body(document: object) -> RerunBody:
    """The document as a rerun. Raises Invalid with every problem."""
    body = _rerun(document)
    _check_id(body.execution_id)
    return body


def read_control_body(document: object) -> ControlBody:
    """The document as who asks and why. Raises Invalid with every problem."""
    return _control(document)


def _check_id(execution_id: str | UnsetType) -> None:
    if execution_id in RESERVED:
        message = f"An execution named `{execution_id}` could not be read: /executions/{execution_id} is another call."
        raise Invalid([Problem("executionId", "reserved", message)])


def check_key(key: str) -> None:
    """Raise Invalid where an Idempotency-Key cannot be one."""
    if not (1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        message = f"Expected 1 to {MAX_KEY} printable ASCII characters."
        raise Invalid([Problem("headers.Idempotency-Key", "invalid", message)])


def workflow_of(body: StartBody) -> tuple[str, int | None]:
    """The workflow's id and the version named, in either place. Raises Invalid where they differ."""
    workflow_id, at, named = body.workflow_id.partition("@")
    version = None if body.version is UNSET else body.version
    if not at:
        return workflow_id, version
    if version not in (None, int(named)):
        message = f"`version` says {version} but `workflowId` says {named}; name one of them."
        raise Invalid([Problem("version", "conflict", message)])
    return workflow_id, int(named)
