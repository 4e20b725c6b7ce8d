"""A short share of the simulation, the planted bugs it must find, and the seeds that once broke a promise."""

from __future__ import annotations

import os

import pytest

from tenuto.ports.store import Batch, Record
from tests.simulation.broken import Broken
from tests.simulation.campaign import find_planted, quiet, run_slice
from tests.simulation.planted import PLANTED, RARE
from tests.simulation.world import simulate

SEEDS = int(os.environ.get("TENUTO_SEEDS", "600"))
SLICES = 4

ONCE_BROKEN = {
    29: "a state was shown whose commit then failed",
    35: "an attempt was called twice: its loss could not be written at the restart",
    68: "an outcome was dropped when memory was swept while the disk was full",
    80: "a start given up by its caller let the same request through a second time",
    402: "a when that is an error was tried again under retryOn",
    2033734: "an attempt was called twice: a terminate that could not be written took another process's for its own",
    716: "a webhook was forgotten when the answer of its commit was lost",
    129: "a step's slots were given to another when the commit that took them lost its answer",
    582: "an execution that ended by a commit without an answer kept its slots",
    541: "a parent was never told of the end of its child: the answer of that commit was lost",
    482: "a child whose start lost its answer went on without its parent",
    2085: "what had been called back early was forgotten when the process died",
    521: "a step failed because kept results could not be read",
    2253: "a step that had been given up asked for slots",
    248: "an attempt was begun by the decision that gave it up",
    15684: "the result of an attempt that had been given up was kept for others",
    783: "a step was undone whose map had been begun anew and had not run",
    1269: "an output that came late ended an execution while it was being undone",
}
"""Seeds kept because they found something. What a seed does changes with the simulation; they cost little."""

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.mark.parametrize("slice_number", range(SLICES))
def test_every_promise_is_kept_whatever_goes_wrong(slice_number: int) -> None:
    share = SEEDS // SLICES
    violations = run_slice(range(slice_number * share, (slice_number + 1) * share))
    assert not violations, "\n".join(f"seed {found.seed}: {found.what}" for found in violations)


@pytest.mark.parametrize("seed", ONCE_BROKEN)
def test_a_seed_that_broke_a_promise_once_breaks_none_now(seed: int) -> None:
    quiet()
    simulate(seed)


@pytest.mark.parametrize("bug", [bug for bug in PLANTED if bug not in RARE])
def test_the_simulation_finds_a_planted_bug(bug: str) -> None:
    assert find_planted(bug, range(400)).seeds is not None, f"not found in 400 seeds: {bug}"


def test_the_same_seed_does_the_same_thing() -> None:
    quiet()
    first, second = simulate(7), simulate(7)
    assert first.witness.events == second.witness.events
    assert [books.records for books in first.witness.books.values()] == [
        books.records for books in second.witness.books.values()
    ]


def test_the_witness_objects_to_a_record_out_of_order() -> None:
    world = simulate(3)
    key, books = next(iter(world.witness.books.items()))
    again = Batch([], [Record(key, books.seq, books.records[-1])], [], [])
    with pytest.raises(Broken, match="follows"):
        world.witness.saw(again)
