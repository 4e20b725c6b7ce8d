"""A script engine for tests: Python functions stand in for JavaScript sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script


class FakeScripts:
    """Evaluates the sources it was told of; any other source is a mistake in it. `asked` has what was evaluated."""

    def __init__(self, **answers: Callable[[Mapping[str, Any]], Any]) -> None:
        self._answers = answers
        self.asked: list[tuple[Script, Mapping[str, Any]]] = []

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        self.asked.append((script, scope))
        if script.source not in self._answers:
            kind = "expression" if script.kind == "expression" else "script"
            raise ScriptFailed(kind, f"{script.source} is not defined")
        return self._answers[script.source](scope)

    async def check(self, script: Script) -> str | None:
        return None if script.source in self._answers else "no such script"

    async def close(self) -> None:
        return None
