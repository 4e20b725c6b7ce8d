"""What executions send one another: the end of a child to who waits for it, the end of a parent to its children. It is
written in the commit of the decision that sends it and taken away once the receiver has it on disk, so it arrives at
least once; receivers ignore what means nothing to them any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec
import structlog
from msgspec import Struct

from tenuto.core import inputs as inp
from tenuto.core.commands import Post
from tenuto.errors import Conflict, NotFound, StoreError
from tenuto.ports.store import Batch, Item, Store

log = structlog.get_logger(__name__)

KIND = "inbox"
AGAIN_S = 1.0
"""Seconds until what could not be delivered is tried again."""

MOST_TRIES = 10
"""So often a cancellation looks for its receiver."""

PAGE = 1_000

Fate = Literal["done", "again", "left"]
"""What becomes of a letter: it needs no further delivery, is tried again soon, or after the next start."""


class Letter(Struct, frozen=True, omit_defaults=True):
    """A post as stored: exactly one of `cancel` and `ended`."""

    to: str
    cancel: inp.Cancel | None = None
    ended: inp.ChildEnded | None = None

    @property
    def input(self) -> inp.Cancel | inp.ChildEnded:
        """What the receiver is given."""
        given = self.cancel or self.ended
        assert given is not None, "a letter holds something"
        return given


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Letter).decode


def items_of(sender: str, seq: int, posts: Sequence[Post]) -> list[Item]:
    """What the commit of the sender's decision number `seq` writes for its posts."""
    return [
        Item(kind=KIND, name=f"{sender}/{seq}/{number}", data=_encode(_letter(post)))
        for number, post in enumerate(posts)
    ]


def _letter(post: Post) -> Letter:
    if isinstance(post.input, inp.Cancel):
        return Letter(post.to, cancel=post.input)
    return Letter(post.to, ended=post.input)


class Inbox:
    """Delivers letters. `give` gives an execution an input and returns when that is on disk; it raises NotFound or
    Conflict where that is not to be, and StoreError where it may be later."""

    def __init__(self, store: Store, give: Callable[[str, inp.Input], Awaitable[None]]) -> None:
        self._store = store
        self._give = give
        self._due: list[Item] = []
        self._news = asyncio.Event()
        self._unfound: dict[str, int] = {}

    def put(self, items: Sequence[Item]) -> None:
        """These are on disk now."""
        self._due.extend(items)
        self._news.set()

    def put_now(self, to: str, given: inp.Cancel) -> None:
        """One that is on no disk: whoever sends it sends it again after a restart."""
        self.put([Item(kind=KIND, name="", data=_encode(Letter(to, cancel=given)))])

    async def load(self) -> None:
        """Find what was not delivered when the last process ended. Raises StoreUnavailable."""
        after = ""
        while True:
            found = await self._store.items(KIND, after=after, limit=PAGE)
            self.put(found)
            if len(found) < PAGE:
                return
            after = found[-1].name

    async def run(self) -> None:
        """Deliver, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            due, self._due = self._due, []
            fates = await asyncio.gather(*(self._deliver(item) for item in due))
            by_fate = list(zip(due, fates, strict=True))
            await self._take_away([item for item, fate in by_fate if fate == "done"])
            again = [item for item, fate in by_fate if fate == "again"]
            if again:
                asyncio.get_running_loop().call_later(AGAIN_S, self.put, again)

    async def _deliver(self, item: Item) -> Fate:
        assert item.data is not None, "what is stored has data"
        letter = _decode(item.data)
        try:
            await self._give(letter.to, letter.input)
        except NotFound:
            return self._not_found(item, letter)
        except Conflict:
            return "done"  # it means nothing there any more
        except StoreError as error:
            log.warning("letter_not_delivered", execution=letter.to, error=str(error))
            return "again"
        except Exception:  # one execution that cannot be decided keeps no other from its letters
            log.exception("letter_not_delivered", execution=letter.to)
            return "left"
        return "done"

    def _not_found(self, item: Item, letter: Letter) -> Fate:
        """A child whose start was given up with the step that made it may still come into being."""
        tries = self._unfound.pop(item.name, 0) + 1
        if letter.cancel is None or tries >= MOST_TRIES:
            return "done"
        self._unfound[item.name] = tries
        return "again"

    async def _take_away(self, items: Sequence[Item]) -> None:
        gone = [Item(kind=KIND, name=item.name) for item in items if item.name]
        if not gone:
            return
        try:
            await self._store.commit(Batch([], [], [], [], gone))
        except StoreError as error:  # they are delivered once more, after the next start
            log.warning("letters_not_taken_away", letters=len(gone), error=str(error))
