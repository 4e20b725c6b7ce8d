"""JSON Schemas of users: what fits, what does not and in which words, and schemas that would do harm."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.wire.json_schema import (
    LARGEST_SCHEMA,
    MAX_PROBLEMS,
    MOST_ALTERNATIVES,
    BadSchema,
    compile_schema,
)

ORDER = {
    "type": "object",
    "required": ["orderId", "amount"],
    "additionalProperties": False,
    "properties": {
        "orderId": {"type": "string", "pattern": "^o-"},
        "amount": {"type": "number", "minimum": 0},
        "kind": {"enum": ["gift", "sale"]},
        "version": {"const": 2},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "never": False,
    },
    "$defs": {"line": {"type": "object", "required": ["sku"]}},
}


def test_what_fits_has_no_problems() -> None:
    order = {
        "orderId": "o-1",
        "amount": 5,
        "kind": "gift",
        "version": 2,
        "lines": [{"sku": "a"}],
        "note": None,
    }
    assert compile_schema(ORDER).problems(order) == []
    assert compile_schema(ORDER).fits(order)
    assert compile_schema({}).fits(None)


@pytest.mark.parametrize(
    ("value", "path", "code", "sentence"),
    [
        ([], "context", "type", "Expected an object, got an empty list."),
        ({"amount": 1}, "context.orderId", "required", "`orderId` is missing."),
        ({"orderId": "o-1", "amount": "5"}, "context.amount", "type", 'Expected a number, got "5".'),
        ({"orderId": "o-1", "amount": -1}, "context.amount", "schema", "-1 is less than the minimum of 0."),
        (
            {"orderId": "x", "amount": 1},
            "context.orderId",
            "format",
            'Expected a string that matches "^o-", got "x".',
        ),
        (
            {"orderId": "o-1", "amount": 1, "kind": "loan"},
            "context.kind",
            "choice",
            'Expected one of `"gift"`, `"sale"`, got "loan".',
        ),
        ({"orderId": "o-1", "amount": 1, "version": 3}, "context.version", "choice", "Expected `2`, got 3."),
        (
            {"orderId": "o-1", "amount": 1, "lines": [{"sku": 1}, {}]},
            "context.lines[1].sku",
            "required",
            "`sku` is missing.",
        ),
        (
            {"orderId": "o-1", "amount": 1, "odd key": 1},
            'context["odd key"]',
            "unknown_field",
            'There is no field "odd key" here.',
        ),
        (
            {"orderId": "o-1", "amount": 1, "note": 5},
            "context.note",
            "choice",
            "Expected what fits one of the alternatives in `anyOf`, got 5.",
        ),
        (
            {"orderId": "o-1", "amount": 1, "never": 5},
            "context.never",
            "unknown_field",
            "Nothing may stand here.",
        ),
    ],
)
def test_a_misfit_is_told_with_its_place(value: Any, path: str, code: str, sentence: str) -> None:
    assert compile_schema(ORDER).problems(value, ("context",)) == [(path, code, sentence)]


def test_all_misfits_of_a_small_value_are_listed_and_twenty_of_many() -> None:
    schema = compile_schema({"items": {"type": "string"}})
    assert [problem.path for problem in schema.problems([1, "a", 2], ("data",))] == ["data[0]", "data[2]"]
    assert len(schema.problems(list(range(500)))) == MAX_PROBLEMS


def test_of_a_huge_value_the_first_misfit_is_told() -> None:
    huge = ["a"] * 300_000 + [1]
    assert compile_schema({"items": {"type": "string"}}).problems(huge, ("data",)) == [
        ("data[300000]", "type", "Expected a string, got 1.")
    ]


def test_of_a_huge_value_with_alternatives_it_is_only_told_that_it_does_not_fit() -> None:
    either = compile_schema({"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "boolean"}}]})
    assert either.problems([1] * 300_000, ("data",)) == [
        ("data", "schema", "The value does not fit its schema.")
    ]


def test_what_stands_under_a_secret_is_not_repeated() -> None:
    (problem,) = compile_schema({"properties": {"secret": {"type": "number"}}}).problems(
        {"secret": "hunter2"}
    )
    assert "hunter2" not in problem.message


def test_a_pattern_that_goes_round_and_round_is_stopped() -> None:
    schema = compile_schema({"items": {"pattern": r"^(a|aa)+(?!x)$"}})
    assert not schema.fits(["a" * 60 + "b"] * 100)


def test_format_checks_nothing() -> None:
    assert compile_schema({"format": "email"}).fits("nobody")


@pytest.mark.parametrize(
    ("schema", "where", "part"),
    [
        ({"type": "strin"}, (), "does not fit|anyOf"),
        ({"properties": {"a": {"pattern": "("}}}, ("properties", "a", "pattern"), "regex"),
        ({"required": "a"}, ("required",), "Expected a list"),
        ({"$ref": "http://127.0.0.1:1/schema"}, (), "leads nowhere"),
        ({"$ref": "file:///etc/passwd"}, (), "leads nowhere"),
        ({"$ref": "#/$defs/none"}, (), "leads nowhere"),
        ({"const": "x" * LARGEST_SCHEMA}, (), "bytes of JSON"),
        ({"not": {1, 2}}, (), "not JSON data|Expected"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(
    schema: dict[str, Any], where: tuple[str, ...], part: str
) -> None:
    with pytest.raises(BadSchema, match=part) as raised:
        compile_schema(schema)
    assert raised.value.where[: len(where)] == where


def test_a_schema_whose_alternatives_multiply_is_refused() -> None:
    doubled = {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(40)}
    with pytest.raises(BadSchema, match=f"{MOST_ALTERNATIVES:,} subschemas"):
        compile_schema({"$defs": doubled | {"a40": {}}, "$ref": "#/$defs/a0"})


def test_a_schema_that_refers_to_itself_can_be_used() -> None:
    tree = compile_schema({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}})
    assert tree.fits({"left": {"right": {}}})
    assert [problem.path for problem in tree.problems({"left": {"right": 1}})] == ["left.right"]


def test_references_that_go_on_and_on_are_refused() -> None:
    chain = {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(5_000)}
    with pytest.raises(BadSchema):
        compile_schema({"$defs": chain | {"a5000": {}}, "$ref": "#/$defs/a0"})


def test_equal_schemas_are_compiled_once() -> None:
    assert compile_schema({"type": "string"}) is compile_schema({"type": "string"})
