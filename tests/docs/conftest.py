"""One real server for the pages' examples, and the command line called in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenuto.cli.demo import processes
from tenuto.cli.main import main


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with its file in a folder of its own."""
    server = processes.server(tmp_path_factory.mktemp("server"))
    try:
        yield server.start("--port", "0")
    finally:
        server.stop()


@pytest.fixture
def tenuto(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs a command as on a terminal, in an empty folder, and answers what was written, errors first."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"TENUTO_URL": server_url, "TENUTO_OUTPUT": "table", "COLUMNS": "140"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["tenuto", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        assert code in (0, 1, None), f"tenuto {' '.join(arguments)} left with {code}"
        written = capsys.readouterr()
        shown = [line for line in written.err.splitlines() if not line.startswith(("Started.", "Watch it:"))]
        return "\n".join([*shown, written.out])

    return run
