"""Limits and variables from a program: the part of the client about what all workflows share."""

from __future__ import annotations

from typing import Any

from tenuto.client.calls import Calls
from tenuto.client.results import Answer
from tenuto.client.transport import path


class SharedLimit(Answer, kw_only=True):
    """How a key stands. `of` is `steps` or `executions`, None where nobody holds or waits; `limit` the one in force,
    `override` the one set by hand."""

    key: str
    of: str | None = None
    limit: int | None = None
    override: int | None = None
    held: int = 0
    waiting: int = 0


class AdministrationCalls(Calls):
    """The calls about limits and variables."""

    async def list_limits(self) -> list[SharedLimit]:
        """Every key that is held, waited for, or has a limit set by hand."""
        return [self._answer(SharedLimit, raw) for raw in self._list(await self._get(path("limits")))]

    async def set_limit(self, key: str, limit: int) -> None:
        """Have this limit hold at once instead of those of definitions; 0 lets nobody in. Raises ApiError (400)."""
        await self._page("PUT", path("limits", key), body={"limit": limit})

    async def remove_limit(self, key: str) -> None:
        """Have the limits of definitions hold again. Raises ApiError (404) where none was set by hand."""
        await self._page("DELETE", path("limits", key))

    async def list_variables(self) -> dict[str, Any]:
        """All variables' values by name."""
        return {raw["name"]: raw["value"] for raw in self._list(await self._get(path("vars")))}

    async def get_variable(self, name: str) -> Any:
        """A variable's value. Raises ApiError (404)."""
        return (await self._get(path("vars", name)))["value"]

    async def set_variable(self, name: str, value: Any) -> bool:
        """Keep any JSON value of at most 64 KiB under that name; whether the name is new. Raises ApiError (400, 413)."""
        return (await self._page("PUT", path("vars", name), body={"value": value})).status == 201

    async def remove_variable(self, name: str) -> None:
        """Forget a variable. Raises ApiError (404)."""
        await self._page("DELETE", path("vars", name))
