"""`python -m tenuto.cli.bench.embedded`: how many executions per second `tenuto.Engine` does in process, without a
server, on a fresh SQLite file. A program of its own, so that nothing else of the benchmark lives in its process.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from tenuto import Engine
from tenuto.cli.bench.server import STORE_NAME
from tenuto.cli.bench.workloads import chain

WORK = chain(3)


class Answer(msgspec.Struct, rename="camel"):
    """The one line that is printed: executions per second, processor time in µs of one."""

    per_second: float
    cpu_us: float


async def measure(database: str, at_once: int, warm_up_s: float, load_s: float) -> Answer:
    """Keep `at_once` executions under way until the time is up."""
    ended: list[float] = []
    began = time.perf_counter()
    count_from, stop_at = began + warm_up_s, began + warm_up_s + load_s
    async with Engine(database) as engine:
        await engine.register_workflow(WORK.definition)

        async def one_after_another() -> None:
            while time.perf_counter() < stop_at:
                document = await engine.execute(WORK.workflow_id, {"orderId": "order-123"})
                assert document["status"] == "completed", document
                now = time.perf_counter()
                if count_from <= now < stop_at:
                    ended.append(now)

        cpu_before = time.process_time()
        await asyncio.gather(*(one_after_another() for _ in range(at_once)))
        cpu_s = time.process_time() - cpu_before
    share = load_s / (warm_up_s + load_s)
    return Answer(len(ended) / load_s, cpu_s * share / len(ended) * 1e6)


def main() -> None:
    folder, at_once, warm_up_s, load_s = sys.argv[1:]
    database = f"sqlite:///{Path(folder) / STORE_NAME}"
    answer = uvloop.run(measure(database, int(at_once), float(warm_up_s), float(load_s)))
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")


if __name__ == "__main__":
    main()
