"""The measurements of what only waits: many timers that are due at one instant, and many executions that wait for a
signal and should cost next to nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from statistics import median

import msgspec

from tenuto.bootstrap.settings import Settings, open_store
from tenuto.cli.bench.client import Address, BenchFailed, Reply, exchange, request_bytes, send_each
from tenuto.cli.bench.figures import Goal, quantile
from tenuto.cli.bench.footprint import Footprint, footprint_of
from tenuto.cli.bench.measures import AT_ONCE, WORK, Bench, Measure, Sample, Spec
from tenuto.cli.bench.server import STORE_NAME, BenchServer, serving
from tenuto.cli.bench.workloads import COMPLETED, START_PATH, Workload, timer, waiting
from tenuto.ports.store import ExecutionQuery, Store

TIMERS = (1_000, 10_000)
WAITING = (2_000, 20_000, 100_000)
SIGNALS = 100
LIMIT_S = 300.0  # for everything that is started or awaited in one go
COUNTED_EVERY_S = 5.5
NONE_LIVE = b"\ntenuto_executions_live 0.0\n"
NOT_ENDED = "status=pending,running,paused"


async def take_timers(bench: Bench) -> Sample:
    """Start executions that wait for one instant; read from the store when each has ended. Where the instant is far
    enough they leave memory meanwhile and come back for it."""
    folder, amount = bench.fresh_folder(), bench.pace.timers
    async with serving(folder) as server:
        at = int((time.time() + bench.pace.ahead_s) * 1000)
        work = timer(at)
        await bench.on(server).start_request(work)
        request = request_bytes("POST", "/executions/start", server.address, _body_of(work))
        await send_each(server.address, (request for _ in range(amount)), at_once=AT_ONCE, limit_s=LIMIT_S)
        if time.time() * 1000 >= at:
            raise BenchFailed(f"starting {amount:,} executions took longer than {bench.pace.ahead_s:g} s")
        before = footprint_of(server.pid)
        await asyncio.sleep(at / 1000 - time.time())
        await _all_ended(server.address, work)
        after = footprint_of(server.pid)
    store = open_store(f"sqlite:///{folder / STORE_NAME}", Settings())
    await store.open()
    try:
        ends = await read_ends(store, amount)
    finally:
        await store.close()
    sample = {
        f"timersFirst{amount}": min(ends) - at,
        f"timersMedian{amount}": median(ends) - at,
        f"timersLast{amount}": max(ends) - at,
    }
    if before and after:
        sample[f"timersCpu{amount}"] = (after.cpu_s - before.cpu_s) / amount * 1e6
    return sample


async def _all_ended(address: Address, work: Workload) -> None:
    path = f"/executions?workflowId={work.workflow_id}&{NOT_ENDED}&limit=1"
    async with asyncio.timeout(LIMIT_S):
        while True:
            if not (await _get(address, path)).json():
                return
            await asyncio.sleep(0.1)


async def read_ends(store: Store, amount: int) -> list[int]:
    """The instants at which the executions in the store ended. Raises BenchFailed unless so many completed."""
    rows = await store.list_executions(ExecutionQuery(limit=amount + 1, status=("completed",)))
    if len(rows) != amount:
        raise BenchFailed(f"{len(rows):,} of {amount:,} timers fired")
    return [row.end_time for row in rows if row.end_time is not None]


async def take_waiting(bench: Bench) -> Sample:
    """Executions that wait for a signal, on a server that has done as many others before: what do they add to its memory,
    what do they cost while nothing happens, how long does a signal take to wake one; and again after a restart."""
    folder, amount = bench.fresh_folder(), bench.pace.waiting
    sample: dict[str, float] = {}
    async with serving(folder) as server:
        fresh = await _at_rest(bench, server)
        await _warm_up(bench.on(server), amount)
        warm = await _at_rest(bench, server)
        work = waiting()
        await bench.on(server).start_request(work)
        requests = _start_requests(work, range(amount), server.address)
        load = await send_each(server.address, requests, at_once=AT_ONCE, limit_s=LIMIT_S)
        sample["Starts"] = load.per_second
        await _have_left_memory(server.address)
        sample |= await _take_cost(bench, server, warm, "")
        sample |= await _take_signals(server.address, work, 0, amount, "")
    async with serving(folder) as server:
        sample["Ready"] = server.ready_ms
        sample |= await _take_cost(bench, server, fresh, "Again")
        sample |= await _take_signals(server.address, work, 1, amount, "Again")
    return {f"waiting{key}{amount}": value for key, value in sample.items()}


async def _warm_up(subject: Bench, amount: int) -> None:
    request = await subject.start_request(WORK)
    requests = (request for _ in range(amount))
    await send_each(subject.server.address, requests, marker=COMPLETED, at_once=AT_ONCE, limit_s=LIMIT_S)


async def _take_cost(bench: Bench, server: BenchServer, before: Footprint | None, suffix: str) -> Sample:
    """Memory above `before` and processor time while nothing happens."""
    early = await _at_rest(bench, server)
    await asyncio.sleep(bench.pace.long_idle_s)
    late = footprint_of(server.pid)
    if before is None or early is None or late is None:
        return {}
    return {
        f"Memory{suffix}": late.memory_mb - before.memory_mb,
        f"Total{suffix}": late.memory_mb,
        f"Cpu{suffix}": (late.cpu_s - early.cpu_s) / bench.pace.long_idle_s * 100,
    }


async def _at_rest(bench: Bench, server: BenchServer) -> Footprint | None:
    """What the server takes a moment after it has got nothing more to do."""
    await asyncio.sleep(bench.pace.settle_s)
    return footprint_of(server.pid)


async def _have_left_memory(address: Address) -> None:
    """Until the server says that no execution is in memory; it counts them every five seconds."""
    await asyncio.sleep(COUNTED_EVERY_S)
    async with asyncio.timeout(LIMIT_S):
        while True:
            if NONE_LIVE in (await _get(address, "/metrics")).body:
                return
            await asyncio.sleep(0.25)


async def _take_signals(address: Address, work: Workload, first: int, amount: int, suffix: str) -> Sample:
    """From sending a signal to one of those that wait, which is not in memory, to the document of the ended execution.
    `first` must differ each time."""
    numbers = range(first, amount, max(2, amount // SIGNALS))
    path = "/executions/{}/signals/go"
    taken_ms = []
    for number, start in zip(numbers, _start_requests(work, numbers, address, START_PATH), strict=True):
        began = time.perf_counter()
        sent = await exchange(address, request_bytes("POST", path.format(_id(number)), address, b"{}"))
        ended = await exchange(address, start)  # as it is there already, this only waits for its end
        taken_ms.append((time.perf_counter() - began) * 1000)
        if sent.status != 202 or COMPLETED not in ended.body:
            raise BenchFailed(f"a signal did not end an execution: {ended.body.decode(errors='replace')}")
    return {f"Signal{suffix}": median(taken_ms), f"SignalP99{suffix}": quantile(taken_ms, 0.99)}


def _start_requests(
    work: Workload, numbers: Iterable[int], address: Address, path: str = "/executions/start"
) -> Iterator[bytes]:
    for number in numbers:
        yield request_bytes("POST", path, address, _body_of(work, _id(number)))


def _body_of(work: Workload, execution_id: str | None = None) -> bytes:
    named = {"executionId": execution_id} if execution_id else {}
    return msgspec.json.encode({"workflowId": work.workflow_id, "context": work.context, **named})


def _id(number: int) -> str:
    return f"waiting-{number}"


async def _get(address: Address, path: str) -> Reply:
    reply = await exchange(address, request_bytes("GET", path, address))
    if reply.status != 200:
        raise BenchFailed(f"{path} was answered {reply.status}: {reply.body.decode(errors='replace')}")
    return reply


def _timer_specs(amount: int) -> list[Spec]:
    return [
        Spec(
            f"timersLast{amount}",
            f"{amount:,} timers due at one instant: the last is late by",
            "ms",
            Goal(2_000),
        ),
        Spec(f"timersMedian{amount}", "  the one in the middle", "ms"),
        Spec(f"timersFirst{amount}", "  the first (never early)", "ms", Goal(0, at_least=True)),
        Spec(f"timersCpu{amount}", "  processor time of the server for each", "µs"),
    ]


def _waiting_specs(amount: int) -> list[Spec]:
    return [
        Spec(
            f"waitingMemory{amount}",
            f"{amount:,} waiting for a signal: memory they add (PSS)",
            "MB",
            Goal(50),
        ),
        Spec(f"waitingTotal{amount}", "  memory of the server with them", "MB"),
        Spec(f"waitingCpu{amount}", "  processor time while nothing happens", "%", Goal(1)),
        Spec(f"waitingSignal{amount}", "  from a signal to the end of the one it wakes, p50", "ms"),
        Spec(f"waitingSignalP99{amount}", "  the same, p99", "ms"),
        Spec(f"waitingStarts{amount}", f"  how fast they were started, {AT_ONCE} at once", "executions/s"),
        Spec(f"waitingReady{amount}", "  after a restart: from spawn to ready", "ms", Goal(1_000)),
        Spec(f"waitingMemoryAgain{amount}", "  memory above that of an empty server", "MB", Goal(50)),
        Spec(f"waitingCpuAgain{amount}", "  processor time while nothing happens", "%", Goal(1)),
        Spec(f"waitingSignalAgain{amount}", "  from a signal to the end of the one it wakes, p50", "ms"),
        Spec(f"waitingSignalP99Again{amount}", "  the same, p99", "ms"),
    ]


PATIENCE = (
    Measure(
        "timers",
        tuple(spec for amount in TIMERS for spec in _timer_specs(amount)),
        take_timers,
        at_most=3,
    ),
    Measure(
        "waiting",
        tuple(spec for amount in WAITING for spec in _waiting_specs(amount)),
        take_waiting,
        at_most=2,
    ),
)
