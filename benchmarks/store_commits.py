"""What a durable commit costs on this machine: SQLite's two writers side by side.

    python -m benchmarks.store_commits [--rounds 5] [--seconds 2] [--work-us 40] [--loads alone]

Four kinds of load, each with a thread and a process as the writer, in turns: 64 tasks that each commit one record and
row change again and again; one committer that takes all that has gathered into one batch (as the runtime does);
the same with an event loop that always has other work, in pieces of 0.2 ms; and a single task alone. `--work-us` is
spent in Python between commits, as a server spends it on requests.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import uvloop

from tenuto.ports.store import Batch, NewExecution, Record, SummaryChange
from tenuto.stores.sqlite import SqliteStore, WriterKind

DATA = b'[{"type":"step.succeeded","step":"charge-payment","attempt":1,"result":{"ok":true}}]' * 2
BRIEF = b'{"currentSteps":["fulfill-order"],"completedSteps":["validate-order","charge-payment"]}'
LOADS = ("64 tasks", "gathered", "busy loop", "alone")
PIECE_S = 200e-6
TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One measurement: commits a second, latencies in ms, µs of CPU a commit (event loop's thread, this process, all
    processes), and by how many ms the loop was late at worst."""

    rate: float
    p50: float
    p99: float
    loop_cpu: float
    own_cpu: float
    all_cpu: float
    late: float


class Load:
    """Counts and times the commits of a number of tasks."""

    def __init__(self, store: SqliteStore, tasks: int, work_us: int) -> None:
        self.store = store
        self.tasks = tasks
        self.work_s = work_us / 1e6
        self.latencies: list[float] = []
        self.until = 0.0

    async def begin(self, seconds: float) -> None:
        self.keys = self.store.reserve_keys(self.tasks)
        starts = [
            NewExecution(
                key=key, execution_id=f"e{key}", workflow_id="w", version=1, status="running", start_time=key
            )
            for key in self.keys
        ]
        await self.store.commit(Batch(starts, [], [], []))
        self.until = time.perf_counter() + seconds

    async def run(self, commit: Callable[[Batch], Awaitable[None]]) -> None:
        await asyncio.gather(*[self._repeat(key, commit) for key in self.keys])

    async def _repeat(self, key: int, commit: Callable[[Batch], Awaitable[None]]) -> None:
        seq = 0
        while (begun := time.perf_counter()) < self.until:
            seq += 1
            change = SummaryChange(key, "running", None, None, BRIEF)
            await commit(Batch([], [Record(key, seq, DATA)], [change], []))
            self.latencies.append(time.perf_counter() - begun)
            burn(self.work_s)


def burn(seconds: float) -> None:
    """Python work of about so long, counted in CPU time so that waiting for the interpreter's lock is not work."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class Gatherer:
    """Puts everything that waits into one batch, with one commit under way at a time."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._waiting: list[tuple[Batch, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def commit(self, batch: Batch) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, future))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())
        await future

    async def _drain(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            whole = Batch([], [], [], [])
            for batch, _ in taken:
                whole.records += batch.records
                whole.changes += batch.changes
            await self._store.commit(whole)
            for _, future in taken:
                future.set_result(None)
        self._task = None


class OtherWork:
    """Keeps the event loop busy with what has nothing to do with the store; counts how much of it got done."""

    def __init__(self) -> None:
        self.pieces = 0
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while True:
            burn(PIECE_S)
            self.pieces += 1
            await asyncio.sleep(0)

    def stop(self) -> None:
        self._task.cancel()


class Lateness:
    """By how much the event loop answers late, looked at every 5 ms."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            self.worst = max(self.worst, time.perf_counter() - due)

    def stop(self) -> None:
        self._task.cancel()


def cpu_of(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(writer: WriterKind, shape: str, seconds: float, work_us: int) -> Sample:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        store = SqliteStore(Path(folder) / "tenuto.db", writer=writer)
        await store.open()
        load = Load(store, 1 if shape == "alone" else 64, 0 if shape == "alone" else work_us)
        commit = Gatherer(store).commit if shape in {"gathered", "busy loop"} else store.commit
        other = OtherWork() if shape == "busy loop" else None
        await load.begin(0.2)
        await load.run(commit)  # warm
        load.latencies.clear()
        await load.begin(seconds)
        lateness = Lateness()
        pieces = other.pieces if other else 0
        child = cpu_of(store.writer_pid)
        wall, thread, own = time.perf_counter(), time.thread_time(), time.process_time()
        await load.run(commit)
        wall = time.perf_counter() - wall
        thread, own = time.thread_time() - thread, time.process_time() - own
        child = cpu_of(store.writer_pid) - child
        lateness.stop()
        if other:
            pieces = other.pieces - pieces
            other.stop()
        await store.close()
    count = len(load.latencies)
    worked = count * load.work_s + pieces * PIECE_S
    cuts = statistics.quantiles(load.latencies, n=100)
    return Sample(
        count / wall,
        cuts[49] * 1e3,
        cuts[98] * 1e3,
        (thread - worked) / count * 1e6,
        (own - worked) / count * 1e6,
        (own + child - worked) / count * 1e6,
        lateness.worst * 1e3,
    )


def line(name: str, samples: list[Sample]) -> str:
    """The median of each figure, with the lowest and highest rate."""
    middle = Sample(*(statistics.median(column) for column in zip(*samples, strict=True)))
    rates = sorted(sample.rate for sample in samples)
    return (
        f"{name:<22}{middle.rate:>9,.0f} ({rates[0]:,.0f}-{rates[-1]:,.0f})".ljust(50)
        + f"{middle.p50:>8.2f}{middle.p99:>8.2f}{middle.loop_cpu:>9.1f}{middle.own_cpu:>9.1f}{middle.all_cpu:>9.1f}"
        + f"{middle.late:>8.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--work-us", type=int, default=0)
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=LOADS)
    options = parser.parse_args()
    print(
        f"{'load / writer':<22}{'commits/s (lowest-highest)':<28}{'p50 ms':>8}{'p99 ms':>8}{'loop µs':>9}"
        f"{'own µs':>9}{'all µs':>9}{'late':>8}"
    )
    writers: tuple[WriterKind, ...] = ("thread", "process")
    for shape in options.loads:
        samples: dict[WriterKind, list[Sample]] = {writer: [] for writer in writers}
        for _ in range(options.rounds):
            for writer in writers:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    samples[writer].append(
                        runner.run(measure(writer, shape, options.seconds, options.work_us))
                    )
        for writer in writers:
            print(line(f"{shape} / {writer}", samples[writer]), flush=True)


if __name__ == "__main__":
    main()
