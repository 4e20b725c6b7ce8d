"""The client for scripts: the same calls without `await`. Every method is the asynchronous one, driven to its end in
an event loop that belongs to this object; nothing is written twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from tenuto.client.client import DEFAULT_URL, Client

P = ParamSpec("P")
T = TypeVar("T")


def _driven(
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncClient, P], T]:
    @wraps(method)
    def drive(self: SyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._runner.run(method(self._client, *args, **kwargs))

    return drive


def _iterated(
    method: Callable[Concatenate[Client, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[SyncClient, P], Generator[T, None, None]]:
    @wraps(method)
    def iterate(self: SyncClient, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        iterator = method(self._client, *args, **kwargs)
        try:
            while True:
                found, item = self._runner.run(_next(iterator))
                if not found:
                    return
                yield item[0]
        finally:
            self._finish(iterator)

    return iterate


async def _next(iterator: AsyncGenerator[T, None]) -> tuple[bool, list[T]]:
    try:
        return True, [await anext(iterator)]
    except StopAsyncIteration:
        return False, []


async def _close(generator: AsyncGenerator[Any, None]) -> None:
    await generator.aclose()


class SyncClient:
    """`Client` for code that does not `await`. Use it as `with SyncClient(url) as client`, from one thread, and not
    inside a running event loop."""

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout_ms: int = 30_000,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._client = Client(base_url, timeout_ms=timeout_ms, headers=headers)
        self._runner = asyncio.Runner()
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and the loop."""
        self._is_closed = True
        self._runner.run(self._client.close())
        self._runner.close()

    def _finish(self, iterator: AsyncGenerator[Any, None]) -> None:
        """Close an iterator that was left. One that is left to the garbage collector may come here while the loop
        runs or after it was closed; closing the loop ends those."""
        if not (self._is_closed or self._runner.get_loop().is_running()):
            self._runner.run(_close(iterator))

    @property
    def base_url(self) -> str:
        """The server's address, without a slash at its end."""
        return self._client.base_url

    register = _driven(Client.register)
    validate = _driven(Client.validate)
    list_workflows = _driven(Client.list_workflows)
    get_workflow = _driven(Client.get_workflow)
    list_versions = _driven(Client.list_versions)
    archive_workflow = _driven(Client.archive_workflow)
    rehearse = _driven(Client.rehearse)
    get_graph = _driven(Client.get_graph)
    draw_graph = _driven(Client.draw_graph)
    start = _driven(Client.start)
    start_and_wait = _driven(Client.start_and_wait)
    get = _driven(Client.get)
    wait = _driven(Client.wait)
    follow = _iterated(Client.follow)
    list_executions = _iterated(Client.list_executions)
    visualize = _driven(Client.visualize)
    draw = _driven(Client.draw)
    journal = _driven(Client.journal)
    explain = _driven(Client.explain)
    create_schedule = _driven(Client.create_schedule)
    put_schedule = _driven(Client.put_schedule)
    list_schedules = _iterated(Client.list_schedules)
    get_schedule = _driven(Client.get_schedule)
    delete_schedule = _driven(Client.delete_schedule)
    trigger_schedule = _driven(Client.trigger_schedule)
    pause_schedule = _driven(Client.pause_schedule)
    resume_schedule = _driven(Client.resume_schedule)
    next_times = _driven(Client.next_times)
    backfill_schedule = _driven(Client.backfill_schedule)
    rehearse_backfill = _driven(Client.rehearse_backfill)
    get_backfill = _driven(Client.get_backfill)
    cancel_backfill = _driven(Client.cancel_backfill)
    cancel = _driven(Client.cancel)
    terminate = _driven(Client.terminate)
    pause = _driven(Client.pause)
    resume = _driven(Client.resume)
    retry = _driven(Client.retry)
    rerun = _driven(Client.rerun)
    signal = _driven(Client.signal)
    approve = _driven(Client.approve)
    reject = _driven(Client.reject)
    complete_step = _driven(Client.complete_step)
    fail_step = _driven(Client.fail_step)
    skip_step = _driven(Client.skip_step)
    retry_step = _driven(Client.retry_step)
    begin_bulk = _driven(Client.begin_bulk)
    rehearse_bulk = _driven(Client.rehearse_bulk)
    list_bulk = _driven(Client.list_bulk)
    get_bulk = _driven(Client.get_bulk)
    cancel_bulk = _driven(Client.cancel_bulk)
    list_limits = _driven(Client.list_limits)
    set_limit = _driven(Client.set_limit)
    remove_limit = _driven(Client.remove_limit)
    list_variables = _driven(Client.list_variables)
    get_variable = _driven(Client.get_variable)
    set_variable = _driven(Client.set_variable)
    remove_variable = _driven(Client.remove_variable)
