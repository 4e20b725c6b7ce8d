"""Handlers, compensations, and steps that end the execution."""

from __future__ import annotations

from typing import Any

from tenuto.core import inputs as inp
from tests.journal.recorder import Recorder
from tests.journal.scenarios.registry import definition, scenario, step

ALL_HANDLERS = {
    "failure": [step("alert")],
    "cancel": [step("refund"), step("mail", "refund")],
    "always": [step("clean")],
}
UNDO: dict[str, Any] = {"action": "http.request", "params": {"url": "http://shop/undo"}}


@scenario
def handlers_after_a_failure() -> Recorder:
    run = Recorder(definition(step("a"), step("b", "a"), handlers=ALL_HANDLERS))
    run.fail("a", details={"status": 503})
    run.succeed("alert", "told")
    run.fail("clean", "network")
    return run


@scenario
def handlers_after_a_cancellation() -> Recorder:
    run = Recorder(definition(step("a"), handlers=ALL_HANDLERS))
    run.take(inp.Cancel("ada", "wrong order"))
    run.succeed("refund")
    run.succeed("mail")
    run.succeed("clean")
    return run


@scenario
def handler_that_fails_a_completed_execution() -> Recorder:
    run = Recorder(definition(step("a"), handlers=ALL_HANDLERS, output="{{ context.a }}"))
    run.succeed("a", 42)
    run.take(inp.OutputComputed(42))
    run.fail("clean", "http.500")
    return run


@scenario
def handlers_under_way() -> Recorder:
    run = Recorder(definition(step("a"), handlers=ALL_HANDLERS))
    run.take(inp.Cancel())
    run.succeed("refund")
    return run


@scenario
def compensation_of_everything() -> Recorder:
    inner = [step("seat", compensate=UNDO), step("meal")]
    run = Recorder(
        definition(
            step("hotel", compensate=UNDO),
            step("flight", "hotel", type="parallel", steps=inner),
            step("pay", "flight"),
            handlers={"always": [step("clean")]},
        )
    )
    run.succeed("hotel", {"room": 7})
    run.succeed("meal")
    run.succeed("seat", {"seat": "4A"})
    run.fail("pay", "http.402")
    run.succeed("clean")
    run.succeed("seat:compensate")
    run.succeed("hotel:compensate", "free again")
    return run


@scenario
def compensation_that_stops_half_way() -> Recorder:
    retrying = {**UNDO, "retryPolicy": {"maxAttempts": 2, "initialDelay": 100}}
    run = Recorder(
        definition(step("a", compensate=UNDO), step("b", "a", compensate=retrying), step("c", "b"))
    )
    run.succeed("a")
    run.succeed("b")
    run.take(inp.Cancel("ada"))
    run.fail("b:compensate")
    run.wake()
    run.fail("b:compensate")
    return run


@scenario
def compensation_of_items_under_way() -> Recorder:
    run = Recorder(
        definition(
            step("rooms", type="map", items=[1, 2, 3], steps=[step("room", compensate=UNDO)]),
            step("pay", "rooms"),
        )
    )
    run.end("rooms", inp.Expanded([1, 2, 3]))
    for number in (2, 0, 1):
        run.succeed(f"room[{number}]", {"room": number})
    run.fail("pay")
    run.succeed("room:compensate[1]")
    return run


@scenario
def execution_retried_after_its_compensation() -> Recorder:
    run = Recorder(
        definition(step("a", compensate=UNDO), step("b", "a"), handlers={"failure": [step("alert")]})
    )
    run.succeed("a", "booked")
    run.fail("b")
    run.succeed("alert")
    run.succeed("a:compensate")
    run.take(inp.Retry("ada"))
    run.succeed("a", "booked again")
    run.succeed("b")
    return run


@scenario
def finish_that_completes() -> Recorder:
    run = Recorder(
        definition(
            step("enough", action="finish"),
            step("slow"),
            step("later", "enough"),
            handlers={"always": [step("clean")]},
        )
    )
    run.end("enough", inp.Finished("completed", {"found": 3}))
    run.succeed("clean")
    return run


@scenario
def finish_that_fails() -> Recorder:
    run = Recorder(definition(step("no", action="finish"), step("slow"), step("later", "no")))
    run.end("no", inp.Finished("failed", None, "there is no stock"))
    return run


@scenario
def finish_that_cancels() -> Recorder:
    run = Recorder(definition(step("no", action="finish"), step("later", "no")))
    run.end("no", inp.Finished("cancelled", None, "nobody wants it"))
    return run


@scenario
def draining_under_way() -> Recorder:
    run = Recorder(definition(step("a"), step("b"), step("c", "b"), onCriticalFailure="drain"))
    run.fail("a", "http.500")
    return run
