"""The HTTP client. It knows the API's calls and nothing of what is behind them; every answer is typed, every refusal
an `ApiError`, every silence a `ServerUnreachable`. It never repeats a call that could do something twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from tenuto.client.administration import AdministrationCalls
from tenuto.client.bulk import BulkCalls
from tenuto.client.following import Following
from tenuto.client.rehearsal import RehearsalCalls
from tenuto.client.results import (
    Checked,
    Execution,
    Explanation,
    JournalEntry,
    Registered,
    Started,
    Version,
    Workflow,
)
from tenuto.client.schedules import ScheduleCalls
from tenuto.client.steps import StepCalls, said
from tenuto.client.transport import Transport, path

DEFAULT_URL = "http://127.0.0.1:3000"
PATIENCE_MS = 30_000
"""How long a followed server may be away, as in a restart."""


class Client(StepCalls, BulkCalls, ScheduleCalls, RehearsalCalls, AdministrationCalls):
    """Talks to one Tenuto server. Use it as `async with Client(url) as client`, or close it yourself.

    `timeout_ms` bounds each call (not event streams, and not the time a call is asked to wait); `headers` go out with
    every request.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout_ms: int = 30_000,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(Transport(base_url, timeout_ms, {"Accept": "application/json", **(headers or {})}))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Workflows

    async def register(self, document: Mapping[str, Any]) -> Registered:
        """Register a definition. Raises ApiError (400) with every problem of it."""
        page = await self._page("POST", path("workflows"), body=document)
        return self._answer(Registered, page.data, created=page.status == 201)

    async def validate(self, document: Mapping[str, Any]) -> Checked:
        """Have the server check a definition and keep nothing. Raises ApiError (400) with every problem of it."""
        return self._answer(
            Checked, (await self._page("POST", path("workflows", "validate"), body=document)).data
        )

    async def list_workflows(self, q: str | None = None) -> list[Workflow]:
        """The newest version of each workflow; `q` looks for a text in ids and names."""
        return [self._answer(Workflow, raw) for raw in self._list(await self._get(path("workflows"), q=q))]

    async def get_workflow(self, workflow_id: str, version: int | None = None) -> Workflow:
        """One workflow, the newest version or the one named. Raises ApiError (404)."""
        return self._answer(Workflow, await self._get(path("workflows", workflow_id), version=version))

    async def list_versions(self, workflow_id: str) -> list[Version]:
        """All versions of a workflow. Raises ApiError (404)."""
        versions = self._list(await self._get(path("workflows", workflow_id, "versions")))
        return [self._answer(Version, raw) for raw in versions]

    async def archive_workflow(self, workflow_id: str) -> None:
        """Take a workflow out of the lists; it cannot be started any more. Raises ApiError (404)."""
        await self._page("DELETE", path("workflows", workflow_id))

    async def get_graph(self, workflow_id: str, version: int | None = None) -> dict[str, Any]:
        """The DAG as data, `{nodes, edges}`. Raises ApiError (404)."""
        graph: dict[str, Any] = await self._get(
            path("workflows", workflow_id, "graph"), format="json", version=version
        )
        return graph

    async def draw_graph(self, workflow_id: str, form: str, version: int | None = None) -> str:
        """The DAG as text; `form` is mermaid, dot or svg. Raises ApiError (404)."""
        return await self._text(path("workflows", workflow_id, "graph"), format=form, version=version)

    # Executions

    async def start(
        self,
        workflow_id: str,
        context: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        execution_id: str | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: int | None = None,
    ) -> Started:
        """Start an execution; it is on disk when this returns, and begins at once or at `start_at` (ms since the epoch).
        The same `execution_id` or `idempotency_key` with the same request answers what the first did; with another
        request it raises ApiError (409)."""
        body = _start_body(
            workflow_id,
            context,
            version=version,
            executionId=execution_id,
            priority=priority,
            tags=tags,
            startAt=start_at,
        )
        page = await self._page(
            "POST", path("executions", "start"), body=body, headers=_key_header(idempotency_key)
        )
        return self._answer(Started, page.data, created=page.status == 201)

    async def start_and_wait(
        self,
        workflow_id: str,
        context: Mapping[str, Any] | None = None,
        *,
        wait_ms: int = 30_000,
        until_step: str | None = None,
        version: int | None = None,
        execution_id: str | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Execution:
        """Start an execution and answer with it when it (or `until_step`) has ended, or after `wait_ms` as it then
        stands. One call; to wait longer than a server allows, use `wait`."""
        page = await self._page(
            "POST",
            path("executions", "start"),
            {"wait": wait_ms, "until": until_step},
            body=_start_body(
                workflow_id, context, version=version, executionId=execution_id, priority=priority, tags=tags
            ),
            headers=_key_header(idempotency_key),
            extra_ms=wait_ms,
        )
        return self._answer(Execution, page.data)

    async def get(self, execution_id: str) -> Execution:
        """The execution as it stands, with its context and step results. Raises ApiError (404)."""
        return self._answer(Execution, await self._get(path("executions", execution_id)))

    async def wait(self, execution_id: str, timeout_ms: int | None = None) -> Execution:
        """The execution when it has ended, however long that takes, across restarts of the server; after `timeout_ms`
        as it then stands. Follows its events: nothing is polled. Raises ApiError (404)."""
        execution = await self.get(execution_id)
        if execution.is_final:
            return execution
        events = path("executions", execution_id, "events")
        following = Following(self._transport, events, 0, PATIENCE_MS, has_answered=True)
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                async with aclosing(following.entries()) as entries:
                    async for _ in entries:
                        pass
        except TimeoutError:
            pass
        return await self.get(execution_id)

    async def follow(
        self, execution_id: str, *, after_seq: int = 0, patience_ms: int = PATIENCE_MS
    ) -> AsyncGenerator[JournalEntry, None]:
        """The journal from after `after_seq` on, live, until the execution has ended. Goes on after a broken
        connection; a server that goes away for more than `patience_ms` raises ServerUnreachable. Raises ApiError (404)."""
        following = Following(
            self._transport, path("executions", execution_id, "events"), after_seq, patience_ms
        )
        async with aclosing(following.entries()) as entries:
            async for entry in entries:
                yield entry

    async def list_executions(
        self,
        *,
        workflow_id: str | None = None,
        status: str | None = None,
        tag: str | None = None,
        since: int | None = None,
        until: int | None = None,
        q: str | None = None,
        page_size: int = 100,
    ) -> AsyncGenerator[Execution, None]:
        """Executions, newest first, without contexts and results. Fetches `page_size` at a time, as far as it is
        iterated. `status` may name several with commas, `tag` is `name:value` or a name alone, `since` and `until` are
        ms since the epoch."""
        query = {
            "workflowId": workflow_id,
            "status": status,
            "tag": tag,
            "since": since,
            "until": until,
            "q": q,
            "limit": page_size,
        }
        async with aclosing(self._items(path("executions"), query)) as items:
            async for raw in items:
                yield self._answer(Execution, raw)

    async def visualize(self, execution_id: str) -> dict[str, Any]:
        """Each step with its status, as data for a picture. Raises ApiError (404)."""
        picture: dict[str, Any] = await self._get(path("executions", execution_id, "visualize"))
        return picture

    async def draw(self, execution_id: str, form: str) -> str:
        """The DAG with the statuses of the steps, as text; `form` is mermaid, dot or svg. Raises ApiError (404)."""
        return await self._text(path("executions", execution_id, "visualize"), format=form)

    async def journal(self, execution_id: str) -> list[JournalEntry]:
        """The facts of an execution so far, in order. Raises ApiError (404)."""
        items = self._items(path("executions", execution_id, "journal"))
        return [self._answer(JournalEntry, raw) async for raw in items]

    async def explain(self, execution_id: str) -> Explanation:
        """Why each unfinished step is not moving. Raises ApiError (404)."""
        return self._answer(Explanation, await self._get(path("executions", execution_id, "explain")))

    async def cancel(
        self, execution_id: str, *, reason: str | None = None, by: str | None = None
    ) -> Execution:
        """Give up the steps in progress and start nothing else; handlers and compensations run. Raises ApiError (404, 409)."""
        return await self._ask(execution_id, "cancel", said(reason=reason, by=by))

    async def terminate(
        self, execution_id: str, *, reason: str | None = None, by: str | None = None
    ) -> Execution:
        """End at once, whatever state it is in. Raises ApiError (404, 409)."""
        return await self._ask(execution_id, "terminate", said(reason=reason, by=by))

    async def pause(
        self, execution_id: str, *, reason: str | None = None, by: str | None = None
    ) -> Execution:
        """Start nothing new until resumed. Raises ApiError (404, 409)."""
        return await self._ask(execution_id, "pause", said(reason=reason, by=by))

    async def resume(
        self, execution_id: str, *, reason: str | None = None, by: str | None = None
    ) -> Execution:
        """Go on after a pause. Raises ApiError (404, 409)."""
        return await self._ask(execution_id, "resume", said(reason=reason, by=by))

    async def retry(
        self, execution_id: str, *, reason: str | None = None, by: str | None = None
    ) -> Execution:
        """Do what failed, and everything after it, again; the rest keeps its results. Only of a failed execution.
        Raises ApiError (404, 409)."""
        return await self._ask(execution_id, "retry", said(reason=reason, by=by))

    async def _ask(self, execution_id: str, verb: str, body: Mapping[str, Any]) -> Execution:
        return self._answer(
            Execution, (await self._page("POST", path("executions", execution_id, verb), body=body)).data
        )


def _start_body(workflow_id: str, context: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
    given = {key: value for key, value in more.items() if value is not None}
    return {"workflowId": workflow_id, "context": context or {}, **given}


def _key_header(idempotency_key: str | None) -> dict[str, str]:
    return {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
