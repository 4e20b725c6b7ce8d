"""A real server whose disk fills up: starts are refused with a 503, reads go on, running steps keep their outcomes, and
when there is room again everything goes on by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.processes.server import Answer, Server
from tests.receivers import receiver

MEGABYTE = 1 << 20

Ask = Callable[..., Awaitable[Answer]]
WORKFLOW = {
    "id": "held",
    "steps": [
        {
            "id": "a",
            "action": "http.request",
            "params": {"url": "{{ input.url }}", "method": "POST"},
            "timeout": 600_000,
        },
        {"id": "b", "dependencies": ["a"]},
    ],
}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place))
    if not mounted:
        pytest.skip("NOT CHECKED: a small file system can be mounted by root only")
    try:
        yield place
    finally:
        assert _run("umount", str(place))


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def fill(place: Path) -> Path:
    """A file that takes all the room there is."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return filler


async def test_a_full_disk_refuses_starts_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    may_answer = asyncio.Event()
    called: list[str] = []

    async def hold(request: web.Request) -> web.StreamResponse:
        called.append(request.headers["X-Tenuto-Execution-Id"])
        await may_answer.wait()
        return web.json_response({"n": len(called)})

    server = Server(tmp_path, database=f"sqlite:///{small_disk / 'tenuto.db'}")

    async def ask(method: str, path: str, body: Any = None) -> Answer:
        return await asyncio.to_thread(server.ask, method, path, body)

    async with receiver(hold) as service:
        await asyncio.to_thread(server.start)
        try:
            await asyncio.to_thread(server.wait_ready)
            assert (await ask("POST", "/workflows", WORKFLOW)).status == 201
            running = {"workflowId": "held", "executionId": "before", "context": {"url": service.url()}}
            assert (await ask("POST", "/executions/start", running)).status == 201
            await service.arrived(1)

            filler = fill(small_disk)
            refused, refused_id = await start_until_refused(ask, service.url())
            assert refused.status == 503
            assert refused.headers["retry-after"]
            assert refused.headers["content-type"].startswith("application/problem+json")
            assert (await ask("GET", "/healthz")).status == 200
            assert (await ask("GET", "/executions/before")).json()["status"] == "running"
            assert (await ask("GET", "/executions")).status == 200
            assert (await ask("GET", f"/executions/{refused_id}")).status == 404
            may_answer.set()
            await asyncio.to_thread(server.wait_saying, "commit_failed")
            assert (await ask("GET", "/executions/before")).json()["stepResults"]["a"]["status"] == "running"

            filler.unlink()
            ended = await ask("POST", "/executions/start?wait=30000", running)
            assert ended.json()["status"] == "completed"
            assert ended.json()["stepResults"]["a"]["attempts"] == 1
            assert called.count("before") == 1
            assert (await ask("GET", "/readyz")).status == 200
            again = running | {"executionId": refused_id}
            assert (await ask("POST", "/executions/start?wait=30000", again)).json()["status"] == "completed"
            assert await asyncio.to_thread(server.stop) == 0
        finally:
            await asyncio.to_thread(server.kill)


async def start_until_refused(ask: Ask, url: str) -> tuple[Answer, str]:
    """Start executions, large ones first, until the last room in the database's own files is used up. The refusal, and
    the id that it was about."""
    for number in range(5_000):
        pad = "x" * (8_000 if number < 500 else 0)
        execution_id = f"full-{number}"
        body = {"workflowId": "held", "executionId": execution_id, "context": {"url": url, "pad": pad}}
        answer = await ask("POST", "/executions/start", body)
        if answer.status != 201 and not pad:
            return answer, execution_id
    raise AssertionError("the disk was never full")
