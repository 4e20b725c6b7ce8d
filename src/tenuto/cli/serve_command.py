"""`tenuto serve`: settings from flags and environment, then the server itself."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer


class LogLevel(StrEnum):
    """How much the server says of itself."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How it says it; auto is readable on a terminal and JSON elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class Writer(StrEnum):
    """Where the SQLite writer lives."""

    THREAD = "thread"
    PROCESS = "process"


def serve(
    *,
    host: Annotated[str, typer.Option(envvar="TENUTO_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, envvar="TENUTO_PORT", help="Port to listen on; 0 takes a free one."),
    ] = 3000,
    database: Annotated[
        str,
        typer.Option(
            "--database",
            "--db",
            envvar="TENUTO_DATABASE",
            help="Where everything is kept: sqlite:///FILE, a file's name, or memory: (lost at the end).",
        ),
    ] = "sqlite:///tenuto.db",
    app: Annotated[
        str | None,
        typer.Option(
            envvar="TENUTO_APP",
            metavar="MODULE:NAME",
            help="A tenuto.Engine of yours with executors and workflows on it.",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        str,
        typer.Option(
            envvar="TENUTO_GRACE",
            metavar="DURATION",
            help="How long a stop waits for running attempts (10s, 1m).",
        ),
    ] = "10s",
    log_level: Annotated[
        LogLevel, typer.Option(envvar="TENUTO_LOG_LEVEL", help="How much is logged.")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="TENUTO_LOG_FORMAT", help="Log lines for people or for machines.")
    ] = LogFormat.AUTO,
    script_workers: Annotated[
        int,
        typer.Option(min=1, max=64, envvar="TENUTO_SCRIPT_WORKERS", help="Processes that run JavaScript."),
    ] = 2,
    script_timeout: Annotated[
        str,
        typer.Option(
            envvar="TENUTO_SCRIPT_TIMEOUT", metavar="DURATION", help="How long one script may take."
        ),
    ] = "5s",
    writer: Annotated[
        Writer,
        typer.Option(envvar="TENUTO_WRITER", help="Write to SQLite from a thread or a process of its own."),
    ] = Writer.PROCESS,
    public_url: Annotated[
        str | None,
        typer.Option(
            envvar="TENUTO_PUBLIC_URL",
            metavar="URL",
            help="How other systems reach this server, for the URLs they call back; else by host and port.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Start a server.

    Everything is on disk before it is acknowledged: end the server however you like, it goes on where it was.

    [dim]Examples:[/dim]

      tenuto serve

      tenuto serve --port 8080 --database /var/lib/tenuto/tenuto.db

      tenuto serve --app orders.workflows:engine
    """
    from tenuto.bootstrap import Settings
    from tenuto.bootstrap.server import serve as run
    from tenuto.cli.inputs import read_duration

    settings = Settings(
        host=host,
        port=port,
        database=_database(database),
        app=app,
        grace=read_duration(grace),
        log_level=log_level.value,
        log_format=log_format.value,
        script_workers=script_workers,
        script_timeout=read_duration(script_timeout),
        writer=writer.value,
        public_url=_address(public_url),
    )
    run(settings, lambda url: _greet(url, settings.database))


def _database(given: str) -> str:
    """The database's URL; the name of a file stands for the SQLite database in it."""
    if given.startswith("memory:") or "://" in given:
        return given
    return f"sqlite:///{quote(given)}"


def _address(given: str | None) -> str | None:
    """The address that others use, without a slash at its end; an empty one is none."""
    if not given:
        return None
    if not re.match(r"https?://[^\s/?#]+(/[^\s?#]*)?$", given, re.IGNORECASE):
        raise typer.BadParameter(
            f"{given!r} is no address: write http:// or https://, a host, and what comes before the paths of the API",
            param_hint="--public-url",
        )
    return given.rstrip("/")


def _greet(url: str, database: str) -> None:
    sys.stdout.write(
        f"Tenuto is ready on {url} (keeping everything in {database.removeprefix('sqlite:///')}). Ctrl-C stops it.\n"
    )
    sys.stdout.flush()
