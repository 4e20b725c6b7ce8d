"""Reading a SQLite store: short reads at once on the caller's thread, long ones in two threads of their own, each with
its own connection, so that no list holds up the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import apsw

from tenuto.errors import StoreUnavailable
from tenuto.stores.sqlite_connection import Opening, open_reader

_THREADS = 2

_T = TypeVar("_T")
_Read = Callable[[apsw.Connection], _T]


class Readers:
    """Connections that only read."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._own = threading.local()
        self._opened: list[apsw.Connection] = []
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tenuto-reader")
        self._quick = self._open()
        self._quick.set_busy_timeout(0)

    async def read_quickly(self, read: _Read[_T]) -> _T:
        """Read here and now; for what takes well under a millisecond. Raises StoreUnavailable."""
        try:
            return read(self._quick)
        except apsw.BusyError:
            return await self.read(read)
        except apsw.Error as error:
            raise _unavailable(error) from error

    async def read(self, read: _Read[_T]) -> _T:
        """Read in another thread. Raises StoreUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read_here, read)

    async def close(self) -> None:
        """Wait for reads under way, then close every connection."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        for connection in self._opened:
            connection.close()

    def _read_here(self, read: _Read[_T]) -> _T:
        try:
            connection = getattr(self._own, "connection", None)
            if connection is None:
                connection = self._own.connection = self._open()
            return read(connection)
        except apsw.Error as error:
            raise _unavailable(error) from error

    def _open(self) -> apsw.Connection:
        connection = open_reader(self._opening)
        self._opened.append(connection)
        return connection


def _unavailable(error: apsw.Error) -> StoreUnavailable:
    return StoreUnavailable(f"the store cannot be read: {error}")
