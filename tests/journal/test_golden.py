"""What was once written is read the same way for ever."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from tenuto.core import events as ev
from tenuto.core.definition import Definition
from tenuto.core.graph import compile_graph
from tenuto.core.state import TERMINAL, State, next_wake
from tenuto.core.view import document
from tenuto.journal.codec import decode, encode
from tenuto.journal.fold import extend, fold
from tests.journal import golden
from tests.journal.recorder import Recording
from tests.journal.scenarios import SCENARIOS

NAMES = golden.names()
NOT_MADE_YET = {"manual_skip"}
"""Reasons that stored events may give by their type, and that no verb of this version brings about."""


def replayed(recording: Recording) -> State:
    graph = compile_graph(msgspec.convert(recording.definition, Definition))
    return fold(graph, recording.records)


def as_served(state: State, at: int) -> Any:
    return json.loads(msgspec.json.encode(document(state, at)))


def events_by_kind() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name in NAMES:
        for record in golden.load(name).records:
            for event in msgspec.json.decode(record)[2]:
                found.setdefault(event["type"], []).append(event)
    return found


def test_every_scenario_has_its_golden_journal() -> None:
    assert set(NAMES) == set(SCENARIOS)


@pytest.mark.parametrize("kind", get_args(ev.AnyEvent), ids=lambda kind: kind.__name__)
def test_every_kind_of_event_is_recorded_with_every_field_it_has(kind: type[ev.Event]) -> None:
    tag = kind.__struct_config__.tag
    recorded = events_by_kind()[str(tag)]
    written = {name for event in recorded for name in event} - {"type"}
    assert written == set(kind.__struct_encode_fields__)


def test_every_reason_to_skip_a_step_is_recorded() -> None:
    recorded = {event["reason"] for event in events_by_kind()["step.skipped"]}
    assert recorded | NOT_MADE_YET == set(get_args(ev.SkipReason))


def test_every_status_of_steps_and_executions_is_recorded() -> None:
    documents = [golden.load(name).document for name in NAMES]
    steps = {step["status"] for shown in documents for step in shown["stepResults"].values()}
    assert steps == {"running", "retrying", "waiting", "success", "failed", "skipped", "cancelled"}
    assert {shown["status"] for shown in documents} == {"running", "paused", *TERMINAL}


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_journal_folds_to_the_document_of_its_time(name: str) -> None:
    recording = golden.load(name)
    state = replayed(recording)
    assert state.seq == len(recording.records)
    assert as_served(state, decode(recording.records[-1]).at) == recording.document


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_journal_folds_alike_record_by_record(name: str) -> None:
    recording = golden.load(name)
    whole = replayed(recording)
    state = State(whole.graph)
    for record in recording.records:
        extend(state, [record])
    assert as_served(state, 0) == as_served(whole, 0)
    assert state.seq == whole.seq
    assert next_wake(state) == next_wake(whole)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_from_a_golden_journal_is_written_again_byte_for_byte(name: str) -> None:
    for record in golden.load(name).records:
        assert encode(*decode(record)) == record


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_inputs_still_bring_about_what_was_recorded(name: str) -> None:
    made, recording = SCENARIOS[name]().recording(), golden.load(name)
    assert [json.loads(record) for record in made.records] == [
        json.loads(record) for record in recording.records
    ]
    assert made.definition == recording.definition


def test_recording_leaves_what_is_recorded_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    first, second = (SCENARIOS[name]().recording() for name in ("terminated", "waits"))
    assert golden.save("x", first)
    assert not golden.save("x", second)
    assert golden.load("x").records == first.records
    assert golden.names() == ["x"]
