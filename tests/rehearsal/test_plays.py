"""What happens in a rehearsal: mocks, virtual time, what really runs and what does not."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tenuto.core.events import AnyEvent
from tenuto.errors import Invalid
from tenuto.runtime.rehearsal.record import _SAYS
from tests.rehearsal.playing import call, rehearse, simulated, stage_of, statuses, steps

RETRIED = {"retryPolicy": {"maxAttempts": 3, "initialDelay": 100, "backoffMultiplier": 2}}


async def test_attempts_come_to_what_the_list_says_and_the_last_goes_on() -> None:
    told = await rehearse(
        steps(call("a", **RETRIED)), mocks={"a": [{"error": "http.503", "delay": 30}, {"error": "network"}]}
    )
    assert told["status"] == "failed"
    assert told["document"]["stepResults"]["a"]["error"] == {
        "type": "network",
        "message": "as the rehearsal has it",
    }
    assert [performed["at"] for performed in told["calls"]] == [0, 130, 330]
    assert told["duration"] == 330


async def test_an_attempt_that_hangs_runs_into_its_timeout() -> None:
    told = await rehearse(steps(call("a", timeout=700)), mocks={"a": {"hang": True}})
    assert told["duration"] == 700
    assert told["document"]["error"] == {
        "stepId": "a",
        "type": "timeout",
        "message": "the attempt took longer than its timeout of 700 ms",
    }


@pytest.mark.parametrize(("delay", "status"), [(699, "completed"), (700, "failed"), (701, "failed")])
async def test_an_attempt_that_takes_as_long_as_its_timeout_is_too_slow(delay: int, status: str) -> None:
    told = await rehearse(steps(call("a", timeout=700)), mocks={"a": {"result": 1, "delay": delay}})
    assert told["status"] == status


async def test_an_attempt_that_hangs_without_a_timeout_stands_still() -> None:
    told = await rehearse(steps(call("a", timeout=0)), mocks={"a": {"hang": True}})
    assert told["status"] == "running"
    assert told["stopped"] == "nothing moves it any more: `a` hangs and has no timeout"


async def test_a_total_timeout_ends_what_hangs() -> None:
    told = await rehearse(steps(call("a", timeout=0, totalTimeout=900)), mocks={"a": {"hang": True}})
    assert (told["status"], told["duration"]) == ("failed", 900)


async def test_expressions_templates_and_scripts_really_run() -> None:
    told = await rehearse(
        steps(
            {"id": "double", "action": "transform", "params": {"code": "return context.n * 2"}},
            {"id": "even", "action": "condition", "params": {"expression": "context.double % 2 === 0"},
             "dependencies": ["double"], "onSuccess": ["yes"], "onFailure": ["no"]},
            call("yes", params={"text": "n is {{ context.n }}, twice {{ context.double }}"}),
            {"id": "no"},
            {"id": "pick", "type": "decision", "cases": [{"when": "context.double > 5", "next": ["big"]}],
             "default": ["small"], "dependencies": ["double"]},
            {"id": "big", "action": "set", "params": {"values": {"size": "big"}}},
            {"id": "small"},
            output={"size": "{{ vars.size }}", "was": "{{ vars.given }}"},
        ),
        context={"n": 3}, vars={"given": 1},
    )  # fmt: skip
    assert told["document"]["output"] == {"size": "big", "was": 1}
    [performed] = [performed for performed in told["calls"] if performed["step"] == "yes"]
    assert performed["params"] == {"text": "n is 3, twice 6"}
    assert {"no": "skipped branch_not_taken", "small": "skipped branch_not_taken"}.items() <= statuses(
        told["document"]
    ).items()


async def test_what_nobody_said_anything_of_succeeds_with_null_and_is_listed() -> None:
    told = await rehearse(
        steps(
            call("a"),
            {"id": "b", "action": "http.request", "params": {"url": "http://x.example/"}},
            {"id": "c", "action": "workflow.run", "params": {"workflowId": "other"}},
            {"id": "d"},
        ),
    )
    assert told["unmocked"] == ["a", "b", "c"]
    assert told["document"]["output"] == {"a": None, "b": None, "c": None, "d": None}


async def test_params_that_could_never_be_sent_fail_the_step_whatever_is_made_up() -> None:
    told = await rehearse(
        steps({"id": "a", "action": "http.request", "params": {"url": "{{ context.where }}"}}),
        context={"where": "not a url"},
        mocks={"a": {"result": "fine"}},
    )
    assert told["document"]["error"]["type"] == "invalid-params"


async def test_items_have_mocks_of_their_own_and_the_last_goes_on() -> None:
    definition = steps(
        {"id": "each", "type": "map", "items": "{{ context.list }}", "action": "call", "toleratedFailures": 1,
         "params": {"item": "{{ item }}"}}
    )  # fmt: skip
    told = await rehearse(
        definition,
        context={"list": [1, 2, 3, 4]},
        mocks={"each": {"items": [{"result": "a"}, [{"error": "x"}], {"result": "rest"}]}},
        expect={
            "results": {"each": ["a", None, "rest", "rest"]},
            "steps": {"each[1]": "failed x"},
            "calls": {"each": 4},
        },
    )
    assert told["ok"], told["expectations"]


async def test_in_nested_items_the_outer_comes_first_and_instances_beat_both() -> None:
    inner = {"id": "inner", "type": "map", "items": [0, 1], "steps": [call("deep")]}
    told = await rehearse(
        steps({"id": "outer", "type": "map", "items": [0, 1], "steps": [inner]}),
        mocks={
            "deep": {"items": [{"items": [{"result": "00"}, {"result": "01"}]}, {"result": "1x"}]},
            "deep[1][0]": {"result": "this very one"},
        },
    )
    outer = told["document"]["output"]["outer"]
    results = [[item["deep"] for item in items["inner"]] for items in outer]
    assert results == [["00", "01"], ["this very one", "1x"]]


async def test_rounds_of_a_loop_are_mocked_like_items() -> None:
    told = await rehearse(
        steps({"id": "poll", "type": "loop", "action": "call", "until": "result.done", "every": 5_000}),
        mocks={
            "poll": {
                "items": [
                    {"result": {"done": False}},
                    {"result": {"done": False}},
                    {"result": {"done": True}},
                ]
            }
        },
    )
    assert told["duration"] == 10_000
    assert told["document"]["stepResults"]["poll"]["rounds"] == 3


async def test_a_child_ends_as_its_mock_says() -> None:
    child = {"id": "a", "action": "workflow.run", "params": {"workflowId": "other"}, **RETRIED}
    told = await rehearse(
        steps(child),
        mocks={"a": [{"error": "http.503", "delay": 60_000}, {"result": {"paid": 1}, "delay": 5}]},
    )
    assert (told["status"], told["duration"]) == ("completed", 60_105)
    assert told["document"]["output"] == {"a": {"paid": 1}}
    assert told["unmocked"] == []


async def test_nobody_waits_for_a_child_that_is_let_go() -> None:
    child = {"id": "a", "action": "workflow.run", "params": {"workflowId": "other", "wait": False}}
    told = await rehearse(steps(child), mocks={"a": {"delay": 5}})
    assert told["duration"] == 5
    assert set(told["document"]["output"]["a"]) == {"executionId"}


async def test_steps_that_are_to_fail_fail_for_good() -> None:
    told = await rehearse(
        steps(call("a", onFailure=["mend"], **RETRIED), {"id": "mend"}),
        fail=["a"],
        expect={"steps": {"mend": "success"}},
    )
    assert told["ok"]
    assert told["document"]["stepResults"]["a"]["attempts"] == 1
    assert told["document"]["error"]["type"] == "forced"


async def test_decisions_choose_what_the_mock_says() -> None:
    decision = {"id": "d", "type": "decision", "cases": [{"when": "true", "next": ["a"]}], "default": ["b"]}
    told = await rehearse(steps(decision, {"id": "a"}, {"id": "b"}), mocks={"d": {"choose": ["b"]}})
    assert statuses(told["document"])["a"] == "skipped branch_not_taken"


async def test_a_condition_takes_the_branch_of_its_mocked_value() -> None:
    condition = {"id": "c", "action": "condition", "params": {"expression": "false"}, "onSuccess": ["a"]}
    told = await rehearse(steps(condition, {"id": "a"}), mocks={"c": {"result": [0]}})
    assert told["document"]["stepResults"]["c"]["result"] == {"result": [0], "branch": "true"}
    assert statuses(told["document"])["a"] == "success"


async def test_slots_are_granted_at_once_and_bad_keys_are_found() -> None:
    slots = [{"key": "{{ context.tenant }}", "limit": 1}]
    definition = steps(call("a", concurrency=slots), call("b", concurrency=slots), concurrency=slots)
    told = await rehearse(definition, context={"tenant": "t"})
    assert (told["status"], told["duration"]) == ("completed", 0)
    assert (await rehearse(definition))["status"] == "cancelled"


async def test_time_stops_where_the_case_says() -> None:
    told = await rehearse(steps({"id": "a", "action": "delay", "params": {"duration": 10_000}}), until=4_000)
    assert (told["status"], told["duration"]) == ("running", 4_000)
    assert told["stopped"] == "the time of the rehearsal, 4000 ms, is up"


async def test_delays_until_an_instant_go_by_the_virtual_clock() -> None:
    delay = {"id": "a", "action": "delay", "params": {"until": "2026-01-01T00:01:00Z"}}
    assert (await rehearse(steps(delay)))["duration"] == 60_000
    late = await rehearse(steps(delay), startTime=1_767_225_650_000)
    assert late["duration"] == 10_000


async def test_a_rehearsal_without_end_is_stopped() -> None:
    loop = {"id": "l", "type": "loop", "action": "noop", "until": "false", "maxIterations": 1_000_000}
    told = await rehearse(steps(loop))
    assert told["stopped"] == "more than 20,000 attempts were made"


async def test_the_same_case_gives_the_same_play() -> None:
    definition = steps(
        call("a", retryPolicy={"maxAttempts": 4, "jitter": 1}),
        {"id": "m", "type": "map", "items": [3, 1, 2], "steps": [call("x", params={"v": "{{ item * 2 }}"})]},
    )
    case: dict[str, Any] = {"mocks": {"a": [{"error": "x"}, {"error": "x"}, {"result": 1}]}}
    assert await rehearse(definition, **case) == await rehearse(definition, **case)


async def test_messages_to_receivers_are_told_and_not_sent() -> None:
    told = await rehearse(steps({"id": "a"}, webhooks={"onComplete": "http://receiver.example/"}))
    assert {"at": 0, "step": None, "what": "webhook onComplete"} in told["timeline"]


@pytest.mark.parametrize(
    ("case", "path"),
    [
        ({"mocks": {"box": {"result": 1}}}, "mocks.box"),
        ({"fail": ["box"]}, "fail[0]"),
        ({"mocks": {"in[0][1]": {}}}, 'mocks["in[0][1]"]'),
        ({"mocks": {"in": {"items": [{"items": [{}]}]}}}, "mocks.in.items[0].items"),
        ({"mocks": {"in": [{"items": [{}]}]}}, "mocks.in[0].items"),
        ({"mocks": {"put": {"result": 1}}}, "mocks.put.result"),
        ({"mocks": {"pick": {"result": 1}}}, "mocks.pick.result"),
        ({"mocks": {"pick": {"choose": ["put"]}}}, "mocks.pick.choose[0]"),
        ({"expect": {"never": ["nobody"]}}, "expect.never[0]"),
    ],
)
async def test_a_case_that_does_not_fit_its_workflow_is_refused(case: dict[str, Any], path: str) -> None:
    definition = steps(
        {"id": "box", "type": "map", "items": [1], "steps": [call("in")]},
        {"id": "put", "action": "set", "params": {"values": {}}},
        {"id": "pick", "type": "decision", "cases": [{"when": "true", "next": ["end"]}]},
        {"id": "end"},
    )
    with pytest.raises(Invalid) as refused:
        await rehearse(definition, **case)
    assert [problem.path for problem in refused.value.problems] == [path]


async def test_idempotent_steps_must_be_there() -> None:
    with pytest.raises(Invalid) as refused:
        await simulated(steps(call("a")), idempotent=["b"])
    assert [problem.path for problem in refused.value.problems] == ["idempotent[0]"]


def test_a_stage_leaves_the_definition_as_it_was() -> None:
    stage = stage_of(steps(call("a", timeout=5)))
    assert stage.workflow.definition.steps[0].timeout == 5


async def test_a_step_ends_the_execution_where_it_says_so() -> None:
    finish = {
        "id": "f",
        "action": "finish",
        "params": {"status": "failed", "message": "enough"},
        "dependencies": ["a"],
    }
    told = await rehearse(
        steps(call("a"), call("b"), finish, handlers={"always": [call("h")]}),
        mocks={"a": {"delay": 5}, "b": {"delay": 100}},
        expect={
            "status": "failed",
            "error": "finished",
            "steps": {"b": "cancelled", "h": "success"},
            "duration": 5,
        },
    )
    assert told["ok"], told["expectations"]


def test_every_fact_has_words() -> None:
    assert set(_SAYS) == set(get_args(AnyEvent))
