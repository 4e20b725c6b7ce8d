"""Whole documents with nested steps, handlers and all that is still to come: taken, written back the same, and every
mistake told however deep it stands."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.core.definition import Definition
from tenuto.core.params import KNOWN
from tenuto.errors import DefinitionInvalid, Problem
from tenuto.wire.definitions import Parsed, check_shape, definition_schema, parse_definition
from tenuto.wire.schema import NOTHING_LATER
from tests.wire.test_definitions import DATA, FIELDS, NAMES, step_like, workflow

ACTIONS = frozenset(KNOWN) | {"mine"}


def parse(document: Any) -> Parsed:
    return parse_definition(document, ACTIONS, NOTHING_LATER)


def problems_of(document: Any) -> list[Problem]:
    try:
        parse(document)
    except DefinitionInvalid as invalid:
        return invalid.problems
    return []


def found_in(document: Any) -> list[tuple[str, str]]:
    return [(problem.path, problem.code) for problem in problems_of(document)]


EVERYTHING: dict[str, Any] = {
    "id": "everything",
    "inputSchema": {"type": "object", "required": ["rows"]},
    "outputSchema": {"type": "array"},
    "output": "{{ context.each }}",
    "timeout": 500_000_000,
    "handlers": {
        "always": [{"id": "tell", "params": {"result": "{{ execution.status }}"}}],
        "failure": [{"id": "clear"}, {"id": "cleared", "dependencies": ["clear"]}],
    },
    "compensation": {"on": ["failed"]},
    "concurrency": [{"key": "{{ context.tenant }}", "limit": 2, "onLimit": "cancelOlder"}],
    "steps": [
        {
            "id": "both",
            "type": "parallel",
            "steps": [
                {"id": "left", "cache": {"key": "{{ context.x }}", "ttl": 5.0}},
                {"id": "right", "catch": [{"errors": ["*"], "next": ["mend"]}]},
                {"id": "mend", "priority": 3},
            ],
        },
        {
            "id": "each",
            "type": "map",
            "items": "{{ context.rows }}",
            "as": "row",
            "toleratedFailures": "5%",
            "dependencies": ["both"],
            "steps": [
                {
                    "id": "charge",
                    "action": "mine",
                    "params": {"row": "{{ row }}", "n": "{{ index }}"},
                    "concurrency": [{"key": "{{ row.tenant }}", "limit": 5}],
                    "queueTimeout": 60000,
                    "compensate": {"action": "mine", "params": {"undo": "{{ context.charge }}"}},
                    "outputSchema": {"type": "object"},
                    "retryPolicy": {"onExhausted": "pause"},
                }
            ],
        },
        {
            "id": "poll",
            "type": "loop",
            "action": "mine",
            "params": {"last": "{{ result }}"},
            "until": "result.done",
            "every": 1000,
            "maxIterations": 5,
        },
        {"id": "ask", "action": "approval", "params": {"form": {"type": "object"}, "timeout": 1000}},
        {"id": "first", "dependencies": ["poll", "ask"], "join": {"atLeast": 1, "cancelRemaining": True}},
        {"id": "keep", "action": "set", "params": {"values": {"x": 1}}, "dependencies": ["first"]},
        {
            "id": "end",
            "action": "finish",
            "dependencies": ["keep"],
            "params": {"output": "{{ vars.x }}"},
        },
    ],
}


def test_everything_that_is_to_come_can_be_said_without_a_doubt() -> None:
    assert parse(EVERYTHING).warnings == []


def test_the_canonical_form_of_nested_steps_reads_back_equal_and_is_its_own() -> None:
    parsed = parse(EVERYTHING)
    assert msgspec.json.decode(parsed.canonical, type=Definition) == parsed.definition
    assert parse(json.loads(parsed.canonical)).canonical == parsed.canonical


def test_nested_documents_that_mean_the_same_are_the_same_version() -> None:
    plain = workflow({"id": "b", "type": "parallel", "steps": [{"id": "a"}]})
    step = {
        "id": "a",
        "type": "task",
        "totalTimeout": 0.0,
        "steps": [],
        "catch": [],
        "cache": None,
        "as": "item",
    }
    wordy = workflow(
        {"id": "b", "type": "parallel", "steps": [step], "join": "auto", "until": None},
        handlers={"always": []},
        compensation={"on": ["failed", "cancelled"]},
    )
    assert parse(wordy).canonical == parse(plain).canonical


def test_the_schema_without_what_is_left_out_takes_everything() -> None:
    validator = jsonschema_rs.Draft202012Validator(definition_schema(NOTHING_LATER))
    assert validator.is_valid(EVERYTHING)
    assert validator.is_valid(json.loads(parse(EVERYTHING).canonical))


def test_a_mistake_of_shape_in_nested_steps_hides_no_other() -> None:
    document = workflow(
        {
            "id": "box",
            "type": "parallel",
            "steps": [
                {"id": "a", "timeout": "5", "dependencies": ["zz"]},
                {"id": 7},
                {"id": "b", "colour": "red", "params": {"x": 1}},
                {
                    "id": "inner",
                    "type": "map",
                    "items": 5,
                    "steps": [{"id": "c", "params": {"result": "{{ itm }}"}}],
                },
            ],
        },
        {"id": "d", "dependencies": ["box", "b"], "params": {"result": "{{ context.box }}"}},
        handlers={
            "always": [{"id": "h", "join": "any"}, {"id": "d"}],
            "failure": 3,
            "never": [{"id": "n"}],
        },
    )
    assert found_in(document) == [
        ("handlers.failure", "type"),
        ("handlers.never", "unknown_field"),
        ("steps[0].steps[0].timeout", "type"),
        ("steps[0].steps[0].dependencies[0]", "unknown_step"),
        ("steps[0].steps[1].id", "type"),
        ("steps[0].steps[2].colour", "unknown_field"),
        ("steps[0].steps[2].params.x", "unknown_param"),
        ("steps[0].steps[3].items", "type"),
        ("steps[0].steps[3].steps[0].params.result", "unknown_name"),
        ("steps[1].dependencies[1]", "other_block"),
        ("handlers.always[0].join", "choice"),
        ("handlers.always[1].id", "duplicate_id"),
    ]


def test_what_was_left_out_in_nested_steps_is_not_missed_again() -> None:
    document = workflow(
        {"id": "m", "type": "mapp", "items": [1], "steps": [{"id": "a", "params": {"result": "{{ item }}"}}]},
        {"id": "n", "type": "map", "items": [1], "as": "a b", "steps": [{"id": "b", "when": "row.x"}]},
        {
            "id": "o",
            "type": "loop",
            "until": 3,
            "steps": [{"id": "!", "type": "parallel", "steps": [{"id": "c"}]}],
        },
        {"id": "p", "dependencies": ["c"], "type": "parallel", "steps": 3},
        {
            "id": "q",
            "type": "decision",
            "default": ["r"],
            "cases": 3,
            "catch": [{"errors": [], "next": ["zz"]}],
        },
        {"id": "r"},
    )
    assert found_in(document) == [
        ("steps[0].type", "choice"),
        ("steps[1].as", "format"),
        ("steps[2].until", "type"),
        ("steps[2].steps[0].id", "format"),
        ("steps[3].steps", "type"),
        ("steps[4].cases", "type"),
        ("steps[4].catch[0].errors", "too_few"),
    ]


def test_what_cannot_be_read_within_a_step_hides_no_proof_outside_of_it() -> None:
    document = workflow(
        {"id": "box", "type": "parallel", "steps": [{"id": "a", "dependencies": 3}, {"id": "b"}]},
        {"id": "c", "params": {"result": "{{ context.box }}"}},
        {"id": "d", "join": "one_success"},
    )
    assert found_in(document) == [
        ("steps[0].steps[0].dependencies", "type"),
        ("steps[1].params.result", "not_upstream"),
        ("steps[2].join", "join_never_met"),
    ]


def test_a_map_must_be_told_what_to_do() -> None:
    idle = {"id": "m", "type": "map", "items": [1]}
    message = "A map needs an `action` or nested `steps`: what is done for each item."
    assert problems_of(workflow(idle)) == [Problem("steps[0].action", "required", message)]
    assert problems_of(workflow(idle | {"action": "noop"})) == []
    assert problems_of(workflow(idle | {"steps": [{"id": "a"}]})) == []


def test_a_wrong_join_is_told_with_what_it_may_be() -> None:
    assert problems_of(workflow({"id": "a", "join": "allSuccess"}))[0].message.endswith(
        "Did you mean `all_success`?"
    )
    (problem,) = problems_of(
        workflow({"id": "a"}, {"id": "b", "dependencies": ["a"], "join": {"atLeast": 0}})
    )
    assert (problem.path, problem.code) == ("steps[1].join.atLeast", "range")
    (problem,) = problems_of(workflow({"id": "a", "join": 3}))
    assert problem.message.endswith("or an object, got 3.")


BAD_SCHEMAS: list[tuple[dict[str, Any], str]] = [
    (workflow({"id": "a"}, inputSchema={"type": "strin"}), "inputSchema.type"),
    (workflow({"id": "a"}, outputSchema={"properties": {"x": {"minLength": -1}}}), "outputSchema.properties.x.minLength"),
    (workflow({"id": "a", "outputSchema": {"$ref": "http://127.0.0.1:1/x.json"}}), "steps[0].outputSchema"),
    (workflow({"id": "a", "outputSchema": {"$ref": "#/$defs/none"}}), "steps[0].outputSchema"),
    (
        workflow({"id": "b", "type": "parallel", "steps": [{"id": "a", "outputSchema": {"pattern": "("}}]}),
        "steps[0].steps[0].outputSchema.pattern",
    ),
    (
        workflow({"id": "a", "action": "signal.wait", "params": {"name": "x", "schema": {"required": "id"}}}),
        "steps[0].params.schema.required",
    ),
    (
        workflow({"id": "a"}, handlers={"always": [{"id": "h", "action": "approval", "params": {"form": {"type": 3}}}]}),
        "handlers.always[0].params.form.type",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("document", "path"), BAD_SCHEMAS, ids=[path for _, path in BAD_SCHEMAS])
def test_what_is_no_json_schema_or_leads_elsewhere_is_refused(document: dict[str, Any], path: str) -> None:
    (problem,) = problems_of(document)
    assert (problem.path, problem.code) == (path, "schema")
    assert problem.message.startswith("This is no JSON Schema: ")


def test_a_schema_with_templates_is_known_only_when_the_step_runs() -> None:
    form = {"properties": {"kind": {"enum": "{{ context.kinds }}"}}}
    step = {"id": "a", "action": "approval", "params": {"form": form, "timeout": 5}}
    assert problems_of(workflow(step)) == []


def deep(levels: int) -> dict[str, Any]:
    step: dict[str, Any] = {"id": "s0", "colour": "red"}
    for level in range(1, levels + 1):
        step = {"id": f"s{level}", "type": "parallel", "steps": [step]}
    return workflow(step)


def test_steps_that_nest_too_deep_are_refused_and_not_walked_for_ever() -> None:
    assert ("steps[0]" + ".steps[0]" * 16 + ".steps", "too_deep") in found_in(deep(40))
    assert [code for _, code in found_in(deep(200))] == ["too_deep"]


def nested_steps(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Steps of every type, around others and beside them."""
    return st.fixed_dictionaries(
        {"id": NAMES, "type": st.sampled_from(["parallel", "map", "loop", "task", "mapp"])},
        optional={
            "steps": st.lists(inner, max_size=3) | DATA,
            "items": DATA,
            "as": NAMES,
            "until": st.sampled_from(["result.a", "context.a", "item", "", 3]),
            "dependencies": st.lists(NAMES, max_size=3),
            "catch": st.lists(
                st.fixed_dictionaries({"errors": st.just(["*"]), "next": st.lists(NAMES, max_size=2)}),
                max_size=2,
            ),
            "join": st.sampled_from(["auto", {"atLeast": 1}, {"atLeast": 2, "cancelRemaining": True}, {}]),
            "compensate": st.fixed_dictionaries({"action": st.sampled_from(["noop", "transform", "set"])})
            | DATA,
            "outputSchema": DATA,
            "toleratedFailures": DATA | st.just("5%"),
            "concurrency": DATA,
            "cache": DATA | st.fixed_dictionaries({"key": st.just("{{ item.x }}"), "ttl": st.just(1)}),
        },
    )


STEPS = st.recursive(step_like(DATA), nested_steps, max_leaves=6)
DOCUMENTS = st.fixed_dictionaries(
    {"id": NAMES, "steps": st.lists(STEPS, max_size=4)},
    optional={
        "output": DATA,
        "handlers": DATA | st.dictionaries(st.sampled_from(["always", "failure", "cancel", "x"]), st.lists(STEPS, max_size=2)),
        "concurrency": DATA,
        "compensation": DATA,
        "inputSchema": DATA,
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS | st.dictionaries(st.sampled_from(FIELDS), DATA))
def test_any_nested_data_is_a_definition_or_a_list_of_problems(document: Any) -> None:
    problems = problems_of(document)
    assert all(problem.code and len(problem.message) > 10 for problem in problems)
    if not problems:
        parsed = parse(document)
        assert msgspec.json.decode(parsed.canonical, type=Definition) == parsed.definition
        assert parse(json.loads(parsed.canonical)).canonical == parsed.canonical


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
def test_the_problems_of_shape_are_there_just_when_the_schema_says_no(document: Any) -> None:
    try:
        document = json.loads(json.dumps(document, allow_nan=False).encode("ascii"))
        msgspec.json.encode(document)
    except (ValueError, UnicodeEncodeError):
        return
    is_valid = jsonschema_rs.Draft202012Validator(definition_schema(NOTHING_LATER)).is_valid(document)
    assert (check_shape(document, NOTHING_LATER) == []) is is_valid
