"""Many seeds, one after another, on as many processes as wanted."""

from __future__ import annotations

import logging
import multiprocessing
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import structlog

from tests.simulation import planted_flow  # noqa: F401 - its bugs join the others
from tests.simulation.planted import PLANTED
from tests.simulation.world import simulate

SLICE = 250


class Violation(NamedTuple):
    """A seed and what it broke."""

    seed: int
    what: str


def quiet() -> None:
    """Faults are the point here: what the program logs about them would drown everything else."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)


def violation_of(seed: int) -> Violation | None:
    """Live through a seed; what went wrong, if anything."""
    try:
        simulate(seed)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, it is what this looks for
        return Violation(seed, f"{type(error).__name__}: {_innermost(error)}")
    return None


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)[:300]


def run_slice(seeds: range) -> list[Violation]:
    """All violations among these seeds."""
    quiet()
    return [found for seed in seeds if (found := violation_of(seed)) is not None]


def run(first: int, count: int, processes: int) -> Iterator[tuple[int, list[Violation]]]:
    """Yields, slice by slice, how many seeds are done and what they broke."""
    slices = [range(at, min(at + SLICE, first + count)) for at in range(first, first + count, SLICE)]
    done = 0
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for seeds, found in zip(slices, pool.imap(run_slice, slices), strict=True):
            done += len(seeds)
            yield done, found


class Find(NamedTuple):
    """A planted bug, the seeds it took until it was found (None: not found), and as what."""

    bug: str
    seeds: int | None
    what: str


def find_planted(bug: str, seeds: Iterable[int]) -> Find:
    """Plant one bug and look for it."""
    quiet()
    with PLANTED[bug]():
        for tried, seed in enumerate(seeds, 1):
            found = violation_of(seed)
            if found is not None:
                return Find(bug, tried, found.what)
    return Find(bug, None, "")


def timed() -> float:
    """A clock for rates."""
    return time.perf_counter()
