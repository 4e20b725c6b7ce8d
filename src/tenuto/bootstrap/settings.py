"""What an operator may set, and what a database URL names."""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from tenuto.errors import ConfigurationError
from tenuto.ports.store import Store
from tenuto.stores.memory import MemoryStore
from tenuto.stores.sqlite import SqliteStore


class Settings(Struct, frozen=True, kw_only=True):
    """Everything an operator may set. Durations in ms. `app` is `module:name` of an Engine with executors on it,
    `public_url` how other systems reach the server (None: by host and port)."""

    host: str = "127.0.0.1"
    port: int = 3000
    database: str = "sqlite:///tenuto.db"
    app: str | None = None
    grace: int = 10_000
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    script_workers: int = 2
    script_timeout: int = 5_000
    writer: Literal["thread", "process"] = "process"
    public_url: str | None = None


def open_store(database: str, settings: Settings) -> Store:
    """The store that a database URL names, not opened yet. Raises ConfigurationError."""
    if database in ("memory:", "memory://"):
        return MemoryStore()
    scheme, _, rest = database.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteStore(unquote(rest[1:]), writer=settings.writer)
    if scheme in ("postgresql", "postgres", "mongodb", "mongodb+srv"):
        raise ConfigurationError(
            f"{scheme} databases are not supported yet: use sqlite:///path.db (or sqlite:////absolute/path.db)"
        )
    shown = urlsplit(database)._replace(netloc="…").geturl() if "@" in database else database
    raise ConfigurationError(
        f"cannot tell what database {shown!r} is: use sqlite:///path.db, sqlite:////absolute/path.db or memory:"
    )
