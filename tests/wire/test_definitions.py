"""Checking whole definitions: what people post is taken, and every mistake is told where and how."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.core.definition import Definition
from tenuto.errors import DefinitionInvalid, Problem
from tenuto.wire.definitions import LATER, Parsed, check_shape, definition_schema, parse_definition
from tenuto.wire.schema import MAX_PROBLEMS
from tests.wire.examples import BUILT_IN, STEPS, WORKFLOWS

ID_WORDS = "1 to 128 of A-Z a-z 0-9 . _ - with a letter or digit first"
MILLIS_WORDS = "a whole number of milliseconds from 0 to 315360000000 (ten years)"


def workflow(*steps: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "w", "steps": list(steps), **fields}


def parse(document: Any) -> Parsed:
    return parse_definition(document, BUILT_IN)


def problems_of(document: Any) -> list[Problem]:
    """Every problem; none for a document that is taken."""
    try:
        parse(document)
    except DefinitionInvalid as invalid:
        return invalid.problems
    return []


@pytest.mark.parametrize("document", WORKFLOWS, ids=lambda document: document["id"])
def test_a_workflow_as_people_post_it_is_taken_without_a_doubt(document: dict[str, Any]) -> None:
    parsed = parse(document)
    assert parsed.definition.id == document["id"]
    assert [step.id for step in parsed.definition.steps] == [step["id"] for step in document["steps"]]
    assert parsed.warnings == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["id"])
def test_a_step_as_people_post_it_is_taken_without_a_doubt(step: dict[str, Any]) -> None:
    assert parse(workflow(step)).warnings == []


def at(path: str, code: str, message: str) -> Problem:
    return Problem(path, code, message)


SHAPE_MISTAKES: list[tuple[Any, Problem]] = [
    (3, at("", "type", "Expected an object, got 3.")),
    ([], at("", "type", "Expected an object, got an empty list.")),
    ({"id": "w"}, at("steps", "required", "`steps` is missing; expected a list.")),
    ({"id": "w", "steps": []}, at("steps", "too_few", "Expected a list of at least 1, got 0.")),
    ({"id": "w", "steps": {}}, at("steps", "type", "Expected a list, got an object.")),
    (workflow(3), at("steps[0]", "type", "Expected an object, got 3.")),
    ({"steps": [{"id": "a"}]}, at("id", "required", f"`id` is missing; expected {ID_WORDS}.")),
    (workflow({"id": "a"}, id=""), at("id", "format", f'Expected {ID_WORDS}, got "".')),
    (workflow({"id": "a\n"}), at("steps[0].id", "format", f'Expected {ID_WORDS}, got "a\\n".')),
    (workflow({"id": "-a"}), at("steps[0].id", "format", f'Expected {ID_WORDS}, got "-a".')),
    (workflow({"id": "__proto__"}), at("steps[0].id", "format", f'Expected {ID_WORDS}, got "__proto__".')),
    (
        workflow({"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d", "retryPolicy": {"maxAttempts": "3"}}),
        at(
            "steps[3].retryPolicy.maxAttempts",
            "type",
            'Expected a whole number from 1 to 1000, got "3"; write it without quotes.',
        ),
    ),
    (
        workflow({"id": "a", "retryPolicy": {"maxAttempts": 0}}),
        at("steps[0].retryPolicy.maxAttempts", "range", "Expected a whole number from 1 to 1000, got 0."),
    ),
    (
        workflow({"id": "a", "retryPolicy": {"max_attempts": 3}}),
        at(
            "steps[0].retryPolicy.max_attempts",
            "unknown_field",
            'There is no field "max_attempts" here. Did you mean `maxAttempts`?',
        ),
    ),
    (
        workflow({"id": "a", "retryPolicy": {"jitter": 1.5}}),
        at("steps[0].retryPolicy.jitter", "range", "Expected a number from 0 to 1, got 1.5."),
    ),
    (
        workflow({"id": "a", "dependsOn": []}),
        at(
            "steps[0].dependsOn",
            "unknown_field",
            'There is no field "dependsOn" here. Did you mean `dependencies`?',
        ),
    ),
    (
        workflow({"id": "a", "dependencies": "b"}),
        at("steps[0].dependencies", "type", 'Expected a list, got "b"; write ["b"].'),
    ),
    (
        workflow({"id": "a"}, {"id": "b", "dependencies": ["a", None]}),
        at("steps[1].dependencies[1]", "type", f"Expected {ID_WORDS}, got null."),
    ),
    (
        workflow({"id": "a", "timeout": -1}),
        at("steps[0].timeout", "range", f"Expected {MILLIS_WORDS}, got -1."),
    ),
    (
        workflow({"id": "a", "timeout": 1.5}),
        at("steps[0].timeout", "type", f"Expected {MILLIS_WORDS}, got 1.5."),
    ),
    (
        workflow({"id": "a", "timeout": True}),
        at("steps[0].timeout", "type", f"Expected {MILLIS_WORDS}, got true."),
    ),
    (
        workflow({"id": "a", "timeout": 10**30}),
        at("steps[0].timeout", "range", f"Expected {MILLIS_WORDS}, got {10**30}."),
    ),
    (
        workflow({"id": "a", "critical": "false"}),
        at("steps[0].critical", "type", 'Expected true or false, got "false"; write it without quotes.'),
    ),
    (
        workflow({"id": "a", "type": "tsk"}),
        at(
            "steps[0].type",
            "choice",
            'Expected one of `decision`, `loop`, `map`, `parallel`, `task`, got "tsk". Did you mean `task`?',
        ),
    ),
    (
        workflow({"id": "a", "join": 3}),
        at(
            "steps[0].join",
            "type",
            "Expected one of `all_done`, `all_failed`, `all_success`, `auto`, `none_failed`, `one_failed`, "
            "`one_success` or an object, got 3.",
        ),
    ),
    (
        workflow({"id": "a", "params": []}),
        at("steps[0].params", "type", "Expected an object, got an empty list."),
    ),
    (workflow({"id": "a", "when": ""}), at("steps[0].when", "empty", "Expected a string that is not empty.")),
    (
        workflow({"id": "a", "name": "x" * 1001}),
        at("steps[0].name", "too_long", "At most 1,000 characters are allowed, got 1,001."),
    ),
    (
        workflow({"id": "a", "retryPolicy": {"odd key": 1}}),
        at(
            'steps[0].retryPolicy["odd key"]',
            "unknown_field",
            'There is no field "odd key" here. Known are `maxAttempts`, `initialDelay`, `backoffMultiplier`, `maxDelay`, '
            "`jitter`, `retryOn`, `noRetryOn`, `onExhausted`.",
        ),
    ),
    (workflow({"id": "a"}, tags={"team": 1}), at("tags.team", "type", "Expected a string, got 1.")),
    (
        workflow({"id": "a"}, webhooks={"onFailure": "ftp://host"}),
        at(
            "webhooks.onFailure",
            "format",
            'Expected a URL that begins with http:// or https://, got "ftp://host".',
        ),
    ),
    (
        workflow({"id": "a"}, webhooks={"onStep": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}),
        at(
            "webhooks.onStep.url",
            "required",
            "`url` is missing; expected a URL that begins with http:// or https://.",
        ),
    ),
    (
        workflow({"id": "a"}, webhooks={"onStep": {"url": "http://host/x", "secret": "hush"}}),
        at(
            "webhooks.onStep.secret",
            "format",
            "Expected a Standard Webhooks secret: whsec_ and base64 after it, got something else.",
        ),
    ),
    (
        workflow({"id": "a"}, webhooks={"onStep": 3}),
        at(
            "webhooks.onStep",
            "type",
            "Expected a URL that begins with http:// or https:// or an object, got 3.",
        ),
    ),
    (
        workflow({"id": "a"}, onCriticalFailure="stop"),
        at("onCriticalFailure", "choice", 'Expected one of `cancel`, `continue`, `drain`, got "stop".'),
    ),
]


@pytest.mark.parametrize(
    ("document", "problem"), SHAPE_MISTAKES, ids=lambda value: getattr(value, "path", None)
)
def test_a_mistake_of_shape_is_told_exactly(document: Any, problem: Problem) -> None:
    assert check_shape(document) == [problem]
    assert problem in problems_of(document)


NEW_FIELDS: dict[str, Any] = {
    "catch": [], "compensate": {}, "cache": {}, "concurrency": [], "queue": "gpu", "priority": 1, "queueTimeout": 1,
    "heartbeatTimeout": 1, "steps": [], "items": "{{ context.rows }}", "as": "row", "maxConcurrency": 2,
    "toleratedFailures": "5%", "until": "result.done", "every": 1000, "maxIterations": 5, "outputSchema": {},
}  # fmt: skip
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (workflow({"id": "a"}, **{name: []}), name, f"`{name}` is not supported yet.")
    for name in sorted(LATER.fields.get("Definition", ()))
]
REFUSED += [
    (workflow({"id": "a", name: NEW_FIELDS[name]}), f"steps[0].{name}", f"`{name}` is not supported yet.")
    for name in sorted(LATER.fields.get("StepSpec", ()))
]
REFUSED += [
    (
        workflow({"id": "a", "action": action}),
        "steps[0].action",
        f"The action `{action}` is not supported yet.",
    )
    for action in sorted(LATER.withheld.actions)
]
REFUSED += [
    (
        workflow({"id": "a", "params": {"result": f"{{{{ {name}.x }}}}"}}),
        "steps[0].params.result",
        f"`{name}` is not supported yet in expressions.",
    )
    for name in sorted(LATER.withheld.names)
]
REFUSED += [
    (
        workflow({"id": "a", "action": "http.request", "params": {"url": "http://h/x", name: "callback"}}),
        f"steps[0].params.{name}",
        f"`{name}` is not supported yet.",
    )
    for name in sorted(LATER.withheld.params)
]


@pytest.mark.parametrize(
    ("document", "path", "message"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_still_to_come_is_refused_and_never_ignored(
    document: dict[str, Any], path: str, message: str
) -> None:
    assert problems_of(document) == [Problem(path, "not_supported", message)]


def test_every_problem_is_reported_at_once_in_document_order() -> None:
    document = workflow(
        {"id": "a", "timeout": "5", "dependencies": ["zz"]},
        {"id": "b", "action": "http.request", "retryPolicy": {"maxAttempts": 0}},
        {"id": "b", "dependencies": ["a"], "params": {"result": "{{"}},
        colour="red",
        output="{{ amount }}",
    )
    assert [(problem.path, problem.code) for problem in problems_of(document)] == [
        ("colour", "unknown_field"),
        ("output", "unknown_name"),
        ("steps[0].timeout", "type"),
        ("steps[0].dependencies[0]", "unknown_step"),
        ("steps[1].retryPolicy.maxAttempts", "range"),
        ("steps[1].params.url", "required"),
        ("steps[2].id", "duplicate_id"),
        ("steps[2].params.result", "template"),
    ]


def test_a_step_that_cannot_be_read_is_still_known_to_the_others() -> None:
    document = workflow(
        {"id": "a", "type": "mapp", "items": "{{ context.rows }}", "queue": "gpu"},
        {"id": 7},
        {"id": "b", "dependencies": ["a"], "params": {"result": "{{ context.a }}"}},
        {"id": "!", "action": "http.request"},
        {"id": "c", "dependencies": ["!"], "params": {"result": "{{ context.b }}"}},
    )
    assert [(problem.path, problem.code) for problem in problems_of(document)] == [
        ("steps[0].type", "choice"),
        ("steps[0].queue", "not_supported"),
        ("steps[1].id", "type"),
        ("steps[3].id", "format"),
        ("steps[4].dependencies[0]", "format"),
    ]


def test_what_was_left_out_is_not_missed_again() -> None:
    document = workflow(
        {"id": "a", "type": "decision", "cases": [{"when": "context.x"}]},
        {"id": "b", "action": "http.request", "params": 3},
        {"id": "c", "action": 3, "params": {"url": "http://host/x"}},
    )
    assert [problem.path for problem in problems_of(document)] == [
        "steps[0].cases[0].next",
        "steps[1].params",
        "steps[2].action",
    ]


def test_more_problems_than_anyone_reads_are_cut_and_said_to_be() -> None:
    document = workflow(*({"id": f"s{i}", "x": 1} for i in range(MAX_PROBLEMS + 5)))
    problems = problems_of(document)
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[0].path == "steps[0].x"
    assert problems[-1] == Problem("", "more", "There are more than 1,000 problems; the rest is not listed.")


def test_documents_that_mean_the_same_are_the_same_version() -> None:
    plain = parse(workflow({"id": "a", "params": {"x": {"b": 1, "a": 2}}, "action": "mine"}))
    wordy = parse(
        {
            "steps": [
                {
                    "dependencies": [],
                    "action": "mine",
                    "type": "task",
                    "optional": False,
                    "totalTimeout": 0.0,
                    "params": {"x": {"a": 2, "b": 1}},
                    "id": "a",
                }
            ],
            "defaults": {"timeout": 60000, "retryPolicy": {"maxDelay": 30000, "backoffMultiplier": 2.0}},
            "webhooks": {"onStep": None},
            "onCriticalFailure": "continue",
            "id": "w",
        }
    )
    assert wordy.digest == plain.digest
    assert wordy.canonical == plain.canonical


@pytest.mark.parametrize(
    "change", [{"timeout": 5}, {"name": "A"}, {"params": {"x": 1.0}}, {"retryPolicy": {}}, {"critical": True}]
)
def test_documents_that_differ_are_different_versions(change: dict[str, Any]) -> None:
    one = workflow({"id": "a", "action": "mine", "params": {"x": 1}})
    other = workflow({"id": "a", "action": "mine", "params": {"x": 1}, **change})
    assert parse(one).digest != parse(other).digest


@pytest.mark.parametrize("document", WORKFLOWS, ids=lambda document: document["id"])
def test_the_canonical_form_reads_back_equal_and_is_its_own_canonical_form(document: dict[str, Any]) -> None:
    parsed = parse(document)
    assert msgspec.json.decode(parsed.canonical, type=Definition) == parsed.definition
    assert parse(json.loads(parsed.canonical)).canonical == parsed.canonical


def test_the_canonical_form_keeps_what_readers_of_a_step_count_on() -> None:
    (step,) = json.loads(parse(workflow({"id": "a"})).canonical)["steps"]
    assert step == {"id": "a", "type": "task", "action": "noop", "params": {}, "dependencies": []}


def test_a_served_definition_can_be_edited_and_sent_back() -> None:
    served = {"$schema": "https://host/schema.json", "version": 3, "createdAt": 5, **workflow({"id": "a"})}
    assert parse(served).digest == parse(workflow({"id": "a"})).digest
    assert [problem.path for problem in problems_of(served | {"version": "3"})] == ["version"]


def test_programs_may_hand_in_tuples_and_change_them_later() -> None:
    params = {"result": [1]}
    parsed = parse({"id": "w", "steps": ({"id": "a", "params": params},)})
    params["result"].append(2)
    assert parsed.definition.steps[0].params == {"result": [1]}


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x", object(), "\ud800"])
def test_what_is_not_json_data_is_refused(value: Any) -> None:
    (problem,) = problems_of(workflow({"id": "a", "params": {"result": value}}))
    assert (problem.path, problem.code) == ("", "json")


def test_data_that_contains_itself_or_nests_too_deep_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    assert [problem.code for problem in problems_of(workflow({"id": "a", "params": {"result": ring}}))] == [
        "json"
    ]
    assert [problem.code for problem in problems_of(workflow({"id": "a", "params": {"result": deep}}))] == [
        "too_deep"
    ]


def test_scripts_are_given_out_with_their_place_and_kind() -> None:
    parsed = parse(
        workflow(
            {"id": "a-b", "action": "transform", "params": {"code": "return 1"}},
            {
                "id": "c",
                "dependencies": ["a-b"],
                "when": "context.x",
                "params": {"result": "{{ context.a-b.n + 1 }}"},
            },
            {
                "id": "d",
                "type": "decision",
                "dependencies": ["c"],
                "cases": [{"when": "context.x > 1", "next": ["e"]}],
            },
            {"id": "e"},
        )
    )
    assert [(script.path, script.kind, script.source.strip()) for script in parsed.scripts] == [
        ("steps[0].params.code", "body", "return 1"),
        ("steps[1].params.result", "expression", 'context["a-b"].n + 1'),
        ("steps[2].cases[0].when", "expression", "context.x > 1"),
    ]


def test_the_schema_is_a_valid_schema_that_takes_what_registration_takes() -> None:
    schema = definition_schema()
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(validator.is_valid(document) for document in WORKFLOWS)
    fields = schema["$defs"]["StepSpec"]["properties"]
    assert [
        name for name, field in fields.items() if "description" not in field and "anyOf" not in field
    ] == []


NAMES = st.sampled_from(["a", "b", "c", "d", "__proto__", "x y", ""])
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "{{", "{{ context.a }}", "a", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    *Definition.__struct_encode_fields__, "cases", "when", "next", "url", "code", "params", "retryPolicy", "maxAttempts",
    "dependencies", "onSuccess", "onFailure", "join", "type", "action", "default", "mode", "catch", "result",
    "expression", "duration", "inputKey",
]  # fmt: skip


def step_like(data: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.lists(NAMES, max_size=3)
    return st.fixed_dictionaries(
        {"id": NAMES},
        optional={
            "dependencies": names,
            "onSuccess": names,
            "onFailure": names | data,
            "type": st.sampled_from(["task", "decision", "map", 3]),
            "action": st.sampled_from(["noop", "condition", "transform", "http.request", "delay", "other", None]),
            "params": st.dictionaries(st.sampled_from(FIELDS), data, max_size=3) | data,
            "cases": st.lists(st.fixed_dictionaries({"when": st.text(max_size=5), "next": names}), max_size=2) | data,
            "join": st.sampled_from(["auto", "all_success", "one_failed", "all_failed", "none_failed", {}]),
            "when": st.text(max_size=8) | data,
            "retryPolicy": data,
        },
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    DATA
    | st.dictionaries(st.sampled_from(FIELDS), DATA)
    | st.fixed_dictionaries(
        {"id": NAMES, "steps": st.lists(step_like(DATA), max_size=5)}, optional={"output": DATA}
    )
)
def test_any_data_is_a_definition_or_a_list_of_problems(document: Any) -> None:
    problems = problems_of(document)
    assert all(problem.code and len(problem.message) > 10 for problem in problems)
    if not problems:
        parsed = parse(document)
        assert msgspec.json.decode(parsed.canonical, type=Definition) == parsed.definition


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({"id": NAMES, "steps": st.lists(step_like(DATA), max_size=4)}))
def test_the_problems_of_shape_are_there_just_when_the_schema_says_no(document: Any) -> None:
    try:
        document = json.loads(json.dumps(document, allow_nan=False).encode("ascii"))
        msgspec.json.encode(document)
    except (ValueError, UnicodeEncodeError):
        return
    is_valid = jsonschema_rs.Draft202012Validator(definition_schema()).is_valid(document)
    assert (check_shape(document) == []) is is_valid
