"""The application over a real node with a store in memory; steps of action `hold` last until a test lets
them go, steps of action `fail` fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tenuto.actions.custom import ExecutorContext
from tenuto.api.app import Application, create_app
from tenuto.api.limits import Limits
from tenuto.bootstrap import Engine, Settings
from tests.api.client import Client

CHAIN = {"id": "chain", "name": "A chain", "steps": [{"id": "a"}, {"id": "b", "dependencies": ["a"]}]}


class Gate:
    """Holds steps of action `hold`. `entered` is set when one begins; `open` lets all go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self._may_go = asyncio.Event()

    async def hold(self, params: dict[str, Any], context: ExecutorContext) -> Any:
        self.entered.set()
        await self._may_go.wait()
        return params.get("result")

    async def fail(self, params: dict[str, Any], context: ExecutorContext) -> Any:
        raise ValueError("no")

    def open(self) -> None:
        self._may_go.set()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def engine(gate: Gate) -> AsyncIterator[Engine]:
    engine = Engine(settings=Settings(database="memory:", grace=0))
    engine.register_executor("hold", gate.hold)
    engine.register_executor("fail", gate.fail)
    async with engine:
        yield engine
        gate.open()


@pytest.fixture
def app(engine: Engine) -> Application:
    return create_app(
        engine.node,
        schedules=engine.schedules,
        bulk=engine.bulk,
        clock=engine.clock,
        limits=Limits(heartbeat_s=0.005),
    )


@pytest.fixture
def client(app: Application) -> Client:
    return Client(app)


@pytest.fixture
async def chain(client: Client) -> str:
    """A registered workflow of two steps that succeed at once."""
    assert (await client.post("/workflows", CHAIN)).status == 201
    return "chain"
