"""The product's own JavaScript, evaluated in this process and at once, for a loop whose time jumps."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting import child
from tenuto.scripting.request import Limits, check_payload, payload, prepare, read_answer


class InlineScripts:
    """A ScriptEngine that trusts its scripts."""

    def __init__(self) -> None:
        engine = importlib.util.find_spec("_quickjs")
        assert engine is not None, "scripts need quickjs-ng"
        assert engine.origin is not None, "quickjs-ng is a file"
        room = files("tenuto.scripting")
        limits = self._limits = Limits()
        sizes = (limits.memory_bytes, limits.result_bytes, limits.result_depth, limits.scope_bytes)
        self._interpreter = child.Interpreter(
            child.load_engine(engine.origin),
            room.joinpath("runner.js").read_text(),
            room.joinpath("outcome.js").read_text(),
            child.Limits(limits.timeout_ms / 1000, *sizes),
        )

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        """The value; see ports/script.py."""
        return self._ask(script, scope, payload(prepare(script, scope), scope))

    async def check(self, script: Script) -> str | None:
        """Why the source does not parse, or None."""
        try:
            self._ask(script, {}, check_payload(script))
        except ScriptFailed as failure:
            return str(failure)
        return None

    async def close(self) -> None:
        """Nothing to stop."""

    def _ask(self, script: Script, scope: Mapping[str, Any], request: bytes) -> Any:
        answer = self._interpreter.answer(request)
        self._interpreter.renew()
        return read_answer(answer, script, scope, self._limits)
