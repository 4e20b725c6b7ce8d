"""Data that is stored apart from the journal, in every field that may be large."""

from __future__ import annotations

from typing import Any

from tenuto.core import inputs as inp
from tenuto.core.events import ForkLink, StepCopied
from tests.journal.recorder import Recorder
from tests.journal.scenarios.people import asking
from tests.journal.scenarios.registry import definition, scenario, step

LIMIT = 120


def large(what: str) -> dict[str, Any]:
    """Data of more than the limit."""
    return {what: ["x" * 20] * 10, "half": 0.5, "none": None}


@scenario
def large_data_apart() -> Recorder:
    fork = ForkLink("exec-before", "first")
    run = Recorder(
        definition(
            step("old"),
            step("first", action="set"),
            step("pay", action="signal.wait"),
            step("ask", action="approval"),
            step("call", action="http.request"),
            step("hold", action="delay"),
            step("each", type="map", items=[], action="noop"),
            step("end", "first", "pay", "ask", "call", "each", action="finish"),
            handlers={"always": [step("clean")]},
        ),
        inp.Start(
            "exec-golden",
            {},
            fork_of=fork,
            copied=(StepCopied("old", "success", 1, large("old"), vars=large("oldVars")),),
        ),
        inline_limit=LIMIT,
    )
    run.end("first", inp.Succeeded(large("first"), vars=large("vars")))
    run.take(inp.Signal("paid", large("signal")))
    run.end("pay", inp.Waiting(waiting_for="signal:paid", on_time="fail"))
    run.end("ask", asking(["ada"]))
    run.take(inp.Approve("ask", "ada", data=large("approval")))
    run.take(inp.Complete("call", large("call"), generation=0))
    run.end("call", inp.Waiting(waiting_for="callback", on_time="fail"))
    run.end("hold", inp.Waiting(run.now + 60_000, large("held")))
    run.end("each", inp.Expanded([large("item")]))
    run.succeed("each[0]", "small")
    run.end("end", inp.Finished("completed", large("output")))
    run.succeed("clean")
    return run
