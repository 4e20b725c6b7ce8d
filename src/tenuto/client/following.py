"""Reading an execution's events as they happen, across broken connections and restarts of the server: a lost
connection is opened again after the last event that arrived whole, so that none is missed and none comes twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus

import msgspec

from tenuto.client.errors import ApiError, ServerUnreachable
from tenuto.client.results import JournalEntry, answer
from tenuto.client.sse import Message, Parser
from tenuto.client.transport import NothingMore, Transport

RETRY_MS = 250
"""Between two tries to reach the server again, where it does not ask for another pause."""


class Following:
    """One reader of one event stream. `patience_ms` is how long a server that has once answered may be away
    before ServerUnreachable."""

    def __init__(
        self, transport: Transport, path: str, after_seq: int, patience_ms: int, *, has_answered: bool = False
    ) -> None:
        self._transport = transport
        self._address = transport.address(path)
        self._parser = Parser()
        if after_seq:
            self._parser.last_id = str(after_seq)
        self._patience_s = patience_ms / 1000
        self._away_since: float | None = None
        self._has_answered = has_answered

    async def entries(self) -> AsyncGenerator[JournalEntry, None]:
        """The decisions, until the server says that the execution has ended. Raises ApiError, ServerUnreachable."""
        while True:
            try:
                async with aclosing(self._messages()) as messages:
                    async for message in messages:
                        self._away_since, self._has_answered = None, True
                        if message.event == "end":
                            return
                        yield answer(JournalEntry, msgspec.json.decode(message.data))
                # a server that is stopping closes its streams before it is away
                await self._bear(ServerUnreachable(self._transport.base_url, "it closed the stream"))
            except NothingMore:
                return
            except (ServerUnreachable, ApiError) as error:
                await self._bear(error)

    async def _messages(self) -> AsyncGenerator[Message, None]:
        headers = {"Accept": "text/event-stream"}
        if self._parser.last_id:
            headers["Last-Event-ID"] = self._parser.last_id
        self._parser.restart()
        async with aclosing(self._transport.stream(self._address, headers)) as pieces:
            async for piece in pieces:
                for message in self._parser.feed(piece):
                    yield message

    async def _bear(self, error: ServerUnreachable | ApiError) -> None:
        """Wait a little before the next try, or give up: at once where trying again would not help, or where the
        server was not there in the first place."""
        is_refused = isinstance(error, ApiError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_refused or not self._has_answered:
            raise error
        now = asyncio.get_running_loop().time()
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since >= self._patience_s:
            raise error
        pause_ms = RETRY_MS if self._parser.retry_ms is None else self._parser.retry_ms
        await asyncio.sleep(pause_ms / 1000)
