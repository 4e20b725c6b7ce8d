"""What one process counts and times, for Prometheus. Facts are counted by their kind alone, since each step of each
execution passes here; what a kind means is worked out when somebody asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from tenuto.core import events as ev
from tenuto.observability.counts import Labels, Spreads, Tally, family_of

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_COMMIT_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)
_COMMIT_RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_HTTP_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
_SCRIPT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 5.0)

_STARTED: Mapping[type[ev.Event], Labels] = {ev.ExecutionStarted: ()}
_ATTEMPTED: Mapping[type[ev.Event], Labels] = {ev.StepStarted: ()}
_EXECUTION_ENDS: Mapping[type[ev.Event], Labels] = {
    ev.ExecutionCompleted: ("completed",),
    ev.ExecutionFailed: ("failed",),
    ev.ExecutionCancelled: ("cancelled",),
}
_STEP_ENDS: Mapping[type[ev.Event], Labels] = {
    ev.StepSucceeded: ("success",),
    ev.StepFailed: ("failed",),
    ev.StepSkipped: ("skipped",),
    ev.StepCancelled: ("cancelled",),
}


class Metrics:
    """The metrics of one process, in a registry of their own, so that two in one program (as in tests) never mix. All
    is counted, and read, on the event loop."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)
        self._facts: defaultdict[type[ev.Event], int] = defaultdict(int)
        self._refused = Tally(
            "tenuto_inputs_refused", "Reports that came too late or twice and changed nothing."
        )
        self._commit_seconds = Spreads("tenuto_commit_seconds", "Time of one group commit.", _COMMIT_SECONDS)
        self._commit_records = Spreads(
            "tenuto_commit_records", "Decisions in one group commit.", _COMMIT_RECORDS
        )
        self._http = Spreads(
            "tenuto_http_request_seconds",
            "Time until a request's answer is ready.",
            _HTTP_SECONDS,
            "route",
            "status",
        )
        self._webhooks = Tally("tenuto_webhooks", "Deliveries of webhooks tried.", "outcome")
        self._scripts = Spreads(
            "tenuto_script_seconds", "Time of one evaluation.", _SCRIPT_SECONDS, "outcome"
        )
        self._live = 0

    def recorded(self, events: Sequence[ev.AnyEvent]) -> None:
        """These facts came about."""
        facts = self._facts
        for event in events:
            facts[type(event)] += 1

    def input_refused(self) -> None:
        """A report came too late or twice."""
        self._refused.add()

    def committed(self, seconds: float, records: int) -> None:
        """A group commit took so long and carried so many decisions."""
        self._commit_seconds.add(seconds)
        self._commit_records.add(records)

    def http_request(self, route: str, status: int, seconds: float) -> None:
        """A request to that route (its pattern, never its path) was answered so after so long."""
        self._http.add(seconds, route, str(status))

    def webhook_tried(self, outcome: str) -> None:
        """A delivery was tried: `sent`, `again` or `dead`."""
        self._webhooks.add(outcome)

    def script_evaluated(self, outcome: str, seconds: float) -> None:
        """A script was evaluated: `ok`, `error` or `limit`."""
        self._scripts.add(seconds, outcome)

    def executions_live(self, count: int) -> None:
        """So many executions are in memory."""
        self._live = count

    def collect(self) -> Iterator[Metric]:
        """All of it, as the registry asks for it."""
        yield self._counted("tenuto_executions_started", "Executions started.", (), _STARTED)
        yield self._counted("tenuto_executions_ended", "Executions ended.", ("status",), _EXECUTION_ENDS)
        yield self._counted("tenuto_steps_ended", "Steps ended.", ("status",), _STEP_ENDS)
        yield self._counted("tenuto_attempts", "Attempts started.", (), _ATTEMPTED)
        yield self._refused.family()
        yield self._commit_seconds.family()
        yield self._commit_records.family()
        yield self._http.family()
        yield self._webhooks.family()
        yield self._scripts.family()
        yield GaugeMetricFamily("tenuto_executions_live", "Executions in memory.", self._live)

    def _counted(
        self, name: str, documentation: str, labels: Labels, kinds: Mapping[type[ev.Event], Labels]
    ) -> CounterMetricFamily:
        """Facts of these kinds, each under its labels; with labels, those that came about."""
        counts = {
            values: self._facts.get(kind, 0)
            for kind, values in kinds.items()
            if not labels or kind in self._facts
        }
        return family_of(name, documentation, labels, counts)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
