from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import typer

from tenuto.cli.inputs import read_context, read_document, read_duration, read_tags


def test_a_context_is_json_in_the_argument() -> None:
    assert read_context('{"orderId": 7}') == {"orderId": 7}


def test_no_context_is_an_empty_one() -> None:
    assert read_context(None) == {}


def test_a_context_is_read_from_a_file_named_with_an_at_sign(tmp_path: Path) -> None:
    (tmp_path / "context.json").write_text('{"a": [1]}')
    assert read_context(f"@{tmp_path / 'context.json'}") == {"a": [1]}


@pytest.mark.parametrize("given", ["-", "@-"])
def test_a_context_is_read_from_standard_input(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}')))
    assert read_context(given) == {"a": 1}


def test_a_context_that_is_no_object_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="must be a JSON object"):
        read_context("[1]")


def test_json_that_goes_wrong_is_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text('{\n  "id": "w",,\n}')
    with pytest.raises(typer.BadParameter, match=r"w\.json: Line 2, column 13"):
        read_document(str(tmp_path / "w.json"))


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text('{"id": "a", "id": "b"}')
    with pytest.raises(typer.BadParameter, match="twice"):
        read_document(str(tmp_path / "w.json"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"nosuch\.json: no such file"):
        read_document(str(tmp_path / "nosuch.json"))


def test_tags_are_pairs_whose_value_may_hold_an_equals_sign() -> None:
    assert read_tags(["team=payments", "query=a=b", "empty="]) == {
        "team": "payments",
        "query": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize("tag", ["team", "=payments"])
def test_half_a_tag_is_refused(tag: str) -> None:
    with pytest.raises(typer.BadParameter, match="key=value"):
        read_tags([tag])


def test_a_duration_without_a_unit_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="not a duration"):
        read_duration("30")
