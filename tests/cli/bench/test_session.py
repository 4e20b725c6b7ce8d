"""Which measurements are taken."""

from __future__ import annotations

import inspect

import pytest

from tenuto.cli.bench import command
from tenuto.cli.bench.constructs import ITEMS, derive_map
from tenuto.cli.bench.measures import QUICK, Pace
from tenuto.cli.bench.session import MOST_WAITING, NAMES, chosen
from tenuto.cli.bench.waiting import PATIENCE, TIMERS, WAITING
from tenuto.errors import ConfigurationError


def test_all_are_taken_but_that_on_a_filled_store() -> None:
    assert [measure.name for measure in chosen(None, full=False)] == [
        name for name in NAMES if name != "filled"
    ]
    assert [measure.name for measure in chosen(None, full=True)] == list(NAMES)


def test_some_are_taken_by_name_in_the_usual_order() -> None:
    assert [measure.name for measure in chosen("waiting, map", full=False)] == ["map", "waiting"]


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no such figure: maps.*map, nested"):
        chosen("maps", full=False)


def test_the_help_names_every_figure() -> None:
    source = inspect.getsource(command)
    assert [name for name in NAMES if name not in source] == []


def test_no_two_figures_share_a_key() -> None:
    keys = [spec.key for measure in chosen(None, full=True) for spec in measure.specs]
    assert len(keys) == len(set(keys))


def test_every_pace_has_its_figures() -> None:
    keys = {spec.key for measure in PATIENCE for spec in measure.specs}
    for pace in (Pace(), QUICK):
        assert pace.timers in TIMERS
        assert {f"timersLast{pace.timers}", f"waitingMemory{pace.waiting}"} <= keys
        assert pace.items in ITEMS
    assert MOST_WAITING in WAITING


def test_growth_of_maps_is_told_for_both_kinds_of_body() -> None:
    costs = {"mapItem1000": 10.0, "mapItem10000": 20.0, "mapItem100000": 30.0, "mapNestedItem1000": 5.0}
    one_action, nested = derive_map(costs)
    assert (one_action.median, one_action.verdict, nested.median) == (3.0, "short", 1.0)
