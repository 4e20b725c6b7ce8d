"""One repetition for engines that are reached over HTTP, with the load client of `tenuto bench`."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from benchmarks.peers.figures import Budget, Figures
from tenuto.cli.bench.client import Address, drive

AT_ONCE = 64


class LoadedPaths(NamedTuple):
    """The requests that start each shape of work and are answered when it has ended with `marker` in the reply."""

    chain: bytes
    long_chain: bytes
    fan: bytes
    marker: bytes


async def measure_over_http(
    address: Address, paths: LoadedPaths, memory: Callable[[], tuple[float, float]]
) -> Figures:
    """The figures of one repetition; `memory` answers MB of the server and of the process that runs the steps."""
    budget = Budget()

    async def alone(request: bytes, seconds: float) -> float:
        load = await drive(
            address, request, marker=paths.marker, seconds=seconds, warm_up_s=min(0.5, seconds / 4), most=300
        )
        return median(load.latencies_ms)

    loaded = await drive(
        address,
        paths.chain,
        marker=paths.marker,
        at_once=AT_ONCE,
        seconds=budget.load_s,
        warm_up_s=budget.warm_up_s,
    )
    return Figures(
        per_second=loaded.per_second,
        alone_ms=await alone(paths.chain, budget.alone_s),
        long_chain_ms=await alone(paths.long_chain, budget.long_s),
        fan_ms=await alone(paths.fan, budget.long_s),
        server_mb=memory()[0],
        worker_mb=memory()[1],
    )
