"""`python -m tests.simulation --seeds n`: live through many seeds and print seeds a minute; `--planted` looks for the
planted bugs instead; `--seed n` lives through one and shows where it breaks."""

from __future__ import annotations

import argparse
import os
import sys

from tests.simulation.campaign import find_planted, quiet, run, timed
from tests.simulation.planted import PLANTED
from tests.simulation.world import simulate

SHOWN = 20
"""Violations printed one by one."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--planted", action="store_true", help="look for the planted bugs")
    parser.add_argument("--seed", type=int, help="live through this one alone")
    chosen = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # a seed does the same each time, and sets have one order
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    if chosen.seed is not None:
        quiet()
        simulate(chosen.seed)
        print(f"seed {chosen.seed}: every promise kept")
        return 0
    if chosen.planted:
        return look_for_planted(chosen.first, chosen.seeds)
    return live_through(chosen.first, chosen.seeds, chosen.processes)


def live_through(first: int, count: int, processes: int) -> int:
    began, violations, shown = timed(), 0, 0
    for done, found in run(first, count, processes):
        for violation in found[: max(0, SHOWN - violations)]:
            print(f"seed {violation.seed}: {violation.what}")
        violations += len(found)
        if done - shown >= 10_000:
            shown = done
            print(
                f"{done} seeds, {violations} violations, {done / (timed() - began) * 60:.0f} a minute",
                flush=True,
            )
    rate = count / (timed() - began) * 60
    print(
        f"seeds {first} to {first + count - 1}: {violations} violations; {rate:.0f} seeds a minute on {processes} processes"
    )
    return 1 if violations else 0


def look_for_planted(first: int, most: int) -> int:
    missed = 0
    print(f"{'planted bug':70} {'seeds':>6}  found as")
    for bug in PLANTED:
        found = find_planted(bug, range(first, first + most))
        missed += found.seeds is None
        print(f"{bug:70} {found.seeds or 'MISSED':>6}  {found.what[:110]}", flush=True)
    print(f"{len(PLANTED) - missed} of {len(PLANTED)} found within {most} seeds each")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
