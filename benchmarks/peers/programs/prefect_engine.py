"""Prefect with its API server on PostgreSQL, or SQLite. Flows and load run in this process, 16 at once: with 64
hardly any ends within a repetition.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

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

AT_ONCE = 16


async def measure(server_pids: list[int]) -> Figures:
    # Prefect reads its settings when it is imported, so they must stand in the environment before.
    from prefect import flow, task  # noqa: PLC0415

    @task
    async def no_op() -> None:
        return None

    @flow
    async def chain(steps: int) -> str:
        for _ in range(steps):
            await no_op()
        return "completed"

    @flow
    async def fan(width: int) -> str:
        await no_op()
        await asyncio.gather(*(no_op() for _ in range(width)))
        await no_op()
        return "completed"

    budget = Budget()
    rate = await per_second(lambda: chain(CHAIN_STEPS), AT_ONCE, budget)
    alone = await median_ms(lambda: chain(CHAIN_STEPS), budget.alone_s)
    long_chain = await median_ms(lambda: chain(LONG_CHAIN_STEPS), budget.long_s)
    fan_ms = await median_ms(lambda: fan(FAN_STEPS), budget.long_s)
    server_mb = sum(resident_mb(pid) for pid in server_pids)
    return Figures(rate, alone, long_chain, fan_ms, server_mb, resident_mb(os.getpid()) - server_mb)


def settings(folder: Path, port: int, database: str) -> dict[str, str]:
    """Everything on loopback and in the folder, nothing reported to anybody."""
    return {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-prefect-") as name, ExitStack() as stack:
        folder = Path(name)
        pids = []
        database = f"sqlite+aiosqlite:///{folder / 'prefect.db'}"
        if sys.argv[1] == "postgres":
            address, pid = stack.enter_context(servers.postgres(folder))
            pids.append(pid)
            database = f"postgresql+asyncpg://{address}"
        port = servers.free_port()
        os.environ.update(settings(folder, port, database))
        command = [
            str(Path(sys.prefix, "bin", "prefect")),
            *("server", "start", "--host", "127.0.0.1", "--port", str(port)),
        ]
        process = stack.enter_context(servers.server(command, port, folder / "server.log"))
        asyncio.run(measure([*pids, process.pid])).print()


if __name__ == "__main__":
    main()
