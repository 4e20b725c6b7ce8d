"""Checks of what belongs to which type of step, of the params of waits and of what ends executions; and doubts about
waits and times."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.core.params import KNOWN, NOTHING_WITHHELD
from tenuto.core.validate import Warning_, check_definition
from tenuto.errors import Problem
from tests.core.test_validate import Step, definition_of, noop
from tests.core.test_validate_nested import box, each, problems_of, rounds, warnings_of


def doing(action: str, **params: Any) -> Step:
    return {"id": "a", "action": action, "params": params}


def mapped(**fields: Any) -> Step:
    return {"id": "m", "type": "map", "items": [1, 2], "action": "mine", **fields}


CANCELS = {"atLeast": 1, "cancelRemaining": True}
OTHER_TYPES = {
    "items": ([], "map"), "as": ("row", "map"), "maxConcurrency": (5, "map"), "toleratedFailures": ("5%", "map"),
    "until": ("true", "loop"), "every": (5, "loop"), "maxIterations": (5, "loop"),
}  # fmt: skip


@pytest.mark.parametrize("field", OTHER_TYPES)
def test_a_field_of_another_type_is_refused(field: str) -> None:
    value, kind = OTHER_TYPES[field]
    message = f'`{field}` is for {kind}s; give the step `"type": "{kind}"`.'
    assert problems_of(noop("a", **{field: value})) == [Problem(f"steps[0].{field}", "other_type", message)]


OF_NESTED: dict[str, Any] = {
    "params": {"result": 1}, "retryPolicy": {"maxAttempts": 2}, "timeout": 5, "cache": {"key": "x", "ttl": 1},
    "concurrency": [{"key": "x", "limit": 1}], "queueTimeout": 5,
}  # fmt: skip


@pytest.mark.parametrize("field", OF_NESTED)
@pytest.mark.parametrize("make", [box, each, rounds])
def test_what_says_how_an_action_is_done_belongs_to_the_nested_steps(make: Any, field: str) -> None:
    step = make(noop("a"), **{field: OF_NESTED[field]})
    (problem,) = problems_of(step)
    assert (problem.path, problem.code) == (f"steps[0].{field}", "conflict")
    assert problem.message.startswith(
        f"`{field}` belongs to the nested steps of `{step['id']}`, not to itself"
    )


MISTAKES: list[tuple[Step, tuple[str, str, str]]] = [
    (
        noop("x", steps=[noop("a")]),
        ("steps", "other_type", "Nested `steps` are for parallels, maps and loops; give the step one of these types."),
    ),
    (
        box(noop("a"), action="mine"),
        ("action", "conflict", "A parallel with `steps` has no action; put `mine` into one of them."),
    ),
    (
        each(noop("a"), action="mine"),
        ("action", "conflict", "A map has either `steps` or an `action`; put `mine` into one of its `steps`."),
    ),
    (
        {"id": "m", "type": "map", "action": "mine"},
        ("items", "required", "A map needs `items`: a list, or a template that gives one."),
    ),
    (
        mapped(items="rows"),
        ("items", "param", 'Expected a list, or a template that gives one and nothing else, got "rows".'),
    ),
    (
        mapped(items="{{ context.a }}, {{ context.b }}"),
        (
            "items",
            "param",
            'Expected a list, or a template that gives one and nothing else, got "{{ context.a }}, {{ context.b }}".',
        ),
    ),
    (
        mapped(items=[0] * 100_001),
        ("items", "too_many", "At most 100,000 are allowed here, got 100,001."),
    ),
    (
        mapped(**{"as": "context"}),
        ("as", "conflict", "`context` means something else in expressions; call the item otherwise."),
    ),
    (
        mapped(**{"as": "while"}),
        ("as", "conflict", "`while` means something else in expressions; call the item otherwise."),
    ),
    (
        mapped(action="condition", params={"expression": "item"}, onSuccess=["after"]),
        (
            "action",
            "conflict",
            "A map does not branch; put the condition into its `steps`, or into a step after it.",
        ),
    ),
    (
        {"id": "l", "type": "loop", "action": "mine"},
        ("until", "required", "A loop needs `until`: a JavaScript expression that says when it is enough."),
    ),
    (doing("workflow.run"), ("params.workflowId", "required", "`workflow.run` needs `workflowId` in its params.")),
    (
        doing("workflow.run", workflowId="-x"),
        ("params.workflowId", "param", 'Expected the id of a workflow, got "-x".'),
    ),
    (
        doing("workflow.run", workflowId="x@2", version=2),
        ("params.version", "conflict", "`workflowId` names a version already; leave out one of them."),
    ),
    (
        doing("workflow.run", workflowId="x", version=0),
        ("params.version", "param", "Expected the number of a version, from 1 on, got 0."),
    ),
    (
        doing("workflow.run", workflowId="x", wait="no"),
        ("params.wait", "param", 'Expected true or false, got "no".'),
    ),
    (
        doing("workflow.run", workflowId="x", onParentClose="kill"),
        ("params.onParentClose", "param", 'Expected `cancel` or `abandon`, got "kill".'),
    ),
    (
        doing("workflow.run", workflowId="x", input={}),
        (
            "params.input",
            "unknown_param",
            '`workflow.run` has no param "input". What it starts with is its `context`.',
        ),
    ),
    (doing("signal.wait", timeout=5), ("params.name", "required", "`signal.wait` needs `name` in its params.")),
    (
        doing("signal.wait", name="a/b", timeout=5),
        (
            "params.name",
            "param",
            'Expected a name of 1 to 200 characters, none of them a slash or a line break, got "a/b".',
        ),
    ),
    (
        doing("signal.wait", name="{{ context.x }}", schema={}, timeout=5),
        (
            "params.schema",
            "conflict",
            "A `schema` needs a `name` without templates, so that every signal of it is checked.",
        ),
    ),
    (
        doing("approval", timeout=5, approvers="ann"),
        ("params.approvers", "param", 'Expected a list of those who may approve, by name, got "ann".'),
    ),
    (
        doing("approval", timeout=5, approvers=["ann", "bob", "ann"], minApprovals=3),
        (
            "params.minApprovals",
            "conflict",
            "3 approvals can never be given: there are only 2 approvers.",
        ),
    ),
    (
        doing("approval", timeout=5, minApprovals=0),
        ("params.minApprovals", "param", "Expected a whole number from 1 on, got 0."),
    ),
    (
        doing("approval", timeout=5, onTimeout="retry"),
        ("params.onTimeout", "param", 'Expected `fail`, `reject` or `approve`, got "retry".'),
    ),
    (doing("set"), ("params.values", "required", "`set` needs `values` in its params.")),
    (
        doing("finish", status="done"),
        ("params.status", "param", 'Expected `completed`, `failed` or `cancelled`, got "done".'),
    ),
    (
        doing("http.request", url="http://h/", completion="later"),
        ("params.completion", "param", 'Expected `callback`, or nothing, got "later".'),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "problem"), MISTAKES, ids=[f"{p[0]}-{i}" for i, (_, p) in enumerate(MISTAKES)]
)
def test_a_mistake_is_told_exactly(step: Step, problem: tuple[str, str, str]) -> None:
    path, code, message = problem
    assert problems_of(step, *([noop("after")] if "onSuccess" in step else [])) == [
        Problem(f"steps[0].{path}", code, message)
    ]


FINE: list[Step] = [
    doing("workflow.run", workflowId="x@2", context={"a": "{{ context.b }}"}, wait=False, onParentClose="abandon"),
    doing("workflow.run", workflowId="{{ context.kind }}", version="{{ context.version }}"),
    doing("signal.wait", name="paid", timeout=5, schema={"type": "object"}),
    doing("signal.wait", name="paid-{{ context.x }}", timeout="{{ context.ms }}"),
    doing("approval", title="?", details=[1], form={}, approvers=["a", "b"], minApprovals=2, timeout=5, onTimeout="reject"),
    doing("approval", approvers=["{{ context.who }}"], minApprovals=2, timeout=5),
    doing("approval", approvers="{{ context.people }}", minApprovals=2, timeout=5),
    doing("set", values={"x": "{{ context.y }}"}),
    doing("finish"),
    doing("finish", status="failed", output=None, message="no {{ context.x }}"),
    doing("http.request", url="http://h/", completion="callback", timeout=5),
    mapped(toleratedFailures=1, maxConcurrency=0),
    mapped(toleratedFailures="100%"),
    noop("a", type="parallel", action="mine", params={"x": 1}, cache={"key": "x", "ttl": 1}),
    noop("a", type="parallel"),
]  # fmt: skip


@pytest.mark.parametrize("step", FINE)
def test_what_is_right_has_neither_problems_nor_doubts(step: Step) -> None:
    assert check_definition(definition_of(step), {*KNOWN, "mine"}, NOTHING_WITHHELD) == ([], [])


def test_signals_of_one_name_have_one_schema() -> None:
    first = noop(
        "a", action="signal.wait", params={"name": "paid", "schema": {"type": "object"}, "timeout": 5}
    )
    second = noop("b", action="signal.wait", params={"name": "paid", "timeout": 5})
    other = noop("c", action="signal.wait", params={"name": "sent", "timeout": 5})
    assert problems_of(first, box(second), other) == [
        Problem(
            "steps[1].steps[0].params.schema",
            "conflict",
            "steps[0] waits for `paid` too, with another `schema`; signals of one name have one.",
        )
    ]
    second["params"]["schema"] = {"type": "object"}
    assert problems_of(first, box(second), other) == []


def test_a_wait_that_nothing_bounds_is_a_warning() -> None:
    wait = noop("a", action="signal.wait", params={"name": "paid"})
    assert warnings_of(wait) == [
        Warning_(
            "steps[0].action",
            "may_wait_forever",
            "`a` may wait for a signal for ever: give it a `timeout` in its params, or a `totalTimeout`, or the workflow "
            "a `timeout`.",
        )
    ]
    assert [w.code for w in warnings_of(doing("approval", timeout=0))] == ["may_wait_forever"]
    call = doing("http.request", url="http://h/", completion="callback")
    assert [w.code for w in warnings_of(call)] == ["may_wait_forever"]
    assert warnings_of(wait, timeout=90_000) == []
    assert warnings_of(wait | {"totalTimeout": 5}) == []
    assert warnings_of(box(wait, totalTimeout=5)) == []
    assert [w.path for w in warnings_of(box(wait))] == ["steps[0].steps[0].action"]


def test_a_wait_that_a_join_gives_up_is_no_warning_unless_all_before_it_wait_so() -> None:
    wait = noop("a", action="signal.wait", params={"name": "paid"})
    ask = noop("b", action="approval")
    clock = noop("c", action="delay", params={"duration": 5})
    assert warnings_of(wait, clock, noop("d", "a", "c", join=CANCELS)) == []
    assert len(warnings_of(wait, ask, noop("d", "a", "b", join=CANCELS))) == 2


def test_tolerating_every_failure_of_a_list_is_a_warning() -> None:
    (warning,) = check_definition(definition_of(mapped(toleratedFailures=2)), {"mine"}, NOTHING_WITHHELD)[1]
    assert warning == Warning_(
        "steps[0].toleratedFailures", "tolerates_all", "`m` succeeds even if all its 2 items fail."
    )


WORST: list[tuple[list[Step], int]] = [
    ([box(noop("a", timeout=5), noop("b", "a", timeout=7), noop("c", timeout=2))], 12),
    ([box(noop("a", timeout=50), totalTimeout=20)], 20),
    ([{"id": "l", "type": "loop", "until": "result", "action": "mine", "timeout": 5, "maxIterations": 3, "every": 10}], 35),
    ([rounds(noop("a", timeout=5), maxIterations=3, every=10)], 35),
    ([mapped(items=[1, 2, 3], maxConcurrency=2, timeout=5)], 10),
    ([mapped(items=[1, 2, 3], maxConcurrency=0, timeout=5)], 5),
    ([mapped(items="{{ context.rows }}", timeout=5)], 5),
    ([mapped(items=[1, 2], maxConcurrency=1, timeout=5, retryPolicy={"maxAttempts": 2, "initialDelay": 1})], 22),
    ([doing("signal.wait", name="x", timeout=500)], 500),
    ([doing("signal.wait", name="x") | {"totalTimeout": 70}], 70),
    ([doing("approval", timeout=500)], 500),
    ([noop("a", timeout=5, queueTimeout=3, concurrency=[{"key": "x", "limit": 1}])], 8),
    ([doing("workflow.run", workflowId="x"), noop("b", timeout=4)], 4),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "worst"), WORST)
def test_the_worst_case_counts_rounds_items_and_waits(steps: list[Step], worst: int) -> None:
    def doubts(timeout: int) -> list[str]:
        definition = definition_of(*steps, timeout=timeout)
        return [w.code for w in check_definition(definition, {*KNOWN, "mine"}, NOTHING_WITHHELD)[1]]

    assert doubts(worst) == []
    assert doubts(worst - 1) == ["worst_case_duration"]


def test_an_action_that_undoes_steps_and_that_nobody_serves_is_a_warning() -> None:
    step = noop("a", compensate={"action": "refund"})
    assert [(w.path, w.code) for w in warnings_of(step)] == [
        ("steps[0].compensate.action", "unserved_action")
    ]
