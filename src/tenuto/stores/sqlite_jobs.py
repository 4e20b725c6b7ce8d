"""What the SQLite store asks of its writer and what it hears back: plain data, the same whether the writer is a thread
or a process of its own."""

from __future__ import annotations

from typing import Any, Literal, assert_never

from msgspec import Struct

from tenuto.errors import Conflict, Invalid, Problem, StoreUnavailable, TenutoError, TooLarge
from tenuto.ports.store import Batch, OutboxMessage, WorkflowVersion


class Commit(Struct, tag=True, array_like=True):
    """Write the batch."""

    batch: Batch


class PutWorkflow(Struct, tag=True, array_like=True):
    """Keep the definition as the newest version; answered with the version there is then."""

    version: WorkflowVersion
    name: str


class ArchiveWorkflow(Struct, tag=True, array_like=True):
    """Hide all versions; answered with whether there was one."""

    workflow_id: str


class UpdateOutbox(Struct, tag=True, array_like=True):
    """Remove what was sent, store what changed."""

    sent: list[int]
    changed: list[OutboxMessage]


class Ping(Struct, tag=True, array_like=True):
    """Write nothing but the number of the job, to see that it can be written."""


class RaiseKeys(Struct, tag=True, array_like=True):
    """Note that keys below `next_key` may be in use, for the next opening."""

    next_key: int


Job = Commit | PutWorkflow | ArchiveWorkflow | UpdateOutbox | Ping | RaiseKeys


class Refused(Struct, tag=True, array_like=True):
    """Nothing of the job was kept, and why."""

    kind: Literal["conflict", "invalid", "too_large", "unavailable"]
    message: str


class Stored(Struct, tag=True, array_like=True):
    """The version that a `PutWorkflow` led to."""

    version: WorkflowVersion


class Archived(Struct, tag=True, array_like=True):
    """Whether an `ArchiveWorkflow` found something to hide."""

    found: bool


Answer = None | Refused | Stored | Archived


def to_error(refused: Refused) -> TenutoError:
    """The refusal as the exception a caller of the store sees."""
    kind: Any = refused.kind
    match refused.kind:
        case "conflict":
            return Conflict(refused.message)
        case "invalid":
            return Invalid([Problem("", "not_storable", refused.message)])
        case "too_large":
            return TooLarge(refused.message)
        case "unavailable":
            return StoreUnavailable(refused.message)
        case _:
            assert_never(kind)
