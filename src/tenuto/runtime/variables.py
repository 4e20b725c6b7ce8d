"""Variables that all workflows read as `vars`: kept in the store, held in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from tenuto.errors import Conflict, NotFound, TooLarge
from tenuto.ports.limits import MAX_VARIABLE_BYTES, MAX_VARIABLES
from tenuto.ports.store import Item, Store
from tenuto.runtime.limits import read_items, write_item

KIND = "var"
"""The kind of the store's items that hold variables."""


class Variables:
    """The port `Variables` over a store. `open` it before use."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._values: dict[str, Any] = {}
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Read what is kept. Raises StoreUnavailable."""
        values = [
            (item.name, msgspec.json.decode(item.data or b"")) async for item in read_items(self._store, KIND)
        ]
        self._values = dict(values)

    @property
    def values(self) -> Mapping[str, Any]:
        """All of them as they stand now: what expressions read as `vars`. Neither it nor what is in it is ever changed;
        after a change this is another mapping."""
        return MappingProxyType(self._values)

    def list(self) -> dict[str, Any]:
        """All values by name, in the order of the names."""
        return {name: self._values[name] for name in sorted(self._values)}

    def get(self, name: str) -> Any:
        """One value. Raises NotFound."""
        if name not in self._values:
            raise NotFound(f"there is no variable {name!r}")
        return self._values[name]

    async def put(self, name: str, value: Any) -> bool:
        """Keep a value; whether the name is new. Raises TooLarge, Conflict."""
        data = msgspec.json.encode(value)
        if len(data) > MAX_VARIABLE_BYTES:
            raise TooLarge(
                f"the value has {len(data):,} bytes as JSON; at most {MAX_VARIABLE_BYTES:,} are allowed"
            )
        async with self._writing:
            is_new = name not in self._values
            if is_new and len(self._values) >= MAX_VARIABLES:
                raise Conflict(f"there are {MAX_VARIABLES:,} variables already; remove one first")
            await write_item(self._store, Item(kind=KIND, name=name, data=data))
            self._values = {**self._values, name: msgspec.json.decode(data)}
            return is_new

    async def remove(self, name: str) -> None:
        """Forget a name. Raises NotFound."""
        async with self._writing:
            if name not in self._values:
                raise NotFound(f"there is no variable {name!r}")
            await write_item(self._store, Item(kind=KIND, name=name))
            self._values = {known: value for known, value in self._values.items() if known != name}
