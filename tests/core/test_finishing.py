"""`finish`: a step that ends the execution where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.commands import ComputeOutput
from tenuto.core.definition import Compensate, Handlers
from tenuto.core.events import StepError
from tenuto.core.view import document
from tests.core.driven import step
from tests.core.journaled import Execution, why


def finishing(**fields: Any) -> Execution:
    return Execution(step("end", action="finish"), step("a"), step("b", "a"), step("after", "end"), **fields)


def test_the_step_succeeds_and_the_rest_is_given_up() -> None:
    run = finishing()
    run.end("end", inp.Finished(output={"n": 1}))
    assert run.statuses() == {"end": "success", "a": "cancelled", "b": "skipped", "after": "skipped"}
    assert {run.step(name).reason for name in ("a", "b", "after")} == {"run_cancelled"}
    assert (run.state.status, run.state.output) == ("completed", {"n": 1})
    assert run.step("end").result == {"n": 1}
    assert document(run.state, run.at)["output"] == {"n": 1}


def test_without_an_output_of_its_own_the_definitions_is_worked_out() -> None:
    run = finishing(output="{{ context.end }}")
    assert ComputeOutput() in run.end("end", inp.Finished()).commands
    run.take(inp.OutputComputed("worked out"))
    assert (run.state.status, run.state.output) == ("completed", "worked out")


def test_its_own_output_goes_before_the_definitions() -> None:
    run = finishing(output="{{ context.end }}")
    run.end("end", inp.Finished(output=0))
    assert (run.state.status, run.state.output) == ("completed", 0)


def test_an_output_that_must_fit_a_schema_is_looked_at_first() -> None:
    run = finishing(output_schema={"type": "object"})
    assert ComputeOutput() in run.end("end", inp.Finished(output={"n": 1})).commands
    run.take(inp.OutputComputed({"n": 1}))
    assert (run.state.status, run.state.output) == ("completed", {"n": 1})


def test_it_may_end_the_execution_as_failed() -> None:
    run = finishing()
    run.end("end", inp.Finished("failed", message="nothing left"))
    assert (run.state.status, run.state.error_step) == ("failed", "end")
    assert run.state.error == StepError("finished", "nothing left")
    assert run.status("end") == ["success"]


def test_without_a_message_the_error_says_which_step_it_was() -> None:
    run = finishing()
    run.end("end", inp.Finished("failed"))
    assert run.state.error == StepError("finished", "step 'end' ended the execution as failed")


def test_it_may_end_the_execution_as_cancelled() -> None:
    run = finishing()
    run.end("end", inp.Finished("cancelled", message="not today"))
    assert (run.state.status, run.state.error) == ("cancelled", None)
    assert document(run.state, run.at)["cancelReason"] == "not today"


@pytest.mark.parametrize(("status", "handler"), [("completed", "g"), ("failed", "f"), ("cancelled", "c")])
def test_handlers_run_by_how_it_ends(status: Any, handler: str) -> None:
    handlers = Handlers(failure=(step("f"),), cancel=(step("c"),), always=(step("g"),))
    run = finishing(handlers=handlers)
    run.end("end", inp.Finished(status, output=1))
    assert run.acting() == [handler]
    while run.acting():
        run.succeed(run.acting()[0])
    assert run.state.status == status


def test_what_succeeded_is_undone_where_it_ends_badly() -> None:
    run = Execution(step("a", compensate=Compensate(action="undo")), step("end", "a", action="finish"))
    run.succeed("a")
    run.end("end", inp.Finished("failed"))
    assert run.acting() == ["a:compensate"]


def test_a_failure_that_came_before_is_what_the_execution_fails_with() -> None:
    run = finishing()
    run.fail("a")
    run.end("end", inp.Finished())
    assert (run.state.status, run.state.error_step) == ("failed", "a")


@pytest.mark.parametrize("kind", ["parallel", "map", "loop"])
def test_it_ends_the_execution_from_inside_a_container(kind: str) -> None:
    inside = (step("end", action="finish"), step("x"), step("y", "x"))
    run = Execution(step("box", type=kind, items=[1], until="u", steps=inside), step("other"))
    if kind == "map":
        run.end("box", inp.Expanded([1, 2]))
    name = {"parallel": "end", "map": "end[1]", "loop": "end[0]"}[kind]
    run.end(name, inp.Finished(output="done"))
    assert run.statuses() == {"box": "cancelled", "other": "cancelled"}
    assert (run.state.status, run.state.output, run.acting()) == ("completed", "done", [])


def test_in_a_handler_it_ends_nothing_that_is_not_ending_already() -> None:
    handlers = Handlers(always=(step("end", action="finish"), step("more", "end")))
    run = Execution(step("a"), handlers=handlers)
    run.fail("a")
    run.end("end", inp.Finished(output=1))
    assert run.acting() == ["more"]
    run.succeed("more")
    assert (run.state.status, run.state.error_step) == ("failed", "a")


def test_while_draining_the_execution_ends_as_it_would_have() -> None:
    run = Execution(step("end", action="finish"), step("bad"), step("a"), on_critical_failure="drain")
    run.fail("bad")
    run.end("end", inp.Finished(output=1))
    assert (run.acting(), run.state.status) == (["a"], "running")
    run.succeed("a")
    assert (run.state.status, run.state.error_step) == ("failed", "bad")


def test_the_first_of_two_ends_it() -> None:
    run = Execution(step("end", action="finish"), step("too", action="finish"))
    run.take(run.ended("end", inp.Finished(output=1)), run.ended("too", inp.Finished("failed")))
    assert (run.state.status, run.state.output) == ("completed", 1)
    assert run.statuses() == {"end": "success", "too": "cancelled"}


def test_it_ends_a_paused_execution() -> None:
    run = finishing()
    run.take(inp.Pause())
    run.end("end", inp.Finished(output=1))
    assert (run.state.status, run.state.output) == ("completed", 1)


def test_once_it_ends_it_cannot_be_cancelled_or_paused() -> None:
    run = finishing(output="{{ context.end }}")
    run.end("end", inp.Finished())
    assert why(run.take(inp.Cancel())) == ["the execution is being cancelled already"]
    assert why(run.take(inp.Pause())) == ["the execution is being cancelled"]


def test_an_end_that_a_stopping_node_recorded_is_carried_out_by_the_next() -> None:
    run = finishing()
    run.take(run.ended("end", inp.Finished(output=1)), hold=True)
    run.restart()
    assert (run.state.status, run.state.output) == ("completed", 1)


def test_a_retry_of_what_it_failed_comes_to_it_again() -> None:
    run = Execution(step("a"), step("end", "a", action="finish"))
    run.succeed("a")
    run.end("end", inp.Finished("failed"))
    run.take(inp.Retry())
    assert run.statuses() == {"a": "success", "end": "running"}


def test_a_retry_of_what_it_failed_inside_a_container_comes_to_it_again() -> None:
    run = Execution(step("box", type="parallel", steps=(step("end", action="finish"), step("x"))))
    run.succeed("x")
    run.end("end", inp.Finished("failed"))
    run.take(inp.Retry())
    assert (run.status("box", "x"), run.acting()) == (["running", "success"], ["end"])
