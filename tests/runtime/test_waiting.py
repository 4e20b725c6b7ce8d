"""Steps that wait on a real node: they hold nothing, leave memory, outlast restarts, and come back for what they wait
for.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenuto.core import inputs as inp
from tenuto.core.events import StepError
from tenuto.errors import Conflict, Forbidden, Invalid, NotFound, Overloaded
from tenuto.ports.host import Who
from tests.runtime.cuts import every_cut, served, times, unless_over
from tests.runtime.lab import EPOCH, Lab, hand, passed, simulated, waiting

HOUR = 3_600_000


def sought(step_id: str = "wait", name: str = "go", **params: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "signal.wait", "params": {"name": name, **params}}


def asked(**params: Any) -> dict[str, Any]:
    return {"id": "wait", "action": "approval", "params": params}


async def asleep(lab: Lab, execution_id: str) -> None:
    """Wait until it has left memory."""
    await passed(60)
    assert not lab.is_in_memory(execution_id)


async def step_of(lab: Lab, execution_id: str, step_id: str = "wait") -> dict[str, Any]:
    found: dict[str, Any] = (await lab.show(execution_id))["stepResults"][step_id]
    return found


# -- memory -----------------------------------------------------------------------------------------------------------------


@simulated
async def test_a_signal_brings_back_what_waits_for_it() -> None:
    async with Lab() as lab:
        await lab.define(sought(), hand("after", "wait"))
        execution_id = await lab.start()
        await asleep(lab, execution_id)
        await lab.node.signal(execution_id, inp.Signal("go", {"n": 1}))
        (await lab.hands.take("after")).succeed()
        assert (await lab.ended(execution_id))["context"]["wait"] == {"n": 1}


@simulated
async def test_an_approval_brings_back_what_waits_for_it() -> None:
    async with Lab() as lab:
        await lab.define(asked(title="Pay?", minApprovals=2))
        execution_id = await lab.start()
        for by in ("ada", "bob"):
            await asleep(lab, execution_id)
            await lab.node.act(execution_id, inp.Approve("wait", by))
        assert (await lab.ended(execution_id))["context"]["wait"]["by"] == "bob"


@pytest.mark.parametrize(
    ("verb", "status"),
    [(inp.Complete("wait", 1), "completed"), (inp.SkipStep("wait"), "completed"),
     (inp.Complete("wait", error=StepError("manual", "no")), "failed")],
)  # fmt: skip
@simulated
async def test_a_person_brings_back_what_waits(verb: Any, status: str) -> None:
    async with Lab() as lab:
        await lab.define(sought())
        execution_id = await lab.start()
        await asleep(lab, execution_id)
        await lab.node.act(execution_id, verb)
        assert (await lab.ended(execution_id))["status"] == status


@simulated
async def test_a_parked_step_leaves_memory_and_a_person_has_it_tried_again() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", retryPolicy={"onExhausted": "pause"}))
        execution_id = await lab.start()
        (await lab.hands.take("a")).fail("http.500")
        await asleep(lab, execution_id)
        assert (await step_of(lab, execution_id, "a"))["waitingFor"] == "person"
        await lab.reboot()
        await lab.node.act(execution_id, inp.RetryStep("a", "ada"))
        again = await lab.hands.take("a")
        assert again.request.attempt == 2
        again.succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_a_signal_that_does_not_come_in_time_brings_it_back_by_itself() -> None:
    async with Lab() as lab:
        await lab.define(sought(timeout=HOUR))
        execution_id = await lab.start()
        await asleep(lab, execution_id)
        shown = await lab.ended(execution_id)
        assert (shown["error"]["type"], shown["endTime"]) == ("timeout", EPOCH + HOUR)


@simulated
async def test_a_loop_sleeps_between_rounds_and_is_back_in_time() -> None:
    async with Lab() as lab:
        lab.scripts.functions["result.n > 1"] = lambda scope: scope["result"]["n"] > 1
        await lab.define(
            {"id": "poll", "type": "loop", "action": "hand", "until": "result.n > 1", "every": HOUR}
        )
        execution_id = await lab.start()
        (await lab.hands.take("poll")).succeed({"n": 1})
        await asleep(lab, execution_id)
        again = await lab.hands.take("poll")
        assert again.request.now == EPOCH + HOUR
        assert again.request.step_key == f"{execution_id}/poll[1]/0"
        again.succeed({"n": 2})
        assert (await lab.ended(execution_id))["context"]["poll"] == {"n": 2}


@simulated
async def test_one_that_starts_later_is_not_in_memory_and_begins_in_time() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start(start_at=EPOCH + HOUR)
        await asleep(lab, execution_id)
        assert (await lab.show(execution_id))["status"] == "pending"
        attempt = await lab.hands.take("a")
        assert attempt.request.now == EPOCH + HOUR
        attempt.succeed()
        assert (await lab.ended(execution_id))["status"] == "completed"


@simulated
async def test_a_start_to_come_outlasts_restarts_and_one_that_was_missed_is_made_at_once() -> None:
    async with Lab() as lab:
        await lab.define(hand("a", timeout=0))
        soon, late = [await lab.start(start_at=EPOCH + ms) for ms in (30_000, HOUR)]
        await passed(10)
        await lab.reboot()
        assert (await lab.hands.take("a")).request.now == EPOCH + 30_000
        await lab.crash()
        await passed(2 * HOUR / 1000)
        await lab.boot()
        for _ in range(2):
            (await lab.hands.take("a")).succeed()
        assert (await lab.ended(soon))["status"] == (await lab.ended(late))["status"] == "completed"


@simulated
async def test_one_that_starts_later_can_be_cancelled_while_asleep() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start(start_at=EPOCH + HOUR)
        await asleep(lab, execution_id)
        await lab.node.cancel(execution_id, Who("ada"))
        await passed(2 * HOUR / 1000)
        assert (await lab.show(execution_id))["status"] == "cancelled"
        assert lab.hands.attempts == []


# -- restarts ---------------------------------------------------------------------------------------------------------------


@simulated
async def test_signals_sent_early_are_there_after_a_restart_and_sent_again_count_once() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"), {**sought(), "dependencies": ["a"]})
        execution_id = await lab.start()
        await lab.node.signal(execution_id, inp.Signal("go", 1, key="k"))
        await lab.reboot()
        await lab.node.signal(execution_id, inp.Signal("go", 1, key="k"))
        (await lab.hands.take("a")).succeed()
        assert (await lab.ended(execution_id))["context"]["wait"] == 1
        assert await times(lab, execution_id, "signal.received") == 1
        await lab.node.signal(execution_id, inp.Signal("go", 1, key="k"))


@simulated
async def test_a_signal_is_taken_once_wherever_it_is_cut() -> None:
    async def define(lab: Lab) -> None:
        await lab.define(sought(), hand("after", "wait"))

    async def story(lab: Lab) -> None:
        async with served(lab, after=2):
            await lab.start(execution_id="e")
            await unless_over(lab.node.signal("e", inp.Signal("go", {"n": 1}, key="k")))
            await lab.ended("e")

    async def check(lab: Lab) -> None:
        shown = await lab.show("e")
        assert (shown["status"], shown["context"]) == ("completed", {"wait": {"n": 1}, "after": 2})
        assert await times(lab, "e", "signal.received") == await times(lab, "e", "step.succeeded wait") == 1

    await every_cut(define, story, check)


@simulated
async def test_a_quorum_is_counted_once_wherever_it_is_cut() -> None:
    async def define(lab: Lab) -> None:
        await lab.define(asked(minApprovals=2), hand("after", "wait"))

    async def story(lab: Lab) -> None:
        async with served(lab, after=2):
            await lab.start(execution_id="e")
            await passed(1)
            for by in ("ada", "bob"):
                await unless_over(lab.node.act("e", inp.Approve("wait", by)))
            await lab.ended("e")

    async def check(lab: Lab) -> None:
        assert [each["by"] for each in (await lab.show("e"))["context"]["wait"]["approvals"]] == [
            "ada",
            "bob",
        ]

    await every_cut(define, story, check)


@pytest.mark.parametrize("is_early", [True, False])
@simulated
async def test_a_callback_counts_once_wherever_it_is_cut(is_early: bool) -> None:
    called = inp.Complete("a", {"paid": 5}, None, "callback", None, 0)

    async def define(lab: Lab) -> None:
        await lab.define(hand("a"), hand("b", "a"))

    async def story(lab: Lab) -> None:
        async with served(lab, b=2):
            await lab.start(execution_id="e")
            answering = asyncio.ensure_future(_accept(lab, answers_at_once=not is_early))
            await passed(1)
            await unless_over(lab.node.act("e", called))
            await lab.ended("e")
            answering.cancel()

    async def check(lab: Lab) -> None:
        assert (await lab.show("e"))["context"] == {"a": {"paid": 5}, "b": 2}
        assert await times(lab, "e", "step.succeeded a") == 1

    await every_cut(define, story, check)


async def _accept(lab: Lab, *, answers_at_once: bool) -> None:
    """Be the system that is called, and that calls back."""
    while True:
        attempt = await lab.hands.take("a")
        if not answers_at_once:
            await passed(5)
        if not attempt.ended.done():
            attempt.ended.set_result(inp.Waiting(waiting_for="callback", on_time="fail"))


@simulated
async def test_items_and_rounds_come_to_their_end_wherever_they_are_cut() -> None:
    async def define(lab: Lab) -> None:
        lab.scripts.functions["index > 0"] = lambda scope: scope["index"] > 0
        await lab.define(
            {
                "id": "m",
                "type": "map",
                "items": [1, 2, 3],
                "maxConcurrency": 2,
                "steps": [hand("a"), hand("b", "a")],
            },
            {
                "id": "l",
                "type": "loop",
                "until": "index > 0",
                "every": 1_000,
                "action": "hand",
                "dependencies": ["m"],
            },
            {"id": "p", "type": "parallel", "steps": [hand("x"), hand("y", "x")], "dependencies": ["l"]},
        )

    async def story(lab: Lab) -> None:
        async with served(lab, a="a", b="b", l="l", x="x", y="y"):
            await lab.start(execution_id="e")
            await lab.ended("e")

    async def check(lab: Lab) -> None:
        assert (await lab.show("e"))["context"] == {
            "m": [{"a": "a", "b": "b"}] * 3, "l": "l", "p": {"x": "x", "y": "y"},
        }  # fmt: skip
        for name in ("a[0]", "a[1]", "a[2]", "b[2]", "l[0]", "l[1]", "x", "y", "m", "l", "p"):
            assert await times(lab, "e", f"step.succeeded {name}") == 1

    await every_cut(define, story, check)


@simulated
async def test_handlers_run_once_wherever_they_are_cut() -> None:
    async def define(lab: Lab) -> None:
        handlers = {"failure": [hand("f")], "always": [hand("g")]}
        await lab.define(hand("bad"), handlers=handlers, output="{{ context.bad }}")

    async def story(lab: Lab) -> None:
        async with served(lab, bad=ValueError("http.500"), f="f", g="g"):
            await lab.start(execution_id="e")
            await lab.ended("e")

    async def check(lab: Lab) -> None:
        shown = await lab.show("e")
        assert (shown["status"], shown["error"]["stepId"]) == ("failed", "bad")
        assert await times(lab, "e", "step.succeeded f") == await times(lab, "e", "step.succeeded g") == 1

    await every_cut(define, story, check)


@simulated
async def test_what_was_booked_is_undone_once_wherever_it_is_cut() -> None:
    undo = {"action": "hand"}

    async def define(lab: Lab) -> None:
        await lab.define(
            hand("flight", compensate=undo), hand("hotel", "flight", compensate=undo), hand("car", "hotel")
        )

    async def story(lab: Lab) -> None:
        served_by = {"flight:compensate": "undone", "hotel:compensate": "undone"}
        async with served(lab, flight=1, hotel=2, car=ValueError("http.500"), **served_by):
            await lab.start(execution_id="e")
            await lab.ended("e")

    async def check(lab: Lab) -> None:
        shown = await lab.show("e")
        assert (shown["status"], shown["compensation"]) == ("failed", "complete")
        undone = [
            kind
            for kind in await lab.kinds("e")
            if kind.startswith("step.succeeded") and "compensate" in kind
        ]
        assert undone == ["step.succeeded hotel:compensate", "step.succeeded flight:compensate"]
        keys = {each.request.step_key for each in lab.hands.of("flight:compensate")}
        assert keys == {"e/flight:compensate/0"}

    await every_cut(define, story, check)


@simulated
async def test_a_retry_goes_on_wherever_it_is_cut() -> None:
    async def define(lab: Lab) -> None:
        await lab.define({"id": "m", "type": "map", "items": [1, 2], "steps": [hand("a"), hand("b", "a")]})

    async def story(lab: Lab) -> None:
        async with served(lab, a="a"):
            await lab.start(execution_id="e")
            if (await lab.show("e"))["status"] != "completed" and not await times(
                lab, "e", "execution.retried"
            ):
                async with served(lab, b=ValueError("http.500")):
                    await lab.ended("e")
                await lab.node.retry("e", Who())
            async with served(lab, b="b"):
                await lab.ended("e")

    async def check(lab: Lab) -> None:
        assert (await lab.show("e"))["context"] == {"m": [{"a": "a", "b": "b"}] * 2}
        assert await times(lab, "e", "execution.retried") == 1
        assert {each.request.step_key for each in lab.hands.of("b")} == {
            f"e/b[{number}]/{generation}" for number in (0, 1) for generation in (0, 1)
        }

    await every_cut(define, story, check)


# -- what is refused ----------------------------------------------------------------------------------------------------------


@simulated
async def test_what_does_not_fit_or_comes_too_late_is_refused() -> None:
    async with Lab() as lab:
        schema = {"type": "object", "required": ["n"]}
        await lab.define(sought(schema=schema), sought("other", "stop"))
        execution_id = await lab.start()
        await passed(1)
        with pytest.raises(Invalid):
            await lab.node.signal(execution_id, inp.Signal("go", {}))
        assert (await step_of(lab, execution_id))["status"] == "waiting"
        for name, payload in (("go", {"n": 1}), ("stop", None)):
            await lab.node.signal(execution_id, inp.Signal(name, payload))
        await lab.ended(execution_id)
        with pytest.raises(Conflict, match="takes no signals: it is completed"):
            await lab.node.signal(execution_id, inp.Signal("go", {"n": 2}))
        with pytest.raises(NotFound):
            await lab.node.signal("nobody", inp.Signal("go"))


@simulated
async def test_more_signals_than_are_kept_are_for_another_time() -> None:
    async with Lab() as lab:
        await lab.define(hand("a"))
        execution_id = await lab.start()
        for number in range(1_000):
            await lab.node.signal(execution_id, inp.Signal("go", number))
        with pytest.raises(Overloaded):
            await lab.node.signal(execution_id, inp.Signal("go", 1_000))


@simulated
async def test_who_may_not_approve_is_told_so() -> None:
    async with Lab() as lab:
        form = {"type": "object", "required": ["limit"]}
        await lab.define(asked(approvers=["ada", "bob"], minApprovals=2, form=form))
        execution_id = await lab.start()
        await passed(1)
        with pytest.raises(Invalid):
            await lab.node.act(execution_id, inp.Approve("wait", "ada", data={}))
        with pytest.raises(Forbidden):
            await lab.node.act(execution_id, inp.Approve("wait", "eve", data={"limit": 1}))
        await lab.node.act(execution_id, inp.Approve("wait", "ada", data={"limit": 1}))
        with pytest.raises(Conflict):
            await lab.node.act(execution_id, inp.Approve("wait", "ada", data={"limit": 1}))
        with pytest.raises(NotFound):
            await lab.node.act(execution_id, inp.Approve("nowhere", "ada"))
        assert (await step_of(lab, execution_id))["status"] == "waiting"


@simulated
async def test_a_delay_is_skipped_by_hand_and_its_timer_rings_for_nobody() -> None:
    async with Lab() as lab:
        await lab.define(waiting("nap", HOUR), hand("b", "nap", join="all_done", timeout=0))
        execution_id = await lab.start()
        await passed(1)
        await lab.node.act(execution_id, inp.SkipStep("nap", "ada"))
        attempt = await lab.hands.take("b")
        await passed(2 * HOUR / 1000)
        attempt.succeed()
        assert (await lab.ended(execution_id))["stepResults"]["nap"]["reason"] == "manual_skip"


# -- variables --------------------------------------------------------------------------------------------------------------


@simulated
async def test_what_was_set_is_read_later_also_after_a_restart_and_goes_before_what_all_share() -> None:
    async with Lab() as lab:
        await lab.node.variables.put("region", "eu")
        await lab.node.variables.put("level", 1)
        await lab.define(
            {"id": "first", "action": "set", "params": {"values": {"level": 2, "who": "{{ input.who }}"}}},
            hand("pause", "first"),
            hand("read", "pause", params={"seen": "{{ vars.region }} {{ vars.level }} {{ vars.who }}"}),
        )
        execution_id = await lab.start({"who": "ada"})
        await lab.hands.take("pause")
        await lab.reboot()
        (await lab.hands.take("pause")).succeed()
        attempt = await lab.hands.take("read")
        assert attempt.request.params == {"seen": "eu 2 ada"}
        attempt.succeed()
        assert (await lab.ended(execution_id))["context"]["first"] == {"level": 2, "who": "ada"}


@simulated
async def test_the_last_that_sets_a_variable_wins() -> None:
    async with Lab() as lab:
        await lab.define(
            {"id": "one", "action": "set", "params": {"values": {"x": 1, "y": 1}}},
            {"id": "two", "action": "set", "params": {"values": {"x": 2}}, "dependencies": ["one"]},
            hand("read", "two", params={"seen": ["{{ vars.x }}", "{{ vars.y }}"]}),
        )
        await lab.start()
        assert (await lab.hands.take("read")).request.params == {"seen": [2, 1]}


@simulated
async def test_a_variable_that_all_share_is_read_as_it_stands_when_the_attempt_begins() -> None:
    async with Lab() as lab:
        await lab.node.variables.put("region", "eu")
        await lab.define(hand("a", params={"seen": "{{ vars.region }}"}, retryPolicy={"maxAttempts": 2}))
        await lab.start()
        first = await lab.hands.take("a")
        await lab.node.variables.put("region", "us")
        first.fail()
        assert first.request.params == {"seen": "eu"}
        assert (await lab.hands.take("a")).request.params == {"seen": "us"}
