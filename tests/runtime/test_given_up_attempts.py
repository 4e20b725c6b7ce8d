"""Attempts that are given up before they had their turn."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest

from tenuto.runtime.attempts import Performer
from tests.runtime.lab import Lab, simulated


@simulated
async def test_code_that_never_had_its_turn_is_not_complained_about(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    async def work(params: object, context: object) -> None:
        begun.append(params)

    original = Performer.perform_at_once

    def hurried(self: Performer, *given: Any) -> Any:
        """Have the attempt given up as soon as its task is made."""
        asyncio.get_running_loop().call_soon(give_up)
        return original(self, *given)

    def give_up() -> None:
        for task in asyncio.all_tasks():
            if "_follow" in repr(task.get_coro()):
                task.cancel()

    monkeypatch.setattr(Performer, "perform_at_once", hurried)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with Lab() as lab:
            lab.registry.register("work", work)
            await lab.define({"id": "a", "action": "work"})
            await lab.start()
            await asyncio.sleep(0)
        gc.collect()
    assert not begun
    assert [str(warning.message) for warning in caught] == []
