"""Slots that executions and steps share, beginnings that are put off, reruns, and what is kept for others."""

from __future__ import annotations

from tenuto.core import inputs as inp
from tenuto.core.events import ForkLink, StepCopied, StepError
from tests.journal.recorder import START, Recorder
from tests.journal.scenarios.registry import definition, scenario, step

SLOTS = {"concurrency": [{"key": "tenant:7", "limit": 1}]}


@scenario
def steps_that_wait_for_slots() -> Recorder:
    policy = {"retryPolicy": {"maxAttempts": 2, "initialDelay": 100}}
    run = Recorder(
        definition(
            step("a", **SLOTS, **policy),
            step("b", critical=False, queueTimeout=1_000, **SLOTS),
            step("c", "a", **SLOTS),
        )
    )
    run.grant("a")
    run.fail("a")
    run.wake()
    run.grant("a")
    run.fail("a")
    run.wake()
    run.take(inp.Retry())
    run.grant("a")
    run.succeed("a")
    return run


@scenario
def execution_that_waits_for_slots() -> Recorder:
    run = Recorder(definition(step("a"), **SLOTS))
    run.take(inp.ExecutionGranted())
    run.succeed("a")
    return run


@scenario
def execution_queued() -> Recorder:
    return Recorder(definition(step("a"), step("b", "a"), **SLOTS))


@scenario
def execution_refused_its_slots() -> Recorder:
    run = Recorder(definition(step("a"), step("b", "a"), **SLOTS))
    run.take(inp.ExecutionGranted("1 of `tenant:7` is under way, which is its limit"))
    return run


@scenario
def start_that_is_put_off() -> Recorder:
    run = Recorder(definition(step("a")), inp.Start("exec-golden", {}, start_at=START + 3_600_000))
    run.wake()
    run.succeed("a")
    return run


@scenario
def start_that_is_awaited() -> Recorder:
    return Recorder(definition(step("a")), inp.Start("exec-golden", {}, start_at=START + 3_600_000))


@scenario
def start_that_is_put_off_and_then_waits_for_slots() -> Recorder:
    run = Recorder(definition(step("a"), **SLOTS), inp.Start("exec-golden", {}, start_at=START + 3_600_000))
    run.wake()
    run.take(inp.ExecutionGranted())
    run.succeed("a")
    return run


@scenario
def rerun_with_copies() -> Recorder:
    copied = (
        StepCopied("pick", "success", 1, {"chosen": ["a"]}, chosen=["a"], vars={"seen": 1}),
        StepCopied("a", "success", 2, {"n": 1}),
        StepCopied("b", "skipped", reason="branch_not_taken"),
        StepCopied("doubt", "failed", 3, error=StepError("http.503", "down")),
    )
    run = Recorder(
        definition(
            step("pick", type="decision", cases=[{"when": "true", "next": ["a"]}], default=["b"]),
            step("a"),
            step("b"),
            step("doubt", critical=False),
            step("load", "a"),
            step("end", "load"),
        ),
        inp.Start(
            "exec-golden",
            {"n": 1},
            fork_of=ForkLink("exec-before", "load", "ada", "the loader was wrong"),
            copied=copied,
        ),
    )
    run.succeed("load")
    run.succeed("end", "better")
    return run


@scenario
def vars_and_kept_results() -> Recorder:
    run = Recorder(
        definition(step("set", action="set"), step("kept", "set"), step("more", "kept", action="set"))
    )
    run.end("set", inp.Succeeded({"a": 1, "b": 2}, vars={"a": 1, "b": 2}))
    run.end("kept", inp.Succeeded({"price": 12}, cached=True))
    run.end("more", inp.Succeeded({"b": 3}, vars={"b": 3}))
    return run
