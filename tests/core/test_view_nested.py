"""What the document, its lists and the picture's data show of nested steps, handlers, compensations and waits."""

from __future__ import annotations

from typing import Any

import msgspec

from tenuto.core import inputs as inp
from tenuto.core.definition import AtLeast, Compensate, Handlers, RetryPolicy, Slots
from tenuto.core.view import MOST_NESTED, brief, document, visualize
from tests.core.driven import START, Driven, step

UNDO = Compensate(action="noop")


def results(driven: Driven) -> dict[str, Any]:
    shown: dict[str, Any] = document(driven.state, driven.at)["stepResults"]
    return shown


def drawn(driven: Driven) -> dict[str, dict[str, Any]]:
    return {shown["id"]: shown for shown in visualize(driven.state, driven.at)["steps"]}


def mapped(count: int, **fields: Any) -> Driven:
    """An execution whose map `m` has so many items."""
    driven = Driven(step("m", type="map", items="{{ x }}", steps=(step("a"), step("b", "a")), **fields))
    driven.end("m", inp.Expanded(list(range(count))))
    return driven


def test_steps_of_parallels_are_listed_and_shown_like_any_others() -> None:
    fan = step("fan", type="parallel", steps=(step("left"), step("right"), step("after", "left")))
    driven = Driven(step("first"), fan, step("end", "fan"))
    driven.succeed("right", 7)
    driven.fail("left")
    shown = document(driven.state, START)
    assert shown["currentSteps"] == ["first"]
    assert shown["completedSteps"] == ["right"]
    assert shown["failedSteps"] == ["fan", "left"]
    assert shown["skippedSteps"] == ["end", "after"]
    assert results(driven)["right"]["result"] == 7
    assert results(driven)["after"]["cause"] == "left"
    assert "left" not in shown["context"]


def test_items_are_counted_and_only_what_is_under_way_in_them_is_shown() -> None:
    driven = mapped(10, max_concurrency=3, tolerated_failures=2)
    driven.succeed("a[0]")
    driven.succeed("b[0]")
    driven.fail("a[1]")
    driven.succeed("a[2]")
    assert list(results(driven)) == ["m", "b[2]", "a[3]", "a[4]"]
    assert results(driven)["m"]["items"] == {"total": 10, "succeeded": 1, "failed": 1, "running": 3}
    assert results(driven)["m"]["errors"] == [
        {"index": 1, "stepId": "a[1]", "type": "http.503", "message": "down"}
    ]
    assert brief(driven.state, START)["currentSteps"] == ["m"]


def test_a_document_shows_so_many_items_and_no_more_but_every_step_of_a_parallel() -> None:
    fan = step("fan", type="parallel", steps=tuple(step(f"s{i}") for i in range(MOST_NESTED + 1)))
    driven = Driven(step("m", type="map", items="{{ x }}", max_concurrency=0, steps=(step("a"),)), fan)
    driven.end("m", inp.Expanded(list(range(2 * MOST_NESTED))))
    shown = list(results(driven))
    assert len([name for name in shown if name.startswith("a[")]) == MOST_NESTED
    assert len([name for name in shown if name.startswith("s")]) == MOST_NESTED + 1


def test_a_document_does_not_grow_with_the_items_under_way_or_to_come() -> None:
    small, large = mapped(1_000), mapped(20_000)
    sizes = [len(msgspec.json.encode(document(driven.state, START))) for driven in (small, large)]
    assert sizes[1] < sizes[0] + 10


def test_rounds_are_counted_and_the_one_under_way_is_shown() -> None:
    driven = Driven(step("poll", type="loop", until="x", every=1000, steps=(step("ask"),)))
    driven.succeed("ask[0]")
    driven.end("poll", inp.Judged(met=False))
    assert results(driven) == {
        "poll": {
            "stepId": "poll",
            "status": "waiting",
            "attempts": 1,
            "startTime": START,
            "rounds": 1,
            "waitingFor": "round",
            "waitingUntil": START + 1000,
        }
    }
    driven.after(1000)
    assert list(results(driven)) == ["poll", "ask[1]"]
    assert results(driven)["poll"]["rounds"] == 2


def test_nested_maps_show_what_is_under_way_in_the_inner_one() -> None:
    inner = step("inner", type="map", items="{{ y }}", steps=(step("a"),))
    driven = Driven(step("outer", type="map", items="{{ x }}", steps=(inner,)))
    driven.end("outer", inp.Expanded([1, 2]))
    driven.end("inner[1]", inp.Expanded([1, 2]))
    driven.succeed("a[1][0]")
    assert list(results(driven)) == ["outer", "inner[0]", "inner[1]", "a[1][1]"]


def test_handlers_and_compensations_are_listed_as_they_come() -> None:
    driven = Driven(step("a", compensate=UNDO), step("b", "a"), handlers=Handlers(failure=(step("alert"),)))
    driven.succeed("a")
    driven.fail("b")
    assert (brief(driven.state, START)["phase"], brief(driven.state, START)["currentSteps"]) == (
        "handlers",
        ["alert"],
    )
    driven.succeed("alert")
    assert (brief(driven.state, START)["phase"], brief(driven.state, START)["currentSteps"]) == (
        "compensating",
        ["a:compensate"],
    )
    driven.succeed("a:compensate", "undone")
    shown = document(driven.state, START)
    assert (shown["status"], shown["phase"], shown["compensation"]) == ("failed", "normal", "complete")
    assert shown["completedSteps"] == ["a", "a:compensate", "alert"]
    assert results(driven)["a:compensate"]["result"] == "undone"


def test_compensations_of_items_are_shown_while_they_run_and_not_listed() -> None:
    driven = Driven(
        step("m", type="map", items="{{ x }}", steps=(step("room", compensate=UNDO),)), step("pay", "m")
    )
    driven.end("m", inp.Expanded([1, 2]))
    driven.succeed("room[0]")
    driven.succeed("room[1]")
    driven.fail("pay")
    assert list(results(driven)) == ["m", "pay", "room:compensate[1]"]
    assert brief(driven.state, START)["currentSteps"] == []


def test_a_queued_step_shows_since_when() -> None:
    driven = Driven(step("a", concurrency=(Slots(key="k", limit=1),)))
    assert results(driven)["a"] == {
        "stepId": "a",
        "status": "queued",
        "attempts": 0,
        "startTime": START,
        "queuedSince": START,
    }


def test_a_step_given_up_because_enough_others_came_says_so() -> None:
    driven = Driven(
        step("a"), step("b"), step("c", "a", "b", join=AtLeast(at_least=1, cancel_remaining=True))
    )
    driven.succeed("a")
    assert results(driven)["b"]["reason"] == "not_needed"
    driven.take(inp.Cancel())
    assert "reason" not in results(driven)["c"]


def test_a_parked_step_does_not_show_what_it_waited_for_before() -> None:
    driven = Driven(step("a", retry_policy=RetryPolicy(on_exhausted="pause")))
    wait = inp.Waiting(START + 5, waiting_for="signal:x", on_time="fail", details={"name": "x"})
    driven.end("a", wait)
    assert results(driven)["a"]["details"] == {"name": "x"}
    driven.after(10)
    assert (results(driven)["a"]["waitingFor"], results(driven)["a"].get("details")) == ("person", None)


def test_the_picture_has_steps_of_parallels_and_handlers_where_they_stand_but_no_items() -> None:
    fan = step(
        "fan",
        type="parallel",
        steps=(step("left"), step("each", type="map", items="{{ x }}", steps=(step("a"),))),
    )
    driven = Driven(fan, step("b", "fan", compensate=UNDO), handlers=Handlers(always=(step("clean"),)))
    driven.end("each", inp.Expanded([1, 2, 3]))
    driven.succeed("a[1]")
    shown = drawn(driven)
    assert list(shown) == ["fan", "left", "each", "b", "clean"]
    assert shown["left"]["parent"] == shown["each"]["parent"] == "fan"
    assert (shown["each"]["status"], shown["each"]["detail"]) == ("running", "1 of 3")
    assert (shown["clean"]["handlers"], shown["clean"]["status"]) == ("always", "pending")


def test_the_picture_has_what_undoes_a_step_once_that_is_to_be_done() -> None:
    driven = Driven(step("a", compensate=UNDO), step("b", compensate=UNDO), step("c", "a", "b"))
    driven.succeed("a")
    driven.succeed("b")
    assert list(drawn(driven)) == ["a", "b", "c"]
    driven.fail("c")
    shown = drawn(driven)
    assert list(shown) == ["a", "a:compensate", "b", "b:compensate", "c"]
    assert (shown["a:compensate"]["undoes"], shown["a:compensate"]["status"]) == ("a", "pending")
    assert shown["b:compensate"]["status"] == "running"


def test_an_ended_execution_has_nothing_pending_in_its_picture() -> None:
    fan = step(
        "fan",
        "a",
        type="parallel",
        steps=(step("left"), step("each", type="map", items=[], steps=(step("x"),))),
    )
    driven = Driven(step("a"), fan, handlers=Handlers(cancel=(step("refund"),), failure=(step("alert"),)))
    driven.fail("a")
    driven.succeed("alert")
    shown = {name: (said["status"], said.get("detail")) for name, said in drawn(driven).items()}
    assert shown == {
        "a": ("failed", None),
        "fan": ("skipped", "upstream_failed"),
        "left": ("skipped", "upstream_failed"),
        "each": ("skipped", "upstream_failed"),
        "alert": ("success", None),
        "refund": ("skipped", "not_needed"),
    }
