"""Reruns: new executions in which ended steps are copied, and what of the old one they do again."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.definition import AtLeast, CatchRule, Compensate, ExecutionSlots, StepSpec
from tenuto.core.events import ForkLink, StepCopied, StepError
from tenuto.core.reset import to_run_from
from tests.core.driven import START, step
from tests.core.journaled import Execution

LINK = ForkLink("e-0", "b")


def rerun(*steps: StepSpec, copied: tuple[StepCopied, ...], context: Any = None, **fields: Any) -> Execution:
    start = inp.Start(
        "e-1", context or {}, fork_of=LINK, copied=copied, start_at=fields.pop("start_at", None)
    )
    return Execution(*steps, start=start, **fields)


def copy(step_id: str, result: Any = None) -> StepCopied:
    return StepCopied(step_id, "success", 1, result)


# -- what is copied -------------------------------------------------------------------------------------------------------


def test_a_copied_step_stands_as_it_ended_and_the_rest_runs() -> None:
    run = rerun(step("a"), step("b", "a"), copied=(StepCopied("a", "success", 3, {"n": 1}),))
    assert run.acting() == ["b"]
    assert (run.state.context, run.step("a").attempts, run.step("a").end_time) == ({"a": {"n": 1}}, 3, START)
    assert run.state.fork_of == LINK
    assert run.events(ev.StepStarted) == [ev.StepStarted("b", 1)]


def test_a_copied_failure_leads_where_it_led() -> None:
    error = StepError("http.402", "no")
    a = step("a", catch=(CatchRule(errors=("http.402",), next=("mend",)),))
    run = rerun(a, step("mend"), copied=(StepCopied("a", "failed", 1, error=error),))
    assert (run.acting(), run.error("a")) == (["mend"], error)
    run.succeed("mend")
    assert run.state.status == "completed"


def test_a_copied_decision_leads_where_it_led() -> None:
    d = step("d", type="decision", default=("no",))
    run = rerun(d, step("no"), copied=(StepCopied("d", "success", 1, {}, chosen=["no"]),))
    assert run.acting() == ["no"]


def test_a_copied_skip_is_skipped_for_its_reason() -> None:
    run = rerun(
        step("a"), step("b", "a"), step("c"), copied=(StepCopied("a", "skipped", reason="condition_false"),)
    )
    assert (run.step("a").reason, run.step("b").reason, run.acting()) == (
        "condition_false", "upstream_skipped", ["c"],
    )  # fmt: skip


def test_what_copied_steps_wrote_can_be_read() -> None:
    run = rerun(step("a"), step("b", "a"), copied=(StepCopied("a", "success", 1, {"x": 1}, vars={"x": 1}),))
    assert run.state.vars == {"x": 1}


def test_what_others_did_is_not_for_this_execution_to_undo() -> None:
    run = rerun(step("a", compensate=Compensate(action="undo")), step("b", "a"), copied=(copy("a"),))
    run.fail("b")
    assert (run.state.status, run.state.compensation) == ("failed", None)


def test_a_copied_container_is_what_it_returned() -> None:
    box = step("box", type="parallel", steps=(step("x"),))
    run = rerun(box, step("b", "box"), copied=(copy("box", {"x": 1}),))
    assert (run.acting(), run.state.find_step("x")) == (["b"], None)


def test_with_everything_copied_it_ends_at_once() -> None:
    run = rerun(step("a"), copied=(copy("a", 1),))
    assert (run.state.status, run.state.context) == ("completed", {"a": 1})


def test_copies_wait_for_the_start_and_for_slots() -> None:
    run = rerun(
        step("a"), step("b", "a"), copied=(copy("a"),), start_at=START + 1_000,
        concurrency=(ExecutionSlots(key="k", limit=1),),
    )  # fmt: skip
    assert run.acting() == []
    run.restart()
    run.after(1_000)
    assert (run.state.waits_for_slots, run.acting()) == (True, [])
    run.restart()
    run.take(inp.ExecutionGranted())
    assert run.acting() == ["b"]


def test_a_retry_of_a_rerun_keeps_what_was_copied() -> None:
    run = rerun(step("a"), step("b", "a"), copied=(copy("a", 1),))
    run.fail("b")
    run.take(inp.Retry())
    assert (run.acting(), run.state.context) == (["b"], {"a": 1})


# -- what is done again -----------------------------------------------------------------------------------------------------


def again(run: Execution, from_step: str) -> set[str]:
    return to_run_from(run.state, run.step(from_step))


def test_the_step_and_all_after_it_are_done_again() -> None:
    run = Execution(step("a"), step("b", "a"), step("c", "b"), step("d", "a"))
    for name in ("a", "b", "c", "d"):
        run.succeed(name)
    assert again(run, "b") == {"b", "c"}
    assert again(run, "a") == {"a", "b", "c", "d"}


def test_what_failed_elsewhere_is_done_again_too() -> None:
    run = Execution(step("a"), step("b", "a"), step("bad"), step("e", "bad"), step("kept", critical=False))
    run.succeed("a")
    run.fail("kept")
    run.fail("bad")
    run.succeed("b")
    assert again(run, "b") == {"b", "bad", "e"}


def test_what_was_given_up_is_done_again_too() -> None:
    run = Execution(step("a"), step("b", "a"), step("c"))
    run.succeed("a")
    run.take(inp.Cancel())
    assert again(run, "b") == {"b", "c"}


def test_what_was_undone_is_done_again_too() -> None:
    inside = step("box", type="parallel", steps=(step("x", compensate=Compensate(action="undo")),))
    run = Execution(step("a", compensate=Compensate(action="undo")), inside, step("b", "a"), step("kept"))
    for name in ("a", "x", "kept"):
        run.succeed(name)
    run.fail("b")
    run.succeed("x:compensate")
    run.succeed("a:compensate")
    assert again(run, "b") == {"a", "box", "b"}


def test_what_failed_the_execution_by_finishing_decides_again() -> None:
    run = Execution(step("a"), step("end", action="finish"))
    run.succeed("a")
    run.end("end", inp.Finished("failed"))
    assert again(run, "a") == {"a", "end"}


def test_what_a_join_did_not_need_is_not_done_again() -> None:
    run = Execution(
        step("a"),
        step("b"),
        step("j", "a", "b", join=AtLeast(at_least=1, cancel_remaining=True)),
        step("c", "j"),
    )
    run.succeed("a")
    run.succeed("j")
    run.succeed("c")
    assert again(run, "c") == {"c"}


@pytest.mark.parametrize("status", ["running", "paused"])
def test_what_has_not_ended_is_left_to_run(status: str) -> None:
    run = Execution(step("a"), step("b", "a"), step("c"))
    run.succeed("a")
    if status == "paused":
        run.take(inp.Pause())
    assert again(run, "b") == {"b"}
