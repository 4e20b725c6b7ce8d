"""The contract of the Store port as one suite. An adapter's tests subclass `StoreContract` and give a `make_store`
fixture; every call of it answers a store over the same data, so that tests can close one and open the next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from tenuto.errors import Conflict, StoreUnavailable
from tenuto.ports.store import (
    Batch,
    ExecutionQuery,
    Item,
    NewExecution,
    OutboxMessage,
    Record,
    Status,
    Store,
    StoredExecution,
    SummaryChange,
    WorkflowVersion,
)

MakeStore = Callable[[], Store]


def batch_of(*parts: NewExecution | Record | SummaryChange | OutboxMessage | Item) -> Batch:
    """A batch with each part in its list."""
    batch = Batch([], [], [], [])
    for part in parts:
        match part:
            case NewExecution():
                batch.starts.append(part)
            case Record():
                batch.records.append(part)
            case SummaryChange():
                batch.changes.append(part)
            case OutboxMessage():
                batch.messages.append(part)
            case Item():
                batch.items.append(part)
    return batch


def purge(before: int, *items: Item) -> Batch:
    """A batch that also drops what expires before then."""
    batch = batch_of(*items)
    batch.purge_before = before
    return batch


def item(name: str, data: bytes | None = b"data", kind: str = "vars", expires_at: int | None = None) -> Item:
    return Item(kind=kind, name=name, data=data, expires_at=expires_at)


async def names_of(store: Store, **asked: Any) -> list[str]:
    return [found.name for found in await store.items("vars", **asked)]


def new_execution(key: int, **fields: Any) -> NewExecution:
    defaults: dict[str, Any] = {
        "execution_id": f"exec-{key}",
        "workflow_id": "orders",
        "version": 1,
        "status": "running",
        "start_time": 1_000,
    }
    return NewExecution(key=key, **(defaults | fields))


def ended(
    key: int, status: Status = "completed", end_time: int = 2_000, brief: bytes | None = None
) -> SummaryChange:
    return SummaryChange(key, status, end_time, None, brief)


def message(key: int, event_id: str = "msg-1", **fields: Any) -> OutboxMessage:
    defaults: dict[str, Any] = {
        "kind": "onComplete",
        "url": "http://receiver/hook",
        "headers": {"X-One": "1", "X-Ünicode": "→"},
        "secret": "whsec_x",
        "body": b'{"type":"onComplete"}',
        "created_at": 5,
    }
    return OutboxMessage(key=key, event_id=event_id, **(defaults | fields))


def definition(workflow_id: str, digest: str, name: str = "") -> WorkflowVersion:
    body = msgspec.json.encode({"id": workflow_id, "name": name, "steps": []})
    return WorkflowVersion(workflow_id=workflow_id, version=0, digest=digest, definition=body, created_at=7)


def ids(rows: list[StoredExecution]) -> list[str]:
    return [row.execution_id for row in rows]


async def start(store: Store, **fields: Any) -> int:
    """Bring one execution into being; its key."""
    (key,) = store.reserve_keys(1)
    await store.commit(batch_of(new_execution(key, **fields), Record(key, 1, b"[]")))
    return key


class StoreContract:
    """What every store promises."""

    @pytest.fixture
    def make_store(self) -> MakeStore:
        raise NotImplementedError("each adapter's tests give their own")

    @pytest.fixture
    async def store(self, make_store: MakeStore) -> AsyncIterator[Store]:
        store = make_store()
        await store.open()
        yield store
        await store.close()

    async def test_a_batch_is_there_whole_after_its_commit(self, store: Store) -> None:
        (key,) = store.reserve_keys(1)
        await store.commit(
            batch_of(
                new_execution(
                    key,
                    execution_id="exec-a",
                    workflow_id="orders",
                    version=3,
                    status="pending",
                    start_time=123,
                    priority=-5,
                    tags={"team": "Köln", "empty": ""},
                    wake_at=456,
                    idempotency_key="idem-1",
                    request_hash="abc",
                    brief=b'{"b":1}',
                ),
                Record(key, 1, b"one"),
                Record(key, 2, b"two"),
                message(key),
            )
        )
        row = await store.find_execution("exec-a")
        assert row == StoredExecution(
            key=key,
            execution_id="exec-a",
            workflow_id="orders",
            version=3,
            status="pending",
            start_time=123,
            end_time=None,
            wake_at=456,
            priority=-5,
            tags={"team": "Köln", "empty": ""},
            idempotency_key="idem-1",
            request_hash="abc",
            brief=b'{"b":1}',
        )
        assert await store.find_start("idem-1") == row
        assert await store.read_journal(key) == [Record(key, 1, b"one"), Record(key, 2, b"two")]
        (sent,) = await store.outbox()
        assert msgspec.structs.replace(sent, id=0) == message(key)
        assert sent.id > 0

    async def test_what_is_not_there_is_none_or_empty(self, store: Store) -> None:
        assert await store.find_execution("nobody") is None
        assert await store.find_start("nobody") is None
        assert await store.find_workflow("nobody") is None
        assert await store.find_workflow("nobody", 1) is None
        assert await store.list_versions("nobody") == []
        assert await store.read_journal(99) == []
        assert await store.list_executions(ExecutionQuery()) == []
        assert await store.unfinished() == []
        assert await store.due(10**15) == []
        assert await store.next_wake() is None
        assert list(await store.outbox()) == []

    async def test_an_empty_batch_is_committed(self, store: Store) -> None:
        await store.commit(batch_of())

    async def test_a_change_gives_the_row_its_new_status_times_and_brief(self, store: Store) -> None:
        key = await start(store, brief=b"old")
        await store.commit(batch_of(Record(key, 2, b"[]"), SummaryChange(key, "failed", 9_000, 77, b"new")))
        row = await store.find_execution(f"exec-{key}")
        assert row is not None
        assert (row.status, row.end_time, row.wake_at, row.brief) == ("failed", 9_000, 77, b"new")

    async def test_a_change_without_a_brief_leaves_the_stored_one(self, store: Store) -> None:
        key = await start(store, brief=b"old")
        await store.commit(batch_of(ended(key)))
        row = await store.find_execution(f"exec-{key}")
        assert row is not None
        assert (row.status, row.brief) == ("completed", b"old")

    @pytest.mark.parametrize(
        "change",
        [
            SummaryChange(0, "running", None, None, b"new"),
            SummaryChange(0, "running", None, 5, None),
            SummaryChange(0, "paused", None, None, None),
            SummaryChange(0, "running", 8, None, b""),
            SummaryChange(0, "running", None, None, None),
        ],
        ids=["brief", "wake", "status", "end", "nothing"],
    )
    async def test_each_part_of_a_row_changes_alone(self, store: Store, change: SummaryChange) -> None:
        key = await start(store, brief=b"old")
        await store.commit(batch_of(msgspec.structs.replace(change, key=key)))
        row = await store.find_execution(f"exec-{key}")
        assert row is not None
        brief = b"old" if change.brief is None else change.brief
        assert (row.status, row.end_time, row.wake_at, row.brief) == (
            change.status,
            change.end_time,
            change.wake_at,
            brief,
        )

    async def test_a_wake_up_can_be_taken_back(self, store: Store) -> None:
        key = await start(store, wake_at=50)
        await store.commit(batch_of(SummaryChange(key, "running", None, 60)))
        await store.commit(batch_of(SummaryChange(key, "running", None, None)))
        assert await store.next_wake() is None
        assert ids(await store.unfinished()) == [f"exec-{key}"]

    async def test_of_several_changes_in_a_batch_the_last_counts_and_briefs_add_up(
        self, store: Store
    ) -> None:
        key = await start(store)
        await store.commit(
            batch_of(
                SummaryChange(key, "paused", None, 5, b"kept"), SummaryChange(key, "running", None, None)
            )
        )
        row = await store.find_execution(f"exec-{key}")
        assert row is not None
        assert (row.status, row.wake_at, row.brief) == ("running", None, b"kept")

    async def test_an_execution_may_start_and_end_in_one_batch(self, store: Store) -> None:
        (key,) = store.reserve_keys(1)
        await store.commit(
            batch_of(
                new_execution(key, wake_at=4, brief=b"first"),
                Record(key, 1, b"[]"),
                ended(key, brief=b"last"),
            )
        )
        row = await store.find_execution(f"exec-{key}")
        assert row is not None
        assert (row.status, row.end_time, row.wake_at, row.brief) == ("completed", 2_000, None, b"last")
        assert await store.unfinished() == []

    async def test_a_failed_execution_may_become_live_again(self, store: Store) -> None:
        key = await start(store)
        await store.commit(batch_of(Record(key, 2, b"[]"), ended(key, "failed")))
        assert await store.unfinished() == []
        await store.commit(batch_of(Record(key, 3, b"[]"), SummaryChange(key, "running", None, None)))
        (row,) = await store.unfinished()
        assert (row.status, row.end_time) == ("running", None)

    async def test_an_execution_id_is_taken_once(self, store: Store) -> None:
        key = await start(store, execution_id="same")
        (other,) = store.reserve_keys(1)
        with pytest.raises(Conflict, match="'same'"):
            await store.commit(batch_of(new_execution(other, execution_id="same"), Record(other, 1, b"[]")))
        row = await store.find_execution("same")
        assert row is not None
        assert row.key == key
        assert await store.read_journal(other) == []

    async def test_an_idempotency_key_is_taken_once(self, store: Store) -> None:
        await start(store, idempotency_key="once")
        (other,) = store.reserve_keys(1)
        with pytest.raises(Conflict, match="'once'"):
            await store.commit(batch_of(new_execution(other, idempotency_key="once")))
        assert await store.find_execution(f"exec-{other}") is None

    async def test_a_key_is_taken_once(self, store: Store) -> None:
        key = await start(store, execution_id="first")
        with pytest.raises(Conflict):
            await store.commit(batch_of(new_execution(key, execution_id="second")))
        assert await store.find_execution("second") is None
        await store.commit(batch_of(Record(key, 2, b"[]")))

    @pytest.mark.parametrize("twin", ["key", "execution_id", "idempotency_key"])
    async def test_two_starts_of_one_batch_cannot_share_an_id(self, store: Store, twin: str) -> None:
        first, second = store.reserve_keys(2)
        one = new_execution(first, idempotency_key="a")
        two = new_execution(second, idempotency_key="b")
        two = msgspec.structs.replace(two, **{twin: getattr(one, twin)})
        with pytest.raises(Conflict):
            await store.commit(batch_of(one, two))
        assert await store.list_executions(ExecutionQuery()) == []

    async def test_a_refused_batch_leaves_nothing_behind(self, store: Store) -> None:
        old = await start(store, execution_id="taken")
        first, second = store.reserve_keys(2)
        with pytest.raises(Conflict):
            await store.commit(
                batch_of(
                    new_execution(first, tags={"a": "b"}, wake_at=1),
                    new_execution(second, execution_id="taken"),
                    Record(first, 1, b"[]"),
                    Record(old, 2, b"[]"),
                    ended(old),
                    message(first),
                )
            )
        assert await store.find_execution(f"exec-{first}") is None
        assert await store.list_executions(ExecutionQuery(tag=("a", None))) == []
        assert await store.due(100) == []
        assert await store.read_journal(first) == []
        assert len(await store.read_journal(old)) == 1
        assert ids(await store.unfinished()) == ["taken"]
        assert list(await store.outbox()) == []
        await store.commit(batch_of(Record(old, 2, b"again"), ended(old)))
        assert [record.data for record in await store.read_journal(old)] == [b"[]", b"again"]

    async def test_only_the_batch_at_fault_is_refused_among_many(self, store: Store) -> None:
        await start(store, execution_id="taken")
        keys = store.reserve_keys(40)
        batches = [
            batch_of(
                new_execution(key, execution_id="taken" if key % 7 == 0 else f"exec-{key}"),
                Record(key, 1, b"[]"),
                message(key),
            )
            for key in keys
        ]
        answers = await asyncio.gather(*map(store.commit, batches), return_exceptions=True)
        refused = [key for key, answer in zip(keys, answers, strict=True) if isinstance(answer, Conflict)]
        assert refused == [key for key in keys if key % 7 == 0]
        assert [answer for answer in answers if answer is not None and not isinstance(answer, Conflict)] == []
        kept = {row.key for row in await store.unfinished()} & set(keys)
        assert kept == set(keys) - set(refused)
        assert {m.key for m in await store.outbox()} == kept
        for key in keys:
            assert len(await store.read_journal(key)) == (key in kept)

    @pytest.mark.parametrize("seq", [0, 1, 3, 4])
    async def test_a_record_that_does_not_follow_the_last_is_refused(self, store: Store, seq: int) -> None:
        key = await start(store)
        with pytest.raises(Conflict):
            await store.commit(batch_of(Record(key, seq, b"x"), ended(key)))
        assert len(await store.read_journal(key)) == 1
        assert ids(await store.unfinished()) == [f"exec-{key}"]
        await store.commit(batch_of(Record(key, 2, b"x")))

    async def test_a_gap_inside_a_batch_is_refused(self, store: Store) -> None:
        key = await start(store)
        with pytest.raises(Conflict):
            await store.commit(batch_of(Record(key, 2, b"x"), Record(key, 4, b"x")))
        assert len(await store.read_journal(key)) == 1

    async def test_a_gap_is_refused_after_a_reopen_too(self, store: Store, make_store: MakeStore) -> None:
        key = await start(store)
        await store.close()
        again = make_store()
        await again.open()
        with pytest.raises(Conflict):
            await again.commit(batch_of(Record(key, 3, b"x")))
        await again.commit(batch_of(Record(key, 2, b"x")))
        await again.close()

    async def test_records_and_changes_need_an_execution(self, store: Store) -> None:
        (key,) = store.reserve_keys(1)
        with pytest.raises(Conflict):
            await store.commit(batch_of(Record(key, 1, b"x")))
        with pytest.raises(Conflict):
            await store.commit(batch_of(ended(key)))
        assert await store.read_journal(key) == []

    async def test_a_journal_is_read_in_order_and_in_parts(self, store: Store) -> None:
        key, other = await start(store), await start(store)
        for seq in range(2, 12):
            await store.commit(batch_of(Record(key, seq, b"%d" % seq), Record(other, seq, b"other")))
        assert [record.seq for record in await store.read_journal(key)] == list(range(1, 12))
        assert await store.read_journal(key, after_seq=9) == [Record(key, 10, b"10"), Record(key, 11, b"11")]
        assert await store.read_journal(key, after_seq=3, limit=2) == [
            Record(key, 4, b"4"),
            Record(key, 5, b"5"),
        ]
        assert await store.read_journal(key, after_seq=11) == []

    async def test_a_long_journal_is_read_whole(self, store: Store) -> None:
        key = await start(store)
        await store.commit(batch_of(*[Record(key, seq, b"x" * 100) for seq in range(2, 3_002)]))
        assert [record.seq for record in await store.read_journal(key)] == list(range(1, 3_002))
        assert len(await store.read_journal(key, limit=2_500)) == 2_500

    async def test_a_mebibyte_and_any_bytes_and_letters_come_back_as_they_went(self, store: Store) -> None:
        data = random.Random(1).randbytes(1 << 20)
        text = "naïve → 漢字 🎼 %_\\'\" \x00"
        key = await start(store, execution_id=text, workflow_id=text, tags={text: text}, brief=data)
        await store.commit(
            batch_of(Record(key, 2, data), message(key, event_id=text, body=data, last_error=text))
        )
        row = await store.find_execution(text)
        assert row is not None
        assert (row.workflow_id, row.tags, row.brief) == (text, {text: text}, data)
        assert (await store.read_journal(key, after_seq=1)) == [Record(key, 2, data)]
        (sent,) = await store.outbox()
        assert (sent.event_id, sent.body, sent.last_error) == (text, data, text)
        assert await store.list_executions(ExecutionQuery(tag=(text, text), workflow_id=text, q="%_\\'")) == [
            row
        ]

    async def test_the_largest_and_smallest_integers_come_back(self, store: Store) -> None:
        most = 2**63 - 1
        await start(store, execution_id="e", start_time=most, wake_at=-most, priority=-most)
        row = await store.find_execution("e")
        assert row is not None
        assert (row.start_time, row.wake_at, row.priority) == (most, -most, -most)

    async def test_keys_grow_and_are_never_handed_out_twice(
        self, store: Store, make_store: MakeStore
    ) -> None:
        first = list(store.reserve_keys(3))
        second = list(store.reserve_keys(2))
        await store.commit(batch_of(new_execution(second[0])))
        await store.close()
        again = make_store()
        await again.open()
        third = list(again.reserve_keys(2))
        await again.close()
        keys = first + second + third
        assert keys == sorted(set(keys))
        assert keys[0] > 0

    async def test_very_many_keys_can_be_reserved(self, store: Store, make_store: MakeStore) -> None:
        used = [store.reserve_keys(600_000)[-1] for _ in range(5)][-1]
        await store.commit(batch_of(new_execution(used)))
        await store.close()
        again = make_store()
        await again.open()
        assert again.reserve_keys(1)[0] > used
        await again.close()

    async def test_a_reopened_store_has_everything(self, store: Store, make_store: MakeStore) -> None:
        key = await start(store, execution_id="e", tags={"a": "b"}, wake_at=10, idempotency_key="i")
        await store.commit(batch_of(Record(key, 2, b"two"), message(key)))
        await store.commit(batch_of(item("a"), item("b", b"", expires_at=5)))
        await store.put_workflow(definition("w", "d1"))

        async def everything(store: Store) -> list[object]:
            return [
                await store.find_execution("e"),
                await store.find_start("i"),
                await store.read_journal(key),
                await store.list_executions(ExecutionQuery(tag=("a", "b"))),
                await store.due(10),
                list(await store.outbox()),
                await store.list_versions("w"),
                await store.items("vars"),
            ]

        before = await everything(store)
        await store.close()
        again = make_store()
        await again.open()
        assert await everything(again) == before
        await again.close()

    async def test_a_closed_store_refuses(self, store: Store) -> None:
        key = await start(store)
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.commit(batch_of(Record(key, 2, b"x")))
        with pytest.raises(StoreUnavailable):
            await store.find_execution("x")
        with pytest.raises(StoreUnavailable):
            await store.items("vars")
        with pytest.raises(StoreUnavailable):
            await store.ping()

    async def test_closing_twice_is_no_fault(self, store: Store) -> None:
        await store.close()
        await store.close()

    async def test_closing_finishes_commits_under_way(self, store: Store, make_store: MakeStore) -> None:
        key = await start(store)
        commit = asyncio.ensure_future(store.commit(batch_of(Record(key, 2, b"x"))))
        await asyncio.sleep(0)
        await store.close()
        await commit
        again = make_store()
        await again.open()
        assert len(await again.read_journal(key)) == 2
        await again.close()

    async def test_ping_returns_when_a_write_would_work(self, store: Store) -> None:
        await asyncio.gather(store.ping(), store.ping())
        await store.ping()

    async def test_64_tasks_commit_at_once(self, store: Store) -> None:
        async def live(key: int) -> None:
            await store.commit(batch_of(new_execution(key), Record(key, 1, b"1")))
            for seq in range(2, 9):
                await store.commit(
                    batch_of(
                        Record(key, seq, b"%d" % seq), SummaryChange(key, "running", None, None, b"%d" % seq)
                    )
                )
                assert (await store.read_journal(key))[-1] == Record(key, seq, b"%d" % seq)
            await store.commit(batch_of(Record(key, 9, b"9"), ended(key), message(key)))

        keys = store.reserve_keys(64)
        await asyncio.gather(*map(live, keys))
        for key in keys:
            assert [record.seq for record in await store.read_journal(key)] == list(range(1, 10))
        rows = await store.list_executions(ExecutionQuery(status=("completed",)))
        assert {row.key: row.brief for row in rows} == dict.fromkeys(keys, b"8")
        assert sorted(m.key for m in await store.outbox()) == list(keys)

    async def test_commits_take_effect_in_the_order_they_were_asked_for(self, store: Store) -> None:
        key = await start(store)
        await asyncio.gather(
            *[store.commit(batch_of(Record(key, seq, b"%d" % seq))) for seq in range(2, 202)]
        )
        assert [record.data for record in await store.read_journal(key, 1)] == [
            b"%d" % seq for seq in range(2, 202)
        ]

    async def test_a_cancelled_commit_is_there_whole_or_not_at_all(self, store: Store) -> None:
        keys = store.reserve_keys(50)
        commits = [
            asyncio.ensure_future(
                store.commit(batch_of(new_execution(key), Record(key, 1, b"[]"), message(key)))
            )
            for key in keys
        ]
        await asyncio.sleep(0)
        for commit in commits[::2]:
            commit.cancel()
        answers = await asyncio.gather(*commits, return_exceptions=True)
        assert [answer for answer in answers[1::2] if answer is not None] == []
        last = await start(
            store, execution_id="last"
        )  # commits keep their order, so the others are settled now
        found = {row.key for row in await store.unfinished()} - {last}
        assert set(keys[1::2]) <= found
        assert {m.key for m in await store.outbox()} == found
        for key in keys:
            assert len(await store.read_journal(key)) == (key in found)

    async def test_registering_gives_versions_by_content(self, store: Store) -> None:
        one = await store.put_workflow(definition("w", "d1"))
        assert one == msgspec.structs.replace(definition("w", "d1"), version=1)
        same = await store.put_workflow(msgspec.structs.replace(definition("w", "d1"), created_at=99))
        two = await store.put_workflow(definition("w", "d2"))
        back = await store.put_workflow(definition("w", "d1"))
        assert same == one
        assert (two.version, back.version) == (2, 3)
        assert await store.find_workflow("w") == back
        assert await store.find_workflow("w", 2) == two
        assert await store.find_workflow("w", 4) is None
        assert await store.find_workflow("w", 0) is None
        assert await store.list_versions("w") == [one, two, back]

    async def test_the_version_asked_for_is_not_minded(self, store: Store) -> None:
        asked = msgspec.structs.replace(definition("w", "d1"), version=17, archived=True)
        kept = await store.put_workflow(asked)
        assert (kept.version, kept.archived) == (1, False)
        assert await store.find_workflow("w") == kept

    async def test_the_same_definition_registered_at_once_is_one_version(self, store: Store) -> None:
        answers = await asyncio.gather(*[store.put_workflow(definition("w", "d1")) for _ in range(10)])
        assert {answer.version for answer in answers} == {1}
        assert len(await store.list_versions("w")) == 1

    async def test_workflows_are_listed_by_id_in_their_newest_version(self, store: Store) -> None:
        await store.put_workflow(definition("b", "d1", name="Old name"))
        await store.put_workflow(definition("b", "d2", name="Billing"))
        await store.put_workflow(definition("a", "d3", name="Order_Processing"))
        await store.put_workflow(definition("z", "d4"))
        assert [(w.workflow_id, w.version) for w in await store.list_workflows()] == [
            ("a", 1),
            ("b", 2),
            ("z", 1),
        ]
        assert [w.workflow_id for w in await store.list_workflows(limit=2)] == ["a", "b"]
        assert [w.workflow_id for w in await store.list_workflows(q="bill")] == ["b"]
        assert [w.workflow_id for w in await store.list_workflows(q="r_p")] == ["a"]
        assert [w.workflow_id for w in await store.list_workflows(q="Z")] == ["z"]
        assert await store.list_workflows(q="old") == []
        assert await store.list_workflows(q="%") == []

    async def test_an_archived_workflow_is_hidden_and_can_be_revived(self, store: Store) -> None:
        assert await store.archive_workflow("w") is False
        await store.put_workflow(definition("w", "d1"))
        await store.put_workflow(definition("w", "d2"))
        assert await store.archive_workflow("w") is True
        assert await store.archive_workflow("w") is False
        assert await store.list_workflows() == []
        assert await store.find_workflow("w") is None
        pinned = await store.find_workflow("w", 1)
        assert pinned is not None
        assert pinned.archived
        revived = await store.put_workflow(definition("w", "d2"))
        assert (revived.version, revived.archived) == (3, False)
        assert await store.find_workflow("w") == revived
        assert [w.archived for w in await store.list_versions("w")] == [True, True, False]

    async def test_pages_follow_each_other_under_equal_start_times(self, store: Store) -> None:
        for number in range(25):
            await start(store, execution_id=f"e{number:02}", start_time=number // 10)
        pages: list[str] = []
        after: tuple[int, int] | None = None
        while rows := await store.list_executions(ExecutionQuery(limit=4, after=after)):
            assert len(rows) <= 4
            pages += ids(rows)
            after = (rows[-1].start_time, rows[-1].key)
        assert pages == [f"e{number:02}" for number in reversed(range(25))]

    async def test_every_filter_and_pair_of_filters_lists_what_fits(self, store: Store) -> None:
        rng = random.Random(7)
        statuses: list[Status] = ["pending", "running", "paused", "completed", "failed", "cancelled"]
        for number in range(120):
            tags = {name: rng.choice("xy") for name in ("team", "env") if rng.random() < 0.5}
            await start(
                store,
                execution_id=f"{rng.choice(['Ab', 'cd'])}-{number}",
                workflow_id=rng.choice(["orders", "etl"]),
                status=rng.choice(statuses),
                start_time=rng.randrange(20),
                tags=tags,
            )
        rows = await store.list_executions(ExecutionQuery())
        assert len(rows) == 120
        assert rows == sorted(rows, key=lambda row: (row.start_time, row.key), reverse=True)
        fits: list[tuple[dict[str, Any], Callable[[StoredExecution], bool]]] = [
            ({"workflow_id": "etl"}, lambda row: row.workflow_id == "etl"),
            ({"status": ("failed",)}, lambda row: row.status == "failed"),
            ({"status": ("running", "failed", "running")}, lambda row: row.status in {"running", "failed"}),
            ({"tag": ("team", "x")}, lambda row: row.tags.get("team") == "x"),
            ({"tag": ("env", None)}, lambda row: "env" in row.tags),
            ({"since": 5}, lambda row: row.start_time >= 5),
            ({"until": 15}, lambda row: row.start_time < 15),
            ({"q": "aB-"}, lambda row: row.execution_id.startswith("Ab")),
            ({"q": "rder"}, lambda row: row.workflow_id == "orders"),
            ({"after": (10, 60)}, lambda row: (row.start_time, row.key) < (10, 60)),
        ]
        for left, fits_left in fits:
            for right, fits_right in fits:
                expected = [row for row in rows if fits_left(row) and fits_right(row)]
                if set(left) & set(right) and left != right:
                    continue
                assert await store.list_executions(ExecutionQuery(**(left | right))) == expected
                assert await store.list_executions(ExecutionQuery(**(left | right), limit=3)) == expected[:3]

    async def test_unfinished_lists_live_executions_without_a_wake_up_by_key(self, store: Store) -> None:
        for number in range(6):
            await start(store, execution_id=f"e{number}", wake_at=number if number % 2 else None)
        done = await start(store, execution_id="done")
        await store.commit(batch_of(ended(done)))
        paused = await start(store, execution_id="paused", status="paused")
        rows = await store.unfinished()
        assert ids(rows) == ["e0", "e2", "e4", "paused"]
        assert ids(await store.unfinished(limit=2)) == ["e0", "e2"]
        assert ids(await store.unfinished(after_key=rows[1].key)) == ["e4", "paused"]
        assert ids(await store.unfinished(after_key=paused)) == []

    async def test_due_lists_the_earliest_wake_ups_first(self, store: Store) -> None:
        for name, wake_at in {"c": 30, "a": 10, "never": None, "b": 20, "ended": 5, "late": 99}.items():
            await start(store, execution_id=name, wake_at=wake_at)
        row = await store.find_execution("ended")
        assert row is not None
        await store.commit(batch_of(SummaryChange(row.key, "cancelled", 1, 5)))
        assert await store.next_wake() == 10
        assert ids(await store.due(9)) == []
        assert ids(await store.due(30)) == ["a", "b", "c"]
        assert ids(await store.due(30, limit=2)) == ["a", "b"]

    async def test_a_pending_execution_is_found_by_its_wake_up_until_it_begins(self, store: Store) -> None:
        key = await start(store, execution_id="at 50", status="pending", wake_at=50)
        await start(store, execution_id="queued", status="pending")
        assert ids(await store.due(49)) == []
        assert ids(await store.due(50)) == ["at 50"]
        assert await store.next_wake() == 50
        assert ids(await store.unfinished()) == ["queued"]
        await store.commit(batch_of(Record(key, 2, b"[]"), SummaryChange(key, "running", None, None)))
        assert await store.due(50) == []
        assert await store.next_wake() is None
        assert ids(await store.unfinished()) == ["at 50", "queued"]

    async def test_a_pending_execution_that_is_cancelled_wakes_no_more(self, store: Store) -> None:
        key = await start(store, status="pending", wake_at=50)
        await store.commit(batch_of(SummaryChange(key, "cancelled", 20, None)))
        assert (await store.due(50), await store.next_wake(), await store.unfinished()) == ([], None, [])

    async def test_a_pending_execution_is_found_after_a_reopen(
        self, store: Store, make_store: MakeStore
    ) -> None:
        await start(store, execution_id="at 50", status="pending", wake_at=50)
        await store.close()
        again = make_store()
        await again.open()
        assert await again.next_wake() == 50
        assert ids(await again.due(50)) == ["at 50"]
        await again.close()

    async def test_the_outbox_keeps_the_order_of_commits(self, store: Store) -> None:
        first, second = await start(store), await start(store)
        await store.commit(batch_of(message(first, "1"), message(first, "2")))
        await store.commit(batch_of(message(second, "3")))
        await store.commit(batch_of(message(first, "4")))
        waiting = list(await store.outbox())
        assert [m.event_id for m in waiting] == ["1", "2", "3", "4"]
        assert [m.id for m in waiting] == sorted({m.id for m in waiting})
        assert [m.event_id for m in await store.outbox(limit=2)] == ["1", "2"]
        assert [m.event_id for m in await store.outbox(after_id=waiting[1].id)] == ["3", "4"]

    async def test_messages_are_removed_when_sent_and_kept_with_their_attempts(self, store: Store) -> None:
        key = await start(store)
        await store.commit(batch_of(*[message(key, str(number)) for number in range(3)]))
        sent, tried, dead = await store.outbox()
        tried = msgspec.structs.replace(tried, attempts=2, next_attempt_at=500, last_error="503 → later")
        dead = msgspec.structs.replace(dead, attempts=9, dead=True, last_error="gone")
        await store.update_outbox([sent.id], [tried, dead])
        assert list(await store.outbox()) == [tried]
        assert list(await store.outbox(dead=True)) == [dead]
        await store.update_outbox([], [msgspec.structs.replace(dead, dead=False)])
        assert [m.id for m in await store.outbox()] == [tried.id, dead.id]

    async def test_updating_a_message_that_is_gone_does_nothing(self, store: Store) -> None:
        key = await start(store)
        await store.commit(batch_of(message(key)))
        (sent,) = await store.outbox()
        await store.update_outbox([sent.id], [])
        await store.update_outbox([sent.id], [msgspec.structs.replace(sent, attempts=1)])
        assert list(await store.outbox()) == []

    async def test_ids_of_messages_are_not_used_again(self, store: Store, make_store: MakeStore) -> None:
        key = await start(store)
        await store.commit(batch_of(message(key)))
        (first,) = await store.outbox()
        await store.update_outbox([first.id], [])
        await store.close()
        again = make_store()
        await again.open()
        await again.commit(batch_of(message(key)))
        (second,) = await again.outbox()
        assert second.id > first.id
        await again.close()

    async def test_very_many_messages_are_updated_at_once(self, store: Store) -> None:
        key = await start(store)
        await store.commit(batch_of(*[message(key, str(number)) for number in range(700)]))
        waiting = list(await store.outbox())
        changed = [msgspec.structs.replace(m, attempts=1) for m in waiting[350:]]
        await store.update_outbox([m.id for m in waiting[:350]], changed)
        assert list(await store.outbox()) == changed

    async def test_items_come_back_as_they_were_committed_by_name(self, store: Store) -> None:
        kept = [
            item("a", b"\x00\xff"),
            item("b", b"", expires_at=5),
            item("c", b"c", expires_at=-(2**62)),
        ]
        await store.commit(batch_of(kept[2], kept[0], item("a", b"other", kind="secret"), kept[1]))
        assert await store.items("vars") == kept
        assert await store.items("secret") == [item("a", b"other", kind="secret")]
        assert await store.items("nothing") == []
        assert await store.items("vars", names=["a"]) == kept[:1]

    async def test_items_are_written_with_all_else_of_their_batch(self, store: Store) -> None:
        (key,) = store.reserve_keys(1)
        await store.commit(
            batch_of(new_execution(key), Record(key, 1, b"[]"), message(key), item("a", b"with it"))
        )
        assert await store.items("vars") == [item("a", b"with it")]
        assert len(await store.read_journal(key)) == 1

    async def test_a_later_item_takes_the_place_of_an_earlier_one(self, store: Store) -> None:
        await store.commit(batch_of(item("a", b"1", expires_at=7), item("b", b"1")))
        await store.commit(batch_of(item("a", b"2"), item("b", b"2"), item("b", b"3", expires_at=9)))
        assert await store.items("vars") == [item("a", b"2"), item("b", b"3", expires_at=9)]

    async def test_an_item_without_data_deletes(self, store: Store) -> None:
        await store.commit(batch_of(item("a"), item("b"), item("c"), item("a", kind="other")))
        await store.commit(batch_of(item("a", None), item("nobody", None), item("b", None), item("b", b"2")))
        assert await store.items("vars") == [item("b", b"2"), item("c")]
        await store.commit(batch_of(item("d"), item("d", None), item("c", b"2"), item("c", None)))
        assert await names_of(store) == ["b"]
        assert await names_of(store, names=["a", "c", "d"]) == []
        assert await store.items("other") == [item("a", kind="other")]

    async def test_items_are_found_by_names_however_many(self, store: Store) -> None:
        names = [f"n{number:04}" for number in range(1_200)]
        await store.commit(
            batch_of(item("", b"not asked for"), *[item(name, name.encode()) for name in names])
        )
        found = await store.items("vars", names=["n0700", "nobody", "n0003", "n0700"])
        assert found == [item("n0003", b"n0003"), item("n0700", b"n0700")]
        for count in (0, 1, 2, 16, 17, 256, 257, 600, 1_200):
            asked = names[:count]
            assert await names_of(store, names=[*reversed(asked), "nobody"]) == asked
        assert await names_of(store, names=names, prefix="x", after="y", limit=1) == names

    async def test_items_are_listed_by_prefix_in_pages(self, store: Store) -> None:
        await store.commit(batch_of(*[item(f"{group}/{n}") for group in "abc" for n in range(7)], item("b")))
        assert await names_of(store, prefix="b/") == [f"b/{n}" for n in range(7)]
        assert await names_of(store, prefix="b/", after="b/2", limit=3) == ["b/3", "b/4", "b/5"]
        assert await names_of(store, prefix="b/", after="b/6") == []
        assert await names_of(store, prefix="b/", after="a/5", limit=1) == ["b/0"]
        assert await names_of(store, prefix="b/", after="c") == []
        assert await names_of(store, prefix="b/3") == ["b/3"]
        assert await names_of(store, after="c/5") == ["c/6"]
        assert await names_of(store, limit=0) == []
        pages, after = [], ""
        while page := await names_of(store, after=after, limit=4):
            pages += page
            after = page[-1]
        assert pages == sorted([*[f"{group}/{n}" for group in "abc" for n in range(7)], "b"])

    async def test_names_of_items_may_hold_any_letters_and_are_ordered_by_code_point(
        self, store: Store
    ) -> None:
        odd = ["", "\x00", "\x00b", "%", "_b", "b", "é", "\ud7ff", "\ue000", "\uffff", "\U0001f3bc"]
        most = "\U0010ffff"
        names = sorted(["", "A", "b", "á", "→", *[f"a{end}" for end in (*odd, most, most * 2)]])
        await store.commit(batch_of(*[item(name, name.encode()) for name in reversed(names)]))
        assert await names_of(store) == names[1:]  # the empty name is not greater than the empty `after`
        assert await names_of(store, names=names) == names
        for prefix in names:
            fits = [name for name in names if name.startswith(prefix) and name > ""]
            assert await names_of(store, prefix=prefix) == fits
            for after in names:
                expected = [name for name in fits if name > after]
                assert await names_of(store, prefix=prefix, after=after) == expected

    async def test_random_items_stand_as_in_a_dictionary(self, store: Store) -> None:
        rng = random.Random(3)
        model: dict[str, Item] = {}
        for _ in range(40):
            commits = []
            for _ in range(rng.randint(1, 4)):
                parts = [
                    item(
                        rng.choice("abcdefgh") * rng.randint(1, 3),
                        rng.choice([None, b"", rng.randbytes(10), rng.randbytes(70_000)]),
                        expires_at=rng.choice([None, rng.randrange(100)]),
                    )
                    for _ in range(rng.randint(0, 5))
                ]
                commits.append(store.commit(batch_of(*parts)))
                model |= {part.name: part for part in parts}
            await asyncio.gather(*commits)
            expected = [model[name] for name in sorted(model) if model[name].data is not None]
            assert await store.items("vars") == expected
            assert await store.items("vars", names=list(model)) == expected

    async def test_of_a_refused_batch_no_item_is_kept_deleted_or_purged(self, store: Store) -> None:
        key = await start(store, execution_id="taken")
        before = [item("old", b"1"), item("other", b"1"), item("stale", b"1", expires_at=5)]
        await store.commit(batch_of(*before))
        batch = purge(99, item("new"), item("old", b"2"), item("other", None))
        batch.records.append(Record(key, 7, b"a gap"))
        with pytest.raises(Conflict):
            await store.commit(batch)
        assert await store.items("vars") == before
        batch.records[:] = [Record(key, 2, b"[]")]
        await store.commit(batch)
        assert await store.items("vars") == [item("new"), item("old", b"2")]

    async def test_only_the_items_of_the_batch_at_fault_are_refused_among_many(self, store: Store) -> None:
        key = await start(store)
        batches = [
            batch_of(
                *([Record(key, 100, b"a gap")] if number % 5 == 0 else []),
                item(f"own {number:02}", b"%d" % number),
                item("shared", b"%d" % number),
            )
            for number in range(26)
        ]
        answers = await asyncio.gather(*map(store.commit, batches), return_exceptions=True)
        refused = [number for number, answer in enumerate(answers) if isinstance(answer, Conflict)]
        assert refused == [0, 5, 10, 15, 20, 25]
        kept = [number for number in range(26) if number % 5]
        assert await names_of(store, prefix="own") == [f"own {number:02}" for number in kept]
        assert await store.items("vars", names=["shared"]) == [item("shared", b"24")]

    async def test_a_purge_drops_what_expired_and_nothing_else(self, store: Store) -> None:
        left = [item("at 10", expires_at=10), item("later", expires_at=11), item("never")]
        expired = [item("at 9", expires_at=9), item("below zero", expires_at=-1, kind="cache")]
        await store.commit(batch_of(*left, *expired))
        await store.commit(purge(10, item("with it", expires_at=30)))
        assert await store.items("vars") == [*left, item("with it", expires_at=30)]
        assert await store.items("cache") == []
        await store.commit(purge(0))
        assert len(await store.items("vars")) == 4

    async def test_an_item_that_was_put_anew_is_not_purged_by_its_old_expiry(self, store: Store) -> None:
        await store.commit(batch_of(item("a", expires_at=5), item("b", expires_at=5)))
        await store.commit(purge(10, item("a"), item("b", expires_at=20)))
        assert await names_of(store) == ["a", "b"]

    async def test_a_purge_drops_a_bounded_number_and_the_next_ones_the_rest(self, store: Store) -> None:
        stale = [item(f"{number:05}", b"x", expires_at=number) for number in range(2_500)]
        await store.commit(batch_of(*stale))
        counts = []
        for _ in range(4):
            await store.commit(purge(2_400))
            counts.append(len(await store.items("vars", limit=10_000)))
        assert counts[0] >= 1_500
        assert counts == sorted(counts, reverse=True)
        assert counts[-1] == 100

    async def test_expired_items_may_be_put_again_after_a_purge(self, store: Store) -> None:
        await store.commit(batch_of(item("a", b"1", expires_at=5)))
        await store.commit(purge(10))
        await store.commit(batch_of(item("a", b"2", expires_at=15)))
        assert await store.items("vars") == [item("a", b"2", expires_at=15)]

    @pytest.mark.parametrize("size", [65_536, 65_537, 1 << 20, 64 << 20])
    async def test_large_items_come_back_whole_and_can_be_replaced(self, store: Store, size: int) -> None:
        data = random.Random(size).randbytes(size)
        await store.commit(batch_of(item("blob", data), item("small", b"s", expires_at=3)))
        assert await store.items("vars", names=["blob"]) == [item("blob", data)]
        assert await store.items("vars", prefix="b") == [item("blob", data)]
        await store.commit(batch_of(item("blob", data[: size // 2] + b"end"), item("gone", data)))
        await store.commit(batch_of(item("gone", None)))
        assert await store.items("vars") == [
            item("blob", data[: size // 2] + b"end"),
            item("small", b"s", expires_at=3),
        ]

    async def test_commits_beside_a_large_item_keep_their_order(self, store: Store) -> None:
        key = await start(store)
        data = bytes(20 << 20)
        commits = []
        for seq in range(2, 42):
            latest = item("latest", data if seq % 20 == 0 else b"%d" % seq)
            commits.append(store.commit(batch_of(latest, Record(key, seq, b"%d" % seq))))
        await asyncio.gather(*commits)
        assert [record.seq for record in await store.read_journal(key)] == list(range(1, 42))
        assert await store.items("vars") == [item("latest", b"41")]
