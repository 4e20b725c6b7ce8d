"""What is said of containers and what is in them, of handlers and of compensations."""

from __future__ import annotations

from tenuto.core import inputs as inp
from tenuto.core.definition import Compensate, Handlers, RetryPolicy, StepSpec
from tenuto.core.events import StepError
from tenuto.core.explain import explain, summary
from tests.core.driven import START, Driven, step

RETRYING = RetryPolicy(max_attempts=5, initial_delay=4000)
UNDO = Compensate(action="noop")
BEGAN = "since 2023-11-14T22:13:20Z (0 ms ago)"


def told(driven: Driven) -> dict[str, str]:
    return {said["stepId"]: said["sentence"] for said in explain(driven.state, driven.at)}


def fan(*steps: StepSpec) -> StepSpec:
    return step("fan", type="parallel", steps=steps)


def mapped(count: int, *steps: StepSpec, **fields: object) -> Driven:
    """An execution whose map `orders` has so many items under way."""
    driven = Driven(
        step("orders", type="map", items="{{ x }}", steps=steps, **fields), step("end", "orders"), context={}
    )
    driven.end("orders", inp.Expanded(list(range(count))))
    return driven


def test_a_parallel_is_followed_by_the_unfinished_steps_in_it() -> None:
    driven = Driven(fan(step("left"), step("right"), step("after", "left")), step("end", "fan"))
    driven.succeed("right")
    assert told(driven) == {
        "fan": f"`fan` waits for the steps inside it, 2 of 3 still to end, {BEGAN}.",
        "left": f"`left` is running its attempt 1 of action noop {BEGAN}; each attempt may take 1 min.",
        "after": f"`after` waits for `left`, which is running {BEGAN}.",
        "end": f"`end` waits for `fan`, which is running {BEGAN}.",
    }


def test_a_parallel_that_has_not_begun_is_told_of_without_what_is_in_it() -> None:
    driven = Driven(step("a"), step("fan", "a", type="parallel", steps=(step("left"),)))
    assert list(told(driven)) == ["a", "fan"]


def test_a_map_with_few_items_under_way_is_followed_by_all_that_is_unfinished_in_them() -> None:
    driven = mapped(2, step("fetch"), step("pack", "fetch"))
    driven.succeed("fetch[1]")
    assert list(told(driven)) == ["orders", "fetch[0]", "pack[0]", "pack[1]", "end"]


def test_a_map_with_many_items_is_one_sentence_and_the_first_few_that_wait() -> None:
    driven = mapped(
        4_000, step("fetch", retry_policy=RETRYING), max_concurrency=1_000, tolerated_failures="1%"
    )
    driven.succeed("fetch[0]")
    driven.end("fetch[2]", inp.Failed(StepError("http.400", "no"), retry=False))
    for number in (*range(100, 110), 7):
        driven.fail(f"fetch[{number}]")
    sentences = told(driven)
    assert sentences["orders"] == (
        f"`orders` is doing its items, {BEGAN}: 1 of 4,000 have succeeded, 1 failed (40 may), 1,000 under way, 2,998 to come."
    )
    assert list(sentences) == ["orders", "fetch[7]", *(f"fetch[{n}]" for n in range(100, 104)), "end"]
    assert sentences["fetch[7]"].startswith(
        "`fetch[7]` waits for its attempt 2 of 5, due at 2023-11-14T22:13:24Z (in 4 s)"
    )


def test_a_map_of_which_too_many_items_have_failed_begins_no_further_ones() -> None:
    driven = mapped(10, step("fetch"), max_concurrency=2)
    driven.fail("fetch[1]")
    assert told(driven)["orders"].endswith(
        ": 0 of 10 have succeeded, 1 failed (0 may), 1 under way, no further one begins, for too many have failed."
    )


def test_the_items_of_a_paused_execution_are_held() -> None:
    driven = mapped(10, step("fetch"), max_concurrency=1)
    driven.take(inp.Pause())
    driven.succeed("fetch[0]")
    assert told(driven)["orders"].endswith(
        ": 1 of 10 have succeeded, 0 under way, 9 to come, held while the execution is paused."
    )


def test_a_loop_says_how_many_rounds_it_has_done_and_what_goes_on_in_this_one() -> None:
    driven = Driven(step("poll", type="loop", until="false", every=5_000, steps=(step("ask"),)))
    assert told(driven) == {
        "poll": f"`poll` has done 0 rounds and is doing the next, of at most 1,000, {BEGAN}.",
        "ask[0]": f"`ask[0]` is running its attempt 1 of action noop {BEGAN}; each attempt may take 1 min.",
    }
    driven.succeed("ask[0]")
    assert told(driven) == {"poll": "`poll` has done 1 round and is finding out whether `until` holds."}
    driven.end("poll", inp.Judged(met=False))
    assert explain(driven.state, driven.at) == [
        {
            "stepId": "poll",
            "status": "waiting",
            "sentence": "`poll` has done 1 round, after which `until` did not hold; the next begins at "
            "2023-11-14T22:13:25Z (in 5 s).",
            "dueAt": START + 5_000,
        }
    ]


def test_a_map_that_works_out_its_items_and_a_container_that_weighs_its_condition_say_so() -> None:
    driven = Driven(
        step("orders", type="map", items="{{ x }}", steps=(step("a"),)),
        step("fan", type="parallel", when="x", steps=(step("b"),)),
    )
    assert told(driven) == {
        "orders": f"`orders` is working out its items {BEGAN}.",
        "fan": f"`fan` is about to begin {BEGAN}.",
    }


def test_handlers_are_told_of_as_such_with_the_end_they_handle() -> None:
    driven = Driven(step("a"), handlers=Handlers(failure=(step("alert"), step("log", "alert"))))
    driven.fail("a", "http.500", "oh")
    assert summary(driven.state, driven.at) == (
        "The execution fails, because of http.500 in `a`: oh; its `failure` handlers run, 2 steps still to end."
    )
    assert told(driven) == {
        "alert": "`alert` (a handler of the execution's failure) is running its attempt 1 of action noop "
        f"{BEGAN}; each attempt may take 1 min.",
        "log": f"`log` (a handler of the execution's failure) waits for `alert`, which is running {BEGAN}.",
    }


def test_a_compensation_says_what_it_undoes_and_how_many_are_to_follow() -> None:
    driven = Driven(*(step(name, compensate=UNDO) for name in "abc"), step("d", "a", "b", "c"))
    for name in "abc":
        driven.succeed(name)
    driven.take(inp.Cancel("ada"))
    assert summary(driven.state, driven.at) == (
        "The execution is being cancelled; what had succeeded is undone, now `c`; 2 more steps to undo after it."
    )
    [sentence] = told(driven).values()
    assert sentence.startswith(
        "`c:compensate` (it undoes `c`; 2 more steps to undo after it) is running its attempt 1 "
    )


def test_an_ended_execution_says_how_much_was_undone() -> None:
    driven = Driven(step("a", compensate=UNDO), step("b", "a"))
    driven.succeed("a")
    driven.fail("b", "x", "no")
    driven.succeed("a:compensate")
    assert "; what had succeeded was undone; retry it" in summary(driven.state, driven.at)
    other = Driven(step("a", compensate=UNDO), step("b", "a"))
    other.succeed("a")
    other.fail("b", "x", "no")
    other.fail("a:compensate")
    assert "; only part of what had succeeded was undone; retry it" in summary(other.state, other.at)
