"""What was once written is read the same way for ever."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, get_args

import msgspec
import pytest

from tenuto.core import events as ev
from tenuto.core.definition import Definition
from tenuto.core.graph import compile_graph
from tenuto.core.state import ExecutionStatus, Phase, State, StepStatus, next_wake
from tenuto.core.view import document
from tenuto.journal.codec import decode, encode
from tenuto.journal.fold import extend, fold
from tenuto.runtime.large_results import encode_record, whole_record
from tests.journal import golden
from tests.journal.recorder import Recording
from tests.journal.scenarios import SCENARIOS
from tests.journal.scenarios.large import LIMIT

NAMES = golden.names()


def replayed(recording: Recording) -> State:
    graph = compile_graph(msgspec.convert(recording.definition, Definition))
    return fold(graph, whole(recording))


def whole(recording: Recording) -> list[bytes]:
    """The records with what is stored apart in its place."""
    return [whole_record(record, recording.blobs) for record in recording.records]


def as_served(state: State, at: int) -> Any:
    return json.loads(msgspec.json.encode(document(state, at)))


def fields_of_then(served: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """The document without the fields that have been added since, to it and to its step results."""
    results = then["stepResults"]
    kept = {
        step: {name: shown[name] for name in results[step]} for step, shown in served["stepResults"].items()
    }
    return {name: served[name] for name in then} | {"stepResults": kept}


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
    assert recorded == set(get_args(ev.SkipReason))


def test_every_status_of_steps_and_executions_is_recorded() -> None:
    documents = [golden.load(name).document for name in NAMES]
    steps = {step["status"] for shown in documents for step in shown["stepResults"].values()}
    assert steps == set(get_args(StepStatus)) - {"pending"}
    assert {shown["status"] for shown in documents} == set(get_args(ExecutionStatus))
    assert {shown["phase"] for shown in documents} == set(get_args(Phase))


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_journal_folds_to_the_document_of_its_time(name: str) -> None:
    recording = golden.load(name)
    state = replayed(recording)
    assert state.seq == len(recording.records)
    served = as_served(state, decode(recording.records[-1]).at)
    assert fields_of_then(served, recording.document) == recording.document


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_journal_folds_alike_record_by_record(name: str) -> None:
    recording = golden.load(name)
    at_once = replayed(recording)
    state = State(at_once.graph)
    for record in whole(recording):
        extend(state, [record])
    assert as_served(state, 0) == as_served(at_once, 0)
    assert state.seq == at_once.seq
    assert next_wake(state) == next_wake(at_once)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_from_a_golden_journal_is_written_again_byte_for_byte(name: str) -> None:
    for record in golden.load(name).records:
        assert encode(*decode(record)) == record


def test_data_stored_apart_is_named_by_its_digest_and_set_apart_again() -> None:
    recording = golden.load("large-data-apart")
    assert {sha256(data).hexdigest() for data in recording.blobs.values()} == set(recording.blobs)
    found: dict[str, bytes] = {}
    for record in recording.records:
        written, apart = encode_record(*decode(whole_record(record, recording.blobs)), LIMIT)
        assert written == record
        found |= {item.name: item.data or b"" for item in apart}
    assert found == recording.blobs


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_inputs_still_bring_about_what_was_recorded(name: str) -> None:
    made, recording = SCENARIOS[name]().recording(), golden.load(name)
    assert [json.loads(record) for record in made.records] == [
        json.loads(record) for record in recording.records
    ]
    assert made.definition == recording.definition
    assert made.blobs == recording.blobs


def test_recording_leaves_what_is_recorded_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    first, second = (SCENARIOS[name]().recording() for name in ("terminated", "waits"))
    assert golden.save("x", first)
    assert not golden.save("x", second)
    assert golden.load("x").records == first.records
    assert golden.names() == ["x"]
