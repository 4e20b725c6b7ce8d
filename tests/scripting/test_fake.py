"""The engine without processes agrees with the real one about what it knows."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting.engine import QuickJsEngine
from tenuto.scripting.fake import FakeScriptEngine

SCOPE: dict[str, Any] = {
    "context": {"amount": 120, "name": "x", "no": False, "list": [1, 2]},
    "input": {"n": 1},
}


async def test_it_agrees_with_the_real_engine() -> None:
    fake, real = FakeScriptEngine(), QuickJsEngine(workers=1)
    for source in (
        "context.amount > 100", "context.amount >= 120 && context.name === 'x'", "!context.no", "context.no || input.n",
        "context.amount < 1 || context.list.length == 2", "context.list[1] !== 2", "context.nope ?? 5", "'text'", "true",
        "null", "context.no && context.nope", "context.name", "context?.nope", "input.n <= 1.5",
    ):  # fmt: skip
        script = Script("expression", source)
        assert (source, await fake.evaluate(script, SCOPE)) == (source, await real.evaluate(script, SCOPE))
    script = Script("body", "return context.amount")
    assert await fake.evaluate(script, SCOPE) == await real.evaluate(script, SCOPE)
    await real.close()


async def test_it_calls_the_functions_it_was_given() -> None:
    fake = FakeScriptEngine({"return input.n + 1": lambda scope: scope["input"]["n"] + 1})
    assert await fake.evaluate(Script("body", "return input.n + 1"), SCOPE) == 2
    assert fake.evaluated == ["return input.n + 1"]


@pytest.mark.parametrize("source", ["context.nope > 1", "1 + 1", "", "context.name > 1", "f(x)"])
async def test_what_it_does_not_know_is_an_error(source: str) -> None:
    with pytest.raises(ScriptFailed) as caught:
        await FakeScriptEngine().evaluate(Script("expression", source), SCOPE)
    assert caught.value.kind == "expression"


async def test_checking_finds_what_cannot_be_split() -> None:
    fake = FakeScriptEngine()
    assert await fake.check(Script("expression", "context.a > 1")) is None
    assert await fake.check(Script("expression", "(context.a")) == "`(` is never closed"
    await fake.close()
