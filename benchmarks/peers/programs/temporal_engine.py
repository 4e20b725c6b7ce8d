"""Temporal's development server on SQLite (WAL, synchronous=FULL), with worker and load in this process. `local` runs
the steps as local activities, `activities` through the task queue. The development server limits itself; this is not
what a production cluster does.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.peers import servers
from benchmarks.peers.figures import (
    CHAIN_STEPS,
    FAN_STEPS,
    LONG_CHAIN_STEPS,
    Budget,
    Figures,
    median_ms,
    per_second,
    resident_mb,
)

AT_ONCE = 64
QUEUE = "bench"
LIMIT = timedelta(seconds=60)


@activity.defn
async def no_op() -> None:
    return None


async def step(local: bool) -> None:
    """One durable step, as a local or an ordinary activity."""
    if local:
        await workflow.execute_local_activity(no_op, start_to_close_timeout=LIMIT)
    else:
        await workflow.execute_activity(no_op, start_to_close_timeout=LIMIT)


@workflow.defn
class Chain:
    @workflow.run
    async def run(self, steps: int, local: bool) -> str:
        for _ in range(steps):
            await step(local)
        return "completed"


@workflow.defn
class Fan:
    @workflow.run
    async def run(self, width: int, local: bool) -> str:
        await step(local)
        await asyncio.gather(*(step(local) for _ in range(width)))
        await step(local)
        return "completed"


async def connect(port: int) -> Client:
    """A client; the server listens a moment before it is healthy."""
    for _ in range(100):
        try:
            return await Client.connect(f"127.0.0.1:{port}")
        except RuntimeError:
            await asyncio.sleep(0.1)
    raise RuntimeError("the server did not become healthy within 10 s")


async def measure(port: int, server_pid: int, local: bool) -> Figures:
    client = await connect(port)
    ids = itertools.count()

    async def chain(steps: int) -> object:
        return await client.execute_workflow(
            Chain.run, args=[steps, local], id=f"chain-{next(ids)}", task_queue=QUEUE
        )

    async def fan() -> object:
        return await client.execute_workflow(
            Fan.run, args=[FAN_STEPS, local], id=f"fan-{next(ids)}", task_queue=QUEUE
        )

    budget = Budget()
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Chain, Fan],
        activities=[no_op],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_tasks=200,
        max_concurrent_activities=400,
        max_concurrent_local_activities=400,
    )
    async with worker:
        rate = await per_second(lambda: chain(CHAIN_STEPS), AT_ONCE, budget)
        alone = await median_ms(lambda: chain(CHAIN_STEPS), budget.alone_s)
        long_chain = await median_ms(lambda: chain(LONG_CHAIN_STEPS), budget.long_s)
        fan_ms = await median_ms(fan, budget.long_s)
        server_mb = resident_mb(server_pid)
        return Figures(rate, alone, long_chain, fan_ms, server_mb, resident_mb(os.getpid()) - server_mb)


def main() -> None:
    local = sys.argv[1] == "local"
    with tempfile.TemporaryDirectory(prefix="bench-temporal-") as name:
        port = servers.free_port()
        command = [
            str(Path(sys.prefix, "bin", "temporal")),
            *("server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)),
            *("--db-filename", str(Path(name, "temporal.db")), "--log-level", "error"),
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=2"),
            *("--dynamic-config-value", "frontend.enableServerVersionCheck=false"),
        ]
        home = {"HOME": name, "TEMPORAL_DISABLE_UPDATE_CHECK": "1"}
        with servers.server(command, port, Path(name, "server.log"), home) as process:
            figures = asyncio.run(measure(port, process.pid, local))
        figures.print()


if __name__ == "__main__":
    main()
