"""A share of the hostile scripts against a real server: each ends, and others go on. `python -m tests.hostile` runs all of
them and looks at times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.hostile.scripts import HOSTILE, Site
from tests.processes.server import Server

SHARE = (
    "endless loop",
    "catastrophic regular expression",
    "join of a long empty array",
    "promise flood",
    "repeat bomb",
    "array that grows",
    "pollution",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("server")
    with Server(folder, "--script-timeout", "500ms") as server:
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.said()


@pytest.fixture
async def site(server: Server) -> AsyncIterator[Site]:
    async with aiohttp.ClientSession() as session:
        site = Site(session, server.url)
        await site.prepare()
        yield site


@pytest.mark.parametrize("name", SHARE)
async def test_a_hostile_script_ends_and_others_go_on(site: Site, name: str) -> None:
    ended = await site.attack(name, HOSTILE[name])
    assert {way.partition(":")[0] for way in ended.ways} <= {"limit", "script", "expression"}
    assert ended.benign
    assert ended.scripted
    assert site.wrong == []
