"""What one process counts and times, for Prometheus. Label children are looked up once and kept, since each
step of each execution passes here.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

disable_created_metrics()  # type: ignore[no-untyped-call]  # its times double the lines, and Prometheus has them

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_COMMIT_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)
_COMMIT_RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_HTTP_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
_SCRIPT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 5.0)


class Metrics:
    """The metrics of one process, in a registry of their own, so that two in one program (as in tests) never mix."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        ProcessCollector(registry=registry)
        self._started = Counter("tenuto_executions_started", "Executions started.", registry=registry)
        self._ended = Counter("tenuto_executions_ended", "Executions ended.", ["status"], registry=registry)
        self._steps = Counter("tenuto_steps_ended", "Steps ended.", ["status"], registry=registry)
        self._attempts = Counter("tenuto_attempts", "Attempts started.", registry=registry)
        self._refused = Counter(
            "tenuto_inputs_refused",
            "Reports that came too late or twice and changed nothing.",
            registry=registry,
        )
        self._commit_seconds = Histogram(
            "tenuto_commit_seconds", "Time of one group commit.", buckets=_COMMIT_SECONDS, registry=registry
        )
        self._commit_records = Histogram(
            "tenuto_commit_records",
            "Decisions in one group commit.",
            buckets=_COMMIT_RECORDS,
            registry=registry,
        )
        self._http = Histogram(
            "tenuto_http_request_seconds",
            "Time until a request's answer is ready.",
            ["route", "status"],
            buckets=_HTTP_SECONDS,
            registry=registry,
        )
        self._webhooks = Counter(
            "tenuto_webhooks", "Deliveries of webhooks tried.", ["outcome"], registry=registry
        )
        self._script_seconds = Histogram(
            "tenuto_script_seconds",
            "Time of one evaluation.",
            ["outcome"],
            buckets=_SCRIPT_SECONDS,
            registry=registry,
        )
        self._live = Gauge("tenuto_executions_live", "Executions in memory.", registry=registry)
        self._ended_by: dict[str, Counter] = {}
        self._steps_by: dict[str, Counter] = {}
        self._http_by: dict[tuple[str, int], Histogram] = {}
        self._webhooks_by: dict[str, Counter] = {}
        self._scripts_by: dict[str, Histogram] = {}

    def execution_started(self) -> None:
        """An execution was started."""
        self._started.inc()

    def execution_ended(self, status: str) -> None:
        """An execution ended so."""
        child = self._ended_by.get(status)
        if child is None:
            child = self._ended_by[status] = self._ended.labels(status)
        child.inc()

    def step_ended(self, status: str) -> None:
        """A step ended so."""
        child = self._steps_by.get(status)
        if child is None:
            child = self._steps_by[status] = self._steps.labels(status)
        child.inc()

    def attempt_started(self) -> None:
        """An attempt was handed out."""
        self._attempts.inc()

    def input_refused(self) -> None:
        """A report came too late or twice."""
        self._refused.inc()

    def committed(self, seconds: float, records: int) -> None:
        """A group commit took so long and carried so many decisions."""
        self._commit_seconds.observe(seconds)
        self._commit_records.observe(records)

    def http_request(self, route: str, status: int, seconds: float) -> None:
        """A request to that route (its pattern, never its path) was answered so after so long."""
        child = self._http_by.get((route, status))
        if child is None:
            child = self._http_by[route, status] = self._http.labels(route, str(status))
        child.observe(seconds)

    def webhook_tried(self, outcome: str) -> None:
        """A delivery was tried: `sent`, `again` or `dead`."""
        child = self._webhooks_by.get(outcome)
        if child is None:
            child = self._webhooks_by[outcome] = self._webhooks.labels(outcome)
        child.inc()

    def script_evaluated(self, outcome: str, seconds: float) -> None:
        """A script was evaluated: `ok`, `error` or `limit`."""
        child = self._scripts_by.get(outcome)
        if child is None:
            child = self._scripts_by[outcome] = self._script_seconds.labels(outcome)
        child.observe(seconds)

    def executions_live(self, count: int) -> None:
        """So many executions are in memory."""
        self._live.set(count)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
