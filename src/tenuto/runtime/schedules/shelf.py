"""Where schedules and backfills are kept: items of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

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
