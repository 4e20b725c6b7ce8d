"""The items of a memory store: for each kind, names in order and what stands under them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

from tenuto.ports.store import Item

_MOST_PURGED = 1_000  # at a time, as every store bounds it


class MemoryItems:
    """Items by kind and name."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Item]] = {}
        self._names: dict[str, list[str]] = {}  # of each kind, in order

    def put(self, item: Item) -> None:
        """Keep the item in place of the one of its name; delete that if the item has no data."""
        items = self._kinds.setdefault(item.kind, {})
        names = self._names.setdefault(item.kind, [])
        if item.data is None:
            if items.pop(item.name, None) is not None:
                del names[bisect_left(names, item.name)]
            return
        if item.name not in items:
            insort(names, item.name)
        items[item.name] = item

    def named(self, kind: str, names: Iterable[str]) -> list[Item]:
        """Those that exist, by name."""
        items = self._kinds.get(kind, {})
        return [items[name] for name in sorted(set(names)) if name in items]

    def starting(self, kind: str, prefix: str, after: str) -> Iterator[Item]:
        """Those whose name starts with `prefix` and is greater than `after`, by name."""
        names = self._names.get(kind, [])
        at = max(bisect_left(names, prefix), bisect_right(names, after))
        while at < len(names) and names[at].startswith(prefix):
            yield self._kinds[kind][names[at]]
            at += 1

    def purge(self, before: int) -> None:
        """Drop items that expire before then, the earliest first."""
        expired = sorted(
            (item.expires_at, item.kind, item.name)
            for items in self._kinds.values()
            for item in items.values()
            if item.expires_at is not None and item.expires_at < before
        )
        for _, kind, name in expired[:_MOST_PURGED]:
            self.put(Item(kind=kind, name=name))
