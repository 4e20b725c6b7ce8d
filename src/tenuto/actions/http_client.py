"""Outgoing HTTP: one pool of connections, an answer or a failure as a value, and no more memory for an answer than
was asked for.

It refuses what would let one execution see or slow another: cookies are never kept, proxies and passwords are never
taken from the environment, and connections are bounded in all and per receiver. How long a call may take is up to the
caller: cancelling it closes its connection.
"""

from __future__ import annotations

import asyncio
import errno
import io
import socket
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from tenuto.actions.resolver import ThreadsResolver
from tenuto.actions.threads import Threads
from tenuto.core.events import StepError
from tenuto.ports.action import Failed

HARD_LIMIT = 64 * 1024 * 1024
"""Bytes of an answer's body, unpacked, that are never exceeded whatever a caller asks for."""

SocketFactory = Callable[[tuple[Any, ...]], socket.socket]
"""Makes the socket for one resolved address (as from getaddrinfo); it may raise OSError to refuse that address."""

_KEEP_ALIVE_S = (
    4.0  # less than the 5 s after which many servers hang up, which would race with our next request
)
_CHUNK = 64 * 1024


class Call(Struct, frozen=True, kw_only=True):
    """One request. `headers` may name a header once only; `redirects` is how many are followed."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None = None
    redirects: int = 0


class Answer(Struct, frozen=True, kw_only=True):
    """What came back. `body` is unpacked; `is_whole` is False when it was cut at the limit."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    is_whole: bool

    @property
    def content_type(self) -> str:
        """The Content-Type header, or an empty text."""
        return self.headers.get("Content-Type", "")


class HttpCaller:
    """Performs calls over one session, made at the first call inside the running loop. `socket_factory` sees every
    address before it is connected to, whether it came from DNS, from the URL or from a redirect."""

    def __init__(
        self,
        *,
        max_connections: int = 512,
        max_connections_per_host: int = 128,
        user_agent: str = "tenuto",
        socket_factory: SocketFactory | None = None,
    ) -> None:
        self._max_connections = max_connections
        self._max_connections_per_host = max_connections_per_host
        self._user_agent = user_agent
        self._socket_factory = socket_factory
        self._threads = Threads(limit=16)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, call: Call, limit_of: Callable[[int], int]) -> Answer | Failed:
        """Send the call and read the answer's body up to `limit_of(status)` bytes; 0 does not wait for one. Whatever
        keeps an answer from coming is a failure of type `network` (or `invalid-params` where the request can never be sent)."""
        try:
            async with self._open_session().request(
                call.method,
                call.url,
                headers=call.headers,
                data=_data(call.body),
                allow_redirects=call.redirects > 0,
                max_redirects=call.redirects + 1,
            ) as response:
                return await _read(response, min(limit_of(response.status), HARD_LIMIT))
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            return Failed(_explain(error, call.url))

    async def close(self) -> None:
        """Close every connection; calls under way fail. A later call opens a new session."""
        self._threads.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections,
                    limit_per_host=self._max_connections_per_host,
                    keepalive_timeout=_KEEP_ALIVE_S,
                    resolver=ThreadsResolver(self._threads),
                    socket_factory=self._socket_factory,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers={"User-Agent": self._user_agent},
                trust_env=False,
            )
        return self._session


def _data(body: bytes | None) -> bytes | io.BytesIO | None:
    # What is large goes out in pieces, so that one upload does not hold up the event loop.
    return body if body is None or len(body) <= _CHUNK else io.BytesIO(body)


async def _read(response: aiohttp.ClientResponse, limit: int) -> Answer:
    body = await _body(response, limit) if limit > 0 else None
    return Answer(
        status=response.status,
        headers=CIMultiDict((_clean(name), _clean(value)) for name, value in response.headers.items()),
        body=b"" if body is None else bytes(body[:limit]),
        is_whole=body is not None and len(body) <= limit,
    )


def _clean(text: str) -> str:
    # Bytes that are not UTF-8 arrive as halves of surrogate pairs, which nothing can write down again.
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytearray:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit:
            # The rest may be endless; only closing the connection ends it.
            response.close()
            break
    return body


def _explain(error: Exception, url: URL) -> StepError:
    where = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ClientConnectorDNSError():
            return _network(
                f"The host name {error.host} cannot be resolved ({_reason(error.os_error)}); check the URL and the DNS "
                "of this machine"
            )
        case aiohttp.ClientConnectorCertificateError():
            return _network(
                f"The TLS certificate of {error.host}:{error.port} is not trusted ({error.certificate_error})"
            )
        case aiohttp.ClientSSLError():
            return _network(f"TLS with {error.host}:{error.port} failed ({_reason(error.os_error)})")
        case aiohttp.ClientConnectorError():
            return _network(_not_connected(error))
        case aiohttp.TooManyRedirects():
            return StepError("network", f"{where} redirected more often than the step follows")
        case aiohttp.RedirectClientError():
            return StepError("network", f"{where} redirected to something that is not an http or https URL")
        case aiohttp.InvalidURL():
            return StepError("invalid-params", f"The URL for {where} cannot be used")
        case aiohttp.ClientPayloadError():
            return _network(f"The answer of {where} broke off or cannot be unpacked ({_first_line(error)})")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            # The text of the whole error has the URL in it, and that may hold secrets.
            return _network(f"What {where} answered is not valid HTTP ({_first_line(error.message)})")
        case aiohttp.ServerDisconnectedError():
            return _network(f"{where} closed the connection without an answer")
        case OSError():
            return _network(f"The connection to {where} broke ({_reason(error)})")
        case aiohttp.ClientError():
            return _network(f"The call to {where} failed ({type(error).__name__})")
        case _:
            return StepError(
                "invalid-params", f"The request to {where} cannot be sent ({_first_line(error)})"
            )


def _not_connected(error: aiohttp.ClientConnectorError) -> str:
    where = f"{error.host}:{error.port}"
    number = error.os_error.errno
    if number == errno.ECONNREFUSED:
        return f"Connection refused by {where}; is the service running, and is the port right?"
    if number in (errno.EMFILE, errno.ENFILE):
        return f"No connection to {where}: this process has no file descriptors left (raise `ulimit -n`)"
    return f"No connection to {where} ({_reason(error.os_error)})"


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "timed out"
    text = getattr(error, "strerror", None) or str(error)
    return _first_line(text) or type(error).__name__


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _network(message: str) -> StepError:
    return StepError("network", message)
