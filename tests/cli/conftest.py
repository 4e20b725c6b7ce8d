"""One real server for all tests of a worker, and the command line called in this process."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
import structlog

from tenuto.cli.demo import processes
from tenuto.cli.main import main


class Ran(NamedTuple):
    """What a command wrote and how it left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with its file in a folder of its own."""
    server = processes.server(tmp_path_factory.mktemp("server"))
    try:
        yield server.start("--port", "0")
    finally:
        server.stop()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command without any setting from the environment."""
    for name in list(os.environ):
        if name.startswith("TENUTO_"):
            monkeypatch.delenv(name)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["tenuto", *arguments])
        code: int | str | None = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        written = capsys.readouterr()
        return Ran(int(code or 0), written.out, written.err)

    yield run
    structlog.reset_defaults()  # a command may have set logs up to go where nobody listens any more


@pytest.fixture
def run(bare: Run, server_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against the server."""
    monkeypatch.setenv("TENUTO_URL", server_url)
    return bare


@pytest.fixture
def dead_url() -> Iterator[str]:
    """A port that is bound, so that nobody else takes it, and never listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
