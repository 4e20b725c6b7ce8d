"""The small request bodies: what starts an execution, and who asks for a control verb."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from tenuto.core.definition import ID_PATTERN, Id
from tenuto.errors import Invalid, Problem
from tenuto.wire.schema import Checker, Later

MAX_KEY = 255
RESERVED = "start"

WorkflowName = Annotated[
    str,
    Meta(
        pattern=ID_PATTERN.removesuffix("$") + r"(@[1-9][0-9]{0,8})?$",
        description="the workflow's id; `id@2` names a version",
    ),
]
B = TypeVar("B", bound="Body")
Text = Annotated[str, Meta(max_length=1000)]


class Body(Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """camelCase keys, and no others."""


class StartBody(Body, frozen=True, kw_only=True):
    """What to start."""

    workflow_id: WorkflowName
    context: dict[str, Any] = field(default_factory=dict)
    version: Annotated[int, Meta(ge=1, le=999_999_999)] | UnsetType = UNSET
    execution_id: Annotated[Id, Meta(description="an id of your own")] | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    tags: Annotated[dict[Text, Text], Meta(max_length=100)] = field(default_factory=dict)


class ControlBody(Body, frozen=True, kw_only=True):
    """Who asks, and why; both go into the journal."""

    by: Text | None = None
    reason: Text | None = None


_start = Checker(
    msgspec.json.schema(StartBody),
    Later(fields={"StartBody": frozenset({"startAt"})}, values={}),
    {"workflow": "workflowId", "input": "context", "id": "executionId"},
)
_control = Checker(msgspec.json.schema(ControlBody), synonyms={"user": "by", "why": "reason"})


def read_start_body(document: object) -> StartBody:
    """The document as a start. Raises Invalid with every problem."""
    body = _read(document, StartBody, _start)
    if body.execution_id == RESERVED:
        message = f"An execution named `{RESERVED}` could not be read, for /executions/{RESERVED} starts one."
        raise Invalid([Problem("executionId", "reserved", message)])
    return body


def read_control_body(document: object) -> ControlBody:
    """The document as who asks and why. Raises Invalid with every problem."""
    return _read(document, ControlBody, _control)


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


def _read(document: object, body_type: type[B], checker: Checker) -> B:
    """The document as that type. Raises Invalid with every problem."""
    try:
        return msgspec.convert(document, body_type)
    except msgspec.ValidationError:
        problems = checker.problems(document)
        if problems:
            raise Invalid(problems) from None
    return msgspec.convert(document, body_type, strict=False)  # 5.0 where a whole number stands
