"""One HTTP connection pool to one server: requests out, decoded answers or one of our two errors back."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from tenuto.client.errors import ApiError, ServerUnreachable

SILENCE_S = 60
"""An event stream that says nothing for so long (not even a keep-alive) is taken for dead."""


class Page(NamedTuple):
    """A decoded answer: its status, its data, and the address of the next page (None: the last)."""

    status: int
    data: Any
    following: str | None


class NothingMore(Exception):
    """A stream has nothing more for this client, and will not have."""


class Transport:
    """Sends requests to `base_url`; `timeout_ms` bounds each of them, except streams."""

    def __init__(self, base_url: str, timeout_ms: int, headers: Mapping[str, str]) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout_ms = timeout_ms
        self._headers = dict(headers)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def address(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """The absolute URL of a path; None in the query is left out."""
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self.base_url + path + (f"?{urlencode(given)}" if given else "")

    async def page(
        self,
        method: str,
        address: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        extra_ms: int = 0,
    ) -> Page:
        """One JSON answer. `extra_ms` is how long the server was asked to wait. Raises ApiError, ServerUnreachable."""
        timeout = aiohttp.ClientTimeout(total=(self._timeout_ms + extra_ms) / 1000)
        async with self._request(method, address, body, headers, timeout) as response:
            following = response.links.get("next")
            content = await response.read()
            next_url = str(following["url"]) if following and "url" in following else None
            return Page(response.status, self._decoded(response, content), next_url)

    async def text(self, address: str) -> str:
        """One answer as text. Raises ApiError, ServerUnreachable."""
        timeout = aiohttp.ClientTimeout(total=self._timeout_ms / 1000)
        async with self._request("GET", address, None, {"Accept": "*/*"}, timeout) as response:
            return await response.text()

    async def stream(self, address: str, headers: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """The pieces of an answer that goes on. Raises NothingMore (204), ApiError, and ServerUnreachable when it
        breaks off."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_ms / 1000, sock_read=SILENCE_S)
        async with self._request("GET", address, None, headers, timeout) as response:
            if response.status == HTTPStatus.NO_CONTENT:
                raise NothingMore
            async for piece in response.content.iter_any():
                yield piece

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        address: str,
        body: Any,
        headers: Mapping[str, str] | None,
        timeout: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        sent = {**self._headers, **(headers or {})}
        content = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        try:
            async with self._opened().request(
                method, URL(address, encoded=True), data=content, headers=sent, timeout=timeout
            ) as response:
                if response.status >= 400:
                    raise _refusal(response, await response.read())
                yield response
        except TimeoutError as error:
            raise ServerUnreachable(self.base_url, "it did not answer in time") from error
        except aiohttp.ClientConnectorError as error:
            raise ServerUnreachable(self.base_url, _reason(error.os_error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ServerUnreachable(self.base_url, str(error) or type(error).__name__) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=True)
        return self._session

    def _decoded(self, response: aiohttp.ClientResponse, content: bytes) -> Any:
        if not content:
            return None
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            kind = response.content_type
            raise ServerUnreachable(
                self.base_url, f"what answers there does not speak Tenuto's API ({kind})"
            ) from error


def path(*segments: str) -> str:
    """The path of these segments, each quoted whole."""
    return "".join(f"/{quote(segment, safe='@')}" for segment in segments)


def _refusal(response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    problem = _problem(content)
    if problem is None:
        text = content[:200].decode("utf-8", "replace").strip()
        problem = {"status": response.status, "title": response.reason or "", "detail": text}
        problem["error"] = (
            f"{response.method} {response.url} answered {response.status} {response.reason}"
            + (f": {text}" if text else ".")
        )
    retry_after = response.headers.get("Retry-After", "")
    return ApiError(response.status, problem, int(retry_after) if retry_after.isdecimal() else None)


def _problem(content: bytes) -> dict[str, Any] | None:
    try:
        problem = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return None
    return problem if isinstance(problem, dict) and {"error", "detail", "title"} & problem.keys() else None


def _reason(error: OSError) -> str:
    """What the system says: asyncio words it its own way, and differently for hosts with several addresses."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error.strerror or error)
