"""Crashes between any two commits: a story is told once for each commit it makes, and that commit is the last of its
process: written, with nobody told of it, or not written any more. The next process tells the story to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

from tenuto.errors import Conflict
from tenuto.ports.store import Batch
from tests.runtime.lab import Lab, Veil, passed

Tell = Callable[[Lab], Awaitable[None]]


class Cut(Veil):
    """A store whose process gets no further than so many commits once it is armed."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self._left: int | None = None
        self._is_written = False

    def arm(self, commits: int, *, is_written: bool) -> None:
        """Let so many commits come back; the one after them is the last, and is written or not."""
        self._left = commits
        self._is_written = is_written

    def next_life(self) -> Cut:
        after = super().next_life()
        assert isinstance(after, Cut)
        after._left = None
        return after

    async def commit(self, batch: Batch) -> None:
        if self._left == 0:
            if self._is_written and not self.reached.is_set():
                self.reached.set()
                await super().commit(batch)
            self.reached.set()
            await asyncio.Event().wait()
        if self._left is not None:
            self._left -= 1
        await super().commit(batch)


async def every_cut(define: Tell, story: Tell, check: Tell) -> None:
    """Cut the story at each of its commits. It is told again from its beginning to the next process, so whatever it
    asks must bear being asked twice; `check` looks at the end, also after one more crash."""
    for is_written in (False, True):
        for commits in count():
            if not await _was_cut(define, story, check, commits, is_written=is_written):
                assert commits >= 3
                break


async def _was_cut(define: Tell, story: Tell, check: Tell, commits: int, *, is_written: bool) -> bool:
    store = Cut()
    async with Lab(store=store) as lab:
        await define(lab)
        store.arm(commits, is_written=is_written)
        telling = asyncio.ensure_future(_whole(story, lab))
        cut = asyncio.ensure_future(store.reached.wait())
        await asyncio.wait({telling, cut}, return_when=asyncio.FIRST_COMPLETED)
        if not store.reached.is_set():
            cut.cancel()
            await telling
        else:
            await passed(1)
            await lab.reboot()
            await _whole(story, lab)
        await check(lab)
        await lab.reboot()
        await passed(30)
        await check(lab)
        return store.reached.is_set()


async def _whole(story: Tell, lab: Lab) -> None:
    """The story, and what follows from it by itself."""
    await story(lab)
    await passed(30)


@asynccontextmanager
async def served(lab: Lab, **results: Any) -> AsyncIterator[None]:
    """Meanwhile attempts of these steps return what is given; what is an exception fails them."""
    serving = [asyncio.ensure_future(_serve(lab, name, result)) for name, result in results.items()]
    try:
        yield
    finally:
        for each in serving:
            each.cancel()


async def _serve(lab: Lab, step_id: str, result: Any) -> None:
    while True:
        attempt = await lab.hands.take(step_id)
        if isinstance(result, Exception):
            attempt.fail(str(result))
        else:
            attempt.succeed(result)


async def unless_over(asked: Awaitable[Any]) -> None:
    """Ask for something that the process before may have been asked for with success."""
    with suppress(Conflict):
        await asked


async def letters(lab: Lab) -> int:
    """How many letters lie in the inbox."""
    return len(await lab.store.items("inbox"))


async def times(lab: Lab, execution_id: str, kind: str) -> int:
    """How often something is in the journal."""
    return (await lab.kinds(execution_id)).count(kind)
