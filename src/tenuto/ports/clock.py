"""Time as an argument: the wall clock for facts, the event loop's clock for waiting."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Reads the wall clock."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
