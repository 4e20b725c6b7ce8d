"""Large data of events, stored apart and put back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tenuto.core import events as ev
from tenuto.errors import UnreadableRecord
from tenuto.journal.codec import decode, encode
from tenuto.ports.store import Batch
from tenuto.runtime.large_results import (
    INLINE_LIMIT,
    blobs_in,
    encode_record,
    put_back,
    set_apart,
    whole_record,
    whole_records,
)
from tenuto.stores.memory import MemoryStore
from tests.runtime.lab import Lab, hand, passed, simulated

LIMIT = 1_000
LARGE: dict[str, Any] = {"rows": ["x" * 100] * 20}
SMALL: dict[str, Any] = {"rows": []}

WITH_LARGE: list[ev.AnyEvent] = [
    ev.StepSucceeded("a", 1, LARGE),
    ev.StepSucceeded("a", 1, SMALL, vars=LARGE),
    ev.StepWaiting("a", 1, "timer", 5, LARGE),
    ev.StepWaiting("a", 1, "approval", details=LARGE),
    ev.StepCopied("a", "success", 1, LARGE, vars=LARGE),
    ev.StepReported("a", LARGE),
    ev.MapExpanded("a", 1, LARGE["rows"]),
    ev.SignalReceived("paid", 1, "x" * 2_000),
    ev.ApprovalGiven("a", "ann", None, LARGE),
    ev.CancelRequested(outcome="completed", output=LARGE),
    ev.HandlersStarted("always", "completed", LARGE),
    ev.ExecutionCompleted(LARGE),
]


def written(items: Sequence[Any]) -> dict[str, bytes]:
    return {item.name: item.data for item in items}


@pytest.mark.parametrize("event", WITH_LARGE, ids=lambda event: type(event).__name__)
def test_a_large_event_is_written_small_and_read_whole(event: ev.AnyEvent) -> None:
    data, items = encode_record(7, [event], LIMIT)
    assert len(data) < LIMIT
    assert [item.kind for item in items] == ["blob"]
    assert blobs_in([data]) == set(written(items))
    assert decode(whole_record(data, written(items))) == (7, [event])
    assert put_back(decode(data).events, written(items)) == [event]


def test_a_blob_is_named_by_what_it_is() -> None:
    _, (item,) = set_apart([ev.StepSucceeded("a", 1, LARGE)], LIMIT)
    assert item.data == msgspec.json.encode(LARGE)
    assert item.name == hashlib.sha256(item.data).hexdigest()
    assert item.expires_at is None


def test_equal_data_is_written_once_and_the_rest_stays_where_it_is() -> None:
    events = [
        ev.StepSucceeded("a", 1, LARGE, vars=LARGE),
        ev.StepSucceeded("b", 1, LARGE),
        ev.StepSucceeded("c", 1, SMALL),
    ]
    stored, items = set_apart(events, LIMIT)
    assert len(items) == 1
    assert stored[2] is events[2]
    assert put_back(stored, written(items)) == events


def test_small_records_are_written_as_ever() -> None:
    events: list[ev.AnyEvent] = [ev.StepSucceeded("a", 1, SMALL), ev.StepStarted("b", 1)]
    assert encode_record(7, events, LIMIT) == (encode(7, events), ())
    assert blobs_in([encode(7, events)]) == set()


def test_a_record_that_is_large_by_many_small_things_stays_whole() -> None:
    events: list[ev.AnyEvent] = [ev.StepSucceeded(f"s{i}", 1, "x" * 100) for i in range(50)]
    assert encode_record(7, events, LIMIT) == (encode(7, events), ())


def test_data_that_looks_like_a_reference_is_data() -> None:
    odd = {"apart": {"result": "0" * 64}}
    record = encode(7, [ev.StepSucceeded("a", 1, odd)])
    assert blobs_in([record]) == set()
    assert decode(whole_record(record, {})).events == [ev.StepSucceeded("a", 1, odd)]


def test_a_missing_blob_is_named() -> None:
    data, (item,) = encode_record(7, [ev.StepSucceeded("a", 1, LARGE)], LIMIT)
    with pytest.raises(UnreadableRecord, match=item.name):
        whole_record(data, {})


async def test_records_of_a_store_are_read_whole() -> None:
    store = MemoryStore()
    await store.open()
    events: list[ev.AnyEvent] = [ev.StepSucceeded("a", 1, LARGE), ev.StepSucceeded("b", 1, LARGE["rows"])]
    data, items = encode_record(7, events, LIMIT)
    await store.commit(Batch([], [], [], [], items=list(items)))
    small = encode(8, [ev.StepStarted("b", 1)])
    records = await whole_records(store, [data, small])
    assert [decode(record) for record in records] == [(7, events), (8, [ev.StepStarted("b", 1)])]
    assert await whole_records(store, [small]) == [small]


@simulated
async def test_a_large_result_outlives_its_process_and_keeps_the_journal_small() -> None:
    large = "x" * (2 * INLINE_LIMIT)
    async with Lab() as lab:
        await lab.define(hand("make"), hand("use", "make"))
        name = await lab.start()
        (await lab.hands.take("make")).succeed(large)
        assert (await lab.hands.take("use")).request.context == {"make": large}
        assert sum(len(record.data) for batch in lab.store.commits for record in batch.records) < 10_000
        await lab.reboot()
        again = await lab.hands.take("use")
        assert again.request.context == {"make": large}
        again.succeed()
        assert (await lab.ended(name))["context"]["make"] == large
        events = [event for entry in await lab.node.journal(name) for event in entry.events]
        (made,) = [event for event in events if event["type"] == "step.succeeded" and event["step"] == "make"]
        assert (made["result"], "apart" in made) == (large, False)


@simulated
async def test_after_a_commit_that_failed_large_results_are_read_again() -> None:
    large = "x" * (2 * INLINE_LIMIT)
    async with Lab() as lab:
        await lab.define(hand("make"), hand("use", "make"))
        name = await lab.start()
        attempt = await lab.hands.take("make")
        lab.store.loses_answers = True
        attempt.succeed(large)
        await passed(1)
        lab.store.loses_answers = False
        (await lab.hands.take("use")).succeed()
        assert (await lab.ended(name))["context"]["make"] == large


@simulated
async def test_an_execution_whose_blob_is_gone_stands_still_and_says_so() -> None:
    async with Lab() as lab:
        await lab.define(hand("make"), hand("use", "make"))
        name = await lab.start()
        (await lab.hands.take("make")).succeed("x" * (2 * INLINE_LIMIT))
        await lab.hands.take("use")
        (blob,) = await lab.store.items("blob")
        await lab.store.commit(Batch([], [], [], [], items=[msgspec.structs.replace(blob, data=None)]))
        await lab.reboot()
        with pytest.raises(UnreadableRecord, match=blob.name):
            await lab.node.read(name)
