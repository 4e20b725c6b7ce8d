"""The way of jobs to the writer process. Jobs of one turn of the event loop go together. Large data go a piece a turn,
each once the one before is on its way, so that they never hold up the loop; jobs after them keep their place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import cast

from tenuto.stores.sqlite_wire import PIECE_BYTES, Load, frames_of


class Pipe(asyncio.Protocol):
    """One child's end of it; what is not sent when the child dies is sent to the next by whoever keeps the loads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._frames: list[bytes] = []  # go before what is in line
        self._line: deque[Iterator[bytes]] = deque()  # loads from the first large one on
        self._is_due = False
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by its class

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self.flush()

    def send(self, load: bytes | Load) -> None:
        """Send it with what else is given in this turn of the loop."""
        if type(load) is bytes and not self._line:
            self._frames.append(load)
        else:
            self._line.append(frames_of(load))
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what there is, of large data one piece."""
        self._is_due = False
        if self._transport is None:
            return
        if self._frames:
            self._transport.write(b"".join(self._frames))
            self._frames.clear()
        if self._line and not self._is_paused:
            self._transport.write(self._next_in_line())
            if self._line and not self._is_paused:
                self._is_due = True
                self._loop.call_soon(self.flush)

    def finish(self) -> None:
        """Say that nothing more will come, everything having been sent."""
        if self._transport is not None:
            self._transport.write_eof()

    def abort(self) -> None:
        """Close at once."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _next_in_line(self) -> bytes:
        """A large piece, or so many small ones."""
        taken: list[bytes] = []
        size = 0
        while self._line and size < PIECE_BYTES:
            piece = next(self._line[0], None)
            if piece is None:
                self._line.popleft()
            else:
                taken.append(piece)
                size += len(piece)
        return b"".join(taken)
