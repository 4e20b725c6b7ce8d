"""What a measurement gives: named figures with their repetitions, and the goals they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal, NamedTuple

from msgspec import Struct


class Goal(NamedTuple):
    """A bound the median must keep; `at_least` for more is better."""

    bound: float
    at_least: bool = False

    def is_met_by(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


class Figure(Struct, frozen=True, kw_only=True):
    """One line of the table: `samples` are the repetitions, in `unit`. Figures without a goal are there to be read."""

    key: str
    title: str
    unit: str
    samples: Sequence[float]
    goal: Goal | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def verdict(self) -> Literal["pass", "short", ""]:
        if self.goal is None:
            return ""
        return "pass" if self.goal.is_met_by(self.median) else "short"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def growth(costs: Sequence[float]) -> float:
    """How much dearer a later cost is than the cheapest before it, at worst: 1.0 where nothing ever grows."""
    return max((later / min(costs[:index]) for index, later in enumerate(costs) if index), default=1.0)
