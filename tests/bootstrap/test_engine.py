from __future__ import annotations

from tenuto.bootstrap import Engine, Settings

BURN = {"id": "burn", "steps": [{"id": "a", "action": "transform", "params": {"code": "while (true) {}"}}]}
ADD = {"id": "add", "steps": [{"id": "a", "action": "transform", "params": {"code": "return 1 + 1"}}]}


async def test_settings_put_on_an_engine_before_it_opens_are_those_that_count() -> None:
    engine = Engine()
    engine.settings = Settings(database="memory:", script_timeout=50)
    async with engine:
        await engine.register_workflow(BURN)
        ended = await engine.execute("burn")
    assert ended["error"]["message"] == "stopped after 50 ms, which is as long as a script may run"


async def test_an_engine_that_was_closed_runs_scripts_when_it_is_opened_again() -> None:
    engine = Engine("memory:")
    async with engine:
        await engine.register_workflow(ADD)
        assert (await engine.execute("add"))["output"] == {"a": 2}
    async with engine:
        await engine.register_workflow(ADD)
        assert (await engine.execute("add"))["output"] == {"a": 2}
