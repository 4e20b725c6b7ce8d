"""Steps that start executions: their end comes back, and they end with their parent."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.commands import Post
from tenuto.core.definition import AtLeast, Handlers, RetryPolicy
from tenuto.core.events import ParentLink, StepError
from tenuto.core.names import child_id
from tests.core.driven import START, step
from tests.core.journaled import Execution, why

GIVEN_UP = inp.Cancel(by="execution e-1", reason="its parent gave it up")


def parent(on_close: str | None = None, **fields: Any) -> Execution:
    """One whose step `a` waits for its child."""
    run = Execution(step("a", action="workflow.run", **fields), step("b", "a", join="all_done"))
    wait(run, "e-1.a.0", on_close)
    return run


def wait(run: Execution, child: str, on_close: str | None = None) -> None:
    details = {"child": child} | ({} if on_close is None else {"onParentClose": on_close})
    run.wait("a", f"child:{child}", None, on_time="fail", details=details)


def ended(
    child: str = "e-1.a.0", result: Any = None, error: StepError | None = None, generation: int = 0
) -> inp.ChildEnded:
    return inp.ChildEnded("a", generation, child, result, error)


# -- the parent -----------------------------------------------------------------------------------------------------------


def test_the_childs_output_is_the_steps_result() -> None:
    run = parent()
    run.take(ended(result={"n": 1}))
    assert (run.step("a").result, run.acting()) == ({"n": 1}, ["b"])


def test_the_childs_failure_is_the_steps_and_names_the_child() -> None:
    run = parent()
    run.take(ended(error=StepError("http.500", "no")))
    assert run.error("a") == StepError("http.500", "no", {"childExecutionId": "e-1.a.0"})


def test_an_end_told_twice_counts_once() -> None:
    run = parent()
    run.take(ended(result=1))
    again = run.take(ended(result=2))
    assert (again.events, again.refused, run.step("a").result) == ([], [], 1)


def test_an_end_that_comes_before_the_step_waits_is_kept() -> None:
    run = Execution(step("a", action="workflow.run"))
    run.take(ended(result=1))
    assert run.take(ended(result=2)).events == []
    wait(run, "e-1.a.0")
    assert run.step("a").result == 1


def test_an_end_that_came_early_outlasts_a_crash() -> None:
    run = Execution(step("a", action="workflow.run"))
    run.take(ended(result=1))
    run.crash()
    assert (run.step("a").result, run.state.status) == (1, "completed")


@pytest.mark.parametrize(
    "given",
    [
        ended("e-1.a.1"),
        ended(generation=1),
        inp.ChildEnded("z", 0, "e-1.a.0"),
        inp.ChildEnded("b", 0, "e-1.b.0"),
    ],
)
def test_the_end_of_another_child_means_nothing(given: inp.ChildEnded) -> None:
    run = parent()
    decision = run.take(given)
    assert (decision.events, decision.refused, run.status("a")) == ([], [], ["waiting"])


def test_the_end_of_a_child_means_nothing_to_a_parent_that_has_ended() -> None:
    run = parent()
    run.take(inp.Cancel())
    assert run.take(ended(result=1)).events == []


def test_a_failed_child_is_tried_again_as_another_execution() -> None:
    run = parent(retry_policy=RetryPolicy(max_attempts=2))
    run.take(ended(error=StepError("x", "no")))
    run.after(1_000)
    assert run.take(ended(result="late")).events == []
    run.take(ended("e-1.a.0.2", result="second"))
    wait(run, "e-1.a.0.2")
    assert run.step("a").result == "second"


def test_a_retry_of_the_parent_starts_another_child() -> None:
    run = parent()
    run.take(ended(error=StepError("x", "no")))
    run.succeed("b")
    run.take(inp.Retry())
    assert run.take(ended(result="late")).events == []
    run.take(ended("e-1.a.1", result=1, generation=1))
    wait(run, "e-1.a.1")
    assert run.step("a").result == 1


def test_the_end_of_a_child_is_taken_while_paused() -> None:
    run = parent()
    run.take(inp.Pause())
    run.take(ended(result=1))
    assert run.status("a", "b") == ["success", "pending"]


# -- giving the child up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        inp.Cancel(),
        inp.Terminate(),
        inp.Complete("a", 1),
        inp.Complete("a", error=StepError("x", "y")),
        inp.SkipStep("a"),
    ],
)
def test_whoever_ends_the_step_ends_the_child(given: Any) -> None:
    run = parent()
    assert run.take(given).posts == [Post("e-1.a.0", GIVEN_UP)]


@pytest.mark.parametrize("fields", [{"timeout": 1_000}, {}])
def test_time_that_ends_the_step_ends_the_child(fields: dict[str, Any]) -> None:
    run = Execution(step("a", action="workflow.run", total_timeout=0 if fields else 1_000), **fields)
    wait(run, "e-1.a.0")
    run.after(1_000)
    assert run.posts == [Post("e-1.a.0", GIVEN_UP)]


def test_a_child_that_is_not_waited_for_any_longer_is_ended() -> None:
    run = Execution(step("a", action="workflow.run"))
    run.wait("a", "child:c", START + 1_000, on_time="fail", details={"child": "c"})
    run.after(1_000)
    assert run.error("a").message == "the end of execution 'c' did not come in time"
    assert run.posts == [Post("c", GIVEN_UP)]


def test_a_child_that_is_to_be_left_alone_is() -> None:
    run = parent("abandon")
    run.take(inp.Cancel())
    assert run.posts == []


def test_a_child_that_is_just_being_started_is_ended_too() -> None:
    run = Execution(step("a", action="workflow.run"))
    run.take(inp.Cancel())
    assert run.posts == [Post("e-1.a.0", GIVEN_UP)]


def test_a_child_whose_start_was_lost_in_a_crash_is_ended_too() -> None:
    run = Execution(step("a", action="workflow.run"))
    run.take(inp.Pause())
    run.crash()
    assert run.status("a") == ["retrying"]
    run.take(inp.Cancel())
    assert run.posts == [Post("e-1.a.0", GIVEN_UP)]


def test_a_child_that_is_just_being_started_and_to_be_left_alone_is() -> None:
    run = Execution(step("a", action="workflow.run", params={"onParentClose": "abandon"}))
    run.take(inp.Cancel())
    assert run.posts == []


def test_a_step_that_never_began_has_no_child() -> None:
    run = Execution(step("first"), step("a", "first", action="workflow.run"))
    run.take(inp.Cancel())
    assert run.posts == []


def test_children_in_a_container_end_with_it() -> None:
    run = Execution(step("m", type="map", items=[1], action="workflow.run", total_timeout=1_000))
    run.end("m", inp.Expanded([1, 2]))
    run.wait("m[0]", "child:c-0", None, on_time="fail", details={"child": "c-0"})
    run.after(1_000)
    assert {post.to for post in run.posts} == {"c-0", "e-1.m.1.0"}
    assert len(run.posts) == 2


def test_a_child_that_a_join_does_not_need_is_ended() -> None:
    run = Execution(
        step("a", action="workflow.run"),
        step("b"),
        step("j", "a", "b", join=AtLeast(at_least=1, cancel_remaining=True)),
    )
    wait(run, "e-1.a.0")
    run.succeed("b")
    assert run.posts == [Post("e-1.a.0", GIVEN_UP)]


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "terminated"])
def test_a_child_that_nobody_waits_for_ends_with_its_parent(end: str) -> None:
    run = Execution(step("a", action="workflow.run"), step("b"))
    run.succeed("a", {"executionId": "c"}, child="c")
    assert run.posts == []
    if end == "completed":
        run.succeed("b")
    elif end == "failed":
        run.fail("b")
    else:
        run.take(inp.Cancel() if end == "cancelled" else inp.Terminate())
    assert run.posts == [Post("c", inp.Cancel(by="execution e-1", reason="its parent has ended"))]


def test_a_child_that_nobody_waits_for_lives_through_its_parents_handlers() -> None:
    run = Execution(step("a", action="workflow.run"), handlers=Handlers(always=(step("h"),)))
    run.succeed("a", child="c")
    assert run.posts == []
    run.succeed("h")
    assert [post.to for post in run.posts] == ["c"]


# -- the child ------------------------------------------------------------------------------------------------------------


def child(*, waited_for: bool = True, **fields: Any) -> Execution:
    link = ParentLink("p-1", "call[3]", 2, 1, waited_for)
    return Execution(step("x"), start=inp.Start("c-1", {}, parent=link), **fields)


def told(run: Execution) -> inp.ChildEnded:
    (post,) = run.posts
    assert post.to == "p-1"
    assert isinstance(post.input, inp.ChildEnded)
    assert post.input[:3] == ("call[3]", 2, "c-1")
    return post.input


def test_a_child_that_completed_tells_its_output() -> None:
    run = child()
    run.succeed("x", 5)
    assert (told(run).result, told(run).error) == ({"x": 5}, None)


def test_a_child_that_failed_tells_why() -> None:
    run = child()
    run.fail("x", "http.500", "no")
    assert told(run).error == StepError("http.500", "no")


@pytest.mark.parametrize("how", [inp.Cancel(), inp.Terminate()])
def test_a_child_that_was_ended_tells_so(how: inp.Cancel | inp.Terminate) -> None:
    run = child()
    run.take(how)
    assert told(run).error == StepError("cancelled", "the execution c-1 was cancelled")


def test_it_tells_at_its_very_end_and_not_before() -> None:
    run = child(output="{{ context.x }}", handlers=Handlers(always=(step("h"),)))
    run.succeed("x", 5)
    run.take(inp.OutputComputed("out"))
    assert run.posts == []
    run.succeed("h")
    assert told(run).result == "out"


def test_a_child_that_nobody_waits_for_tells_nobody() -> None:
    run = child(waited_for=False)
    run.succeed("x")
    assert run.posts == []


def test_a_child_retried_by_hand_tells_its_end_again() -> None:
    run = child()
    run.fail("x")
    run.take(inp.Retry())
    run.succeed("x", 1)
    assert [post.input.result for post in run.posts if isinstance(post.input, inp.ChildEnded)] == [
        None,
        {"x": 1},
    ]


# -- names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step_id", "generation", "tries", "name"),
    [("a", 0, 1, "e-1.a.0"), ("a", 2, 1, "e-1.a.2"), ("a", 0, 3, "e-1.a.0.3"), ("a[3]", 0, 1, "e-1.a.3.0"),
     ("a[3][0]", 1, 1, "e-1.a.3.0.1"), ("a:compensate[2]", 0, 1, "e-1.a.compensate.2.0")],
)  # fmt: skip
def test_a_child_is_named_after_the_step_that_started_it(
    step_id: str, generation: int, tries: int, name: str
) -> None:
    assert child_id("e-1", step_id, generation, tries) == name


def test_a_long_name_ends_in_a_hash_and_stays_its_own() -> None:
    long = ["x" * 125 + end for end in ("a", "b")]
    names = [child_id("e-1", name, 0) for name in long] + [child_id("e-1", long[0], 1)]
    assert len(set(names)) == 3
    assert {len(name) for name in names} == {128}
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for name in names)


def test_a_name_as_long_as_may_be_is_left_whole() -> None:
    name = "x" * (128 - len("e-1..0"))
    assert child_id("e-1", name, 0) == f"e-1.{name}.0"


def test_refusals_do_not_say_that_a_child_is_unknown() -> None:
    assert why(parent().take(ended("other"))) == []


def test_a_step_named_like_an_item_starts_a_child_of_its_own() -> None:
    assert child_id("e", "m.0", 2) != child_id("e", "m[0]", 2)
    assert child_id("e", "m[0]", 2) == "e.m.0.2"
