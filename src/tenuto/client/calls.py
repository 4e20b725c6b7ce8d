"""What every call of the client is made of: requests to paths, answers as types, lists page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from tenuto.client.errors import ServerUnreachable
from tenuto.client.results import A, answer
from tenuto.client.transport import Page, Transport


class Calls:
    """Calls of one server, over one pool of connections."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def base_url(self) -> str:
        """The server's address, without a slash at its end."""
        return self._transport.base_url

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _items(self, where: str, query: Mapping[str, Any] | None = None) -> AsyncGenerator[Any, None]:
        """The items of a list, page by page."""
        address: str | None = self._transport.address(where, query)
        while address is not None:
            page = await self._transport.page("GET", address)
            for item in self._list(page.data):
                yield item
            address = page.following

    def _answer(self, kind: type[A], raw: Any, **more: Any) -> A:
        try:
            return answer(kind, raw, **more)
        except msgspec.ValidationError as error:
            raise self._stranger(error) from error

    def _list(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            raise self._stranger("a list was expected")
        return data

    def _stranger(self, why: object) -> ServerUnreachable:
        return ServerUnreachable(self.base_url, f"what answers there does not speak Tenuto's API ({why})")

    async def _get(self, where: str, **query: Any) -> Any:
        return (await self._page("GET", where, query)).data

    async def _text(self, where: str, **query: Any) -> str:
        return await self._transport.text(self._transport.address(where, query))

    async def _page(
        self, method: str, where: str, query: Mapping[str, Any] | None = None, **more: Any
    ) -> Page:
        return await self._transport.page(method, self._transport.address(where, query), **more)
