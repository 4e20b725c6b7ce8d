"""Limits set by hand: kept in the store, put into force among those who hold and wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from tenuto.errors import NotFound
from tenuto.ports.limits import SharedLimit
from tenuto.ports.store import Batch, Item, Store
from tenuto.runtime.admission import KIND as SLOT
from tenuto.runtime.admission import Admission

KIND = "limit"
"""The kind of the store's items that say the limits set by hand."""

PAGE = 1_000


class Limits:
    """The port `Limits`, over a store and an admission. `open` it before anything is asked of the admission."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store = store
        self._admission = admission
        self._overrides: dict[str, int] = {}
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Put what is kept into force, and let executions hold what they held. Raises StoreUnavailable."""
        async for item in read_items(self._store, KIND):
            self._overrides[item.name] = msgspec.json.decode(item.data or b"", type=int)
        for key, limit in self._overrides.items():
            self._admission.set_limit(key, limit)
        self._admission.restore([item async for item in read_items(self._store, SLOT)])

    def list(self) -> list[SharedLimit]:
        """Every key that is held, waited for, or has a limit set by hand, by name."""
        rows = [SharedLimit(use.key, of, *use[1:]) for of, use in self._admission.uses()]
        used = {row.key for row in rows}
        rows += [
            SharedLimit(key, None, limit, limit, 0, 0)
            for key, limit in self._overrides.items()
            if key not in used
        ]
        return sorted(rows, key=lambda row: (row.key, row.of or ""))

    async def put(self, key: str, limit: int) -> None:
        """Have this limit hold instead of those that definitions name."""
        async with self._writing:
            await write_item(self._store, Item(kind=KIND, name=key, data=b"%d" % limit))
            self._overrides[key] = limit
            self._admission.set_limit(key, limit)

    async def remove(self, key: str) -> None:
        """Have the limits of definitions hold again. Raises NotFound."""
        async with self._writing:
            if key not in self._overrides:
                raise NotFound(f"no limit was set by hand for the key {key!r}")
            await write_item(self._store, Item(kind=KIND, name=key))
            del self._overrides[key]
            self._admission.set_limit(key, None)


async def read_items(store: Store, kind: str) -> AsyncIterator[Item]:
    """All items of a kind, by name. Raises StoreUnavailable."""
    after = ""
    while page := await store.items(kind, after=after, limit=PAGE):
        for item in page:
            yield item
        after = page[-1].name


async def write_item(store: Store, item: Item) -> None:
    """Write one item, or delete it where it has no data; on disk on return. Raises StoreUnavailable."""
    await store.commit(Batch([], [], [], [], [item]))
