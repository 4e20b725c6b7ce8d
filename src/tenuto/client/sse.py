"""Server-sent events, read as the HTML standard says, from bytes that arrive in any pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Message(NamedTuple):
    """One event: the id to resume after ("" if it has none), its type and its data."""

    id: str
    event: str
    data: str


class Parser:
    """Feed it bytes, take messages. `last_id` is the id that a new connection sends as Last-Event-ID, `retry_ms` how
    long the server asked to wait before that (None if it did not)."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry_ms: int | None = None
        self._rest = b""
        self._id = ""
        self._event = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that `piece` completes."""
        *lines, self._rest = (self._rest + piece).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if message := self._take(line.decode("utf-8", "replace")):
                yield message

    def restart(self) -> None:
        """Forget the half message of a connection that broke."""
        self._rest, self._id, self._event, self._data = b"", self.last_id, "", []

    def _take(self, line: str) -> Message | None:
        if not line:
            return self._finish()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdecimal():
            self.retry_ms = int(value)
        return None

    def _finish(self) -> Message | None:
        event, data = self._event or "message", self._data
        self.last_id = self._id  # only now: a message cut in half must be sent again
        self._event, self._data = "", []
        return Message(self.last_id, event, "\n".join(data)) if data else None
