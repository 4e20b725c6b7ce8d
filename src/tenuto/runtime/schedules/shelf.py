"""Where schedules and backfills are kept: items of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from tenuto.ports.store import Batch, Item, Store

SCHEDULE, BACKFILL = "schedule", "backfill"


class Slip(NamedTuple):
    """Something to be written under a kind and a name; None as data takes it away."""

    kind: str
    name: str
    data: bytes | None


class Shelf(Protocol):
    """Keeps slips. Raises StoreUnavailable, having changed nothing."""

    async def write(self, slips: Sequence[Slip]) -> None:
        """Write these, all or none, and return when they are on disk."""

    def read(self, kind: str) -> AsyncIterator[tuple[str, bytes]]:
        """All of a kind, by name."""


class StoreShelf:
    """Slips as items of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, slips: Sequence[Slip]) -> None:
        """Write these, all or none, and return when they are on disk. Raises StoreUnavailable."""
        items = [Item(kind=slip.kind, name=slip.name, data=slip.data) for slip in slips]
        await self._store.commit(Batch(starts=[], records=[], changes=[], messages=[], items=items))

    async def read(self, kind: str) -> AsyncIterator[tuple[str, bytes]]:
        """All of a kind, by name. Raises StoreUnavailable."""
        after = ""
        while page := await self._store.items(kind, after=after):
            for item in page:
                if item.data is not None:
                    yield item.name, item.data
            after = page[-1].name
