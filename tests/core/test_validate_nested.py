"""Checks of what stands inside steps and beside them: nested steps, handlers, what undoes steps; each list of steps has
edges, names and proofs of its own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tenuto.core.definition import MAX_NESTING, MAX_STEPS, Definition
from tenuto.core.params import KNOWN, NOTHING_WITHHELD
from tenuto.core.validate import Warning_, check_definition, scripts_to_check
from tenuto.errors import Problem
from tests.core.test_validate import Step, decision, definition_of, noop, reader


def checked(definition: Definition) -> tuple[list[Problem], list[Warning_]]:
    return check_definition(definition, set(KNOWN), NOTHING_WITHHELD)


def problems_of(*steps: Step, **fields: Any) -> list[Problem]:
    return checked(definition_of(*steps, **fields))[0]


def warnings_of(*steps: Step, **fields: Any) -> list[Warning_]:
    problems, warnings = checked(definition_of(*steps, **fields))
    assert problems == []
    return warnings


def box(*steps: Step, **fields: Any) -> Step:
    return {"id": "box", "type": "parallel", "steps": list(steps), **fields}


def each(*steps: Step, **fields: Any) -> Step:
    return {"id": "each", "type": "map", "items": "{{ context.rows }}", "steps": list(steps), **fields}


def rounds(*steps: Step, **fields: Any) -> Step:
    return {"id": "rounds", "type": "loop", "until": "result.done", "steps": list(steps), **fields}


MISTAKES: list[tuple[list[Step], tuple[str, str, str]]] = [
    (
        [noop("a"), box(noop("b"), noop("a"))],
        (
            "steps[1].steps[1].id",
            "duplicate_id",
            "The id `a` is taken by steps[0]; give this step another.",
        ),
    ),
    (
        [box(noop("a"), noop("b", "zebra"))],
        ("steps[0].steps[1].dependencies[0]", "unknown_step", 'There is no step "zebra".'),
    ),
    (
        [box(noop("a", "a"))],
        ("steps[0].steps[0].dependencies[0]", "self_reference", "`a` cannot come before or after itself."),
    ),
    (
        [box(noop("a")), noop("b", "a")],
        (
            "steps[1].dependencies[0]",
            "other_block",
            "`a` is nested in `box`; edges join steps of one list, so name `box` instead.",
        ),
    ),
    (
        [noop("a"), box(noop("b", "a"))],
        (
            "steps[1].steps[0].dependencies[0]",
            "other_block",
            "`b` is nested in `box` and `a` is not; edges join steps of one list, so give it to `box`.",
        ),
    ),
    (
        [box(noop("a", onSuccess=["box"]))],
        (
            "steps[0].steps[0].onSuccess[0]",
            "other_block",
            "`a` is nested in `box` itself; edges join steps of one list.",
        ),
    ),
    (
        [box(noop("a"), onFailure=["a"])],
        (
            "steps[0].onFailure[0]",
            "other_block",
            "`a` is nested in `box` itself; edges join steps of one list.",
        ),
    ),
    (
        [box(noop("a", "b"), noop("b", "a"))],
        (
            "steps[0].steps[0].dependencies[0]",
            "cycle",
            "These steps wait for one another: a → b → a. Take out one of the edges.",
        ),
    ),
    (
        [each(noop("a", join="one_success"))],
        (
            "steps[0].steps[0].join",
            "join_never_met",
            "`one_success` is never met: no step comes before `a`. Give it `dependencies`.",
        ),
    ),
    (
        [each(decision("a", "b"), noop("b"), noop("c", "a"))],
        (
            "steps[0].steps[2].dependencies[0]",
            "never_runs",
            "`c` can never run: the decision `a` only leads to steps that it names. Name `c` in a case or in "
            "`default` of `a`.",
        ),
    ),
    (
        [box(noop("a")), reader("b", "{{ context.a }}", "box")],
        (
            "steps[1].params.result",
            "other_block",
            "`context.a` cannot be read here: `a` is nested in `box`; read `{{ context.box.a }}`.",
        ),
    ),
    (
        [box(each(noop("a"))), reader("b", "{{ steps.a.status }}", "box")],
        (
            "steps[1].params.result",
            "other_block",
            "`steps.a` cannot be read here: `a` is nested in `each`; read `{{ context.box.each[0].a }}` (of the first "
            "item).",
        ),
    ),
    (
        [box(noop("a"), reader("b", "{{ context.a }}"))],
        (
            "steps[0].steps[1].params.result",
            "not_upstream",
            '`b` reads `context.a`, but `a` does not come before it. Add "a" to the `dependencies` of `b`.',
        ),
    ),
    (
        [noop("a"), box(reader("b", "{{ context.a }}"))],
        (
            "steps[1].steps[0].params.result",
            "not_upstream",
            '`b` reads `context.a`, but `a` does not come before `box`. Add "a" to the `dependencies` of `box`.',
        ),
    ),
    (
        [box(reader("b", "{{ context.box }}"))],
        (
            "steps[0].steps[0].params.result",
            "not_upstream",
            "`box` has no result before all in it has ended; its steps run within it.",
        ),
    ),
    (
        [rounds(reader("b", "{{ context.rounds }}"))],
        (
            "steps[0].steps[0].params.result",
            "not_upstream",
            "`rounds` has no result before all in it has ended; the round before gave `result`.",
        ),
    ),
    (
        [rounds(noop("b"), until="context.b.done")],
        (
            "steps[0].until",
            "other_block",
            "`context.b` cannot be read here: `b` is nested in `rounds` itself. Read `result.b`.",
        ),
    ),
    (
        [{"id": "poll", "type": "loop", "action": "mine", "until": "context.poll.done"}],
        (
            "steps[0].until",
            "not_upstream",
            "`poll` cannot read its own result; what the last round gave is `result`.",
        ),
    ),
    (
        [reader("a", "{{ item.x }}")],
        (
            "steps[0].params.result",
            "unknown_name",
            "`item` is known within a map only, and only where its `as` gives no other name.",
        ),
    ),
    (
        [each(reader("a", "{{ item.x }}"), **{"as": "row"})],
        (
            "steps[0].steps[0].params.result",
            "unknown_name",
            "`item` is known within a map only, and only where its `as` gives no other name.",
        ),
    ),
    (
        [each(noop("a"), when="index > 1")],
        ("steps[0].when", "unknown_name", "`index` is known within maps and loops only."),
    ),
    (
        [each(noop("a"), items="{{ item.rows }}")],
        (
            "steps[0].items",
            "unknown_name",
            "`item` is known within a map only, and only where its `as` gives no other name.",
        ),
    ),
    (
        [each(reader("a", "{{ result }}"))],
        (
            "steps[0].steps[0].params.result",
            "unknown_name",
            "`result` is known within a loop only: what the round before gave.",
        ),
    ),
    (
        [reader("a", "{{ execution.error.message }}")],
        (
            "steps[0].params.result",
            "unknown_name",
            "`execution.error` is known to handlers only, and to what undoes steps.",
        ),
    ),
    (
        [reader("a", "{{ secrets.token }}")],
        (
            "steps[0].params.result",
            "not_supported",
            "`secrets` is not supported yet in expressions.",
        ),
    ),
    (
        [noop("a", compensate={"action": "noop", "params": {"result": "{{ vars.x }}"}})],
        (
            "steps[0].compensate.params.result",
            "unknown_name",
            "`vars` cannot be read in `compensate`: a step is undone by what was there when it succeeded.",
        ),
    ),
    (
        [noop("a", compensate={"action": "webhook"})],
        ("steps[0].compensate.params.url", "required", "`webhook` needs `url` in its params."),
    ),
    (
        [noop("a", compensate={"action": "finish"})],
        (
            "steps[0].compensate.action",
            "conflict",
            "`finish` undoes nothing: the execution has ended when steps are undone.",
        ),
    ),
    (
        [noop("a"), noop("b", compensate={"action": "noop", "params": {"result": "{{ context.a }}"}})],
        (
            "steps[1].compensate.params.result",
            "not_upstream",
            '`b` reads `context.a`, but `a` does not come before it. Add "a" to the `dependencies` of `b`.',
        ),
    ),
    (
        [noop("a", catch=[{"errors": ["*"], "next": ["b", "zebra"]}]), noop("b")],
        ("steps[0].catch[0].next[1]", "unknown_step", 'There is no step "zebra".'),
    ),
]


@pytest.mark.parametrize(
    ("steps", "problem"), MISTAKES, ids=[f"{p[1]}-{i}" for i, (_, p) in enumerate(MISTAKES)]
)
def test_a_mistake_in_nested_steps_is_told_exactly(steps: list[Step], problem: tuple[str, str, str]) -> None:
    assert problems_of(*steps) == [Problem(*problem)]


FINE: list[list[Step]] = [
    [noop("a"), box(noop("b"), reader("c", "{{ context.a }} {{ context.b }}", "b"), dependencies=["a"])],
    [box(noop("a")), reader("b", "{{ context.box.a }}", "box")],
    [each(reader("a", "{{ item.x }} {{ index }}")), reader("b", "{{ context.each[0].a }}", "each")],
    [each(reader("a", "{{ row.x }}"), **{"as": "row"})],
    [each(rounds(reader("a", "{{ item }} {{ index }} {{ result }}"), until="result.a > item"))],
    [{"id": "m", "type": "map", "items": [1, "{{ context.x }}"], "action": "mine", "params": {"x": "{{ item }}"}}],
    [{"id": "m", "type": "map", "items": "{{ [1, 2] }}", "action": "mine", "cache": {"key": "{{ item }}", "ttl": 5}}],
    [{"id": "m", "type": "map", "items": [], "action": "mine", "concurrency": [{"key": "{{ item }}", "limit": 1}]}],
    [{"id": "poll", "type": "loop", "action": "mine", "until": "result.done || index > 5", "params": {"x": "{{ result }}"}}],
    [noop("a", compensate={"action": "noop", "params": {"result": "{{ context.a }} {{ steps.a.result }}"}})],
    [each(noop("a", compensate={"action": "mine", "params": {"x": "{{ item }} {{ context.a }}"}}))],
    [noop("a", compensate={"action": "mine", "params": {"x": "{{ execution.status }}"}})],
    [reader("a", "{{ vars.x }}", when="vars.y"), noop("b", "a", params={"result": "{{ vars }}"})],
    [noop("a", catch=[{"errors": ["*"], "next": ["b"]}]), noop("b"), noop("c", "a")],
    [decision("a", "b", catch=[{"errors": ["no_case_matched"], "next": ["c"]}]), noop("b"), noop("c")],
    [noop("a", type="parallel", params={"result": 1}, retryPolicy={"maxAttempts": 2}, timeout=5)],
    [noop("a"), noop("b"), noop("c", "a", "b", join={"atLeast": 2, "cancelRemaining": True})],
    [box(box(noop("a"), id="inner"), noop("b", "inner", params={"result": "{{ context.inner.a }}"}))],
]  # fmt: skip


@pytest.mark.parametrize("steps", FINE)
def test_what_is_right_in_nested_steps_has_no_problems(steps: list[Step]) -> None:
    assert problems_of(*steps) == []


def test_handlers_read_any_step_that_may_have_run_and_know_how_it_went() -> None:
    handler = reader("tell", "{{ execution.status }} {{ execution.error?.message }} {{ context.a?.x }}")
    assert warnings_of(noop("a"), handlers={"always": [handler]}) == []
    assert warnings_of(noop("a"), handlers={"cancel": [reader("tell", "{{ context.a }}")]}) == [
        Warning_(
            "handlers.cancel[0].params.result",
            "may_be_absent",
            "`context.a` may be absent: handlers run although `a` failed or was skipped, and reading it is an error "
            "then. Guard it with `?.` or `??` if that is meant.",
        )
    ]


HANDLER_MISTAKES: list[tuple[dict[str, Any], tuple[str, str, str]]] = [
    (
        {"always": [noop("h", "a")]},
        (
            "handlers.always[0].dependencies[0]",
            "other_block",
            "`h` is a handler: it runs when all else has ended, so nothing leads from or to `a`.",
        ),
    ),
    (
        {"failure": [noop("h")], "always": [noop("g", "h")]},
        (
            "handlers.always[0].dependencies[0]",
            "other_block",
            "`h` is a handler of another list; edges join steps of one list.",
        ),
    ),
    (
        {"failure": [noop("h")], "always": [reader("g", "{{ context.h }}")]},
        (
            "handlers.always[0].params.result",
            "other_block",
            "`context.h` cannot be read here: `h` is a handler of another list.",
        ),
    ),
    (
        {"failure": [noop("a")]},
        (
            "handlers.failure[0].id",
            "duplicate_id",
            "The id `a` is taken by steps[0]; give this step another.",
        ),
    ),
    (
        {"failure": [noop("h", "g"), noop("g", "h")]},
        (
            "handlers.failure[0].dependencies[0]",
            "cycle",
            "These steps wait for one another: h → g → h. Take out one of the edges.",
        ),
    ),
    (
        {"cancel": [noop("h", action="finish")]},
        (
            "handlers.cancel[0].action",
            "conflict",
            "A handler cannot end the execution: it has ended when handlers run.",
        ),
    ),
    (
        {"cancel": [box(reader("h", "{{ context.g }}"), noop("g"))]},
        (
            "handlers.cancel[0].steps[0].params.result",
            "not_upstream",
            '`h` reads `context.g`, but `g` does not come before it. Add "g" to the `dependencies` of `h`.',
        ),
    ),
]


@pytest.mark.parametrize(("handlers", "problem"), HANDLER_MISTAKES)
def test_a_mistake_in_handlers_is_told_exactly(
    handlers: dict[str, Any], problem: tuple[str, str, str]
) -> None:
    assert problems_of(noop("a"), handlers=handlers) == [Problem(*problem)]


def test_nothing_leads_to_a_handler_and_nothing_but_handlers_reads_one() -> None:
    handlers = {"always": [noop("h")]}
    assert problems_of(noop("a", onFailure=["h"]), handlers=handlers, output="{{ context.h }}") == [
        Problem(
            "output",
            "other_block",
            "`context.h` cannot be read here: `h` is a handler and runs when all else has ended.",
        ),
        Problem(
            "steps[0].onFailure[0]",
            "other_block",
            "`h` is a handler: it runs by itself when all else has ended, and nothing leads to it.",
        ),
    ]


def test_the_output_reads_nested_steps_through_the_step_that_holds_them() -> None:
    assert problems_of(box(noop("a")), output="{{ context.box.a }}") == []
    assert problems_of(box(noop("a")), output="{{ context.a }}") == [
        Problem(
            "output",
            "other_block",
            "`context.a` cannot be read here: `a` is nested in `box`; read `{{ context.box.a }}`.",
        )
    ]


def test_keys_of_a_workflow_read_only_what_it_starts_with() -> None:
    slots = [{"key": "{{ context.tenant }}:{{ input.region }}", "limit": 1}]
    assert problems_of(noop("a"), concurrency=slots) == []
    found = problems_of(
        noop("a"), concurrency=[{"key": "{{ context.a }} {{ vars.x }} {{ execution.id }}", "limit": 1}]
    )
    assert {(problem.path, problem.code) for problem in found} == {
        ("concurrency[0].key", "unknown_name"),
        ("concurrency[0].key", "not_upstream"),
    }


def test_a_result_of_a_step_around_may_be_absent_within() -> None:
    steps = [noop("a", optional=True), box(reader("b", "{{ context.a }}"), dependencies=["a"])]
    assert warnings_of(*steps) == [
        Warning_(
            "steps[1].steps[0].params.result",
            "may_be_absent",
            "`context.a` may be absent: `box` can run although `a` failed or was skipped, and reading it is an error "
            "then. Guard it with `?.` or `??` if that is meant.",
        )
    ]


def test_what_a_caught_failure_leads_to_cannot_count_on_the_result() -> None:
    caught = noop("a", catch=[{"errors": ["http.402"], "next": ["b"]}])
    steps = [caught, reader("b", "{{ context.a }}"), reader("c", "{{ context.a }}", "a")]
    found = warnings_of(*steps, output="{{ context.a }}")
    assert [(warning.path, warning.code) for warning in found] == [
        ("output", "may_be_absent"),
        ("steps[1].params.result", "may_be_absent"),
        ("steps[2].params.result", "may_be_absent"),
    ]
    assert [warning.path for warning in warnings_of(noop("a"), reader("c", "{{ context.a }}", "a"))] == []


def test_success_and_a_caught_failure_of_one_step_do_not_meet() -> None:
    steps = [
        noop("a", onSuccess=["b"], catch=[{"errors": ["*"], "next": ["b"]}]),
        noop("b", join="all_success"),
    ]
    assert [(problem.path, problem.code) for problem in problems_of(*steps)] == [
        ("steps[1].join", "join_never_met")
    ]


def test_a_join_cannot_ask_for_more_edges_than_there_are() -> None:
    steps = [noop("a"), noop("b"), noop("c", "a", "b", join={"atLeast": 3})]
    assert problems_of(*steps) == [
        Problem(
            "steps[2].join",
            "join_never_met",
            "`atLeast: 3` is never met: only 2 edges lead to `c`. Ask for fewer, or add `dependencies`.",
        )
    ]
    assert [problem.code for problem in problems_of(noop("a", join={"atLeast": 1}))] == ["join_never_met"]


def test_all_edges_asked_for_by_number_contradict_themselves_as_all_do() -> None:
    ways = [decision("a", "b", default=["c"]), noop("b"), noop("c")]
    assert problems_of(*ways, noop("d", "b", "c", join={"atLeast": 1})) == []
    (problem,) = problems_of(*ways, noop("d", "b", "c", join={"atLeast": 2}))
    assert (problem.path, problem.code) == ("steps[3].join", "join_never_met")


def test_a_result_behind_a_join_by_number_may_be_absent() -> None:
    some = [noop("a"), noop("b"), reader("c", "{{ context.a }}", "a", "b", join={"atLeast": 1})]
    every = [noop("a"), noop("b"), reader("c", "{{ context.a }}", "a", "b", join={"atLeast": 2})]
    assert [warning.code for warning in warnings_of(*some)] == ["may_be_absent"]
    assert warnings_of(*every) == []


def test_a_step_that_a_join_gives_up_may_be_absent_at_the_end() -> None:
    join = {"atLeast": 1, "cancelRemaining": True}
    steps = [noop("a"), noop("b"), noop("c", "a", "b", join=join)]
    assert [warning.code for warning in warnings_of(*steps, output="{{ context.a }}")] == ["may_be_absent"]


def test_an_execution_that_finishes_early_may_leave_its_output_without_results() -> None:
    steps = [noop("a"), noop("stop", action="finish", when="context.x")]
    assert [warning.code for warning in warnings_of(*steps, output="{{ context.a }}")] == ["may_be_absent"]
    steps[1]["params"] = {"output": 1}
    assert warnings_of(*steps, output="{{ context.a }}") == []


def nested(depth: int) -> Step:
    """A step with so many levels of steps in it."""
    step: Step = noop("s0")
    for level in range(1, depth + 1):
        step = {"id": f"s{level}", "type": "parallel", "steps": [step]}
    return step


def test_steps_nest_so_deep_and_no_deeper() -> None:
    assert problems_of(nested(MAX_NESTING)) == []
    assert problems_of(nested(MAX_NESTING + 1)) == [
        Problem(
            "steps[0]" + ".steps[0]" * MAX_NESTING + ".steps",
            "too_deep",
            "Steps may be nested 16 deep; these stand deeper.",
        )
    ]


def test_nested_steps_and_handlers_count_as_steps() -> None:
    half = [noop(f"s{i}") for i in range(MAX_STEPS // 2)]
    handlers = {"always": [noop(f"h{i}") for i in range(MAX_STEPS // 2 - 1)]}
    assert problems_of(box(*half), handlers=handlers) == []
    handlers["always"].append(noop("last"))
    assert problems_of(box(*half), handlers=handlers) == [
        Problem(
            "steps",
            "too_many",
            "A workflow may have 10,000 steps, nested ones and handlers among them, got 10,001.",
        )
    ]


def test_problems_come_in_document_order_at_any_depth() -> None:
    bad = {"x": 1}
    document = definition_of(
        box(noop("b", params=bad), box(noop("c", params=bad), id="inner", params=bad), params=bad),
        noop("d", params=bad),
        handlers={"failure": [noop("f", params=bad)], "always": [noop("e", params=bad)]},
    )
    assert [problem.path for problem in checked(document)[0]] == [
        "steps[0].params",
        "steps[0].steps[0].params.x",
        "steps[0].steps[1].params",
        "steps[0].steps[1].steps[0].params.x",
        "steps[1].params.x",
        "handlers.always[0].params.x",
        "handlers.failure[0].params.x",
    ]


def test_scripts_anywhere_are_given_out_to_be_parsed() -> None:
    definition = msgspec.convert(
        {
            "id": "w",
            "concurrency": [{"key": "{{ context.a + 1 }}", "limit": 1}],
            "handlers": {"always": [noop("h", when="1 + 1")]},
            "steps": [
                rounds(
                    noop("a", when="index > 1"),
                    until="result.a > 2",
                    compensate={"action": "transform", "params": {"code": "return 1"}},
                ),
                each(
                    noop("b", cache={"key": "{{ item + 1 }}", "ttl": 1}),
                    items="{{ context.rows.slice(2) }}",
                ),
            ],
        },
        Definition,
    )
    assert [(script.path, script.kind) for script in scripts_to_check(definition)] == [
        ("concurrency[0].key", "expression"),
        ("steps[0].until", "expression"),
        ("steps[0].compensate.params.code", "body"),
        ("steps[1].items", "expression"),
        ("steps[0].steps[0].when", "expression"),
        ("steps[1].steps[0].cache.key", "expression"),
        ("handlers.always[0].when", "expression"),
    ]
