from __future__ import annotations

import json
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.errors import Invalid, TooLarge
from tenuto.wire import yaml
from tenuto.wire.json import decode_json
from tenuto.wire.yaml import MAX_YAML_BYTES, Place, decode_yaml, decode_yaml_documents


def refusal(text: str | bytes, **limits: int) -> str:
    with pytest.raises(Invalid) as caught:
        decode_yaml(text if isinstance(text, bytes) else text.encode(), **limits)
    [problem] = caught.value.problems
    assert problem.path == ""
    return problem.message


def test_a_definition_reads_as_it_would_in_json() -> None:
    text = """\
    # what we sell
    id: order
    steps:
      - id: charge
        action: http.request
        params: {url: "https://pay.example/{{ context.id }}", method: POST}
        critical: true
      - id: ship
        dependencies: [charge]
        timeout: 5000
        description: >-
          in two
          lines
    """
    assert decode_yaml(text.encode()) == {
        "id": "order",
        "steps": [
            {
                "id": "charge",
                "action": "http.request",
                "params": {"url": "https://pay.example/{{ context.id }}", "method": "POST"},
                "critical": True,
            },
            {"id": "ship", "dependencies": ["charge"], "timeout": 5000, "description": "in two lines"},
        ],
    }


@pytest.mark.parametrize(
    "text",
    [
        "on", "off", "yes", "no", "Yes", "NO", "y", "n", "012", "0o14", "0x1F", "0b1", "1_000", "+1", ".5", "1.", "1e", "--1",
        ".inf", ".nan", "12:30", "190:20:30", "2026-01-31", "2026-01-31T10:00:00Z", "=", "nil", "None", "NaN", "Infinity",
        "tRue", "1.2.3", "0.1.0", "١",
    ],
)  # fmt: skip
def test_plain_words_that_json_does_not_know_are_text(text: str) -> None:
    assert decode_yaml(f"- {text}\n- {{a: {text}}}\n".encode()) == [text, {"a": text}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("TRUE", True), ("null", None), ("Null", None), ("~", None), ("", None),
        ("0", 0), ("-7", -7), ("12", 12), ("1.5", 1.5), ("1e3", 1000.0), ("-1.5E-2", -0.015),
        ("123456789012345678901234567890", 123456789012345678901234567890),
    ],
)  # fmt: skip
def test_what_json_writes_as_a_number_boolean_or_null_is_one(text: str, value: object) -> None:
    [read] = [decode_yaml(f"a: {text}\n".encode())]
    assert isinstance(read, dict)
    assert (type(read["a"]), read["a"]) == (type(value), value)


@pytest.mark.parametrize("quoted", ["'12'", '"12"', "!!str 12", "! 12", "|-\n  12"])
def test_what_is_quoted_or_tagged_as_text_is_text(quoted: str) -> None:
    assert decode_yaml(f"a: {quoted}\n".encode()) == {"a": "12"}


def test_keys_are_the_text_that_stands_there() -> None:
    assert decode_yaml(b"on: 1\n1: 2\nnull: 3\n2026-01-31: 4\n'': 5\n") == {
        "on": 1, "1": 2, "null": 3, "2026-01-31": 4, "": 5,
    }  # fmt: skip


@pytest.mark.parametrize("key", ["? [a]\n: 1", "? {a: 1}\n: 1", "?\n: 1", "- &a [1]\n- {*a : 1}"])
def test_only_text_can_be_a_key(key: str) -> None:
    assert "a key must be text" in refusal(key)


DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(DATA, st.booleans(), st.sampled_from([None, 1]))
def test_all_json_is_yaml(data: Any, is_ascii: bool, indent: int | None) -> None:
    body = json.dumps(data, ensure_ascii=is_ascii, indent=indent).encode()
    assert decode_yaml(body) == decode_json(body)


@settings(max_examples=200, deadline=None)
@given(DATA)
def test_what_another_program_writes_as_yaml_of_the_core_schema_is_read_back(data: Any) -> None:
    class Quoting(pyyaml.SafeDumper):
        """Writes all text in quotes, as it knows no other rules than those of YAML 1.1."""

    Quoting.add_representer(
        str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, '"')
    )
    Quoting.add_representer(
        float, lambda dumper, x: dumper.represent_scalar("tag:yaml.org,2002:float", repr(x))
    )
    assert decode_yaml(pyyaml.dump(data, Dumper=Quoting).encode()) == data


def test_tabs_in_json_are_no_mistake() -> None:
    assert decode_yaml(b'{\n\t"a": [\t1]\n}') == {"a": [1]}


def test_a_key_that_appears_twice_is_refused_with_its_place() -> None:
    assert (
        refusal("a: 1\nb:\n  c: 1\n  c: 2\n")
        == 'Line 4, column 3: the key "c" appears twice; keep one of them.'
    )
    assert '"1"' in refusal("1: a\n'1': b\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: {", "Line 1, column 5"),
        ("a: b: c", "Line 1, column 5"),
        ("a: 1\n\tb: 2", "Line 2, column 1"),
        ("a: [1, 2\nb: 3", "Line 2, column 2"),
        ("a: 1e999", "Line 1, column 4"),
        ("a: '", "Line 1, column 5"),
        ('a: "\\ud800"', "Line 1, column 4"),
        (b"a: \xff", "Line 1, column 4"),
        ("a: *nowhere", "Line 1, column 4"),
        ("a: &here [1, *here]", "Line 1, column 14"),
        ("a: 1\n---\nb: 2\n", "Line 3, column 1"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(text: str | bytes, place: str) -> None:
    assert refusal(text).startswith(f"{place}: ")


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object:os.system {}",
        "!!binary aGk=",
        "!!set {a}",
        "!own 1",
        "!!timestamp 2026-01-31",
    ],
)
def test_tags_are_not_read(text: str) -> None:
    assert "is not read" in refusal(f"a: {text}")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n...\n---\n"])
def test_nothing_is_no_document(text: str) -> None:
    assert "empty" in refusal(text)
    assert decode_yaml_documents(text.encode()) == []


def test_tags_of_json_types_are_read_where_they_are_true() -> None:
    assert decode_yaml(b"[!!int '7', !!float '1e-05', !!bool true, !!null '', !!seq [], !!map {}]") == [
        7, 1e-05, True, None, [], {},
    ]  # fmt: skip
    assert refusal("a: !!int x").endswith('"x" is no int.')
    assert refusal("a: !!int true").endswith('"true" is no int.')


def test_characters_that_yaml_does_not_allow_are_refused() -> None:
    assert "not YAML" in refusal("a: \x01")


def test_an_alias_says_again_what_its_anchor_says() -> None:
    text = b"""
    common: &common {retryPolicy: {maxAttempts: 3}, timeout: 1000}
    steps:
      - {id: a, timeout: 5, <<: *common}
      - {<<: [*common, {timeout: 7, name: b}], id: b}
      - *common
    """
    policy = {"maxAttempts": 3}
    assert decode_yaml(text) == {
        "common": {"retryPolicy": policy, "timeout": 1000},
        "steps": [
            {"id": "a", "timeout": 5, "retryPolicy": policy},
            {"id": "b", "retryPolicy": policy, "timeout": 1000, "name": "b"},
            {"retryPolicy": policy, "timeout": 1000},
        ],
    }


def test_a_quoted_merge_key_is_a_key() -> None:
    assert decode_yaml(b"'<<': 1") == {"<<": 1}
    assert "`<<` takes" in refusal("<<: 1")


def test_anchors_of_one_document_are_unknown_in_the_next() -> None:
    with pytest.raises(Invalid, match="no anchor"):
        decode_yaml_documents(b"a: &a 1\n---\nb: *a\n")


def test_aliases_cannot_make_much_of_little() -> None:
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for before, name in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    with pytest.raises(TooLarge, match="Line 7, column 12: with its aliases resolved"):
        decode_yaml("\n".join(lines).encode())


def test_one_long_text_cannot_be_said_over_and_over() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 60)}]\n"
    with pytest.raises(TooLarge):
        decode_yaml(text.encode())


def test_depth_is_bounded_also_by_way_of_aliases() -> None:
    assert decode_yaml(b"[" * 0 + b"a: [[1]]", max_depth=3) == {"a": [[1]]}
    assert "deeper than 3 levels" in refusal("a: [[[1]]]", max_depth=3)
    assert "deeper than 100 levels" in refusal("- " * 101)
    assert "deeper than 100 levels" in refusal("[" * 5000)
    assert "deeper than 3 levels" in refusal("a: &a [[1]]\nb: [*a]", max_depth=3)


def test_size_and_number_of_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge, match="at most 1,048,576"):
        decode_yaml(b"#" * (MAX_YAML_BYTES + 1))
    with pytest.raises(TooLarge, match="at most 10"):
        decode_yaml(b"a: 12345678", max_bytes=10)
    monkeypatch.setattr(yaml, "MAX_NODES", 100)
    with pytest.raises(TooLarge, match="Line 1: this is YAML of more than 100 parts"):
        decode_yaml(b"- [" + b"1," * 100 + b"1]")


def test_the_documents_of_a_file_come_in_order_with_their_places() -> None:
    first, second = decode_yaml_documents(b"# head\na: 1\n---\n---\nb:\n- c: 2\n...\n", with_places=True)
    assert (first.data, first.places) == ({"a": 1}, {(): Place(2, 1), ("a",): Place(2, 1)})
    assert second.data == {"b": [{"c": 2}]}
    assert second.places == {
        (): Place(5, 1), ("b",): Place(5, 1), ("b", 0): Place(6, 3), ("b", 0, "c"): Place(6, 3),
    }  # fmt: skip


def test_pyyamls_own_parser_reads_the_same_where_libyaml_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"a: &a [on, 012, {b: 1.5}]\nc: *a\n---\nd: !!str 1\n"
    expected = decode_yaml_documents(text, with_places=True)
    monkeypatch.setattr(yaml, "_Parser", pyyaml.SafeLoader)
    assert decode_yaml_documents(text, with_places=True) == expected
    assert "appears twice" in refusal("a: 1\na: 2")
