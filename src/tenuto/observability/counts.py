"""Counts kept as plain numbers, and told in Prometheus' terms when somebody asks.

The client library's own counters take a lock and several calls each time, which for every step of every execution
comes to a tenth of a server's processor time. All that is counted here is counted on one event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

Labels = tuple[str, ...]


class Tally:
    """How often something came about, by its labels."""

    __slots__ = ("_documentation", "_labels", "_name", "counts")

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self.counts: dict[Labels, int] = {} if labels else {(): 0}

    def add(self, *labels: str) -> None:
        """Once more."""
        self.counts[labels] = self.counts.get(labels, 0) + 1

    def family(self) -> CounterMetricFamily:
        """What Prometheus is told."""
        return family_of(self._name, self._documentation, self._labels, self.counts)


def family_of(
    name: str, documentation: str, labels: Sequence[str], counts: Mapping[Labels, int]
) -> CounterMetricFamily:
    """Counts by their labels, in Prometheus' terms."""
    family = CounterMetricFamily(name, documentation, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


class Spread:
    """How values are spread: how many are at most each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """One value more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def tell(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Add it to what Prometheus is told."""
        buckets: list[tuple[str, float]] = []
        total = 0
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for name, count in zip(names, self._counts, strict=True):
            total += count
            buckets.append((name, total))
        family.add_metric(labels, buckets, self._sum)


class Spreads:
    """A spread for each set of labels, or a single one where there are none."""

    __slots__ = ("_bounds", "_documentation", "_labels", "_name", "by_labels")

    def __init__(self, name: str, documentation: str, bounds: Sequence[float], *labels: str) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = bounds
        self._labels = labels
        self.by_labels: dict[Labels, Spread] = {} if labels else {(): Spread(bounds)}

    def add(self, value: float, *labels: str) -> None:
        """One value more under these labels."""
        spread = self.by_labels.get(labels)
        if spread is None:
            spread = self.by_labels[labels] = Spread(self._bounds)
        spread.add(value)

    def family(self) -> HistogramMetricFamily:
        """What Prometheus is told."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, spread in self.by_labels.items():
            spread.tell(family, labels)
        return family
