"""JavaScript, evaluated where it can do no harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

ScriptKind = Literal["expression", "body"]


class Script(NamedTuple):
    """Source to evaluate: an expression (`context.amount > 100`) or a function body (`return input.length`)."""

    kind: ScriptKind
    source: str


class ScriptEngine(Protocol):
    """Evaluates scripts over JSON data, each in fresh globals, off the event loop, within limits."""

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        """The value as JSON data (undefined is null). `scope` gives the names a script sees. Raises ScriptFailed:
        kind `expression` or `script` (by the script's kind) for an error, `limit` when stopped."""

    async def check(self, script: Script) -> str | None:
        """Why the source does not parse, or None."""

    async def close(self) -> None:
        """Stop every child process."""
