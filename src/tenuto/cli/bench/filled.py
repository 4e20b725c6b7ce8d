"""The same figures with an almost empty store and with one of a million finished executions: what has ended must not
slow down what goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tenuto.bootstrap.settings import Settings, open_store
from tenuto.cli.bench.client import drive, exchange, request_bytes
from tenuto.cli.bench.figures import Figure, Goal
from tenuto.cli.bench.filling import fill, read_pattern
from tenuto.cli.bench.measures import AT_ONCE, Bench, Measure, Sample, Spec
from tenuto.cli.bench.server import STORE_NAME, serving
from tenuto.cli.bench.workloads import COMPLETED, chain
from tenuto.ports.store import Store
from tenuto.runtime.ids import new_execution_id

FEW = 1_000
MANY = 1_000_000
PAGE = 50
WORK = chain(3)


class FilledStore(NamedTuple):
    """A folder with a store in it, and ids of executions spread over all of it."""

    folder: Path
    examples: list[str]


class FilledStores:
    """The two stores, filled once for all repetitions."""

    def __init__(self) -> None:
        self._stores: dict[str, FilledStore] = {}

    async def take(self, bench: Bench) -> Sample:
        """One repetition on each store."""
        sample: dict[str, float] = {}
        for name, amount in (("few", FEW), ("many", MANY)):
            if name not in self._stores:
                self._stores[name] = await make_store(bench, amount)
            async with serving(self._stores[name].folder) as server:
                values = await _take_on(bench.on(server), self._stores[name].examples)
            values["ready"] = server.ready_ms
            sample.update({f"{name}.{key}": value for key, value in values.items()})
        return sample


async def make_store(bench: Bench, amount: int) -> FilledStore:
    """A store in a folder of its own with that many finished executions."""
    folder = bench.fresh_folder()
    async with serving(folder) as server:
        await bench.on(server).alone(WORK, seconds=10, most=1, warm_up=False)
    store = open_store(f"sqlite:///{folder / STORE_NAME}", Settings())
    await store.open()
    try:
        return FilledStore(folder, await _fill(bench, store, amount))
    finally:
        await store.close()


async def _fill(bench: Bench, store: Store, amount: int) -> list[str]:
    began = time.perf_counter()

    def tell(done: int) -> None:
        if done % 100_000 == 0:
            bench.say(f"{done:,} executions in the store after {time.perf_counter() - began:.0f} s")

    return await fill(store, await read_pattern(store), amount, new_execution_id, tell)


async def _take_on(subject: Bench, examples: Sequence[str]) -> dict[str, float]:
    address, pace = subject.server.address, subject.pace
    request = await subject.start_request(WORK)
    load = await drive(
        address,
        request,
        marker=COMPLETED,
        at_once=AT_ONCE,
        seconds=pace.load_s,
        warm_up_s=pace.warm_up_s,
    )

    async def timed(paths: Sequence[str]) -> float:
        requests = [request_bytes("GET", path, address) for path in paths]
        reads = await drive(address, requests, seconds=pace.alone_s, warm_up_s=0.1)
        return median(reads.latencies_ms)

    return {
        "perExecution": 1e6 / load.per_second,
        "alone": median((await subject.alone(WORK, pace.alone_s)).latencies_ms),
        "get": await timed([f"/executions/{execution_id}" for execution_id in examples]),
        "list": await timed([f"/executions?limit={PAGE}"]),
        "listOfWorkflow": await timed(
            [f"/executions?workflowId={WORK.workflow_id}&status=completed&limit={PAGE}"]
        ),
        "listOld": await timed([f"/executions?until={await _middle(subject, examples)}&limit={PAGE}"]),
    }


async def _middle(subject: Bench, examples: Sequence[str]) -> int:
    """The start time of the middle one of the examples."""
    address = subject.server.address
    path = f"/executions/{examples[len(examples) // 2]}"
    reply = await exchange(address, request_bytes("GET", path, address))
    return int(reply.json()["startTime"])


KINDS = (
    ("perExecution", "time per execution, 64 at once", "µs"),
    ("alone", "3-step chain alone, p50", "ms"),
    ("get", "get any one, p50", "ms"),
    ("list", "list the newest 50, p50", "ms"),
    ("listOfWorkflow", "list 50 of one workflow and status, p50", "ms"),
    ("listOld", "list 50 from the middle, p50", "ms"),
)


def derive_filled(costs: Mapping[str, float]) -> list[Figure]:
    return [
        Figure(
            key=f"filledGrowth.{key}",
            title=f"{title}: {MANY:,} against {FEW:,}",
            unit="×",
            samples=[costs[f"many.{key}"] / costs[f"few.{key}"]],
            goal=Goal(1.3),
        )
        for key, title, _ in KINDS
    ]


FILLED = Measure(
    "filled",
    (
        *(
            Spec(f"{name}.{key}", f"{amount:,} finished: {title}", unit)
            for key, title, unit in KINDS
            for name, amount in (("few", FEW), ("many", MANY))
        ),
        Spec("many.ready", f"{MANY:,} finished: from spawn to ready", "ms", Goal(1_000)),
    ),
    FilledStores().take,
    derive_filled,
    at_most=3,
)
