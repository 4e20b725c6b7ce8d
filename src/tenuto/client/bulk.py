"""Bulk jobs from a program: one verb for many executions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from tenuto.client.calls import Calls
from tenuto.client.results import Answer
from tenuto.client.steps import said
from tenuto.client.transport import path


class BulkError(Struct, kw_only=True, rename="camel"):
    """Why an execution could not be had."""

    execution_id: str
    message: str = ""


class BulkJob(Answer, kw_only=True):
    """A job and how far it is; `status` is running, done or cancelled."""

    job_id: str
    status: str
    action: str
    filter: dict[str, Any] = field(default_factory=dict)
    matched: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    errors: list[BulkError] = field(default_factory=list)
    started_at: int = 0
    ended_at: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status != "running"


class BulkMatch(Answer, kw_only=True):
    """What a job would find: how many executions, and the newest of them."""

    matched: int
    sample: list[str] = field(default_factory=list)


class BulkCalls(Calls):
    """The calls about bulk jobs. A filter is `{workflowId?, status?, tag?, since?, until?, q?}`, or `{"all": True}`."""

    async def begin_bulk(
        self,
        action: str,
        filter: Mapping[str, Any],  # noqa: A002 - the word of the API
        *,
        signal: Mapping[str, Any] | None = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> BulkJob:
        """Begin to do a verb (cancel, terminate, pause, resume, retry, or signal with `{"name", "payload"}`) to all
        executions that fit; it goes on across restarts of the server. Raises ApiError (400, 409)."""
        body = said(action=action, filter=filter, signal=signal, by=by, reason=reason)
        return self._answer(BulkJob, (await self._page("POST", path("executions", "bulk"), body=body)).data)

    async def rehearse_bulk(
        self,
        action: str,
        filter: Mapping[str, Any],  # noqa: A002 - the word of the API
        *,
        signal: Mapping[str, Any] | None = None,
    ) -> BulkMatch:
        """What such a job would find. Raises ApiError (400)."""
        body = said(action=action, filter=filter, signal=signal, dryRun=True)
        return self._answer(BulkMatch, (await self._page("POST", path("executions", "bulk"), body=body)).data)

    async def list_bulk(self) -> list[BulkJob]:
        """Jobs under way and the last that are over, newest first."""
        return [self._answer(BulkJob, raw) for raw in self._list(await self._get(path("executions", "bulk")))]

    async def get_bulk(self, job_id: str) -> BulkJob:
        """How far a job is. Raises ApiError (404)."""
        return self._answer(BulkJob, await self._get(path("executions", "bulk", job_id)))

    async def cancel_bulk(self, job_id: str) -> BulkJob:
        """Do no more of a job. Raises ApiError (404, 409)."""
        page = await self._page("DELETE", path("executions", "bulk", job_id))
        return self._answer(BulkJob, page.data)
