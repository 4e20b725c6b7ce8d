"""Results kept for later executions (`cache` of a step). Of all attempts of this process that want the same result, one
does the work and the others wait for it; where it fails, the next one does it.

What is found is a copy nobody else holds. A result is written in the commit of the success that it came from, so the
cache never knows more than the journal.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from tenuto.errors import StoreError
from tenuto.ports.store import Item

log = structlog.get_logger(__name__)

KIND = "cache"
REMEMBERED_BYTES = 32 * 1024 * 1024
"""Bytes of results kept in memory; the least recently used go first."""

_OVERHEAD = 500
"""What an entry takes besides its data, roughly."""

_encoder = msgspec.json.Encoder(order="sorted")


class Items(Protocol):
    """What a cache needs of a store."""

    async def items(self, kind: str, *, names: Sequence[str]) -> list[Item]:
        """Those of that kind and of these names that there are, whether expired or not. Raises StoreUnavailable."""


class Hit(NamedTuple):
    """A result that is kept."""

    value: Any


class _Kept(NamedTuple):
    data: bytes
    expires_at: int


class Claim:
    """The right, and the duty, to work out one result. Whoever has it must `release` it, whatever happens."""

    def __init__(self, cache: ResultCache, name: str) -> None:
        self._cache = cache
        self._name = name
        self._kept: _Kept | None = None
        self._is_released = False

    def keep(self, result: Any, now: int, ttl: int) -> Item:
        """What must be written in the commit of the success; `ttl` in ms. Others have the result after `release`."""
        self._kept = _Kept(msgspec.json.encode(result), now + ttl)
        return Item(kind=KIND, name=self._name, data=self._kept.data, expires_at=self._kept.expires_at)

    def release(self, *, is_written: bool = True) -> None:
        """Give those who wait the result that was kept; where there is none, or it could not be written, give the
        first of them the claim. A second call does nothing."""
        if not self._is_released:
            self._is_released = True
            self._cache.released(self._name, self._kept if is_written else None)


class ResultCache:
    """The results of one store. Made inside a running event loop."""

    def __init__(self, store: Items, remembered_bytes: int = REMEMBERED_BYTES) -> None:
        self._store = store
        self._remembered_bytes = remembered_bytes
        self._remembered: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._waiting: dict[str, deque[asyncio.Future[Hit | Claim]]] = {}
        """Who waits for each result that somebody works out."""

    async def find_or_claim(self, name: str, now: int) -> Hit | Claim:
        """The result of that name (see `entry_name`), if one is kept that has not expired at `now` and can be read; else
        the claim to it, as soon as nobody else has it."""
        kept = self._find_remembered(name, now)
        if kept is not None:
            return Hit(msgspec.json.decode(kept.data))
        if name in self._waiting:
            return await self._wait(name)
        self._waiting[name] = deque()
        claim = Claim(self, name)
        try:
            kept = await self._find_stored(name, now)
        except StoreError as error:  # it is worked out instead
            log.warning("kept_results_unreadable", error=str(error))
        except BaseException:
            claim.release()
            raise
        if kept is None:
            return claim
        self.released(name, kept)
        return Hit(msgspec.json.decode(kept.data))

    def released(self, name: str, kept: _Kept | None) -> None:
        """Go on after a claim: only `Claim` calls this."""
        if kept is not None:
            self._remember(name, kept)
            for waiter in self._waiting.pop(name):
                if not waiter.done():
                    waiter.set_result(Hit(msgspec.json.decode(kept.data)))
            return
        waiters = self._waiting[name]
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(Claim(self, name))
                return
        del self._waiting[name]

    async def _wait(self, name: str) -> Hit | Claim:
        waiter: asyncio.Future[Hit | Claim] = asyncio.get_running_loop().create_future()
        self._waiting[name].append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # The claim may have been given to this one in the very moment it was given up.
            if waiter.done() and not waiter.cancelled() and isinstance(given := waiter.result(), Claim):
                given.release()
            raise

    async def _find_stored(self, name: str, now: int) -> _Kept | None:
        for item in await self._store.items(KIND, names=[name]):
            if item.data is not None and item.expires_at is not None and item.expires_at > now:
                return _Kept(item.data, item.expires_at)
        return None

    def _find_remembered(self, name: str, now: int) -> _Kept | None:
        kept = self._remembered.get(name)
        if kept is None:
            return None
        if kept.expires_at <= now:
            self._forget(name)
            return None
        self._remembered.move_to_end(name)
        return kept

    def _remember(self, name: str, kept: _Kept) -> None:
        self._forget(name)
        self._remembered[name] = kept
        self._bytes += _size(name, kept)
        while self._bytes > self._remembered_bytes:
            self._forget(next(iter(self._remembered)))

    def _forget(self, name: str) -> None:
        kept = self._remembered.pop(name, None)
        if kept is not None:
            self._bytes -= _size(name, kept)


def entry_name(workflow_id: str, step_id: str, key: Any) -> str:
    """The name of the result of a workflow's step under a key (JSON data): equal for equal keys, and for no others."""
    digest = hashlib.sha256(_encoder.encode(key)).hexdigest()
    return f"{workflow_id}/{step_id}/{digest}"


def _size(name: str, kept: _Kept) -> int:
    return len(name) + len(kept.data) + _OVERHEAD
