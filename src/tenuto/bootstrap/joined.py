"""One write to the socket for all that is written in one go: uvicorn writes the head and the body of a response one
after the other, and each write is a system call, a packet and a wake-up of whoever waits.

This stands between uvicorn's protocol and its transport and touches neither: it knows only what asyncio promises of
both. Where uvicorn came to write responses whole, it would do nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

AT_ONCE = 65_536
"""So many bytes are not kept for what may follow them; the transport then knows of them, and can ask for a pause."""


class JoinedTransport:
    """A transport whose writes are kept until the event loop's next turn and then made as one. All else is the
    transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing  # asked for once per response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write the data with what else is written in this turn."""
        if not self._kept:
            self._loop.call_soon(self._flush)
        self._kept.append(data)
        self._size += len(data)
        if self._size >= AT_ONCE:
            self._flush()

    def writelines(self, data: list[bytes]) -> None:
        """Write them all."""
        for part in data:
            self.write(part)

    def write_eof(self) -> None:
        """Write what is kept, and nothing after it."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Write what is kept, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._kept:
            kept, self._kept, self._size = self._kept, [], 0
            if not self.is_closing():
                self._transport.write(kept[0] if len(kept) == 1 else b"".join(kept))


class JoinedProtocol(HttpToolsProtocol):
    """uvicorn's protocol over such a transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve a connection."""
        joined = JoinedTransport(cast("asyncio.Transport", transport), self.loop)
        super().connection_made(cast("asyncio.Transport", joined))
