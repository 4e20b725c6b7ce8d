"""Host names to addresses, in threads of its own. The event loop's own threads are few (six on two cores) and shared
with everything else: a handful of names whose DNS server does not answer would hold up every other call."""

from __future__ import annotations

import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from tenuto.actions.threads import Threads

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class ThreadsResolver(AbstractResolver):
    """Asks the system, as getaddrinfo does: hosts file, DNS, whatever it is set up for."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError (gaierror), and UnicodeError for what can be no host name."""
        found = await self._threads.call(
            lambda: socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
            )
        )
        return [_result(host, entry) for entry in found]

    async def close(self) -> None:
        """Nothing to close: the threads belong to whoever gave them."""


def _result(hostname: str, entry: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, address = entry
    host, port = address[:2]
    if family == socket.AF_INET6 and address[3] and "%" not in host:
        host = f"{host}%{address[3]}"  # a link-local address means something on one interface only
    return ResolveResult(hostname=hostname, host=host, port=port, family=family, proto=proto, flags=_NUMERIC)
