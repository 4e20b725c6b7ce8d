"""Plays many random workflows against the core: `python -m tests.model --seeds 20000 [--from 0] [--manner any]`.

Says how many went through in a minute. The first fault of each kind is shown as small as it could be made, with its
seed; then the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.model.campaign import MANNERS, Fault, account_of, play_seed, shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many of each manner")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--manner", choices=[*MANNERS, "any"], default="any")
    parser.add_argument("--as-is", action="store_true", help="do not make faults smaller")
    asked = parser.parse_args()
    begun = time.monotonic()
    faults: dict[str, int] = {}
    manners = list(MANNERS) if asked.manner == "any" else [asked.manner]
    for seed in range(asked.first, asked.first + asked.seeds):
        for name in manners:
            fault = play_seed(seed, MANNERS[name])
            if fault is not None:
                show(name, seed, fault, is_new=fault.kind not in faults, as_is=asked.as_is)
                faults[fault.kind] = faults.get(fault.kind, 0) + 1
    took = time.monotonic() - begun
    played = asked.seeds * len(manners)
    print(
        f"{played} plays in {took:.0f} s, {played / took * 60:.0f} a minute; {sum(faults.values())} with faults"
    )
    return 1 if faults else 0


def show(name: str, seed: int, fault: Fault, *, is_new: bool, as_is: bool) -> None:
    print(f"--- manner {name}, seed {seed}: {fault.said[0]}", flush=True)
    if is_new:
        print(account_of(fault if as_is else shrink(fault, MANNERS[name]), MANNERS[name]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
