"""Plain paths read without the engine give what the engine gives."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tenuto.core.template import parse_expression
from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting.params import compile_expression
from tenuto.scripting.request import Limits, payload, prepare, read_answer
from tests.scripting.interpreter import answer

DATA = st.recursive(
    st.sampled_from([None, True, False, 0, 1.5, "", "text", "a😀b"]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "x-y", "0", "length", ""]), children, max_size=4)
    ),
    max_leaves=15,
)
ACCESS = st.sampled_from(
    [".a", "?.a", ".b", "?.b", "['x-y']", "?.['x-y']", "[0]", "?.[0]", "[1]", "['0']", "['01']", ".length", "?.length",
     "['']", ".nope", "?.nope", "[3]"]
)  # fmt: skip
PATH = st.builds(
    lambda root, path, default: root + "".join(path) + default,
    st.sampled_from(["context", "steps"]),
    st.lists(ACCESS, max_size=4),
    st.sampled_from(["", "", " ?? 1", " ?? null", " ?? 'd'", " ?? false"]),
)


class Absent(str):
    """The path that an error names as absent; an index may be spelled as a key."""


def absent_in(problem: ScriptFailed) -> Absent:
    """Empty where the error is about something else: reading on from null, or from what a guard let be absent."""
    told = re.sub(r'\["(0|[1-9]\d*)"\]', r"[\1]", str(problem).partition(";")[0])
    return Absent(told if "is absent" in told else "")


def names_a_key_twice(source: str) -> bool:
    """Whether a key stands twice in the path. The engine knows guards by name: `?.a` then guards every `a`."""
    path = parse_expression(source).path
    assert path is not None
    names = [str(segment.key) for segment in path.segments]
    return len(set(names)) < len(names)


def reaches_into_a_primitive(scope: Any, source: str) -> bool:
    """Whether the path asks a text, number or boolean for something. JavaScript finds nothing there without a word;
    a plain path is an error, as everywhere else."""
    path = parse_expression(source).path
    assert path is not None
    value = scope[path.root]
    for segment in path.segments:
        if isinstance(value, dict):
            value = value.get(str(segment.key))
        elif isinstance(value, list) and segment.key == "length":
            value = len(value)
        elif isinstance(value, list) and str(segment.key) in {"0", "1", "2"}:
            value = value[int(segment.key)] if int(segment.key) < len(value) else None
        else:
            return isinstance(value, bool | int | float | str)
    return False


@settings(max_examples=600, deadline=None)
@given(DATA, PATH)
def test_a_path_means_the_same_with_and_without_the_engine(data: Any, source: str) -> None:
    scope = {"context": data, "steps": {"a": {"status": "skipped"}, "b": data}}
    assume(not names_a_key_twice(source))
    assume(not reaches_into_a_primitive(scope, source))
    expression = compile_expression(source)
    assert not expression.needs_engine
    script = Script("expression", source)
    try:
        expected = read_answer(answer(payload(prepare(script, scope), scope)), script, scope, Limits())
    except ScriptFailed as problem:
        expected = absent_in(problem)
    try:
        found = expression.evaluate_plain(scope)
    except ScriptFailed as problem:
        found = absent_in(problem)
    if isinstance(expected, Absent) and not expected:
        assert isinstance(found, Absent)
    else:
        assert found == expected
