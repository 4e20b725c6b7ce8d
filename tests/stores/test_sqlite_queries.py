"""No query or commit of the SQLite store costs more as the store grows: plans use indexes, and SQLite takes as many
steps among thousands of executions as among hundreds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from tenuto.ports.store import Batch, ExecutionQuery, Record, Status, SummaryChange
from tenuto.stores import sqlite_items, sqlite_reader
from tenuto.stores.sqlite_connection import Opening, open_reader, open_writer
from tenuto.stores.sqlite_jobs import Commit
from tenuto.stores.sqlite_writer import Writer
from tests.stores.contract import batch_of, item, message, new_execution, purge

STATUSES: tuple[Status, ...] = ("completed", "completed", "completed", "failed", "cancelled")
NEWEST_FIRST = "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)"

QUERIES = {
    "all": ExecutionQuery(limit=20),
    "next page": ExecutionQuery(limit=20, after=(300, 300)),
    "time": ExecutionQuery(limit=20, since=100, until=400),
    "next page until": ExecutionQuery(limit=20, until=450, after=(300, 300)),
    "status": ExecutionQuery(limit=20, status=("failed",)),
    "no such status": ExecutionQuery(limit=20, status=("pending", "paused")),
    "workflow": ExecutionQuery(limit=20, workflow_id="w1"),
    "workflow and status": ExecutionQuery(limit=20, workflow_id="w1", status=("failed", "cancelled")),
    "tag": ExecutionQuery(limit=20, tag=("team", "t1")),
    "any tag": ExecutionQuery(limit=20, tag=("team", None), after=(300, 300)),
    "unknown": ExecutionQuery(limit=20, workflow_id="nobody"),
    "unknown tag": ExecutionQuery(limit=20, tag=("team", "nobody")),
}


def fill(path: Path, count: int) -> None:
    """So many ended executions, a few live ones among them, and a message each."""
    writer = Writer(open_writer(Opening(str(path))))
    batch = Batch([], [], [], [])
    for key in range(1, count + 1):
        batch.starts.append(
            new_execution(key, workflow_id=f"w{key % 3}", start_time=key, tags={"team": f"t{key % 2}"})
        )
        batch.records.append(Record(key, 1, b"[]"))
        batch.messages.append(message(key, dead=key > 10))
        batch.items.append(item(f"{key % 7}/{key:06}", kind="blobs", expires_at=key if key > 20 else 10**9))
        batch.items.append(item(f"{key:06}", kind="vars"))
        if key > 20:
            batch.changes.append(SummaryChange(key, STATUSES[key % 5], key, None))
        elif key > 10:
            batch.changes.append(SummaryChange(key, "running", None, key))
    assert writer.write([Commit(batch)], 1) == [None]
    writer.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "tenuto.db"
    fill(path, 600)
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "tenuto.db"
    fill(path, 12_000)
    return path


@contextmanager
def counting_steps(connection: apsw.Connection) -> Iterator[list[int]]:
    """The steps of SQLite's machine that each statement took."""
    steps: list[int] = []

    def note(event: dict[str, Any]) -> None:
        steps.append(event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])

    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, note)
    yield steps
    connection.trace_v2(0, None)


def steps_of_reads(path: Path) -> dict[str, int]:
    connection = open_reader(Opening(str(path)))
    steps: dict[str, int] = {}
    for name, query in QUERIES.items():
        with counting_steps(connection) as taken:
            rows = sqlite_reader.list_executions(connection, query)
        assert (len(rows) == 20) == (not name.startswith(("no such", "unknown"))), name
        steps[name] = sum(taken)
    with counting_steps(connection) as taken:
        assert len(sqlite_reader.unfinished(connection, 0, 5)) == 5
        assert len(sqlite_reader.due(connection, 10**9, 5)) == 5
        assert sqlite_reader.next_wake(connection) == 11
        assert len(sqlite_reader.outbox(connection, False, 0, 5)) == 5
        assert len(sqlite_reader.outbox(connection, True, 0, 5)) == 5
        assert len(sqlite_reader.read_journal(connection, 300, 0, 5)[0]) == 1
        assert sqlite_reader.find_execution(connection, "exec-300") is not None
        assert sqlite_reader.find_start(connection, "nobody") is None
        assert len(sqlite_items.named(connection, "blobs", ["6/000300", "nobody"])) == 1
        assert len(sqlite_items.small_named(connection, "vars", ["000300"]) or ()) == 1
        assert len(sqlite_items.starting(connection, "blobs", "3/", "", 5)) == 5
        assert len(sqlite_items.starting(connection, "blobs", "3/", "3/000200", 5)) == 5
        assert len(sqlite_items.starting(connection, "vars", "0005", "000550", 9)) == 9
        assert sqlite_items.starting(connection, "vars", "none", "", 9) == []
    steps |= {f"read {number}": count for number, count in enumerate(taken)}
    connection.close()
    return steps


def test_a_read_takes_as_many_steps_among_twenty_times_the_executions(small: Path, large: Path) -> None:
    few, many = steps_of_reads(small), steps_of_reads(large)
    assert few.keys() == many.keys()
    assert {name: (few[name], many[name]) for name in few if many[name] > few[name] * 1.1} == {}


def steps_of_a_commit(path: Path, copy: Path) -> int:
    shutil.copy(path, copy)
    connection = open_writer(Opening(str(copy)))
    writer = Writer(connection)
    key = 1_000_000
    with counting_steps(connection) as taken:
        start = batch_of(new_execution(key, tags={"team": "t1"}, idempotency_key="i"), Record(key, 1, b"[]"))
        assert writer.write([Commit(start)], 100) == [None]
        step = batch_of(Record(key, 2, b"[]"), SummaryChange(key, "running", None, 5, b"{}"), message(key))
        assert writer.write([Commit(step)], 101) == [None]
        old = batch_of(Record(15, 2, b"[]"), SummaryChange(15, "completed", 9, None))
        assert writer.write([Commit(old)], 102) == [None]
        put = purge(31, item("0/000700", b"new", kind="blobs"), item("000020", None))
        assert writer.write([Commit(put)], 103) == [None]
    writer.close()
    return sum(taken)


def test_a_commit_takes_as_many_steps_among_twenty_times_the_executions(
    small: Path, large: Path, tmp_path: Path
) -> None:
    few = steps_of_a_commit(small, tmp_path / "small.db")
    assert steps_of_a_commit(large, tmp_path / "large.db") <= few * 1.05


def plan(path: Path, sql: str, bindings: Any) -> list[str]:
    connection = open_reader(Opening(str(path)))
    details = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
    connection.close()
    return [
        detail for detail in details if detail.startswith(("SEARCH", "SCAN")) and "subquery" not in detail
    ]


@pytest.mark.parametrize(
    ("query", "walk"),
    [
        ("status", "SEARCH executions USING COVERING INDEX executions_status (status=?)"),
        (
            "workflow",
            "SEARCH executions USING COVERING INDEX executions_workflow (workflow_id=? AND status=?)",
        ),
        ("tag", "SEARCH t USING PRIMARY KEY (name=? AND value=?)"),
        ("any tag", "SEARCH t USING COVERING INDEX tags_name (name=? AND (start_time,key)<(?,?))"),
        (
            "time",
            "SEARCH executions USING COVERING INDEX executions_status (status=? AND start_time>? AND start_time<?)",
        ),
    ],
)
def test_a_list_walks_the_index_of_its_filter(small: Path, query: str, walk: str) -> None:
    found = plan(small, *sqlite_reader.listing(QUERIES[query]))
    assert set(found) == {walk, "SCAN found", NEWEST_FIRST}


@pytest.mark.parametrize(
    ("statement", "walk"),
    [
        ("FIND_EXECUTION", "SEARCH e USING INDEX executions_id (execution_id=?)"),
        ("FIND_START", "SEARCH e USING INDEX executions_start (idempotency_key=?)"),
        ("READ_JOURNAL", "SEARCH journal USING INDEX journal_place (key=? AND seq>?)"),
        ("UNFINISHED", "SEARCH e USING INDEX executions_live (wake_at=? AND rowid>?)"),
        ("DUE", "SEARCH e USING INDEX executions_live (wake_at<?)"),
        ("NEXT_WAKE", "SEARCH executions USING INDEX executions_live (wake_at>?)"),
        ("OUTBOX", "SEARCH outbox USING INDEX outbox_dead (dead=? AND rowid>?)"),
        ("FIND_NEWEST", "SEARCH workflows USING INDEX workflows_newest (workflow_id=?)"),
    ],
)
def test_a_read_goes_by_its_index(small: Path, statement: str, walk: str) -> None:
    sql = getattr(sqlite_reader, statement)
    assert plan(small, sql, [1] * sql.count("?")) == [walk]


@pytest.mark.parametrize(
    ("sql", "walk"),
    [
        (sqlite_items.FIND_ITEMS[16], "SEARCH items USING INDEX items_name (kind=? AND name=?)"),
        (sqlite_items.LIST_ITEMS, "SEARCH items USING INDEX items_name (kind=? AND name>? AND name<?)"),
        (sqlite_items.NEXT_ITEMS, "SEARCH items USING INDEX items_name (kind=? AND name>? AND name<?)"),
        (sqlite_items.EXPIRED, "SEARCH items USING INDEX items_expiry (expires_at<?)"),
    ],
)
def test_items_go_by_their_index(small: Path, sql: str, walk: str) -> None:
    assert plan(small, sql, [1] * sql.count("?")) == [walk]


def test_a_commit_without_items_runs_no_statement_about_them(tmp_path: Path) -> None:
    connection = open_writer(Opening(str(tmp_path / "tenuto.db")))
    writer = Writer(connection)
    ran: list[str] = []
    connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: ran.append(event["sql"]))
    assert writer.write([Commit(batch_of(new_execution(1), Record(1, 1, b"[]")))], 1) == [None]
    assert any("journal" in sql for sql in ran)
    assert not any("items" in sql for sql in ran)
    assert writer.write([Commit(purge(5, item("a")))], 2) == [None]
    assert sum("items" in sql for sql in ran) == 2
    connection.trace_v2(0, None)
    writer.close()


def test_a_purge_of_large_items_takes_few_at_a_time(tmp_path: Path) -> None:
    connection = open_writer(Opening(str(tmp_path / "tenuto.db")))
    writer = Writer(connection)
    blob = bytes(30 << 20)
    for number in range(1, 6):
        stale = item(f"{number}", blob, expires_at=number)
        assert writer.write([Commit(batch_of(stale))], number) == [None]
    left = []
    for number in range(6, 10):
        assert writer.write([Commit(purge(100))], number) == [None]
        left.append(connection.execute("SELECT group_concat(name, '') FROM items").get)
    writer.close()
    assert left == ["345", "5", None, None]


def test_a_search_looks_only_at_the_newest_rows(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_reader, "SCANNED_FOR_Q", 50)
    connection = open_reader(Opening(str(small)))
    found = sqlite_reader.list_executions(connection, ExecutionQuery(q="exec-"))
    connection.close()
    assert [row.key for row in found] == list(range(600, 550, -1))
