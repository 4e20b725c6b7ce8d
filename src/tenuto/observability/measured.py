"""Ports that tell how long they took and how it ended, around those that do the work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, Protocol, TypeVar

from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script, ScriptEngine
from tenuto.ports.store import OutboxMessage


class MeasuredScripts:
    """A script engine; `tell` gets the outcome (`ok`, `error` or `limit`) and the seconds of each evaluation. `engine`
    may be put in another's place while nothing is evaluated."""

    def __init__(self, engine: ScriptEngine, tell: Callable[[str, float], None]) -> None:
        self.engine = engine
        self._tell = tell

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        """The value. Raises ScriptFailed."""
        began = perf_counter()
        outcome = "error"
        try:
            value = await self.engine.evaluate(script, scope)
            outcome = "ok"
        except ScriptFailed as failed:
            outcome = "limit" if failed.kind == "limit" else "error"
            raise
        finally:
            self._tell(outcome, perf_counter() - began)
        return value

    async def check(self, script: Script) -> str | None:
        """Why the source does not parse, or None."""
        return await self.engine.check(script)

    async def close(self) -> None:
        """Close the engine."""
        await self.engine.close()


class Judged(Protocol):
    """How a delivery went."""

    @property
    def verdict(self) -> str: ...


R = TypeVar("R", bound=Judged)


def measured_delivery(
    deliver: Callable[[OutboxMessage], Awaitable[R]], tell: Callable[[str], None]
) -> Callable[[OutboxMessage], Awaitable[R]]:
    """Deliveries of webhooks; `tell` gets the verdict of each."""

    async def deliver_measured(message: OutboxMessage) -> R:
        result = await deliver(message)
        tell(result.verdict)
        return result

    return deliver_measured
