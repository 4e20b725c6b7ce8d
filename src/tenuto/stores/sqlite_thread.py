"""The writer as a thread of this process. Jobs go to it through a queue, of which it always takes everything; answers
come back to the event loop once a transaction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from tenuto.stores.sqlite_connection import Opening, open_writer
from tenuto.stores.sqlite_jobs import Answer, Job, Refused
from tenuto.stores.sqlite_writer import Writer

MOST_JOBS = 4096  # a transaction takes no more, so that the first of very many does not wait for the last

_Item = tuple[Job, "asyncio.Future[Answer]"]


class WriterThread:
    """Runs a Writer in a thread of its own."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="tenuto-writer", daemon=True)

    async def open(self) -> None:
        """Create or migrate the file. Raises StoreIncompatible, StoreUnavailable."""
        self._thread.start()
        await self._opened

    def submit(self, job: Job) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._queue.put((job, future))
        return future

    async def close(self) -> None:
        """Finish what was submitted, then let go of the file."""
        self._queue.put(None)
        await self._closed
        self._thread.join()

    def _run(self) -> None:
        try:
            writer = Writer(open_writer(self._opening))
            number = writer.stored_number()
        except BaseException as error:  # noqa: BLE001 (the thread's boundary: whoever waits for it must hear)
            self._loop.call_soon_threadsafe(_fail, self._opened, error)
            return
        self._loop.call_soon_threadsafe(_succeed, self._opened)
        self._serve(writer, number)
        writer.close()
        self._loop.call_soon_threadsafe(_succeed, self._closed)

    def _serve(self, writer: Writer, number: int) -> None:
        is_closing = False
        while not is_closing:
            items, is_closing = self._take()
            if items:
                number += len(items)
                self._carry_out(writer, items, number)
            writer.checkpoint(is_idle=self._queue.empty())

    def _take(self) -> tuple[list[_Item], bool]:
        """Everything that waits, and whether the store is closing."""
        items: list[_Item] = []
        item = self._queue.get()
        try:
            while item is not None:
                items.append(item)
                if len(items) == MOST_JOBS:
                    return items, False
                item = self._queue.get_nowait()
        except Empty:
            return items, False
        return items, True

    def _carry_out(self, writer: Writer, items: Sequence[_Item], number: int) -> None:
        try:
            answers = writer.write([job for job, _ in items], number)
        except Exception as error:  # noqa: BLE001 (the thread's boundary: a bug of ours must not end all writing)
            answers = [Refused("unavailable", f"the writer failed: {error!r}")] * len(items)
        self._loop.call_soon_threadsafe(_resolve, items, answers)


def _resolve(items: Sequence[_Item], answers: Sequence[Answer]) -> None:
    for (_, future), answer in zip(items, answers, strict=True):
        if not future.done():  # a caller that was cancelled no longer listens
            future.set_result(answer)


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
