"""The model of nested steps, of what people do and of how executions end, on examples worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model import nested, rules
from tests.model.attempts import settle
from tests.model.plays import ALL, random_play
from tests.model.script import Scripted

FAILS = ("http.500",)


def step(step_id: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "scripted", **more}


def container(step_id: str, kind: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    work: dict[str, Any] = {"steps": list(steps)} if steps else {"action": "scripted"}
    if kind == "loop":
        work["until"] = "x"
    return {"id": step_id, "type": kind, **work, **more}


def told(*steps: dict[str, Any], taken: nested.Taken = nested.NOTHING_TAKEN, **fixed: Any) -> nested.Whole:
    """What the steps come to where all succeeds that `fixed` does not say otherwise (`attempts` of an instance)."""
    said = {f"attempts {instance}": script for instance, script in fixed.pop("attempts", {}).items()}
    said |= fixed.pop("said", {})
    return nested.predict({"steps": list(steps)}, Scripted(0, 0, said), taken)


def test_a_parallel_returns_the_results_of_the_children_that_succeeded() -> None:
    parallel = container("p", "parallel", step("a"), step("b", critical=False), step("c", dependencies=["a"]))
    whole = told(parallel, attempts={"b": FAILS})
    assert whole.kinds() == {"p": "success", "a": "success", "b": "failed", "c": "success"}
    assert whole.results["p"] == {"a": "a", "c": "c"}


def test_a_parallel_fails_as_its_critical_step_did_and_goes_on_to_its_end() -> None:
    parallel = container("p", "parallel", step("a"), step("b"), catch=[{"errors": ["http"], "next": ["h"]}])
    whole = told(parallel, step("h"), attempts={"b": FAILS})
    assert whole.kinds() == {"p": "failed", "a": "success", "b": "failed", "h": "success"}
    assert whole.outcome == "completed"


def test_a_map_returns_results_in_order_and_null_for_what_it_tolerates() -> None:
    whole = told(container("m", "map", items=[1, 2, 3], toleratedFailures=1), attempts={"m[1]": FAILS})
    assert whole.results["m"] == ["m[0]", None, "m[2]"]
    assert whole.kinds() == {"m": "success", "m[0]": "success", "m[1]": "failed", "m[2]": "success"}


def test_a_map_of_nothing_is_an_empty_list() -> None:
    assert told(container("m", "map", step("a"), items=[])).results == {"m": []}


@pytest.mark.parametrize(
    ("written", "count", "failures"),
    [(0, 10, 0), (2, 10, 2), ("5%", 20, 1), ("5%", 19, 0), ("33.334%", 3, 1), ("100%", 3, 3), ("50%", 5, 2)],
)
def test_a_map_tolerates_a_count_or_a_share_and_not_one_more(written: Any, count: int, failures: int) -> None:
    step = {"toleratedFailures": written}
    assert failures <= nested.tolerated(step, count) < failures + 1


def test_a_map_that_fails_begins_no_further_item() -> None:
    taken = nested.Taken(begun={"m": 2})
    whole = told(
        container("m", "map", items=[1, 2, 3], maxConcurrency=1), taken=taken, attempts={"m[1]": FAILS}
    )
    assert whole.kinds() == {"m": "failed", "m[0]": "success", "m[1]": "failed"}


def test_no_more_items_are_under_way_than_may_be() -> None:
    class Nothing(Scripted):
        def outcome(self, instance: str, step: rules.Step) -> rules.Outcome | None:
            return rules.SUCCESS if instance == "m[1]" else None

    whole = nested.predict(
        {"steps": [container("m", "map", items=[1, 2, 3, 4], maxConcurrency=2)]}, Nothing(0, 0)
    )
    assert whole.kinds() == {"m": "running", "m[0]": "running", "m[1]": "success", "m[2]": "running"}


def test_ids_inside_containers_inside_containers_name_every_item_on_the_way() -> None:
    inner = container("in", "map", step("a"), items=[1])
    whole = told(container("out", "map", container("p", "parallel", inner), items=[1, 2]))
    assert {"out", "p[0]", "in[0]", "a[0][0]", "a[1][0]"} <= whole.kinds().keys()
    assert whole.results["out"] == [{"p": {"in": [{"a": f"a[{n}][0]"}]}} for n in (0, 1)]


def test_a_loop_goes_round_until_it_is_enough_and_returns_the_last_result() -> None:
    verdicts = {"until l 0": False, "until l 1": True}
    whole = told(container("l", "loop"), said=verdicts)
    assert whole.results == {"l": "l[1]", "l[0]": "l[0]", "l[1]": "l[1]"}


def test_a_loop_fails_when_its_rounds_are_used_up_or_a_round_fails_or_until_is_an_error() -> None:
    def error(**fixed: Any) -> Any:
        end = told(container("l", "loop", maxIterations=2), **fixed).standings["l"]
        assert isinstance(end, rules.End)
        return end.error

    assert error(said={"until l 0": False, "until l 1": False}) == "loop_limit"
    assert error(said={"until l 0": False}, attempts={"l[1]": FAILS}) == "http.500"
    assert error(said={"until l 0": "expression"}) == "expression"


def test_retries_of_a_map_with_an_action_are_those_of_each_item() -> None:
    retried = container("m", "map", items=[1], retryPolicy={"maxAttempts": 2})
    assert told(retried, attempts={"m[0]": ("network", "ok")}).kinds()["m"] == "success"


@pytest.mark.parametrize(
    ("people", "made", "ended"),
    [
        (("skip",), 2, "skip"),
        (("complete",), 2, "complete"),
        (("given.up",), 2, "given.up"),
        (("retry", "skip"), 3, "skip"),
        (("retry", "retry"), 4, "ok"),
    ],
)
def test_a_step_that_is_parked_goes_on_as_a_person_says(
    people: tuple[str, ...], made: int, ended: str
) -> None:
    policy = {"maxAttempts": 2, "onExhausted": "pause"}
    assert settle(policy, ("network", "network", "network", "ok"), people) == (made, ended)


def test_a_step_skipped_by_hand_leads_nowhere() -> None:
    pause = {"onExhausted": "pause"}
    first = step("a", retryPolicy=pause, onSuccess=["yes"], onFailure=["no"])
    whole = told(
        first,
        step("yes"),
        step("no"),
        step("after", dependencies=["a"]),
        attempts={"a": FAILS},
        said={"people a": ("skip",)},
    )
    assert set(whole.kinds().values()) == {"benign"}
    assert whole.outcome == "completed"


def test_what_is_given_from_outside_counts_whatever_the_edges_say() -> None:
    taken = nested.Taken({"b": rules.End("success")}, {"b": 7})
    whole = told(step("a"), step("b", dependencies=["a"]), taken=taken, attempts={"a": FAILS})
    assert whole.kinds() == {"a": "failed", "b": "success"}
    assert whole.results == {"b": 7}


# --- how executions end


HANDLERS = {"failure": [step("f")], "cancel": [step("c")], "always": [step("z")]}


@pytest.mark.parametrize(
    ("outcome", "handlers"),
    [("completed", ["always"]), ("failed", ["failure", "always"]), ("cancelled", ["cancel", "always"])],
)
def test_handlers_run_by_how_the_execution_went_and_then_always(
    outcome: nested.Outcome, handlers: list[str]
) -> None:
    ending = nested.predict_handlers({"handlers": HANDLERS}, outcome, Scripted(0, 0))
    assert list(ending.handlers) == handlers
    assert ending.outcome == outcome


@pytest.mark.parametrize(
    ("outcome", "final"), [("completed", "failed"), ("failed", "failed"), ("cancelled", "cancelled")]
)
def test_a_critical_handler_that_fails_fails_only_what_was_completed(
    outcome: nested.Outcome, final: nested.Outcome
) -> None:
    script = Scripted(0, 0, {"attempts z": FAILS})
    assert nested.predict_handlers({"handlers": HANDLERS}, outcome, script).outcome == final
    lenient = {"handlers": {"always": [step("z", critical=False)]}}
    assert nested.predict_handlers(lenient, outcome, script).outcome == outcome


def undone(
    outcome: nested.Outcome,
    succeeded: list[str],
    written: dict[str, Any] | None = None,
    attempts: dict[str, Any] | None = None,
) -> nested.Undoing:
    undo = {"compensate": {"action": "scripted"}}
    steps = [step("a", **undo), step("b"), container("m", "map", step("c", **undo), items=[1, 2], **undo)]
    fixed = {f"attempts {instance}": script for instance, script in (attempts or {}).items()}
    definition = {"steps": steps, **(written or {})}
    return nested.predict_compensation(definition, outcome, succeeded, Scripted(0, 0, fixed))


def test_what_succeeded_is_undone_the_last_first() -> None:
    order = ["b", "c[1]", "a", "c[0]", "m"]
    assert undone("failed", order) == (
        ("m:compensate", "c:compensate[0]", "a:compensate", "c:compensate[1]"),
        "complete",
    )
    assert undone("completed", order) == ((), None)
    assert undone("cancelled", order, {"compensation": {"on": ["failed"]}}) == ((), None)
    assert undone("cancelled", order).state == "complete"


def test_a_compensation_that_fails_stops_there() -> None:
    assert undone("failed", ["a", "c[0]", "m"], attempts={"c:compensate[0]": FAILS}) == (
        ("m:compensate", "c:compensate[0]"),
        "partial",
    )


# --- the plays


def test_a_seed_brings_the_same_play_back() -> None:
    assert random_play(7, ALL) == random_play(7, ALL)


def test_random_plays_have_all_that_there_is_to_have() -> None:
    seen: set[str] = set()
    for seed in range(300):
        play = random_play(seed, ALL)
        seen |= play.definition.keys()
        for written in nested.all_steps(play.definition["steps"]):
            seen |= written.keys() | {written.get("type", "task"), written.get("action", "")}
            if isinstance(written.get("join"), dict):
                seen |= written["join"].keys()
        whole = nested.predict(play.definition, play.script)
        seen |= {end.error or end.kind for end in whole.standings.values() if isinstance(end, rules.End)}
        seen |= {
            reason for end in whole.standings.values() if isinstance(end, rules.End) for reason in end.reasons
        }
    assert seen >= {"parallel", "map", "loop", "decision", "condition", "finish", "handlers", "compensation"}
    assert seen >= {
        "catch",
        "atLeast",
        "cancelRemaining",
        "compensate",
        "toleratedFailures",
        "maxConcurrency",
    }
    assert seen >= {"loop_limit", "expression", "manual_skip", "given.up", "upstream_failed"}
