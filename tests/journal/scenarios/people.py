"""Waiting for people, other systems and other executions; what people do to steps by hand."""

from __future__ import annotations

from typing import Any

from tenuto.core import inputs as inp
from tenuto.core.events import ParentLink, StepError
from tests.journal.recorder import START, Recorder
from tests.journal.scenarios.registry import definition, scenario, step


def signal(name: str, timeout: int | None = None) -> inp.Waiting:
    """A wait for a signal."""
    until = None if timeout is None else START + timeout
    return inp.Waiting(
        until, waiting_for=f"signal:{name}", on_time="fail", details={"name": name, "schema": None}
    )


def asking(
    approvers: list[str], quorum: int = 1, until: int | None = None, on_time: Any = "fail"
) -> inp.Waiting:
    """A wait for an approval."""
    details = {
        "title": "Ship it?",
        "details": {"order": 7},
        "form": {"type": "object"},
        "approvers": approvers,
        "minApprovals": quorum,
    }
    return inp.Waiting(until, waiting_for="approval", on_time=on_time, details=details)


@scenario
def signals_early_late_and_twice() -> Recorder:
    run = Recorder(definition(step("first"), step("second", "first"), step("third", "second")))
    run.take(inp.Signal("paid", {"amount": 1}, "key-1", "shop"))
    run.end("first", signal("paid"))
    run.end("second", signal("paid", 3_600_000))
    run.take(inp.Signal("other"))
    run.take(inp.Signal("paid", {"amount": 2}, "key-2"))
    run.end("third", signal("paid", 1_000))
    run.wake()
    return run


@scenario
def signal_awaited() -> Recorder:
    run = Recorder(definition(step("one"), step("two")))
    run.end("one", signal("paid"))
    run.end("two", signal("paid", 60_000))
    run.take(inp.Signal("unheard", [1]))
    return run


@scenario
def approval_with_a_quorum() -> Recorder:
    run = Recorder(definition(step("ask"), step("ship", "ask")))
    run.end("ask", asking(["ada", "ben", "cleo"], 2, START + 60_000))
    run.take(inp.Approve("ask", "ben", comment="fine", data={"limit": 10}))
    run.take(inp.Approve("ask", "ada"))
    run.succeed("ship")
    return run


@scenario
def approval_under_way() -> Recorder:
    run = Recorder(definition(step("ask"), step("ship", "ask")))
    run.end("ask", asking([], 2, START + 60_000, "reject"))
    run.take(inp.Approve("ask", "ada", comment="yes"))
    return run


@scenario
def approval_that_is_rejected() -> Recorder:
    run = Recorder(definition(step("ask", retryPolicy={"maxAttempts": 3}), step("ship", "ask")))
    run.end("ask", asking(["ada"]))
    run.take(inp.Approve("ask", "ada", approved=False, comment="too dear", data={"most": 5}))
    return run


@scenario
def approvals_whose_time_is_up() -> Recorder:
    run = Recorder(
        definition(step("fails", critical=False), step("rejects", critical=False), step("approves"))
    )
    run.end("fails", asking([], until=START + 1_000))
    run.end("rejects", asking([], until=START + 2_000, on_time="reject"))
    run.end("approves", asking([], until=START + 3_000, on_time="approve"))
    for _ in range(3):
        run.wake()
    return run


@scenario
def callbacks_late_and_early() -> Recorder:
    call = {"action": "http.request", "params": {"url": "http://shop/", "completion": "callback"}}
    run = Recorder(
        definition(step("late", **call), step("early", **call), step("wrong", critical=False, **call))
    )
    waiting = inp.Waiting(START + 60_000, waiting_for="callback", on_time="fail")
    run.end("late", waiting)
    run.take(inp.Complete("early", {"early": True}, by="shop", generation=0))
    run.take(inp.Complete("late", {"late": True}, by="shop", generation=0))
    run.end("early", waiting)
    run.take(inp.Complete("wrong", error=StepError("out-of-stock", "none left"), generation=0))
    run.end("wrong", waiting)
    return run


@scenario
def children_that_end_and_that_nobody_waits_for() -> Recorder:
    sub = {"action": "workflow.run", "params": {"workflowId": "sub"}}
    run = Recorder(
        definition(
            step("one", **sub), step("two", **sub), step("three", critical=False, **sub), step("loose", **sub)
        ),
        inp.Start("exec-golden", {}, parent=ParentLink("exec-above", "sub[3]", 1, 2, wait=False)),
    )
    for name in ("one", "three"):
        run.end(name, child(name))
    run.take(inp.ChildEnded("one", 0, "exec-golden.one.0", {"n": 1}))
    run.take(inp.ChildEnded("two", 0, "exec-golden.two.0", {"n": 2}))
    run.end("two", child("two"))
    run.take(
        inp.ChildEnded("three", 0, "exec-golden.three.0", error=StepError("http.500", "the child failed"))
    )
    run.end("loose", inp.Succeeded({"executionId": "exec-golden.loose.0"}, child="exec-golden.loose.0"))
    return run


def child(step_id: str) -> inp.Waiting:
    """A wait for the end of a child."""
    name = f"exec-golden.{step_id}.0"
    details = {"child": name, "onParentClose": "cancel"}
    return inp.Waiting(waiting_for=f"child:{name}", on_time="fail", details=details)


@scenario
def child_awaited_by_a_child() -> Recorder:
    sub = {"action": "workflow.run", "params": {"workflowId": "sub"}}
    parent = ParentLink("exec-above", "sub")
    run = Recorder(definition(step("one", **sub)), inp.Start("exec-golden", {}, parent=parent))
    run.end("one", child("one"))
    return run


@scenario
def parked_for_a_person() -> Recorder:
    pause = {"retryPolicy": {"maxAttempts": 1, "onExhausted": "pause"}}
    names = ("retried", "completed", "failed", "skipped", "left")
    run = Recorder(definition(*(step(name, critical=False, **pause) for name in names)))
    for name in names:
        run.fail(name, "http.503")
    run.take(inp.RetryStep("retried", "ada", "the service is back"))
    run.succeed("retried", "at last")
    run.take(inp.Complete("completed", {"by": "phone"}, by="ben", reason="done by phone"))
    run.take(
        inp.Complete("failed", error=StepError("given-up", "nobody answers"), by="cleo", reason="too late")
    )
    run.take(inp.SkipStep("skipped", "dora", "not wanted any more"))
    return run


@scenario
def step_retried_by_hand_after_the_end() -> Recorder:
    run = Recorder(definition(step("a"), step("b"), step("c", "a")))
    run.fail("a")
    run.fail("b")
    run.take(inp.RetryStep("a", "ada", "only this one"))
    run.succeed("a")
    run.succeed("c")
    return run
