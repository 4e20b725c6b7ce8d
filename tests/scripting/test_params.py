"""Resolving params and expressions: constants, plain paths, and what goes to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.core.truth import is_truthy
from tenuto.errors import ScriptFailed
from tenuto.scripting.fake import FakeScriptEngine
from tenuto.scripting.params import compile_expression, compile_params, to_text

SCOPE: dict[str, Any] = {
    "context": {
        "order": {"id": 7, "items": [{"sku": "a"}, {"sku": "b"}], "note": None, "ok": False, "x-y": 1},
        "text": "héllo",
        "wide": "a😀b",
        "big": 2**60,
    },
    "input": {"amount": 99.0},
    "steps": {
        "done": {"status": "success", "attempts": 1, "result": {"n": 1}},
        "off": {"status": "skipped", "attempts": 0},
        "bad": {"status": "failed", "attempts": 2, "error": {"type": "http.500", "message": "no"}},
        "later": {"status": "pending", "attempts": 0},
    },
    "execution": {"id": "e1"},
    "step": {"key": "e1/s/0"},
}


def read(source: str, scope: Mapping[str, Any] = SCOPE) -> Any:
    expression = compile_expression(source, frozenset(SCOPE["steps"]))
    assert not expression.needs_engine, "these are plain paths"
    return expression.evaluate_plain(scope)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("context.order.id", 7),
        ("context.order.items[1].sku", "b"),
        ("context.order.items['1'].sku", "b"),
        ("context.order.items.length", 2),
        ("context.order['x-y']", 1),
        ("context.order.note", None),
        ("context.order.ok", False),
        ("context.order.ok ?? 5", False),
        ("context.order.note ?? 5", 5),
        ("context.order.note?.deep", None),
        ("context.order.note?.deep.deeper", None),
        ("context.text.length", 5),
        ("context.text[1]", "é"),
        ("context.wide.length", 4),
        ("context.wide[3]", "b"),
        ("context.wide[1]", "�"),
        ("context.big", 2**60),
        ("steps.done.result.n", 1),
        ("steps.bad.error.type", "http.500"),
        ("steps.off.status", "skipped"),
        ("execution.id", "e1"),
        ("context?.nope", None),
        ("context.nope ?? 'x'", "x"),
        ("context.nope?.a", None),
        ("context.nope?.a.b", None),
        ("steps.off.result ?? 0", 0),
        ("nowhere ?? 3", 3),
    ],
)
def test_a_plain_path_is_read_as_javascript_would(source: str, value: object) -> None:
    assert read(source) == value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("context.nope", "`context.nope` is absent; guard it with `?.` or `??` if that may be"),
        ("context.nope.a ?? 1", "`context.nope` is absent"),
        ("context?.nope.a", "`context.nope` is absent"),
        ("context.order.items[2]", "`context.order.items[2]` is absent"),
        ("context.order.items['01']", '`context.order.items["01"]` is absent'),
        ("context.order['a b']", '`context.order["a b"]` is absent'),
        ("context.order.id.x", "`context.order.id.x` is absent"),
        ("context.order.note.x", "`context.order.note` is null, so `context.order.note.x` cannot be read"),
        ("context.off", "`context.off` is absent: step `off` was skipped"),
        ("steps.off.result", "`steps.off.result` is absent: step `off` was skipped"),
        ("steps.bad.result.x", "`steps.bad.result` is absent: step `bad` failed"),
        ("context.later.x", "`context.later` is absent: step `later` has not ended"),
        ("steps.nobody", "`steps.nobody` is absent;"),
        ("nowhere.x", "`nowhere` is not defined here"),
    ],
)
def test_what_is_absent_is_an_error_that_names_it(source: str, message: str) -> None:
    with pytest.raises(ScriptFailed) as caught:
        read(source)
    assert caught.value.kind == "expression"
    assert str(caught.value).startswith(message)


def resolve(params: dict[str, Any]) -> dict[str, Any]:
    return compile_params(params).resolve_plain(SCOPE)


def test_a_single_expression_keeps_its_type_and_text_takes_it_as_text() -> None:
    assert resolve(
        {
            "same": "{{ context.order.items }}",
            "text": "{{ context.order.items }}/{{ context.text }}/{{ context.order.note }}/{{ context.order.ok }}",
            "number": "{{ input.amount }} {{ context.big }}",
            "deep": {"list": ["{{ context.order.id }}", {"a": "id={{ context.order.id }}"}]},
            "literal": r"\{{ no }}",
        }
    ) == {
        "same": [{"sku": "a"}, {"sku": "b"}],
        "text": '[{"sku":"a"},{"sku":"b"}]/héllo/null/false',
        "number": "99 1152921504606846976",
        "deep": {"list": [7, {"a": "id=7"}]},
        "literal": "{{ no }}",
    }


def test_scripts_are_never_templated() -> None:
    params = {"code": "return `{{ context.text }}`", "nested": {"code": "{{ context.text }}"}}
    compiled = compile_params(params, scripts=frozenset({"code"}))
    assert compiled.resolve_plain(SCOPE) == {"code": params["code"], "nested": {"code": "héllo"}}


def test_constants_are_known_as_such_and_never_shared() -> None:
    compiled = compile_params({"a": {"b": [1, 2]}})
    assert compiled.is_constant
    assert not compiled.needs_engine
    first = compiled.resolve_plain({})
    first["a"]["b"].append(3)
    assert compiled.resolve_plain({}) == {"a": {"b": [1, 2]}}


def test_deep_params_are_resolved_without_recursion() -> None:
    params: Any = "{{ context.order.id }}"
    for _ in range(20_000):
        params = [params]
    value = resolve({"deep": params})["deep"]
    while isinstance(value, list):
        (value,) = value
    assert value == 7


def test_a_scope_may_be_any_mapping() -> None:
    class Lazy(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            return SCOPE[key]

        def __iter__(self) -> Iterator[str]:
            return iter(SCOPE)

        def __len__(self) -> int:
            return len(SCOPE)

    assert read("steps.done.result", Lazy()) == {"n": 1}


async def test_only_what_is_no_plain_path_goes_to_the_engine() -> None:
    engine = FakeScriptEngine({"context.order.id + 1": lambda scope: scope["context"]["order"]["id"] + 1})
    compiled = compile_params(
        {"a": "{{ context.order.id }}", "b": "{{ context.order.id + 1 }}", "c": "x{{ context.order.id + 1 }}"}
    )
    assert compiled.needs_engine
    assert await compiled.resolve(SCOPE, engine) == {"a": 7, "b": 8, "c": "x8"}
    assert engine.evaluated == ["context.order.id + 1", "context.order.id + 1"]


async def test_the_first_expression_that_fails_is_the_one_told() -> None:
    compiled = compile_params({"a": "{{ 1 + 1 }}", "b": "{{ 2 + 2 }}"})
    with pytest.raises(ScriptFailed, match="1 \\+ 1"):
        await compiled.resolve(SCOPE, FakeScriptEngine({}))


@pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, ""])
def test_falsy(value: object) -> None:
    assert not is_truthy(value)


@pytest.mark.parametrize("value", [True, 1, -1, 0.1, "0", "false", [], {}, [0]])
def test_truthy(value: object) -> None:
    assert is_truthy(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.1, "0.1"), (-0.0, "0"), (1.5e-5, "0.000015"), (-1e16, "-10000000000000000"),
     (True, "true"), (None, "null"),
     (2.5e300, "2.5e+300"), ({"a": [1, "é"]}, '{"a":[1,"é"]}'), ("x", "x"), (123456789012345680000.0, "123456789012345680000")],
)  # fmt: skip
def test_values_are_written_as_javascript_writes_them(value: object, text: str) -> None:
    assert to_text(value) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(JSON)
def test_params_without_templates_come_back_equal(value: Any) -> None:
    params = {"value": value}
    if "{{" not in str(value):
        assert resolve(params) == params


@given(JSON)
def test_any_value_passes_through_a_single_expression_unchanged(value: Any) -> None:
    assert compile_params({"v": "{{ context.v }}"}).resolve_plain({"context": {"v": value}}) == {"v": value}
