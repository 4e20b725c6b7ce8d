"""Bulk jobs, as the API, the command line and `Engine` see them: one verb for many executions."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

from tenuto.wire.bulk import Action, BulkBody, BulkError, BulkFilter

Instant = Annotated[int, Meta(description="milliseconds since the epoch")]
JobStatus = Literal["running", "done", "cancelled"]


class Shown(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is shown of bulk jobs: camelCase keys, and no others."""


class BulkJob(Shown, frozen=True, kw_only=True):
    """A job and how far it is. `matched` counts the executions found, of which `done` had the verb done to them,
    `skipped` were not in a status for it, and `failed` could not be had; `errors` tells the first hundred of those."""

    job_id: str
    status: JobStatus
    action: Action
    filter: BulkFilter
    matched: int
    done: int
    failed: int
    skipped: int
    errors: tuple[BulkError, ...]
    started_at: Instant
    ended_at: Instant | UnsetType = UNSET
    by: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class BulkMatch(Shown, frozen=True, kw_only=True):
    """What a job would find: how many executions, and the newest of them."""

    matched: int
    sample: tuple[str, ...]


class BulkJobs(Protocol):
    """Does verbs to many executions. Raises NotFound for a job that is not there, and StoreUnavailable."""

    async def begin(self, body: BulkBody) -> BulkJob:
        """Begin a job; it is on disk when this returns, and goes on until it is done, across restarts. Raises
        Conflict when too many are under way."""

    async def rehearse(self, body: BulkBody) -> BulkMatch:
        """What that job would find."""

    async def list_jobs(self) -> list[BulkJob]:
        """Jobs that are remembered, newest first."""

    async def get(self, job_id: str) -> BulkJob: ...

    async def cancel(self, job_id: str) -> BulkJob:
        """Do no more of it; what it has done stays. Raises Conflict when it is over."""
