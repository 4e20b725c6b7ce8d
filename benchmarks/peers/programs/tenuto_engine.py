"""Tenuto as installed here: `tenuto serve` on a fresh SQLite file, and the load over HTTP."""

from __future__ import annotations

import tempfile
from pathlib import Path

import uvloop

from benchmarks.peers.figures import CHAIN_STEPS, FAN_STEPS, LONG_CHAIN_STEPS, Figures, resident_mb
from benchmarks.peers.http_load import LoadedPaths, measure_over_http
from tenuto.cli.bench.client import exchange
from tenuto.cli.bench.server import serving
from tenuto.cli.bench.workloads import COMPLETED, chain, fan


async def measure(folder: Path) -> Figures:
    workloads = [chain(CHAIN_STEPS), chain(LONG_CHAIN_STEPS), fan(FAN_STEPS)]
    async with serving(folder) as server:
        address = server.address
        for workload in workloads:
            await exchange(address, workload.register_request(address))
        short, long, wide = (workload.start_request(address) for workload in workloads)
        paths = LoadedPaths(short, long, wide, COMPLETED)
        return await measure_over_http(address, paths, lambda: (resident_mb(server.pid), 0.0))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-tenuto-") as name:
        figures = uvloop.run(measure(Path(name)))
    figures.print()


if __name__ == "__main__":
    main()
