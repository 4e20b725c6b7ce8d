"""A queue that takes turns between owners, so that one execution with thousands of scripts delays each other one by
a single script."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """First in, first out within an owner; owners in turn."""

    def __init__(self) -> None:
        self._returned: deque[Item] = deque()
        self._by_owner: OrderedDict[Hashable, deque[Item]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, owner: Hashable, item: Item) -> None:
        """Put an item behind its owner's others."""
        self._by_owner.setdefault(owner, deque()).append(item)
        self._length += 1

    def put_back(self, items: Iterable[Item]) -> None:
        """Put items that were taken already in front of everything, in their order."""
        returned = list(items)
        self._returned.extendleft(reversed(returned))
        self._length += len(returned)

    def pop(self) -> Item:
        """Take the next item. Raises LookupError when there is none."""
        if self._returned:
            self._length -= 1
            return self._returned.popleft()
        owner, items = self._by_owner.popitem(last=False)
        item = items.popleft()
        if items:
            self._by_owner[owner] = items
        self._length -= 1
        return item
