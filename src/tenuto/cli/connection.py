"""From the command line to the server: the client for `--url`, `@latest`, and errors made helpful."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice

from tenuto.cli.options import DEFAULT_URL
from tenuto.client import ApiError, ServerUnreachable, SyncClient
from tenuto.errors import NotFound

LATEST = "@latest"
LOOKED_THROUGH = 500
"""How many of the newest executions are looked through for an id like the one that was typed."""
COMPLETION_MS = 800


@contextmanager
def connect(url: str) -> Iterator[SyncClient]:
    """A client for the server at `url`, closed at the end."""
    with SyncClient(url if "://" in url else f"http://{url}") as client:
        yield client


@contextmanager
def execution_on(url: str, typed: str) -> Iterator[tuple[SyncClient, str]]:
    """A client, and the execution id that `typed` names. An id that is not there is answered with those like it."""
    with connect(url) as client:
        execution_id = latest(client) if typed == LATEST else typed
        try:
            yield client, execution_id
        except ApiError as error:
            if error.status != 404:
                raise
            raise NotFound(
                _no_such("execution", typed, _like_execution(client, typed), "tenuto list")
            ) from error


@contextmanager
def workflow_on(url: str, typed: str) -> Iterator[tuple[SyncClient, str, int | None]]:
    """A client, and the workflow id and version that `typed` (`id` or `id@2`) names; as `execution_on`."""
    with connect(url) as client:
        workflow_id, version = split_version(typed)
        try:
            yield client, workflow_id, version
        except ApiError as error:
            if error.status != 404:
                raise
            raise NotFound(_no_workflow(client, workflow_id, error)) from error


def split_version(typed: str) -> tuple[str, int | None]:
    """`id@2` is version 2 of `id`; `id` alone is the newest."""
    workflow_id, at, version = typed.rpartition("@")
    return (workflow_id, int(version)) if at and version.isdecimal() else (typed, None)


def latest(client: SyncClient) -> str:
    """The id of the execution started last. Raises NotFound when there is none."""
    for execution in client.list_executions(page_size=1):
        return execution.execution_id
    raise NotFound("There are no executions yet. Start one with `tenuto start WORKFLOW`.")


def known_workflows() -> list[str]:
    """Ids of all workflows, for completion; none when the server does not answer at once."""
    try:
        with _quick_client() as client:
            return [workflow.id for workflow in client.list_workflows()]
    except (ApiError, ServerUnreachable):
        return []


def known_executions() -> list[str]:
    """Ids of the newest executions, for completion; none when the server does not answer at once."""
    try:
        with _quick_client() as client:
            return [found.execution_id for found in islice(client.list_executions(page_size=50), 50)]
    except (ApiError, ServerUnreachable):
        return []


def known_schedules() -> list[str]:
    """Ids of all schedules, for completion; none when the server does not answer at once."""
    try:
        with _quick_client() as client:
            return [schedule.id for schedule in islice(client.list_schedules(page_size=1000), 1000)]
    except (ApiError, ServerUnreachable):
        return []


def _quick_client() -> SyncClient:
    return SyncClient(os.environ.get("TENUTO_URL", DEFAULT_URL), timeout_ms=COMPLETION_MS)


def _no_workflow(client: SyncClient, workflow_id: str, error: ApiError) -> str:
    names = [workflow.id for workflow in client.list_workflows()]
    if workflow_id in names:  # the workflow is there, the version is not
        return str(error)
    if not names:
        return (
            f"No workflow {workflow_id!r}; none is registered yet. Register one with `tenuto register FILE`."
        )
    return _no_such(
        "workflow", workflow_id, get_close_matches(workflow_id, names, 3, 0.5), "tenuto workflows"
    )


def _like_execution(client: SyncClient, typed: str) -> list[str]:
    newest = [
        found.execution_id
        for found in islice(client.list_executions(page_size=LOOKED_THROUGH), LOOKED_THROUGH)
    ]
    part = typed.strip("….")
    inside = [name for name in newest if part and part in name]
    return inside[:3] or get_close_matches(typed, newest, 3, 0.8)


def _no_such(noun: str, typed: str, like: list[str], where: str) -> str:
    meant = f" Did you mean {' or '.join(like)}?" if like else ""
    return f"No {noun} {typed!r}.{meant} `{where}` lists what there is."
