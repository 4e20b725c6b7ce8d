"""What `decode_json` accepts, and how it says what it refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import Invalid, Problem, TooLarge
from tenuto.wire.json import EXPLAINED_BYTES, decode_json


def problem_of(body: bytes, *, unique_keys: bool = False) -> Problem:
    with pytest.raises(Invalid) as refused:
        decode_json(body, unique_keys=unique_keys)
    (problem,) = refused.value.problems
    return problem


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is empty; a JSON document was expected."),
        (b" \n ", "The body is empty; a JSON document was expected."),
        (b'{"a": 1e999}', "Line 1, column 7: the number 1e999 is too large."),
        (b'{"a":\n  NaN}', "Line 2, column 3: NaN is not JSON; use null, or leave the value out."),
        (b'["NaN", -Infinity]', "Line 1, column 9: -Infinity is not JSON; use null, or leave the value out."),
        (b'["\\ud800"]', "Line 1, column 3: half a surrogate pair is not a character."),
        (b'["\\\\ud800", "\\udc00"]', "Line 1, column 14: half a surrogate pair is not a character."),
        (b'"\xc3\xa9\xff"', "Line 1, column 3: this byte is not UTF-8; JSON must be UTF-8."),
        (b'{"a": 1} x', "Line 1, column 10: this is not JSON (extra data)."),
        (b'{"a": 1', "Line 1, column 8: this is not JSON (expecting ',' delimiter)."),
        (
            b"{'a': 1}",
            "Line 1, column 2: this is not JSON (expecting property name enclosed in double quotes).",
        ),
        (b"[1,]", "Line 1, column 4: this is not JSON (expecting value)."),
        (b'"a\nb"', "Line 1, column 3: this is not JSON (invalid control character at)."),
        (b"[" + b"1" * 5000 + b"]", "Line 1, column 2: this number has too many digits."),
    ],
)
def test_a_refusal_names_the_place_and_the_reason(body: bytes, message: str) -> None:
    assert problem_of(body) == Problem("", "json", message)


def test_a_large_body_is_refused_with_the_byte_alone() -> None:
    body = b"[" + b" " * EXPLAINED_BYTES + b"x]"
    assert problem_of(body).message == f"This is not JSON (invalid character (byte {EXPLAINED_BYTES + 1}))."


def test_nesting_is_bounded_and_brackets_in_strings_do_not_count() -> None:
    assert decode_json(b"[" * 100 + b"]" * 100) is not None
    assert problem_of(b"[" * 101 + b"]" * 101) == Problem(
        "", "too_deep", "The JSON nests deeper than 100 levels."
    )
    brackets = '{"a\\"' + "[" * 500
    assert decode_json(json.dumps([brackets, "\\", "[" * 200]).encode()) == [brackets, "\\", "[" * 200]


@pytest.mark.parametrize(
    "body", [b"[" * 300_000, b'{"a":' * 300_000, b'"' * 300_001, b'["' + b'\\"' * 200_000 + b"[" * 200]
)
def test_hostile_nesting_is_refused_without_recursion(body: bytes) -> None:
    assert problem_of(body).code in ("too_deep", "json")


def test_more_bytes_than_allowed_are_too_large() -> None:
    assert decode_json(b"[1, 2]", max_bytes=6) == [1, 2]
    with pytest.raises(TooLarge, match="7 bytes; at most 6"):
        decode_json(b"[1, 23]", max_bytes=6)


def test_integers_of_any_size_stay_exact() -> None:
    numbers = [2**53 + 1, 2**64, -(2**70), 10**300]
    assert decode_json(json.dumps(numbers).encode()) == numbers


def test_odd_keys_are_ordinary_keys() -> None:
    document = {"__proto__": {"x": 1}, "constructor": 2, "": 3, "a.b[0]": 4, "\u0000": 5}
    assert decode_json(json.dumps(document).encode()) == document


def test_a_byte_order_mark_is_overlooked() -> None:
    assert decode_json(b"\xef\xbb\xbf{}") == {}


def test_a_repeated_key_is_refused_where_asked() -> None:
    body = b'{"a": {"b": 1, "c": 2, "b": 3}}'
    assert decode_json(body) == {"a": {"b": 3, "c": 2}}
    assert problem_of(body, unique_keys=True) == Problem(
        "", "duplicate_key", 'The key "b" appears twice in one object; keep one of them.'
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_json_is_decoded_as_the_standard_library_does(value: object) -> None:
    assert decode_json(json.dumps(value).encode(), unique_keys=True) == value


@given(st.binary(max_size=60) | st.text('{}[]":,\\ueE+-.0123456789 Naftrl\n', max_size=40).map(str.encode))
def test_whatever_is_not_json_is_refused_with_one_problem(body: bytes) -> None:
    try:
        decode_json(body)
        problems = []
    except Invalid as refused:
        problems = refused.problems
    assert [p.message[-1] for p in problems] in ([], ["."])
