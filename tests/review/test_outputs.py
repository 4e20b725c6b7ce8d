"""The output of an execution: whatever becomes of it, the execution ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.lab import Lab, simulated


@simulated
async def test_an_output_that_breaks_fails_the_execution() -> None:
    async def broken(*_: Any) -> Any:
        raise ValueError("odd")

    with pytest.MonkeyPatch.context() as monkeypatch:
        async with Lab() as lab:
            monkeypatch.setattr(lab.scripts, "evaluate", broken)
            await lab.define({"id": "a"}, output="{{ context.a + 1 }}")
            shown = await lab.ended(await lab.start(), 60_000)
            assert shown["status"] == "failed"
            assert shown["error"]["type"] == "internal"


@simulated
async def test_the_output_may_be_no_larger_than_params_may() -> None:
    async with Lab() as lab:
        await lab.define({"id": "a"}, output=["{{ context.big }}"] * 40)
        shown = await lab.ended(await lab.start({"big": "x" * 1_000_000}))
        assert shown["error"]["type"] == "limit"
