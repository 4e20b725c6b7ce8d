"""A real server process for tests: started on a free port of loopback, watched, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

READY_WITHIN_S = 20.0


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Answer(NamedTuple):
    """What a server answered; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON data."""
        return json.loads(self.body)


def _headers(message: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in message.items()}


class Server:
    """`tenuto serve` as a user starts it. The port and the database stay the same across restarts."""

    def __init__(
        self, folder: Path, *options: str, database: str | None = None, port: int | None = None
    ) -> None:
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        self._options = options
        self._database = database or f"sqlite:///{folder / 'tenuto.db'}"
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it may not listen yet when this returns."""
        command = [
            sys.executable, "-m", "tenuto", "serve", "--port", str(self.port), "--database", self._database,
            *self._options,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, env={**os.environ, "NO_COLOR": "1"}
            )

    def wait_ready(self) -> None:
        """Until it answers on /readyz."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process is not None, "started first"
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log.read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
        raise AssertionError(f"the server did not become ready: {self.log.read_text()[-2000:]}")

    def wait_deaf(self) -> None:
        """Until it takes no connections any more, as a server that has begun to stop."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                return
            time.sleep(0.01)
        raise AssertionError("the server went on listening")

    def wait_saying(self, words: str) -> None:
        """Until its log has these words."""
        deadline = time.monotonic() + READY_WITHIN_S
        while words not in self.said():
            assert time.monotonic() < deadline, f"the server never said {words!r}: {self.said()[-2000:]}"
            time.sleep(0.01)

    def wait_ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        assert self.process is not None, "started first"
        return self.process.wait(READY_WITHIN_S)

    def said(self) -> str:
        """All it has written so far."""
        return self.log.read_text()

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One request with a JSON body, and whatever is answered."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, _headers(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _headers(error.headers), error.read())

    def kill(self) -> None:
        """SIGKILL, at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit code of a graceful stop."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None, "started first"
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def __enter__(self) -> Server:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
