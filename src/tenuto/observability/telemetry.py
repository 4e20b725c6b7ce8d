"""A host's telemetry as metrics."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from tenuto.core import events as ev
from tenuto.observability.metrics import Metrics

_log = structlog.get_logger(__name__)


class MeasuredTelemetry:
    """Counts and times into `Metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def recorded(self, workflow_id: str, events: Sequence[ev.AnyEvent]) -> None:
        """Count what these events say has begun or ended."""
        self._metrics.recorded(events)

    def committed(self, records: int, seconds: float) -> None:
        """Time one commit."""
        self._metrics.committed(seconds, records)

    def refused(self, workflow_id: str, why: str) -> None:
        """Count it, and say so in the log: a report that comes too late may be news to somebody."""
        self._metrics.input_refused()
        _log.info("input_refused", workflow=workflow_id, why=why)

    def live(self, count: int) -> None:
        """Show how many executions are in memory."""
        self._metrics.executions_live(count)

    def script_evaluated(self, outcome: str, seconds: float) -> None:
        """Time one script."""
        self._metrics.script_evaluated(outcome, seconds)

    def webhook_tried(self, outcome: str) -> None:
        """Count one delivery."""
        self._metrics.webhook_tried(outcome)
