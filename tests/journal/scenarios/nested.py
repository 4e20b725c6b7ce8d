"""Parallels, maps and loops; failures that are caught, and joins that count."""

from __future__ import annotations

from tenuto.core import inputs as inp
from tests.journal.recorder import Recorder
from tests.journal.scenarios.registry import definition, scenario, step


@scenario
def parallel_with_nested_steps() -> Recorder:
    inner = step("both", "left", type="parallel", steps=[step("one"), step("two")])
    run = Recorder(
        definition(
            step("fan", type="parallel", steps=[step("left"), step("right"), inner]), step("end", "fan")
        )
    )
    run.succeed("left", {"n": 1})
    run.succeed("two", 2)
    run.succeed("right", "r")
    run.succeed("one", None)
    run.succeed("end", "gathered")
    return run


@scenario
def parallel_whose_condition_is_weighed() -> Recorder:
    fan = {"type": "parallel", "when": "context.n > 0", "steps": [step("left")]}
    run = Recorder(
        definition(step("fan", **fan), step("none", type="parallel", when="false", steps=[step("x")]))
    )
    run.end("fan", inp.Opened())
    run.end("none", inp.ConditionFalse())
    run.succeed("left")
    return run


@scenario
def parallel_that_fails_and_is_retried() -> Recorder:
    fan = step("fan", type="parallel", steps=[step("left"), step("right"), step("after", "left")])
    run = Recorder(definition(fan, step("end", "fan")))
    run.fail("left", "http.503")
    run.succeed("right", "kept")
    run.take(inp.Retry("ada", "try the left one again"))
    run.succeed("left", 1)
    run.succeed("after", 2)
    run.succeed("end", 3)
    return run


@scenario
def map_with_a_tolerated_failure() -> Recorder:
    charge = {"type": "map", "items": "{{ context.orders }}", "maxConcurrency": 2, "toleratedFailures": "40%"}
    run = Recorder(
        definition(step("charge", action="http.request", **charge), step("end", "charge")),
        inp.Start("exec-golden", {"orders": [10, 20, 30]}),
    )
    run.end("charge", inp.Expanded([10, 20, 30]))
    run.fail("charge[1]", "http.402", {"status": 402})
    run.succeed("charge[0]", {"paid": 10})
    run.succeed("charge[2]", {"paid": 30})
    run.succeed("end")
    return run


@scenario
def map_that_fails_and_is_retried() -> Recorder:
    pack = [step("fetch"), step("pack", "fetch")]
    run = Recorder(
        definition(step("orders", type="map", items=["a", "b", "c", "d"], maxConcurrency=3, steps=pack))
    )
    run.end("orders", inp.Expanded(["a", "b", "c", "d"]))
    run.succeed("fetch[0]", "A")
    run.fail("fetch[1]", "network")
    run.succeed("pack[0]", "packed A")
    run.succeed("fetch[2]", "C")
    run.fail("pack[2]")
    run.take(inp.Retry())
    for number in (1, 2, 3):
        run.succeed(f"fetch[{number}]", "again")
    for number in (3, 2, 1):
        run.succeed(f"pack[{number}]", number)
    return run


@scenario
def map_without_items() -> Recorder:
    run = Recorder(definition(step("charge", type="map", items=[], action="noop"), step("end", "charge")))
    run.end("charge", inp.Expanded([]))
    run.succeed("end")
    return run


@scenario
def items_and_rounds_under_way() -> Recorder:
    rounds = step("rounds", "fetch", type="loop", until="false", action="noop")
    run = Recorder(
        definition(
            step("orders", type="map", items=[1, 2, 3, 4], maxConcurrency=2, steps=[step("fetch"), rounds])
        )
    )
    run.end("orders", inp.Expanded([1, 2, 3, 4]))
    run.succeed("fetch[1]", "x")
    run.succeed("rounds[1][0]", "y")
    run.end("rounds[1]", inp.Judged(met=False))
    run.lose()
    return run


@scenario
def loop_with_pauses_between_rounds() -> Recorder:
    poll = {"type": "loop", "until": "result.done", "every": 5_000, "action": "http.request"}
    run = Recorder(definition(step("poll", **poll), step("end", "poll")))
    run.succeed("poll[0]", {"done": False})
    run.end("poll", inp.Judged(met=False))
    run.wake()
    run.succeed("poll[1]", {"done": True})
    run.end("poll", inp.Judged(met=True))
    run.succeed("end")
    return run


@scenario
def loop_between_two_rounds() -> Recorder:
    run = Recorder(definition(step("poll", type="loop", until="false", every=5_000, steps=[step("ask")])))
    run.succeed("ask[0]", 1)
    run.end("poll", inp.Judged(met=False))
    return run


@scenario
def loop_with_too_many_rounds() -> Recorder:
    run = Recorder(definition(step("poll", type="loop", until="false", maxIterations=2, steps=[step("ask")])))
    for number in (0, 1):
        run.succeed(f"ask[{number}]", number)
        run.end("poll", inp.Judged(met=False))
    return run


@scenario
def loop_whose_round_fails() -> Recorder:
    run = Recorder(
        definition(step("poll", type="loop", until="true", steps=[step("ask")]), step("end", "poll"))
    )
    run.fail("ask[0]", "http.410")
    return run


@scenario
def failure_that_is_caught() -> Recorder:
    catch = [{"errors": ["http.402"], "next": ["ask-card"]}, {"errors": ["http"], "next": ["apologise"]}]
    run = Recorder(
        definition(step("charge", catch=catch), step("ask-card"), step("apologise"), step("ship", "charge"))
    )
    run.fail("charge", "http.503")
    run.succeed("apologise")
    run.succeed("ship")
    return run


@scenario
def join_of_some_that_gives_up_the_rest() -> Recorder:
    rest = step("slow", type="parallel", steps=[step("inside")])
    run = Recorder(
        definition(
            step("first"),
            step("second"),
            rest,
            step("never", "inside-first"),
            step("inside-first"),
            step(
                "enough",
                "first",
                "second",
                "slow",
                "never",
                join={"atLeast": 2, "cancelRemaining": True},
            ),
        )
    )
    run.succeed("first", 1)
    run.succeed("second", 2)
    run.succeed("enough")
    run.succeed("inside-first")
    return run
