"""How every engine is measured: the same shapes of work, the same clocks, bounded in time. Standard library only, for
it runs inside the environments of all engines.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

CHAIN_STEPS = 3
LONG_CHAIN_STEPS = 100
FAN_STEPS = 100


@dataclass(frozen=True)
class Budget:
    """How long each part of one repetition may take, in seconds."""

    warm_up_s: float = 1.5
    load_s: float = 4.0
    alone_s: float = 1.5
    long_s: float = 3.0


@dataclass(frozen=True)
class Figures:
    """One repetition: executions of the 3-step chain per second, medians in ms, resident memory in MB (of the server
    alone, and of the program that runs the steps where that is another process)."""

    per_second: float
    alone_ms: float
    long_chain_ms: float
    fan_ms: float
    server_mb: float
    worker_mb: float = 0.0

    def print(self) -> None:
        """The one line that the program which started this one reads."""
        print(json.dumps(asdict(self)), flush=True)


Work = Callable[[], Awaitable[object]]


async def per_second(work: Work, at_once: int, budget: Budget) -> float:
    """How many pieces of work end per second with `at_once` under way all the time."""
    count_from = time.perf_counter() + budget.warm_up_s
    stop_at = count_from + budget.load_s
    ended: list[float] = []

    async def one_after_another() -> None:
        while time.perf_counter() < stop_at:
            await work()
            now = time.perf_counter()
            if count_from <= now < stop_at:
                ended.append(now)

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    return len(ended) / budget.load_s


async def median_ms(work: Work, seconds: float, at_least: int = 3, at_most: int = 300) -> float:
    """The median time of the work done alone, in ms, over as many rounds as fit into `seconds`."""
    await work()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < at_least or (time.perf_counter() - began < seconds and len(times) < at_most):
        before = time.perf_counter()
        await work()
        times.append((time.perf_counter() - before) * 1000)
    return median(times)


def resident_mb(pid: int) -> float:
    """Memory of a process and its children in MB, shared pages counted once (PSS); 0.0 once it is gone."""
    total = 0
    for each in tree(pid):
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for each in found:
        try:
            tasks = list(Path(f"/proc/{each}/task").iterdir())
            found.extend(int(child) for task in tasks for child in (task / "children").read_text().split())
        except OSError:
            continue
    return found
