"""A real server on loopback, in a thread of its own, for clients that are not ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tenuto.api.app import create_app
from tenuto.bootstrap import Engine, Settings


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server with a store in memory, which stops when the context is left."""
    listening = threading.Event()
    servers: list[uvicorn.Server] = []
    thread = threading.Thread(target=lambda: asyncio.run(_serve(servers, listening)), daemon=True)
    thread.start()
    assert listening.wait(20), "the server did not start"
    port = servers[0].servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        servers[0].should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


async def _serve(servers: list[uvicorn.Server], listening: threading.Event) -> None:
    async with Engine(settings=Settings(database="memory:", grace=0)) as engine:
        app = create_app(engine.node, schedules=engine.schedules, bulk=engine.bulk, clock=engine.clock)
        config = uvicorn.Config(
            app, port=0, lifespan="off", log_config=None, access_log=False, http="httptools", ws="none"
        )
        server = _Server(config, listening)
        servers.append(server)
        await server.serve()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self._listening.set()
