"""Which files the SQLite store takes, and who else may have them."""

# ruff: noqa: ASYNC240 (tests touch small local files)

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from tenuto.errors import StoreIncompatible, StoreUnavailable
from tenuto.ports.store import ExecutionQuery, Record
from tenuto.stores import sqlite_schema
from tenuto.stores.sqlite import SqliteStore, WriterKind
from tenuto.stores.sqlite_connection import Opening, open_writer
from tests.stores.contract import batch_of, item, new_execution, start

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["thread", "process"])
def writer(request: pytest.FixtureRequest) -> WriterKind:
    kind: WriterKind = request.param
    return kind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tenuto.db"


async def open_and_close(path: Path, writer: WriterKind) -> None:
    store = SqliteStore(path, writer=writer)
    await store.open()
    await store.close()


async def test_a_second_server_on_the_same_file_is_refused_with_the_first_ones_pid(
    path: Path, writer: WriterKind
) -> None:
    store = SqliteStore(path, writer=writer)
    await store.open()
    with pytest.raises(StoreIncompatible, match=f"process {os.getpid()}"):
        await SqliteStore(path, writer=writer).open()
    await start(store)
    await store.close()
    await open_and_close(path, writer)


async def test_a_store_can_be_opened_again_after_it_was_closed(path: Path, writer: WriterKind) -> None:
    store = SqliteStore(path, writer=writer)
    for count in (1, 2):
        await store.open()
        await start(store)
        assert len(await store.list_executions(ExecutionQuery())) == count
        await store.close()


async def test_closing_leaves_one_whole_file(path: Path, writer: WriterKind) -> None:
    store = SqliteStore(path, writer=writer)
    await store.open()
    await start(store)
    await store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["tenuto.db", "tenuto.db.lock"]
    assert apsw.Connection(str(path)).execute("SELECT count(*) FROM executions").get == 1


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path, writer: WriterKind) -> None:
    await open_and_close(path, writer)
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema_version'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(
        StoreIncompatible, match="newer Tenuto: it has schema version 99, this program knows up to 2"
    ):
        await SqliteStore(path, writer=writer).open()
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_refused_and_left_alone(
    path: Path, writer: WriterKind
) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreIncompatible, match="belongs to another program"):
        await SqliteStore(path, writer=writer).open()
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, writer: WriterKind) -> None:
    path.write_bytes(b"Dear diary, " * 100)
    with pytest.raises(StoreIncompatible, match="not a Tenuto store"):
        await SqliteStore(path, writer=writer).open()
    assert path.read_bytes() == b"Dear diary, " * 100


async def test_an_empty_file_becomes_a_store(path: Path, writer: WriterKind) -> None:
    path.touch()
    await open_and_close(path, writer)
    assert path.stat().st_size > 0


async def test_a_folder_that_is_missing_is_named(tmp_path: Path, writer: WriterKind) -> None:
    with pytest.raises(StoreUnavailable, match="missing"):
        await SqliteStore(tmp_path / "missing" / "tenuto.db", writer=writer).open()


async def test_a_refused_store_holds_no_lock(path: Path, writer: WriterKind) -> None:
    path.write_bytes(b"Dear diary, " * 100)
    store = SqliteStore(path, writer=writer)
    with pytest.raises(StoreIncompatible):
        await store.open()
    path.unlink()
    await store.open()
    await store.close()


async def test_a_file_that_is_refused_is_not_tried_again_in_the_background(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 100)
    with pytest.raises(StoreIncompatible):
        await SqliteStore(path, writer="process").open()
    for _ in range(20):  # let the loop see the end of the process that was started
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_keys_in_use_are_not_handed_out_though_the_note_of_them_was_lost(
    path: Path, writer: WriterKind
) -> None:
    store = SqliteStore(path, writer=writer)
    await store.open()
    (used,) = store.reserve_keys(1_000)[-1:]
    await store.commit(batch_of(new_execution(used)))
    await store.close()
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE meta SET value = 1 WHERE name = 'next_key'")
    connection.close()
    await store.open()
    assert store.reserve_keys(1)[0] > used
    await store.close()


def test_migrations_bring_an_older_file_forward_in_one_step_each(path: Path) -> None:
    open_writer(Opening(str(path))).close()

    def add_table(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE extra (x ANY) STRICT")

    connection = apsw.Connection(str(path))
    sqlite_schema.prepare(connection, [*sqlite_schema.MIGRATIONS, add_table])
    assert sqlite_schema.read_meta(connection, "schema_version") == len(sqlite_schema.MIGRATIONS) + 1
    assert connection.table_exists("main", "extra")
    sqlite_schema.prepare(connection, [*sqlite_schema.MIGRATIONS, add_table])  # done once
    connection.close()


async def test_a_file_of_the_first_version_keeps_what_it_has_and_gets_room_for_items(
    path: Path, writer: WriterKind
) -> None:
    connection = apsw.Connection(str(path))
    sqlite_schema.prepare(connection, sqlite_schema.MIGRATIONS[:1])
    connection.execute(
        "INSERT INTO executions VALUES (7, 'old', 'w', 1, 'pending', 3, NULL, 50, 0, '{}', NULL, NULL, x'7b7d');"
        "INSERT INTO journal (key, seq, data) VALUES (7, 1, x'5b5d'); UPDATE meta SET value = 9 WHERE name = 'next_key'"
    )
    assert not connection.table_exists("main", "items")
    connection.close()
    store = SqliteStore(path, writer=writer)
    for opening in (1, 2):
        await store.open()
        await store.commit(batch_of(item(f"of {opening}")))
        assert [row.execution_id for row in await store.due(50)] == ["old"]
        assert await store.read_journal(7) == [Record(7, 1, b"[]")]
        assert store.reserve_keys(1)[0] >= 9
        assert len(await store.items("vars")) == opening
        await store.close()
    connection = apsw.Connection(str(path))
    assert sqlite_schema.read_meta(connection, "schema_version") == 2
    connection.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    open_writer(Opening(str(path))).close()

    def break_off(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE extra (x ANY) STRICT")
        connection.execute("DROP TABLE nothing")

    connection = apsw.Connection(str(path))
    with pytest.raises(apsw.SQLError):
        sqlite_schema.prepare(connection, [*sqlite_schema.MIGRATIONS, break_off])
    assert sqlite_schema.read_meta(connection, "schema_version") == len(sqlite_schema.MIGRATIONS)
    assert not connection.table_exists("main", "extra")
    connection.close()


def test_a_server_that_was_killed_leaves_a_file_the_next_one_opens(path: Path, writer: WriterKind) -> None:
    crash = (
        "import asyncio, os, signal, sys\n"
        "from tenuto.stores.sqlite import SqliteStore\n"
        "from tests.stores.contract import batch_of, new_execution, start\n"
        "async def main():\n"
        "    store = SqliteStore(sys.argv[1], writer=sys.argv[2])\n"
        "    await store.open()\n"
        "    store.reserve_keys(1000)\n"
        "    await start(store, execution_id=sys.argv[3])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    for name in ("one", "two"):
        done = subprocess.run(
            [sys.executable, "-c", crash, str(path), writer, name], cwd=ROOT, check=False, timeout=60
        )
        assert done.returncode == -9
    connection = open_writer(Opening(str(path)))
    keys: dict[Any, Any] = dict(connection.execute("SELECT execution_id, key FROM executions"))
    connection.close()
    assert set(keys) == {"one", "two"}
    assert keys["two"] > keys["one"] + 1000  # keys that were reserved but not used are not handed out again
