"""A server process of the benchmark's own: the installed `tenuto serve` on a free loopback port with a data file in a
folder of its own, ended by its process id.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

from tenuto.cli.bench.client import Address, BenchFailed, exchange, request_bytes

START_LIMIT_S = 30.0
STOP_LIMIT_S = 20.0
LOG_NAME = "server.log"
STORE_NAME = "tenuto.db"


class BenchServer(NamedTuple):
    """A server that answers: where, its process, and how long it took from spawn to the first 200 of /readyz."""

    address: Address
    pid: int
    ready_ms: float


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[BenchServer]:
    """A server on the data in the folder. Raises BenchFailed when it does not become ready."""
    address = Address("127.0.0.1", _free_port())
    began = time.perf_counter()
    process = _spawn(address, folder)
    try:
        await _wait_until_ready(address, process, folder)
        yield BenchServer(address, process.pid, (time.perf_counter() - began) * 1000)
    finally:
        await _end(process)


def _spawn(address: Address, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / LOG_NAME).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 (our own program)
            _command(address, folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(),
        )


def _command(address: Address, folder: Path) -> list[str]:
    listen = ["--host", address.host, "--port", str(address.port)]
    return [sys.executable, "-m", "tenuto", "serve", *listen, "--db", str(folder / STORE_NAME)]


def _environment() -> dict[str, str]:
    """The caller's, without settings of Tenuto: a benchmark measures the defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _wait_until_ready(address: Address, process: subprocess.Popen[bytes], folder: Path) -> None:
    request = request_bytes("GET", "/readyz", address)
    give_up_at = time.perf_counter() + START_LIMIT_S
    while time.perf_counter() < give_up_at:
        if process.poll() is not None:
            break
        try:
            if (await exchange(address, request, timeout_s=5)).status == 200:
                return
        except BenchFailed:
            pass  # it does not listen yet
        await asyncio.sleep(0.01)
    last_words = (folder / LOG_NAME).read_text(errors="replace")[-2000:]
    raise BenchFailed(f"the server did not become ready (its log ends with):\n{last_words}")


async def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)
