"""The bytes of one record: what is written comes back, and what cannot be read says why."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.core import events as ev
from tenuto.core.definition import Definition, StepSpec
from tenuto.core.graph import compile_graph
from tenuto.errors import StoreError, UnreadableRecord
from tenuto.journal.codec import FORMAT, decode, decode_plain, encode
from tenuto.journal.fold import fold

# Stored text comes from JSON over HTTP or from encoded results, so it never holds half a surrogate pair.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WHOLE = st.integers(-(2**63), 2**64 - 1)
NUMBERS = WHOLE | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON,
    str: TEXT,
    int: WHOLE,
    bool: st.booleans(),
    type(None): st.none(),
}

unhurried = settings(deadline=None)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as fields of events have them."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of([values_of(arg) for arg in args])
    if origin is list:
        return st.lists(values_of(args[0]), max_size=4)
    if origin is dict:
        return st.dictionaries(values_of(args[0]), values_of(args[1]), max_size=4)
    assert issubclass(hint, msgspec.Struct), f"fields of events are JSON data, not {hint}"
    return structs_of(hint)


def structs_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Structs of one kind, whatever fields it has."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: values_of(hints[name]) for name in kind.__struct_fields__})


EVENTS: st.SearchStrategy[Any] = st.one_of([structs_of(kind) for kind in get_args(ev.AnyEvent)])


@unhurried
@given(WHOLE, st.lists(EVENTS, max_size=6))
def test_what_is_written_is_read_back(at: int, events: list[ev.AnyEvent]) -> None:
    assert decode(encode(at, events)) == (at, events)


@unhurried
@given(WHOLE, st.lists(EVENTS, max_size=6))
def test_what_is_written_is_json_on_one_line(at: int, events: list[ev.AnyEvent]) -> None:
    data = encode(at, events)
    assert b"\n" not in data
    assert b"\r" not in data
    version, instant, plain = msgspec.json.decode(data)
    assert (version, instant) == (FORMAT, at)
    assert (at, plain) == decode_plain(data)
    assert [event["type"] for event in plain] == [type(event).__struct_config__.tag for event in events]


@unhurried
@given(st.lists(EVENTS, min_size=1, max_size=3), st.data())
def test_a_record_cut_short_is_unreadable(events: list[ev.AnyEvent], data: st.DataObject) -> None:
    whole = encode(1, events)
    with pytest.raises(UnreadableRecord, match="a journal record does not decode: "):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@unhurried
@given(st.binary(max_size=60))
def test_bytes_that_are_no_record_are_unreadable_and_nothing_else(data: bytes) -> None:
    with pytest.raises(UnreadableRecord, match="a journal record does not decode: "):
        decode(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not decode"),
        (b"null", "does not decode"),
        (b"[1,5]", "does not decode"),
        (b"[1,5,[],0]", "does not decode"),
        (b'["1",5,[]]', "does not decode"),
        (b"[1,5.5,[]]", "does not decode"),
        (b"[1,5,[{}]]", r"missing required field `type`"),
        (b'[1,5,[{"type":"step.vanished","step":"a"}]]', r"Invalid value 'step.vanished' - at `\$\[2\]\[0\].type`"),
        (b'[1,5,[{"type":"step.started","step":"a"}]]', r"missing required field `attempt` - at `\$\[2\]\[0\]`"),
        (b'[1,5,[{"type":"step.skipped","step":"a","reason":"bored"}]]', "Invalid enum value 'bored'"),
        (b'[1,5,[{"type":"step.cancelled","step":"\xff"}]]', "does not decode"),
    ],
)  # fmt: skip
def test_a_damaged_record_says_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableRecord, match=words):
        decode(data)


@pytest.mark.parametrize("events", [b"[]", b'[{"type":"step.vanished","how":1}]', b'{"steps":{"a":1}}'])
def test_a_record_of_a_later_format_names_both_formats(events: bytes) -> None:
    with pytest.raises(UnreadableRecord, match=r"a journal record has format 2; this version reads 1$"):
        decode(b"[2,5," + events + b"]")
    with pytest.raises(UnreadableRecord, match=r"a journal record has format 2; this version reads 1$"):
        decode_plain(b"[2,5," + events + b"]")


def test_a_record_that_cannot_be_read_is_a_failure_of_the_store() -> None:
    with pytest.raises(StoreError):
        decode_plain(b'[1,5,["\xff"]]')


def test_a_field_that_a_later_version_added_is_passed_over() -> None:
    data = b'[1,5,[{"type":"step.cancelled","step":"a","mood":"fine"}]]'
    assert decode(data).events == [ev.StepCancelled("a")]


def test_folding_stops_at_the_record_that_cannot_be_read() -> None:
    graph = compile_graph(Definition(id="w", steps=(StepSpec(id="a"),)))
    started = encode(1, [ev.ExecutionStarted("e", "w", 1, {})])
    with pytest.raises(UnreadableRecord):
        fold(graph, [started, b"[1,2,[{]"])


@pytest.mark.parametrize(
    "events",
    [
        [ev.StepStarted("z", 1)],
        [ev.ExecutionResumed()],
        [ev.ExecutionCompleted()],
        [ev.StepCancelled("a"), ev.StepSucceeded("z", 1)],
    ],
    ids=["unknown step", "never paused", "steps are open", "unknown step at the end"],
)
def test_facts_that_contradict_those_before_them_are_unreadable(events: list[ev.AnyEvent]) -> None:
    graph = compile_graph(Definition(id="w", steps=(StepSpec(id="a"), StepSpec(id="b"))))
    started = encode(1, [ev.ExecutionStarted("e", "w", 1, {})])
    with pytest.raises(UnreadableRecord, match="record 2 of a journal does not follow from those before it"):
        fold(graph, [started, encode(2, events)])
