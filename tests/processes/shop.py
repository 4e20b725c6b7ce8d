"""Executors that do not end when a server stops, for `tenuto serve --app`."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import tenuto

engine = tenuto.Engine()


@engine.executor("deaf")
async def deaf(params: dict[str, Any], context: tenuto.ExecutorContext) -> None:
    """Does not hear that it is cancelled."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@engine.executor("blocking")
def blocking(params: dict[str, Any], context: tenuto.ExecutorContext) -> None:
    """Blocks its thread for ever."""
    threading.Event().wait()


engine.register_workflow(
    {"id": "w", "steps": [{"id": "a", "action": "deaf"}, {"id": "b", "action": "blocking"}]}
)
