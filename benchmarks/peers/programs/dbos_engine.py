"""DBOS, a library: workflows and load live in one process. `sqlite` uses a file in WAL mode with the driver's
default synchronous=FULL, which is faster than the default rollback journal; `postgres` a server of its own.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from dbos import DBOS, DBOSConfig

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


@DBOS.step()
async def no_op() -> None:
    return None


@DBOS.workflow()
async def chain(steps: int) -> str:
    for _ in range(steps):
        await no_op()
    return "completed"


@DBOS.workflow()
async def fan(width: int) -> str:
    await no_op()
    await asyncio.gather(*(no_op() for _ in range(width)))
    await no_op()
    return "completed"


async def measure(server_pid: int | None) -> Figures:
    budget = Budget()
    rate = await per_second(lambda: chain(CHAIN_STEPS), AT_ONCE, budget)
    alone = await median_ms(lambda: chain(CHAIN_STEPS), budget.alone_s)
    long_chain = await median_ms(lambda: chain(LONG_CHAIN_STEPS), budget.long_s)
    fan_ms = await median_ms(lambda: fan(FAN_STEPS), budget.long_s)
    own_mb = resident_mb(os.getpid()) - (resident_mb(server_pid) if server_pid else 0)
    return Figures(
        rate, alone, long_chain, fan_ms, resident_mb(server_pid) if server_pid else own_mb,
        own_mb if server_pid else 0.0,
    )  # fmt: skip


def sqlite_url(folder: Path) -> str:
    """A fresh SQLite file that is in WAL mode already (the mode is kept in the file)."""
    path = folder / "dbos.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return f"sqlite:///{path}"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-dbos-") as name, ExitStack() as stack:
        pid = None
        if sys.argv[1] == "postgres":
            address, pid = stack.enter_context(servers.postgres(Path(name)))
            url = f"postgresql+psycopg://{address}"
        else:
            url = sqlite_url(Path(name))
        config = DBOSConfig(name="bench", system_database_url=url, log_level="ERROR")
        DBOS(config=config)
        DBOS.launch()
        try:
            figures = asyncio.run(measure(pid))
        finally:
            DBOS.destroy()
        figures.print()


if __name__ == "__main__":
    main()
