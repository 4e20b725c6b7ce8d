"""An engine behind HTTP: the user's app loaded, signals turned into a graceful stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from tenuto.api.app import Application, create_app
from tenuto.bootstrap.engine import Engine
from tenuto.bootstrap.joined import JoinedProtocol
from tenuto.bootstrap.settings import Settings
from tenuto.errors import ConfigurationError
from tenuto.observability.logs import configure_logs
from tenuto.observability.metrics import Metrics
from tenuto.observability.telemetry import MeasuredTelemetry

MOST_FILES = 65_536


def load_app(name: str) -> Engine:
    """The Engine at `module:attribute` (the attribute may be a function that makes one), looked for from the working
    directory too. Raises ConfigurationError."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"--app {name!r}: write module:name, for example orders.app:engine")
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"--app {name!r}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigurationError(f"--app {name!r}: {module_name!r} has no {part!r}")
        found = getattr(found, part)
    if not isinstance(found, Engine) and callable(found):
        found = found()
    if not isinstance(found, Engine):
        raise ConfigurationError(f"--app {name!r} is a {type(found).__name__}; it must be a tenuto.Engine")
    return found


def make_engine(settings: Settings) -> Engine:
    """The engine to serve: a fresh one, or the user's with these settings put on it."""
    if settings.app is None:
        return Engine(settings=settings)
    engine = load_app(settings.app)
    engine.settings = settings
    return engine


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Engine, Application]]:
    """An open engine and the ASGI application over it, measured."""
    metrics = Metrics()
    engine = make_engine(settings)
    engine.telemetry = MeasuredTelemetry(metrics)
    async with engine:
        yield (
            engine,
            create_app(
                engine.node,
                schedules=engine.schedules,
                bulk=engine.bulk,
                clock=engine.clock,
                metrics=metrics,
            ),
        )


class _Server(uvicorn.Server):
    """uvicorn, with our own signal handlers (its own end the process before the engine has stopped) and word of the
    moment it listens."""

    on_ready: Callable[[str], None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_ready is not None:
            port = self.servers[0].sockets[0].getsockname()[1]
            self.on_ready(f"http://{_shown_host(self.config.host)}:{port}")


def serve(settings: Settings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then stop without losing anything. `on_ready` is told the URL. Raises
    ConfigurationError, StoreError, DefinitionInvalid."""
    configure_logs(settings.log_level, settings.log_format)
    _calm_collector()
    raise_file_limit()
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:  # uvloop where there is one
        runner.run(_serve(settings, on_ready))
        if runner.run(_count_left_behind()):
            # Everything is on disk and closed, but the runner would wait for these for ever.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


async def _count_left_behind() -> int:
    """How many tasks go on although they were cancelled, as only code of users does."""
    return len(asyncio.all_tasks()) - 1


def raise_file_limit() -> None:
    """Allow this process as many open files as the system lets it: each connection is one, and the usual limit of
    1,024 was made for programs that use `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(ValueError, OSError):  # where the system will not, it works within what it has
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _calm_collector() -> None:
    """Look for garbage in cycles less often, and never among what was loaded at the start (docs/adr/0008). Under load
    the usual thresholds cost a third of the throughput and pauses of 50 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def _serve(settings: Settings, on_ready: Callable[[str], None] | None) -> None:
    async with serving(settings) as (engine, app):
        server = _Server(_config(settings, app))
        server.on_ready = on_ready
        _stop_on_signals(server, engine)
        try:
            await server.serve()
        except SystemExit:  # uvicorn's way to say that it could not listen; it has logged why
            where = f"{settings.host}:{settings.port}"
            raise ConfigurationError(
                f"cannot listen on {where}: the port is taken or not ours to use"
            ) from None


def _config(settings: Settings, app: Application) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level=settings.log_level,
        http=JoinedProtocol,
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, settings.grace // 1000),
    )


def _stop_on_signals(server: uvicorn.Server, engine: Engine) -> None:
    """The first SIGTERM or SIGINT lets requests under way end (long polls at once); a second one does not wait."""
    node = engine.node

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True
        node.stop_waiting()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _shown_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
