"""What a host tells whoever measures it. The silent one is the default, so the host never asks whether anybody listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tenuto.core.events import AnyEvent


class Telemetry(Protocol):
    """Takes notice of what became durable. Must not raise and must be cheap."""

    def recorded(self, workflow_id: str, events: Sequence[AnyEvent]) -> None:
        """These events of one execution are on disk."""

    def committed(self, records: int, seconds: float) -> None:
        """A batch of so many records took so long to commit."""

    def refused(self, workflow_id: str, why: str) -> None:
        """An input came too late or twice and changed nothing."""

    def live(self, count: int) -> None:
        """So many executions are in memory now."""

    def script_evaluated(self, outcome: str, seconds: float) -> None:
        """A script took so long: `ok`, `error` or `limit`."""

    def webhook_tried(self, outcome: str) -> None:
        """A delivery was tried: `sent`, `again` or `dead`."""


class Silent:
    """Listens to nothing."""

    def recorded(self, workflow_id: str, events: Sequence[AnyEvent]) -> None:
        """Nothing."""

    def committed(self, records: int, seconds: float) -> None:
        """Nothing."""

    def refused(self, workflow_id: str, why: str) -> None:
        """Nothing."""

    def live(self, count: int) -> None:
        """Nothing."""

    def script_evaluated(self, outcome: str, seconds: float) -> None:
        """Nothing."""

    def webhook_tried(self, outcome: str) -> None:
        """Nothing."""
