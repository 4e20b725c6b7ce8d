"""The measurements on a running server. Each takes one short repetition and answers one value per figure; they are
taken in turns, so that a slow moment of the machine does not hit one figure alone.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tenuto.cli.bench.client import Address, BenchFailed, Load, drive, exchange, request_bytes
from tenuto.cli.bench.disk import describe_disk
from tenuto.cli.bench.figures import Figure, Goal, growth, quantile
from tenuto.cli.bench.footprint import footprint_of
from tenuto.cli.bench.server import BenchServer, serving
from tenuto.cli.bench.workloads import COMPLETED, Workload, chain, fan

AT_ONCE = 64
LONGEST_WAIT_S = 25.0  # an execution that takes longer would outlast the `wait` of its start
SIZES = (10, 100, 1_000, 10_000)
SCHEDULES = 1_000
WORK = chain(3)


@dataclass(frozen=True)
class Pace:
    """How long the parts of one repetition take in seconds, how many repetitions there are, how large a workflow may be
    (in steps, or items of a map), and how many wait: for an instant `ahead_s` away, or for a signal."""

    repetitions: int = 5
    warm_up_s: float = 1.0
    load_s: float = 2.0
    alone_s: float = 1.0
    settle_s: float = 1.5
    idle_s: float = 3.0
    long_idle_s: float = 6.0
    largest: int = 10_000
    items: int = 100_000
    timers: int = 10_000
    ahead_s: float = 18.0
    waiting: int = 20_000


QUICK = Pace(
    repetitions=1,
    warm_up_s=0.3,
    load_s=0.7,
    alone_s=0.3,
    settle_s=0.5,
    idle_s=0.7,
    long_idle_s=1.0,
    largest=1_000,
    items=10_000,
    timers=1_000,
    ahead_s=1.0,
    waiting=2_000,
)


class Bench:
    """What measurements share: a folder on disk, the pace, and one server with the workloads registered."""

    def __init__(self, folder: Path, pace: Pace, server: BenchServer, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.pace = pace
        self.server = server
        self.say = say
        self._numbers = count()
        self._registered: set[str] = set()

    def on(self, server: BenchServer) -> Bench:
        """The same on another server."""
        return Bench(self.folder, self.pace, server, self.say)

    def fresh_folder(self) -> Path:
        """An empty folder for a server of its own."""
        folder = self.folder / f"fresh-{next(self._numbers)}"
        folder.mkdir()
        return folder

    async def start_request(self, workload: Workload) -> bytes:
        """The request that starts the workload, which is registered first if need be."""
        address = self.server.address
        if workload.workflow_id not in self._registered:
            reply = await exchange(address, workload.register_request(address))
            if reply.status not in {200, 201}:
                raise BenchFailed(
                    f"the server refused {workload.workflow_id}: {reply.body.decode(errors='replace')}"
                )
            self._registered.add(workload.workflow_id)
        return workload.start_request(address)

    async def alone(
        self, workload: Workload, seconds: float, most: int = 1_000_000, warm_up: bool = True
    ) -> Load:
        """One execution after the other, each alone. To warm up, two go before that don't count."""
        request = await self.start_request(workload)
        address = self.server.address
        if warm_up:
            await drive(address, request, marker=COMPLETED, seconds=LONGEST_WAIT_S, most=2)
        return await drive(address, request, marker=COMPLETED, seconds=seconds, most=most)


class Spec(NamedTuple):
    """A figure before it has values."""

    key: str
    title: str
    unit: str
    goal: Goal | None = None


Sample = Mapping[str, float]


class Measure(NamedTuple):
    """A measurement by name: the figures it gives, how to take one repetition (a value for each key, absent where it
    could not be had), and what follows from the cheapest repetition of each (other work on the machine only ever adds)."""

    name: str
    specs: Sequence[Spec]
    take: Callable[[Bench], Awaitable[Sample]]
    derive: Callable[[Mapping[str, float]], list[Figure]] = lambda costs: []
    at_most: int = 1_000


async def take_throughput(bench: Bench) -> Sample:
    request = await bench.start_request(chain(3))
    before = footprint_of(bench.server.pid)
    load = await drive(
        bench.server.address,
        request,
        marker=COMPLETED,
        at_once=AT_ONCE,
        seconds=bench.pace.load_s,
        warm_up_s=bench.pace.warm_up_s,
    )
    after = footprint_of(bench.server.pid)
    sample = {
        "throughput": load.per_second,
        "throughputP50": median(load.latencies_ms),
        "throughputP99": quantile(load.latencies_ms, 0.99),
        "clientCpu": load.client_cpu_s / load.completed * 1e6,
    }
    if before and after:
        # The warm-up is in both times and counts, so the share of one execution holds for the whole stretch.
        stretch = (bench.pace.load_s + bench.pace.warm_up_s) / bench.pace.load_s
        sample["loadedMemory"] = after.memory_mb
        sample["serverCpu"] = (after.cpu_s - before.cpu_s) / (load.completed * stretch) * 1e6
    return sample


async def take_alone(bench: Bench) -> Sample:
    load = await bench.alone(chain(3), bench.pace.alone_s)
    return {"alone": median(load.latencies_ms), "aloneP99": quantile(load.latencies_ms, 0.99)}


async def take_chain(bench: Bench) -> Sample:
    return {"chain": median((await bench.alone(chain(100), bench.pace.alone_s)).latencies_ms)}


async def take_fan(bench: Bench) -> Sample:
    return {"fan": median((await bench.alone(fan(100), bench.pace.alone_s)).latencies_ms)}


async def take_idle(bench: Bench) -> Sample:
    """A server that was just started and has nothing to do."""
    async with serving(bench.fresh_folder()) as server:
        await asyncio.sleep(bench.pace.settle_s)
        before = footprint_of(server.pid)
        await asyncio.sleep(bench.pace.idle_s)
        after = footprint_of(server.pid)
    if before is None or after is None:
        return {}
    return {
        "idleMemory": after.memory_mb,
        "idleCpu": (after.cpu_s - before.cpu_s) / bench.pace.idle_s * 100,
        "idleProcesses": after.processes,
    }


async def take_schedules(bench: Bench) -> Sample:
    """A server that has nothing to do but to wait for the times of many schedules."""
    async with serving(bench.fresh_folder()) as server:
        subject = bench.on(server)
        await subject.start_request(WORK)
        for first in range(0, SCHEDULES, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, SCHEDULES))
            await asyncio.gather(*(_keep_schedule(server.address, number) for number in numbers))
        await asyncio.sleep(bench.pace.settle_s)
        before = footprint_of(server.pid)
        await asyncio.sleep(bench.pace.idle_s)
        after = footprint_of(server.pid)
    if before is None or after is None:
        return {}
    return {"scheduledCpu": (after.cpu_s - before.cpu_s) / bench.pace.idle_s * 100}


async def _keep_schedule(address: Address, number: int) -> None:
    """A schedule of one minute of each hour that is not near."""
    minute = (time.gmtime().tm_min + 15 + number % 30) % 60
    body = {"workflowId": WORK.workflow_id, "cron": f"{minute} * * * *", "timezone": "Europe/Berlin"}
    request = request_bytes("PUT", f"/schedules/s{number}", address, json.dumps(body).encode())
    reply = await exchange(address, request)
    if reply.status != 201:
        raise BenchFailed(f"the server refused a schedule: {reply.body.decode(errors='replace')}")


async def take_ready(bench: Bench) -> Sample:
    async with serving(bench.fresh_folder()) as server:
        taken = footprint_of(server.pid)
    return {"ready": server.ready_ms} | ({"readyCpu": taken.cpu_s * 1000} if taken else {})


async def take_embedded(bench: Bench) -> Sample:
    """`tenuto.Engine` in a program of its own, with no server."""
    arguments = [str(bench.fresh_folder()), str(AT_ONCE), str(bench.pace.warm_up_s), str(bench.pace.load_s)]
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tenuto.cli.bench.embedded", *arguments],
        capture_output=True,
        timeout=60 + bench.pace.warm_up_s + bench.pace.load_s,
        check=False,
    )
    if process.returncode != 0:
        raise BenchFailed(f"the embedded engine failed: {process.stderr.decode(errors='replace')[-1000:]}")
    answer = json.loads(process.stdout)
    return {"embedded": answer["perSecond"], "embeddedCpu": answer["cpuUs"]}


async def take_steps(bench: Bench) -> Sample:
    """Time per step at growing sizes. Sizes are left out that this disk would take too long for."""
    sample: dict[str, float] = {}
    for shape, make in (("chain", chain), ("fan", _fan_of)):
        per_step_ms = 0.0
        for size in SIZES:
            if size > bench.pace.largest or per_step_ms * size > LONGEST_WAIT_S * 1000:
                break
            workload = make(size)
            load = await bench.alone(
                workload, bench.pace.alone_s, most=max(1, 3_000 // size), warm_up=size < 1_000
            )
            per_step_ms = median(load.latencies_ms) / workload.steps
            sample[f"{shape}Step{size}"] = per_step_ms * 1000
    return sample


def _fan_of(steps: int) -> Workload:
    """A fan with so many steps in all."""
    return fan(steps - 2)


def derive_steps(costs: Mapping[str, float]) -> list[Figure]:
    figures = []
    for shape in ("chain", "fan"):
        by_size = [costs[key] for size in SIZES if (key := f"{shape}Step{size}") in costs]
        figures.append(
            Figure(
                key=f"{shape}Growth",
                title=f"{shape}: a step against one of a smaller {shape}, at worst",
                unit="×",
                samples=[growth(by_size)],
                goal=Goal(1.3),
            )
        )
    return figures


async def take_disk(bench: Bench) -> Sample:
    disk = await asyncio.to_thread(describe_disk, bench.folder)
    return {"fsync": disk.fsync_ms}


MEASURES = (
    Measure(
        "disk",
        (Spec("fsync", "one fsync of this disk (4 KiB append)", "ms"),),
        take_disk,
    ),
    Measure(
        "throughput",
        (
            Spec(
                "throughput", "3-step chain over HTTP, 64 at once", "executions/s", Goal(3_000, at_least=True)
            ),
            Spec("throughputP50", "  one of the 64, p50", "ms"),
            Spec("throughputP99", "  one of the 64, p99", "ms"),
            Spec("serverCpu", "  processor time of the server per execution", "µs"),
            Spec("clientCpu", "  processor time of the load client per execution", "µs"),
            Spec("loadedMemory", "  memory of the server after it (PSS)", "MB"),
        ),
        take_throughput,
    ),
    Measure(
        "alone",
        (
            Spec("alone", "3-step chain alone, p50", "ms", Goal(4)),
            Spec("aloneP99", "3-step chain alone, p99", "ms"),
        ),
        take_alone,
    ),
    Measure("chain", (Spec("chain", "100-step chain alone, p50", "ms", Goal(60)),), take_chain),
    Measure("fan", (Spec("fan", "fan of 100 alone, p50", "ms", Goal(15)),), take_fan),
    Measure(
        "embedded",
        (
            Spec(
                "embedded", "3-step chain in process, 64 at once", "executions/s", Goal(6_000, at_least=True)
            ),
            Spec("embeddedCpu", "  processor time per execution", "µs"),
        ),
        take_embedded,
    ),
    Measure(
        "ready",
        (
            Spec("ready", "from spawn to ready", "ms", Goal(1_000)),
            Spec("readyCpu", "  processor time of it", "ms"),
        ),
        take_ready,
    ),
    Measure(
        "idle",
        (
            Spec("idleMemory", "memory of an idle server, all processes (PSS)", "MB", Goal(90)),
            Spec("idleProcesses", "  processes", ""),
            Spec("idleCpu", "processor time of an idle server", "%", Goal(1)),
        ),
        take_idle,
        at_most=2,
    ),
    Measure(
        "schedules",
        (
            Spec(
                "scheduledCpu", f"processor time of an idle server with {SCHEDULES:,} schedules", "%", Goal(1)
            ),
        ),
        take_schedules,
        at_most=2,
    ),
    Measure(
        "steps",
        tuple(
            Spec(f"{shape}Step{size}", f"{shape} of {size:,}: time per step", "µs")
            for shape in ("chain", "fan")
            for size in SIZES
        ),
        take_steps,
        derive_steps,
        at_most=3,
    ),
)


def figures_of(measure: Measure, samples: Sequence[Sample]) -> list[Figure]:
    """The figures of a measurement from its repetitions; those that never had a value are left out."""
    figures = []
    for spec in measure.specs:
        values = [sample[spec.key] for sample in samples if spec.key in sample]
        if values:
            figures.append(
                Figure(key=spec.key, title=spec.title, unit=spec.unit, samples=values, goal=spec.goal)
            )
    return figures + measure.derive({figure.key: min(figure.samples) for figure in figures})
