"""What figures say of themselves, and how they are printed."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tenuto.cli.bench.disk import Disk
from tenuto.cli.bench.figures import Figure, Goal, growth, quantile
from tenuto.cli.bench.measures import SIZES, derive_steps
from tenuto.cli.bench.report import as_data, machine_sentence, print_table

DISK = Disk(Path("/data/x"), "ext4", 0.25)


def figure(*samples: float, goal: Goal | None = None) -> Figure:
    return Figure(key="k", title="title", unit="ms", samples=samples, goal=goal)


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal(4), "pass"),
        (Goal(3.9), "short"),
        (Goal(4, True), "pass"),
        (Goal(4.1, True), "short"),
        (None, ""),
    ],
)
def test_the_median_is_held_against_the_goal(goal: Goal | None, verdict: str) -> None:
    assert figure(1, 4, 100, goal=goal).verdict == verdict


def test_a_quantile_is_one_of_the_values() -> None:
    values = list(range(1, 101))
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([7], 0.99)) == (51, 100, 7)


@pytest.mark.parametrize(
    ("costs", "expected"),
    [([4, 2, 1], 0.5), ([1, 2, 1], 2.0), ([10, 1, 3], 3.0), ([5], 1.0), ([], 1.0)],
)
def test_growth_is_the_worst_rise_over_the_cheapest_before(costs: list[float], expected: float) -> None:
    assert growth(costs) == expected


def test_growth_of_steps_is_told_for_chain_and_fan_from_the_sizes_there_are() -> None:
    medians = {f"chainStep{size}": 10.0 * number for number, size in enumerate(SIZES, 1)}
    chain, fan = derive_steps({**medians, "fanStep10": 5.0})
    assert (chain.median, chain.verdict, fan.median) == (4.0, "short", 1.0)


def test_the_table_shows_median_spread_goal_and_verdict() -> None:
    out = StringIO()
    console = Console(file=out, width=120)
    figures = [figure(1, 2, 3, goal=Goal(1)), figure(5_000, goal=Goal(3_000, True))]
    print_table(console, figures, DISK, "this machine")
    text = out.getvalue()
    for part in ("2.00", "1.00–3.00", "≤ 1", "short of it", "5,000", "≥ 3,000", "pass", "ext4", "0.25 ms"):
        assert part in text


def test_the_json_holds_every_repetition() -> None:
    data = msgspec.json.decode(msgspec.json.encode(as_data([figure(1, 2, 9, goal=Goal(3))], DISK, "m")))
    assert data["figures"]["k"] == {
        "title": "title",
        "unit": "ms",
        "median": 2,
        "samples": [1, 2, 9],
        "goal": 3,
        "verdict": "pass",
    }
    assert data["disk"]["fileSystem"] == "ext4"


def test_a_disk_in_memory_is_called_that() -> None:
    assert "IN MEMORY" in DISK._replace(file_system="tmpfs").sentence()


def test_other_work_on_the_machine_is_told() -> None:
    assert "BUSY" not in machine_sentence(2, 0.05)
    assert "BUSY WITH OTHER WORK (60%)" in machine_sentence(2, 0.6)
