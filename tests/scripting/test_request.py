"""What is sent to a sandbox: as little of the scope as the script reads, and never less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.ports.script import Script, ScriptKind
from tenuto.scripting.request import payload, prepare
from tests.scripting.interpreter import answer

SCOPE: dict[str, Any] = {
    "context": {"a": {"b": {"c": 1}, "d": [1, {"e": 2}]}, "other": "x" * 100, "s-1": {"n": 1}, "text": "abc"},
    "input": [1, 2],
    "steps": {"s-1": {"status": "success", "result": {"n": 1}}, "t": {"status": "skipped"}},
    "execution": {"id": "e1"},
}
ALL: Any = SCOPE


def sent(source: str, kind: ScriptKind = "expression") -> Any:
    """The values in the request for the source."""
    request = msgspec.json.decode(payload(prepare(Script(kind, source), SCOPE), SCOPE))
    return request["values"]


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("1 + 1", {}),
        ("context.a.b.c > 0", {"context": {"a": {"b": {"c": 1}}}}),
        ("context.a.d[1].e > 0", {"context": {"a": {"d": [1, {"e": 2}]}}}),
        ("context['a'].b && context.text.length", {"context": {"a": {"b": {"c": 1}}, "text": "abc"}}),
        ("context.a.b && context.a", {"context": {"a": ALL["context"]["a"]}}),
        ("context.nope?.x ?? 1", {"context": {}}),
        ("steps.t.status == 'skipped'", {"steps": {"t": {"status": "skipped"}}}),
        ("input.length", {"input": [1, 2]}),
        ("context.s-1.n + 1", {"context": {"s-1": {"n": 1}}}),
        ("steps.s-1.result.n + 1", {"steps": {"s-1": {"result": {"n": 1}}}}),
        ("context.a.hasOwnProperty('b')", {"context": {"a": ALL["context"]["a"]}}),
        ("context.toString()", {"context": ALL["context"]}),
        ("Object.keys(context)", {"context": ALL["context"]}),
        ("context[execution.id]", {"context": ALL["context"], "execution": {"id": "e1"}}),
        ("({ ...context })", {"context": ALL["context"]}),
        ("(({ a }) => a)(context)", {"context": ALL["context"]}),
        ("`${context.text}`", {"context": {"text": "abc"}}),
        ("'context.a'", {}),
        ("eval('context')", ALL),
        ("x => arguments", ALL),
        ("\\u0063ontext", ALL),
    ],
)
def test_a_script_is_sent_what_it_reads(source: str, values: object) -> None:
    assert sent(source) == values


def test_a_body_is_sent_what_it_reads() -> None:
    assert sent("const { text } = context; return text", "body") == {"context": ALL["context"]}
    assert sent("if (context.a.b) { return input }", "body") == {
        "context": {"a": {"b": {"c": 1}}},
        "input": [1, 2],
    }


def test_long_sources_are_sent_everything() -> None:
    assert sent("context.text" + " " * 70_000) == ALL


def test_steps_that_nobody_reads_are_never_looked_up() -> None:
    class Untouched(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            assert key == "t", "only this one is read"
            return {"status": "skipped"}

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("nothing goes through all of them")

        def __len__(self) -> int:
            return 10_000

        def __contains__(self, key: object) -> bool:
            return key == "t"

    scope = {"steps": Untouched()}
    request = msgspec.json.decode(payload(prepare(Script("expression", "steps.t.status"), scope), scope))
    assert request["values"] == {"steps": {"t": {"status": "skipped"}}}


NAMES = ["a", "b", "c", "length", "x-y", "toString", "nope", "0", "in", "context"]
DATA = st.recursive(
    st.sampled_from([None, True, 0, 1.5, "", "text"]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(NAMES), children, max_size=4)
    ),
    max_leaves=12,
)
ACCESS = st.sampled_from(
    [".a", ".b", ".c", "?.a", "?.b", "['x-y']", "?.['x-y']", "[0]", "?.[0]", ".length", ".toString()", ".in", ".context",
     "[k]", "?.[k]", ".nope", "?.nope", " . /* . */ a", "\n.b", "['b']", '["a"]', ".map?.(x => x)", ".valueOf()"]
)  # fmt: skip
CHAIN = st.builds(
    lambda root, path: root + "".join(path),
    st.sampled_from(
        ["context", "input", "(context)", "this?.context", "steps", "{context}.context", "[context][0]"]
    ),
    st.lists(ACCESS, max_size=4),
)
EXPRESSION = st.recursive(
    CHAIN,
    lambda inner: st.one_of(
        st.builds("{} ?? {}".format, inner, st.sampled_from(["1", "null", "'d'"])),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("`${{{}}}/${{{}}}`".format, inner, inner),
        st.builds("JSON.stringify({})".format, inner),
        st.builds("Object.keys({} ?? [])".format, inner),
        st.builds("({{ ...({}), z: {} }})".format, inner, inner),
        st.builds("((context, k = 'b') => {})({})".format, inner, inner),
        st.builds("(({{ a, b }}, c = {}) => [a, b, c])({})".format, inner, inner),
        st.builds("(() => {{ let input = {}; {{ return {} }} }})()".format, inner, inner),
        st.builds("('a' in {})".format, inner),
        st.builds("(function () {{ return {} }}).call({{ context }})".format, inner),
        st.builds("({} / 2 / {})".format, inner, inner),
        st.builds("/'/.test({}) + '/{}/'".format, inner, st.sampled_from(["context", "x"])),
    ),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(DATA, DATA, EXPRESSION)
def test_leaving_out_what_is_not_read_changes_no_answer(context: Any, given_input: Any, source: str) -> None:
    scope = {"context": context, "input": given_input, "steps": {"a": {"result": context}}, "k": "a"}
    prepared = prepare(Script("expression", source), scope)
    assert answer(payload(prepared, scope)) == answer(payload(prepared._replace(wanted=None), scope))
