"""Steps one after another: their attempts, their edges, and the ends of executions."""

from __future__ import annotations

from tenuto.core import inputs as inp
from tenuto.core.events import StepError
from tests.journal.recorder import Recorder
from tests.journal.scenarios.registry import definition, scenario, step


@scenario
def chain_that_completes() -> Recorder:
    start = inp.Start("exec-golden", {"n": 1, "who": "Ada – ünïcode ✓"}, 7, {"team": "payments"})
    run = Recorder(definition(step("a"), step("b", "a"), step("c", "b")), start)
    run.succeed("a", {"rows": [1, 2.5, None, "x", True]})
    run.succeed("b", 9007199254740993)
    run.succeed("c", "done")
    return run


@scenario
def output_that_was_computed() -> Recorder:
    run = Recorder(definition(step("a"), output={"total": "{{ context.a }}"}))
    run.succeed("a", 42)
    run.take(inp.OutputComputed({"total": 42}))
    return run


@scenario
def output_that_could_not_be_computed() -> Recorder:
    run = Recorder(definition(step("a"), output="{{ context.a.b }}"))
    run.succeed("a", {})
    run.take(inp.OutputComputed(error=StepError("expression", "output: there is no context.a.b")))
    return run


@scenario
def failure_after_retries() -> Recorder:
    policy = {"maxAttempts": 3, "initialDelay": 100, "backoffMultiplier": 3}
    run = Recorder(definition(step("a", retryPolicy=policy), step("b", "a"), step("c")))
    run.succeed("c", 1)
    run.fail("a", details={"status": 503, "body": "busy"})
    run.wake()
    run.fail("a", retry_after_ms=5_000)
    run.wake()
    run.fail("a", "http.402", {"status": 402})
    return run


@scenario
def failure_that_somebody_had_retried() -> Recorder:
    run = Recorder(definition(step("a"), step("b", "a"), step("c", "b"), step("d")))
    run.succeed("a", 1)
    run.succeed("d", 2)
    run.fail("b")
    run.take(inp.Retry("ada", "the service is back"))
    run.succeed("b", 3)
    run.succeed("c", 4)
    return run


@scenario
def waits() -> Recorder:
    run = Recorder(definition(step("a", action="delay", params={"duration": 60_000}), step("b", "a")))
    run.end("a", inp.Waiting(run.now + 60_000, {"delayed": 60_000}))
    run.wake()
    run.succeed("b")
    return run


@scenario
def wait_under_way() -> Recorder:
    run = Recorder(definition(step("a", action="delay", params={"duration": 60_000}), step("b", "a")))
    run.end("a", inp.Waiting(run.now + 60_000, {"delayed": 60_000}))
    return run


@scenario
def attempts_lost_with_their_process() -> Recorder:
    run = Recorder(definition(step("a"), step("b")))
    run.lose()
    run.succeed("b", "before the second crash")
    run.lose()
    run.lose()
    run.succeed("a", "at the fourth attempt")
    return run


@scenario
def attempts_lost_too_often() -> Recorder:
    run = Recorder(definition(step("a")))
    for _ in range(4):
        run.lose()
    return run


@scenario
def attempt_stopped_gracefully() -> Recorder:
    run = Recorder(definition(step("a"), step("b", "a")))
    run.lose(counted=False)
    run.come_back()
    run.succeed("a")
    run.succeed("b")
    return run


@scenario
def pause_and_resume() -> Recorder:
    run = Recorder(definition(step("a", totalTimeout=60_000), step("b", "a"), timeout=3_600_000))
    run.take(inp.Pause("ada", "audit"))
    run.succeed("a", 1)
    run.now += 500_000
    run.take(inp.Resume("ben", "audit is over"))
    run.succeed("b", 2)
    return run


@scenario
def paused_under_way() -> Recorder:
    run = Recorder(definition(step("a", retryPolicy={"maxAttempts": 2}), step("b"), step("c", "b")))
    run.fail("a")
    run.take(inp.Pause())
    run.succeed("b", 1)
    return run


@scenario
def cancelled_by_a_person() -> Recorder:
    policy = {"maxAttempts": 2}
    run = Recorder(definition(step("a"), step("b"), step("c", "b"), step("d", retryPolicy=policy)))
    run.succeed("a", 1)
    run.fail("d")
    run.take(inp.Cancel("ada", "wrong order"))
    return run


@scenario
def cancelled_while_paused() -> Recorder:
    run = Recorder(definition(step("a"), step("b", "a")))
    run.take(inp.Pause())
    run.take(inp.Cancel())
    return run


@scenario
def terminated() -> Recorder:
    run = Recorder(definition(step("a"), step("b", "a")))
    run.take(inp.Terminate("ada", "enough"))
    return run


@scenario
def critical_failure_that_drains() -> Recorder:
    run = Recorder(definition(step("a"), step("b"), step("c", "b"), onCriticalFailure="drain"))
    run.fail("a", details=["because"])
    run.succeed("b", 1)
    return run


@scenario
def critical_failure_that_cancels() -> Recorder:
    run = Recorder(definition(step("a"), step("b"), step("c", "b"), onCriticalFailure="cancel"))
    run.fail("a")
    return run


@scenario
def workflow_timeout() -> Recorder:
    run = Recorder(definition(step("a"), step("b", "a"), timeout=1_000))
    run.wake()
    return run


@scenario
def total_timeout() -> Recorder:
    run = Recorder(definition(step("a", totalTimeout=1_000, optional=True), step("b", "a")))
    run.wake()
    run.succeed("b", "went on")
    return run


@scenario
def decisions_and_skips() -> Recorder:
    cases = [{"when": "context.n > 1", "next": ["many", "more"]}]
    run = Recorder(
        definition(
            step("decide", type="decision", cases=cases, default=["few"]),
            step("many"),
            step("more", when="false"),
            step("few"),
            step("after-few", "few"),
            step("check", action="condition", params={"expression": "true"}, onSuccess=["yes"], onFailure=["no"]),
            step("yes"),
            step("no"),
        )
    )  # fmt: skip
    run.succeed("decide", {"chosen": ["many", "more"]}, ["many", "more"])
    run.succeed("many", 1)
    run.end("more", inp.ConditionFalse())
    run.succeed("check", {"result": True, "branch": "true"})
    run.succeed("yes")
    return run


@scenario
def joins_that_are_never_met() -> Recorder:
    run = Recorder(
        definition(
            step("good"),
            step("bad", critical=False),
            step("blocked", "good", "bad"),
            step("cleanup", "good", join="one_failed"),
            step("mend", "bad", join="one_failed"),
            step("always", "good", "bad", join="all_done"),
        )
    )
    run.succeed("good", 1)
    run.fail("bad")
    run.succeed("mend")
    run.succeed("always")
    return run


@scenario
def every_status_under_way() -> Recorder:
    run = Recorder(
        definition(
            step("success"),
            step("failed", critical=False),
            step("skipped", "failed"),
            step("running"),
            step("retrying", retryPolicy={"maxAttempts": 5, "initialDelay": 250}),
            step("waiting", action="delay", params={"duration": 1}),
            step("pending", "running"),
        )
    )
    run.succeed("success", {"a": {"b": []}})
    run.fail("failed", "worker.ValueError")
    run.fail("retrying", "network")
    run.end("waiting", inp.Waiting(run.now + 1_000, None, "timer"))
    return run
