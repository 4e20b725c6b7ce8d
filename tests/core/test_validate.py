"""The checks beyond the shape of a definition: each mistake with its exact path, code and sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tenuto.core.definition import Definition
from tenuto.core.validate import Warning_, check_definition, check_start_context, scripts_to_check
from tenuto.errors import Problem

Step = dict[str, Any]


def definition_of(*steps: Step, **fields: Any) -> Definition:
    return msgspec.convert({"id": "w", "steps": steps, **fields}, Definition)


def problems_of(*steps: Step, **fields: Any) -> list[Problem]:
    return check_definition(definition_of(*steps, **fields))[0]


def warnings_of(*steps: Step, **fields: Any) -> list[Warning_]:
    """The doubts about a definition that has no problems."""
    problems, warnings = check_definition(definition_of(*steps, **fields))
    assert problems == []
    return warnings


def noop(step_id: str, *dependencies: str, **fields: Any) -> Step:
    return {"id": step_id, "dependencies": list(dependencies), **fields}


def reader(step_id: str, text: str, *dependencies: str, **fields: Any) -> Step:
    return noop(step_id, *dependencies, params={"result": text}, **fields)


def decision(step_id: str, *targets: str, **fields: Any) -> Step:
    return {
        "id": step_id,
        "type": "decision",
        "cases": [{"when": "context.x > 1", "next": list(targets)}],
        **fields,
    }


def condition(step_id: str, on_success: list[str], on_failure: list[str], **fields: Any) -> Step:
    params = {"expression": "context.x"}
    targets = {"onSuccess": on_success, "onFailure": on_failure}
    return {"id": step_id, "action": "condition", "params": params, **targets, **fields}


def call(**params: Any) -> Step:
    return {"id": "a", "action": "http.request", "params": params}


MISTAKES: list[tuple[list[Step], tuple[str, str, str]]] = [
    (
        [noop("a"), noop("b"), noop("a")],
        ("steps[2].id", "duplicate_id", "The id `a` is taken by steps[0]; give this step another."),
    ),
    (
        [noop("charge"), noop("b", "chrage")],
        ("steps[1].dependencies[0]", "unknown_step", 'There is no step "chrage". Did you mean `charge`?'),
    ),
    (
        [noop("a", onSuccess=["zebra"])],
        ("steps[0].onSuccess[0]", "unknown_step", 'There is no step "zebra".'),
    ),
    (
        [noop("a", onFailure=["zebra"])],
        ("steps[0].onFailure[0]", "unknown_step", 'There is no step "zebra".'),
    ),
    (
        [decision("a", "b", "zebra"), noop("b")],
        ("steps[0].cases[0].next[1]", "unknown_step", 'There is no step "zebra".'),
    ),
    (
        [decision("a", "b", default=["zebra"]), noop("b")],
        ("steps[0].default[0]", "unknown_step", 'There is no step "zebra".'),
    ),
    (
        [noop("a", "a")],
        ("steps[0].dependencies[0]", "self_reference", "`a` cannot come before or after itself."),
    ),
    (
        [noop("a", onFailure=["a"])],
        ("steps[0].onFailure[0]", "self_reference", "`a` cannot come before or after itself."),
    ),
    (
        [noop("start"), noop("a", "start", "c"), noop("b", "a"), noop("c", "b")],
        (
            "steps[1].dependencies[1]",
            "cycle",
            "These steps wait for one another: a → b → c → a. Take out one of the edges.",
        ),
    ),
    (
        [noop("a", onFailure=["b"]), noop("b", onSuccess=["a"])],
        (
            "steps[1].onSuccess[0]",
            "cycle",
            "These steps wait for one another: a → b → a. Take out one of the edges.",
        ),
    ),
    (
        [noop("a", cases=[{"when": "true", "next": []}])],
        ("steps[0].cases", "not_a_decision", '`cases` is for decisions; give the step `"type": "decision"`.'),
    ),
    (
        [noop("a", default=[])],
        (
            "steps[0].default",
            "not_a_decision",
            '`default` is for decisions; give the step `"type": "decision"`.',
        ),
    ),
    (
        [noop("a", mode="all")],
        ("steps[0].mode", "not_a_decision", '`mode` is for decisions; give the step `"type": "decision"`.'),
    ),
    (
        [noop("a", type="decision")],
        (
            "steps[0].cases",
            "no_targets",
            'The decision has no cases: add `cases` as [{"when": …, "next": […]}].',
        ),
    ),
    (
        [decision("a")],
        ("steps[0].cases", "no_targets", "The decision leads nowhere: name steps in `next` of its cases."),
    ),
    (
        [condition("a", [], [], type="decision")],
        (
            "steps[0].onSuccess",
            "no_targets",
            "The decision leads nowhere: name steps in `onSuccess` or `onFailure`.",
        ),
    ),
    (
        [condition("a", ["b"], [], type="decision", default=["b"]), noop("b")],
        (
            "steps[0].default",
            "conflict",
            "A decision has either `cases` or the action `condition` with `onSuccess` and `onFailure`.",
        ),
    ),
    (
        [decision("a", "b", onSuccess=["c"]), noop("b"), noop("c")],
        (
            "steps[0].onSuccess",
            "conflict",
            "A decision goes where its cases lead; name these steps in `cases` or `default`.",
        ),
    ),
    (
        [decision("a", "b", action="mine"), noop("b")],
        ("steps[0].action", "conflict", "A decision does no other work; put `mine` into a step before it."),
    ),
    (
        [decision("a", "b", params={"result": 1}), noop("b")],
        ("steps[0].params", "conflict", "A decision with cases takes no params."),
    ),
    ([call()], ("steps[0].params.url", "required", "`http.request` needs `url` in its params.")),
    (
        [call(url="host/path")],
        (
            "steps[0].params.url",
            "param",
            'Expected a URL that begins with http:// or https://, got "host/path".',
        ),
    ),
    (
        [call(url="http://h/", method=["GET"])],
        (
            "steps[0].params.method",
            "param",
            "Expected an HTTP method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, got a list.",
        ),
    ),
    (
        [call(url="http://h/", header={})],
        (
            "steps[0].params.header",
            "unknown_param",
            '`http.request` has no param "header". Did you mean `headers`?',
        ),
    ),
    (
        [call(url="http://h/", timeout=5)],
        (
            "steps[0].params.timeout",
            "conflict",
            "Only with `completion`; the step's own `timeout` bounds an attempt.",
        ),
    ),
    (
        [call(url="http://h/", response="all")],
        ("steps[0].params.response", "param", 'Expected `body` or `full`, got "all".'),
    ),
    (
        [call(url="http://h/", expectStatus=[200, 999])],
        (
            "steps[0].params.expectStatus",
            "param",
            "Expected a status (404), a class (2xx) or a list of them, got a list.",
        ),
    ),
    (
        [call(url="http://h/", auth={"type": "bearer"})],
        (
            "steps[0].params.auth",
            "param",
            'Expected {"type": "bearer", "token": …} or {"type": "basic", "username": …, "password": …}, '
            "got an object.",
        ),
    ),
    (
        [noop("a", action="delay")],
        ("steps[0].params.duration", "required", "`delay` needs `duration` or `until` in its params."),
    ),
    (
        [noop("a", action="delay", params={"duration": 1, "until": 2})],
        ("steps[0].params", "conflict", "`delay` takes `duration` or `until`, not both."),
    ),
    (
        [noop("a", action="delay", params={"duration": "soon"})],
        (
            "steps[0].params.duration",
            "param",
            'Expected a number of milliseconds, up to ten years, got "soon".',
        ),
    ),
    (
        [noop("a", action="transform", params={})],
        ("steps[0].params.code", "required", "`transform` needs `code` in its params."),
    ),
    (
        [noop("a", action="transform", params={"code": ""})],
        (
            "steps[0].params.code",
            "param",
            "Expected the body of a JavaScript function (`return input`), got an empty string.",
        ),
    ),
    (
        [noop("a", action="condition")],
        ("steps[0].params.expression", "required", "`condition` needs `expression` in its params."),
    ),
    (
        [noop("a", action="webhook", params={"payload": 1})],
        ("steps[0].params.url", "required", "`webhook` needs `url` in its params."),
    ),
    (
        [noop("a", params={"x": 1})],
        ("steps[0].params.x", "unknown_param", '`noop` has no param "x". It has `result`.'),
    ),
    (
        [noop("a", when="{{ context.x }}")],
        ("steps[0].when", "script", "This is JavaScript already; leave out the {{ and }} around it."),
    ),
    (
        [reader("a", "{{ contxt.x }}")],
        (
            "steps[0].params.result",
            "unknown_name",
            "Nothing here is called `contxt`. Did you mean `context`?",
        ),
    ),
    (
        [noop("a", when="amount > 5")],
        (
            "steps[0].when",
            "unknown_name",
            "Nothing here is called `amount`. Data of the execution is read as `context.amount`.",
        ),
    ),
    (
        [noop("load"), noop("b", "load", when="load.ok")],
        (
            "steps[1].when",
            "unknown_name",
            "Nothing here is called `load`. Did you mean `context.load`?",
        ),
    ),
    (
        [noop("load"), reader("b", "{{ steps.laod.result }}", "load")],
        ("steps[1].params.result", "unknown_step", 'There is no step "laod". Did you mean `load`?'),
    ),
    (
        [noop("a"), reader("b", "{{ steps.a.reslt }}", "a")],
        ("steps[1].params.result", "unknown_name", '`steps.a` has no "reslt". Did you mean `result`?'),
    ),
    (
        [noop("a"), reader("b", "{{ context.a }}")],
        (
            "steps[1].params.result",
            "not_upstream",
            '`b` reads `context.a`, but `a` does not come before it. Add "a" to the `dependencies` of `b`.',
        ),
    ),
    (
        [noop("a"), noop("b", action="transform", params={"inputKey": "a", "code": "return 1"})],
        (
            "steps[1].params.inputKey",
            "not_upstream",
            '`b` reads `a`, but `a` does not come before it. Add "a" to the `dependencies` of `b`.',
        ),
    ),
    (
        [noop("a"), noop("b", action="transform", params={"code": "return context.a.x"})],
        (
            "steps[1].params.code",
            "not_upstream",
            '`b` reads `context.a`, but `a` does not come before it. Add "a" to the `dependencies` of `b`.',
        ),
    ),
    (
        [reader("a", "{{ context.a }}")],
        ("steps[0].params.result", "not_upstream", "`a` cannot read its own result."),
    ),
    (
        [noop("a"), noop("b", when="context.c"), noop("c", "b", "a")],
        (
            "steps[1].when",
            "not_upstream",
            '`b` reads `context.c`, but `c` does not come before it. Add "c" to the `dependencies` of `b`.',
        ),
    ),
]


@pytest.mark.parametrize(
    ("steps", "problem"), MISTAKES, ids=[f"{p[1]}-{i}" for i, (_, p) in enumerate(MISTAKES)]
)
def test_a_mistake_is_told_exactly(steps: list[Step], problem: tuple[str, str, str]) -> None:
    assert problems_of(*steps) == [Problem(*problem)]


def test_a_template_that_does_not_parse_is_told_with_its_place() -> None:
    (problem,) = problems_of(noop("a", action="mine", params={"deep": [{"odd key": "{{ context.x "}]}))
    assert (problem.path, problem.code) == ('steps[0].params.deep[0]["odd key"]', "template")
    assert "never closed" in problem.message


FINE: list[list[Step]] = [
    [noop("a"), noop("b", "a", "a"), noop("c", "a", "b")],
    [call(url="{{ context.url }}", method="{{ context.method }}", expectStatus=["{{ context.ok }}", "2xx"])],
    [call(url="HTTPS://host", method="post", query={"a": [1]}, redirects=3, body=None)],
    [noop("a", action="delay", params={"duration": "{{ context.ms }}"})],
    [noop("a", action="delay", params={"until": "2030-01-31T09:00:00Z"})],
    [noop("a", params={"result": "a literal \\{{ and }} here"})],
    [noop("a", action="mine", params={"anything": {"goes": "{{ context.x ?? 1 }}"}})],
    [decision("a", "b", default=[]), noop("b")],
    [decision("a", default=["b"], onFailure=["c"]), noop("b"), noop("c")],
    [condition("a", ["b"], []), noop("b")],
    [condition("a", ["b"], ["b"], type="decision"), noop("b")],
    [noop("a", onSuccess=["b"]), reader("b", "{{ context.a }}")],
    [noop("a"), noop("b", "a"), noop("c", "b"), reader("d", "{{ context.a }} {{ steps.b.status }}", "c")],
    [reader("a", "{{ context.orderId }} {{ input.x }} {{ execution.id }} {{ step.attempt }}")],
    [noop("a", action="transform", params={"inputKey": "previous", "code": "x = input; return x + y()"})],
    [noop("validate-order"), reader("b", "{{ context.validate-order.valid }}", "validate-order")],
    [noop("a", type="parallel"), noop("b", "a")],
]


@pytest.mark.parametrize("steps", FINE)
def test_what_is_right_has_no_problems(steps: list[Step]) -> None:
    assert problems_of(*steps) == []


def test_the_output_reads_any_step_but_is_no_step() -> None:
    assert problems_of(noop("a"), noop("b", "a"), output={"x": ["{{ context.a }}", "{{ context.b }}"]}) == []
    assert problems_of(noop("a"), output="{{ step.id }}") == [
        Problem("output", "unknown_name", "Nothing here is called `step`. The output belongs to no step.")
    ]


def test_each_knot_of_waiting_steps_is_named_once() -> None:
    steps = [
        noop("a", "b"),
        noop("b", "a", "c"),
        noop("c", "b"),
        noop("x", "y"),
        noop("y", "x"),
        noop("z", "x"),
    ]
    assert [(problem.path, problem.message) for problem in problems_of(*steps)] == [
        (
            "steps[0].dependencies[0]",
            "These steps wait for one another: a → b → a. Take out one of the edges.",
        ),
        (
            "steps[3].dependencies[0]",
            "These steps wait for one another: x → y → x. Take out one of the edges.",
        ),
    ]


def test_a_long_cycle_is_named_by_its_beginning_and_end() -> None:
    count = 10_000
    (problem,) = problems_of(*(noop(f"s{i}", f"s{(i - 1) % count}") for i in range(count)))
    assert problem.message == (
        "These steps wait for one another: s0 → s1 → s2 → s3 → s4 → s5 → … (9,989 more) … → s9995 → s9996 → s9997 → "
        "s9998 → s9999 → s0. Take out one of the edges."
    )


def test_a_long_chain_whose_steps_read_far_back_is_checked_without_recursion() -> None:
    count = 10_000
    steps = [noop("s0")]
    steps += [reader(f"s{i}", f"{{{{ context.s{i // 2} }}}}", f"s{i - 1}") for i in range(1, count)]
    assert problems_of(*steps) == []


def test_a_wide_fan_is_checked() -> None:
    middle = [f"s{i}" for i in range(9_998)]
    assert problems_of(noop("a"), *(noop(name, "a") for name in middle), noop("z", *middle)) == []


def test_names_that_were_meant_are_sought_for_the_first_mistakes_only() -> None:
    mistaken = [noop(f"b{i}", "load", when="steps.laod.result") for i in range(30)]
    found = problems_of(noop("load"), *mistaken)
    assert ["Did you mean `load`?" in problem.message for problem in found] == [True] * 20 + [False] * 10


def test_more_script_than_may_be_read_is_refused_at_once() -> None:
    (problem,) = problems_of(noop("a", when="context.x+" * 200_000))
    assert (problem.path, problem.code) == ("steps[0].when", "too_long")


def test_a_start_key_must_not_be_a_step_id() -> None:
    assert check_start_context({"load": 0, "a.b": 1}, {"order": 1, "a.b": 2, "load": None}) == [
        Problem(
            'context["a.b"]',
            "key_is_step",
            "`a.b` is the id of a step, whose result will stand there; give this key another name.",
        ),
        Problem(
            "context.load",
            "key_is_step",
            "`load` is the id of a step, whose result will stand there; give this key another name.",
        ),
    ]


def test_plain_paths_need_no_script_engine_and_the_rest_is_listed() -> None:
    definition = definition_of(
        noop("a", when="context.x.y[0]"),
        reader("b", "{{ context.a }} and {{ context.x * 2 }}", "a"),
        condition("c", ["d"], []),
        noop("d", action="transform", params={"code": "return 1"}),
    )
    assert [(script.path, script.kind) for script in scripts_to_check(definition)] == [
        ("steps[1].params.result", "expression"),
        ("steps[3].params.code", "body"),
    ]


def test_an_action_nobody_serves_is_a_warning() -> None:
    definition = definition_of(
        noop("a", action="send-mial"), noop("b", action="send-mial"), noop("c", action="mine")
    )
    problems, warnings = check_definition(definition, {"send-mail", "mine"})
    assert problems == []
    assert warnings == [
        Warning_(
            "steps[0].action",
            "unserved_action",
            'No executor serves the action "send-mial" so far. Did you mean `send-mail`?',
        )
    ]


def test_a_deadline_before_the_worst_case_is_a_warning() -> None:
    retried = {"maxAttempts": 3, "initialDelay": 1000, "backoffMultiplier": 2}
    steps = [
        noop("a", timeout=2000, retryPolicy=retried),
        noop("b", "a", timeout=500),
        noop("c", "a", timeout=400),
    ]
    assert warnings_of(*steps, timeout=9_500) == []
    assert warnings_of(*steps, timeout=9_499) == [
        Warning_(
            "timeout",
            "worst_case_duration",
            "At worst the steps take 9500 ms (attempts to their timeouts and the delays between), more than the 9499 ms "
            "the execution has.",
        )
    ]
    assert warnings_of(noop("a", timeout=2000, retryPolicy=retried, totalTimeout=100), timeout=100) == []
    assert warnings_of(noop("a", action="delay", params={"duration": 70_000}), timeout=70_000) == []
    assert len(warnings_of(noop("a", action="delay", params={"duration": 70_000}), timeout=69_000)) == 1
