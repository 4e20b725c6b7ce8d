"""A fake server, a client of it, and an address where nobody listens."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tenuto.client import Client
from tests.client.fake_server import FakeServer, fake_server


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with fake_server() as fake:
        yield fake


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[Client]:
    async with Client(server.url) as made:
        yield made


@pytest.fixture
def dead_url() -> Iterator[str]:
    """A port that is bound, so that nobody else takes it, and never listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
