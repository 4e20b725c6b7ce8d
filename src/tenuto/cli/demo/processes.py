"""The processes of the demo: one for the stand-in services, one for the server. Both belong to this object and end
with it, whatever happens.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tenuto.errors import TenutoError

START_S = 20.0
STOP_S = 15.0
LOOK_S = 0.02
"""How often a starting process's output is looked at."""

_URL = re.compile(r"http://[\w.\[\]:]+:\d+")


class ChildFailed(TenutoError):
    """A process of the demo did not start."""


class Child:
    """A Python program of ours in a process of its own, in a process group of its own (Ctrl-C is ours to pass on)."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name = name
        self._arguments = arguments
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the process has been started"
        return self._process.pid

    def start(self, *more: str) -> str:
        """Start it and answer the URL that it prints once it is ready. Raises ChildFailed."""
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *self._arguments, *more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=_environment(),
                process_group=0,
            )
        return self._wait_for_url(before)

    def kill(self) -> None:
        """SIGKILL: no warning, no last words."""
        assert self._process is not None, "the process has been started"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def last_words(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""

    def _wait_for_url(self, before: int) -> str:
        assert self._process is not None, "the process has been started"
        give_up_at = time.monotonic() + START_S
        while time.monotonic() < give_up_at:
            written = self._log.read_bytes()[before:].decode("utf-8", "replace")
            if (found := _URL.search(written)) and "\n" in written[found.end() :]:
                return found[0]
            if self._process.poll() is not None:
                break
            time.sleep(LOOK_S)
        raise ChildFailed(f"The {self.name} did not start. Its last words:\n{self.last_words()}")


def services(folder: Path, port: int = 0) -> Child:
    """The stand-in services."""
    return Child("services", ["-m", "tenuto.cli.demo.services", str(port)], folder)


def server(folder: Path) -> Child:
    """A Tenuto server that keeps everything in a file of that folder."""
    return Child("server", ["-m", "tenuto", "serve", "--database", str(folder / "demo.db")], folder)


def _environment() -> dict[str, str]:
    """The caller's, without settings of Tenuto: the demo shows the defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TENUTO_")}
