"""Limits that steps and executions share, and variables that all workflows read, as the API sees them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

MAX_KEY = 512
"""Characters of a key."""

MAX_VARIABLES = 1_000
MAX_VARIABLE_BYTES = 64 * 1024
"""Of a variable's value, as JSON."""


class SharedLimit(NamedTuple):
    """How a key stands. `limit` is the one in force (None: nobody names one), `override` the one set by hand; `of` says
    whose attempts or executions hold and wait, None where nobody does at present."""

    key: str
    of: Literal["steps", "executions"] | None
    limit: int | None
    override: int | None
    held: int
    waiting: int


class Limits(Protocol):
    """Limits set by hand. Raises StoreUnavailable, having changed nothing."""

    def list(self) -> list[SharedLimit]:
        """Every key that is held, waited for, or has a limit set by hand, by name."""

    async def put(self, key: str, limit: int) -> None:
        """Have this limit hold instead of those that definitions name; 0 lets nobody in. It is on disk on return."""

    async def remove(self, key: str) -> None:
        """Have the limits of definitions hold again. Raises NotFound where none was set by hand."""


class Variables(Protocol):
    """Values under names, which templates read as `vars.name`. Raises StoreUnavailable, having changed nothing."""

    def list(self) -> dict[str, Any]:
        """All values by name, in the order of the names."""

    def get(self, name: str) -> Any:
        """One value. Raises NotFound."""

    async def put(self, name: str, value: Any) -> bool:
        """Keep a value; whether the name is new. It is on disk on return. Raises TooLarge for one of more than
        64 KiB of JSON, Conflict for one name too many."""

    async def remove(self, name: str) -> None:
        """Forget a name. Raises NotFound."""
