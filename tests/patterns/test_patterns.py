"""Every control-flow pattern is an example that does what it says, on the real engine."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import msgspec
import pytest

from tenuto.core.definition import Definition
from tenuto.wire.definitions import parse_definition
from tests.patterns.examples import COUNT, DEFINITIONS, FOLDER, Case, Expected, cases_of, documents_of
from tests.patterns.play import Played, ids_at_top, play
from tests.patterns.record import Record

PLAYS = [(file, case) for file in DEFINITIONS for case in cases_of(file)]
PROMPT_MS = 100
"""What starts at an instant starts this soon after it."""

LONGEST = 60
"""Lines of an example that one can take in."""


def test_there_is_one_example_for_each_pattern() -> None:
    assert [file.name[:3] for file in DEFINITIONS] == [f"{number:02}-" for number in range(1, COUNT + 1)]
    beside = {file.name.partition(".")[0] for file in FOLDER.iterdir()}
    assert beside == {file.stem for file in DEFINITIONS}


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.stem)
def test_an_example_is_short_and_valid_without_a_doubt(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LONGEST
    for document in documents_of(file):
        assert msgspec.convert(document, Definition).id.startswith(f"wcp-{file.name[:2]}-")
        assert parse_definition(document, frozenset()).warnings == []


@pytest.mark.parametrize(("file", "case"), PLAYS, ids=[f"{file.stem}: {case.name}" for file, case in PLAYS])
def test_an_example_does_what_is_expected(file: Path, case: Case) -> None:
    played = play(file, case)
    expect = case.expect
    check_end(played, expect)
    check_steps(played.record, expect, list(ids_at_top(documents_of(file)[0])))
    check_order(played.record, expect)
    check_results(played, expect)
    check_executions(played, expect)


def check_end(played: Played, expect: Expected) -> None:
    document = played.document
    assert document["status"] == expect.status, document.get("error")
    assert document.get("error", {}).get("type") == expect.error
    if expect.within is not None:
        assert document["duration"] <= expect.within
    if expect.output is not msgspec.UNSET:
        assert document["output"] == expect.output


def check_steps(record: Record, expect: Expected, at_top: list[str]) -> None:
    assert {name: record.deed(name).said for name in expect.steps} == expect.steps
    assert set(at_top) <= set(expect.steps), "the expectation leaves no step out"
    assert [name for name in expect.never if record.has_started(name)] == []


def check_order(record: Record, expect: Expected) -> None:
    for first, second in expect.order:
        assert record.end(first) < record.start(second), f"{first} ends before {second} starts"
    for first, second in expect.ends:
        assert record.end(first) < record.end(second), f"{first} ends before {second} ends"
    for names in expect.together:
        assert max(map(record.start, names)) < min(map(record.end, names)), f"{names} run at one time"
    for names in expect.apart:
        for one, other in combinations(names, 2):
            is_apart = record.end(one) < record.start(other) or record.end(other) < record.start(one)
            assert is_apart, f"{one} and {other} run at one time"
    for name, at in expect.starts.items():
        assert at <= record.start(name).at < at + PROMPT_MS


def check_results(played: Played, expect: Expected) -> None:
    shown = played.document["stepResults"]
    for name, result in expect.results.items():
        assert (shown[name]["result"] if name in shown else played.record.deed(name).result) == result


def check_executions(played: Played, expect: Expected) -> None:
    ended = {
        workflow_id: [document["status"] for document in documents]
        for workflow_id, documents in played.documents.items()
    }
    for workflow_id, statuses in expect.executions.items():
        assert ended[workflow_id] == statuses
    if expect.one_at_a_time is not None:
        spans = sorted(record.span for record in played.records[expect.one_at_a_time])
        assert len(spans) > 1
        assert all(one.ended <= next_one.began for one, next_one in pairwise(spans))
