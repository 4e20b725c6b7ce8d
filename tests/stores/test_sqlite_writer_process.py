"""The writer process may die at any moment without a commit being lost or doubled, and it never outlives its server."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from tenuto.errors import Conflict, Invalid, StoreUnavailable
from tenuto.ports.store import ExecutionQuery, Record
from tenuto.stores import sqlite_items, sqlite_reader
from tenuto.stores.sqlite import SqliteStore
from tenuto.stores.sqlite_connection import open_reader
from tenuto.stores.sqlite_jobs import Commit, Refused
from tenuto.stores.sqlite_process import WriterProcess, _read_outcome
from tests.stores.contract import batch_of, definition, ended, item, message, new_execution, start

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "tenuto.db", writer="process")
    await store.open()
    yield store
    await store.close()


def kill_writer(store: SqliteStore) -> int:
    pid = store.writer_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_a_killed_writer_is_replaced(store: SqliteStore) -> None:
    key = await start(store)
    pid = kill_writer(store)
    await store.commit(batch_of(Record(key, 2, b"[]")))
    assert store.writer_pid not in {None, pid}
    assert len(await store.read_journal(key)) == 2


async def test_kills_in_the_middle_of_commits_lose_and_double_nothing(store: SqliteStore) -> None:
    acknowledged: dict[int, int] = {}
    is_over = False

    async def live(key: int) -> None:
        await store.commit(batch_of(new_execution(key), Record(key, 1, b"1")))
        acknowledged[key] = 1
        while not is_over:
            seq = acknowledged[key] + 1
            await store.commit(batch_of(Record(key, seq, b"%d" % seq), message(key, f"{key}/{seq}")))
            acknowledged[key] = seq

    keys = store.reserve_keys(32)
    lives = [asyncio.ensure_future(live(key)) for key in keys]
    seen = set()
    for kill in range(25):
        # Between kills the writer answers at least once, so that each strikes it at work; a few kills come at once.
        if kill % 5:
            await store.commit(batch_of())
        pid = store.writer_pid
        if pid not in seen and pid is not None:
            os.kill(pid, signal.SIGKILL)
            seen.add(pid)
    is_over = True
    await asyncio.gather(*lives)
    assert len(seen) > 10
    for key in keys:
        journal = await store.read_journal(key)
        assert [(record.seq, record.data) for record in journal] == [
            (seq, b"%d" % seq) for seq in range(1, acknowledged[key] + 1)
        ]
    sent = [m.event_id for m in await store.outbox(limit=1_000_000)]
    assert sorted(sent) == sorted(f"{key}/{seq}" for key in keys for seq in range(2, acknowledged[key] + 1))


async def test_kills_while_large_items_are_on_their_way_leave_all_of_a_batch_or_nothing(
    store: SqliteStore,
) -> None:
    rng = random.Random(9)
    key = await start(store)
    found_at: set[str] = set()
    for seq in range(2, 22):
        blob = rng.randbytes(3 << 20)
        commit = asyncio.ensure_future(
            store.commit(batch_of(Record(key, seq, b"[]"), item("latest", blob), item(f"at {seq:02}", b"at")))
        )
        for _ in range(rng.randrange(40)):
            await asyncio.sleep(0)
        _kill_and_see_dead(store)
        connection = open_reader(store._opening)  # at once, so that no new writer has done it meanwhile
        has_record = len(sqlite_reader.read_journal(connection, key, 0, 100)[0]) == seq
        latest = sqlite_items.named(connection, "vars", ["latest"])
        assert len(sqlite_items.starting(connection, "vars", "at", "", 100)) == seq - 1 - (not has_record)
        connection.close()
        assert (latest == [item("latest", blob)]) == has_record
        found_at.add("after" if has_record else "before")
        await commit
        assert await store.items("vars", names=["latest"]) == [item("latest", blob)]
    assert [record.seq for record in await store.read_journal(key)] == list(range(1, 22))
    assert "before" in found_at


async def test_items_whose_answer_died_with_the_writer_are_not_written_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written again, the older one would take the place of what the restarted writer was given after it."""
    key = await start(store)
    monkeypatch.setattr(WriterProcess, "_on_done", lambda writer, done: None)  # the next writer goes unheard
    kill_writer(store)
    unheard = asyncio.ensure_future(
        store.commit(batch_of(Record(key, 2, b"[]"), item("a", b"1"), item("b", bytes(1 << 20))))
    )
    while not await store.items("vars"):  # noqa: ASYNC110 (it comes about in another process)
        await asyncio.sleep(0)
    assert not unheard.done()
    assert len(await store.read_journal(key)) == 2
    monkeypatch.undo()
    kill_writer(store)
    later = asyncio.ensure_future(store.commit(batch_of(item("a", b"2"), item("b", None))))
    await asyncio.gather(unheard, later)
    assert await store.items("vars") == [item("a", b"2")]
    assert len(await store.read_journal(key)) == 2


def test_large_items_pass_on_the_event_loop_of_the_server_too(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(5 << 20)

    async def write_and_read() -> None:
        store = SqliteStore(tmp_path / "tenuto.db", writer="process")
        await store.open()
        key = await start(store)
        await asyncio.gather(
            store.commit(batch_of(item("a", data), Record(key, 2, b"[]"))),
            store.commit(batch_of(item("b", b"small"), Record(key, 3, b"[]"))),
        )
        assert await store.items("vars") == [item("a", data), item("b", b"small")]
        assert len(await store.read_journal(key)) == 3
        await store.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_and_read())


async def test_answers_that_died_with_the_writer_are_found_in_the_file(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start(store, execution_id="taken")
    (key,) = store.reserve_keys(1)
    monkeypatch.setattr(WriterProcess, "_on_done", lambda writer, done: None)  # the next writer goes unheard
    kill_writer(store)
    commits = [
        asyncio.ensure_future(store.commit(batch_of(new_execution(key, execution_id=name), message(key))))
        for name in ("taken", "free")
    ]
    put = asyncio.ensure_future(store.put_workflow(definition("w", "d")))
    archive = asyncio.ensure_future(store.archive_workflow("nobody"))
    while await store.find_workflow("w") is None:  # noqa: ASYNC110 (it comes about in another process)
        await asyncio.sleep(0)
    assert not any(task.done() for task in (*commits, put, archive))
    monkeypatch.undo()
    kill_writer(store)
    refused, kept = await asyncio.gather(*commits, return_exceptions=True)
    assert isinstance(refused, Conflict)
    assert kept is None
    assert (await put).version == 1
    assert await archive is False
    assert [m.key for m in await store.outbox()] == [key]
    assert len(await store.list_versions("w")) == 1


async def test_answers_that_nobody_had_read_when_the_writer_died_still_count(store: SqliteStore) -> None:
    """Two transactions are answered, the writer dies, and this side writes to it before it reads."""
    key = await start(store, execution_id="taken")
    writer = store._writer
    assert isinstance(writer, WriterProcess)
    assert writer._pipe is not None
    refused = []
    for other in store.reserve_keys(2):  # the loop does not turn from here on, so answers stay unread
        refused.append(writer.submit(Commit(batch_of(new_execution(other, execution_id="taken")))))
        writer._pipe.flush()
        while _read_outcome(store._opening)[0] < writer._settled + len(writer._waiting):
            pass
    _kill_and_see_dead(store)
    kept = writer.submit(Commit(batch_of(Record(key, 2, b"[]"))))
    writer._pipe.flush()
    assert [type(await answer) for answer in refused] == [Refused, Refused]
    assert await kept is None


def _kill_and_see_dead(store: SqliteStore) -> None:
    os.waitid(os.P_PID, kill_writer(store), os.WEXITED | os.WNOWAIT)


async def test_a_writer_that_keeps_dying_is_given_up_for_the_jobs_that_wait(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await start(store)
    monkeypatch.setattr("tenuto.stores.sqlite_process._BOOT", "import sys; sys.exit(1)")
    kill_writer(store)
    with pytest.raises(StoreUnavailable, match="ended before it was ready"):
        await store.commit(batch_of(Record(key, 2, b"x")))
    with pytest.raises(StoreUnavailable):
        await store.ping()
    assert len(await store.read_journal(key)) == 1
    monkeypatch.undo()
    await store.commit(batch_of(Record(key, 2, b"x")))
    assert len(await store.read_journal(key)) == 2


async def test_an_idle_store_notices_and_closes_after_its_writer_was_killed(store: SqliteStore) -> None:
    kill_writer(store)
    await store.close()


async def test_signals_to_the_whole_group_leave_stopping_to_the_server(store: SqliteStore) -> None:
    pid = store.writer_pid
    assert pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    key = await start(store)
    assert await store.read_journal(key) == [Record(key, 1, b"[]")]
    assert store.writer_pid == pid


async def test_what_cannot_be_encoded_is_refused_and_nothing_else(store: SqliteStore) -> None:
    first, second = store.reserve_keys(2)
    with pytest.raises(Invalid):
        await store.commit(batch_of(new_execution(first, workflow_id="\ud800")))
    with pytest.raises(Invalid):
        await store.commit(batch_of(new_execution(first, priority=2**64)))
    await store.commit(batch_of(new_execution(second)))
    assert [row.key for row in await store.list_executions(ExecutionQuery())] == [second]


async def test_closing_ends_the_writer(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "other.db", writer="process")
    await store.open()
    pid = store.writer_pid
    assert pid is not None
    await store.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


SERVER = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[2])
from tenuto.stores.sqlite import SqliteStore
async def main():
    store = SqliteStore(sys.argv[1], writer="process")
    await store.open()
    forked = os.fork() if sys.argv[3] == "fork" else -1
    if forked == 0:
        sys.stdin.read()  # holds copies of all descriptors until the test ends
        os._exit(0)
    print(store.writer_pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("fork", ["fork", "alone"])
def test_the_writer_dies_with_its_server(tmp_path: Path, fork: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-I", "-c", SERVER, str(tmp_path / "tenuto.db"), str(ROOT / "src"), fork],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
    )
    with server:
        assert server.stdout is not None
        writer = int(server.stdout.readline())
        gone = os.pidfd_open(writer)
        server.kill()
        server.wait(timeout=30)
        with os.fdopen(gone) as watched:
            ready = _wait_readable(watched.fileno(), seconds=30)
    assert ready


def _wait_readable(descriptor: int, seconds: int) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


async def test_closing_finishes_what_was_submitted_even_when_the_writer_dies(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "other.db", writer="process")
    await store.open()
    key = await start(store)
    commits = [asyncio.ensure_future(store.commit(batch_of(Record(key, seq, b"x")))) for seq in range(2, 50)]
    await asyncio.sleep(0)
    kill_writer(store)
    await store.close()
    await asyncio.gather(*commits)
    await store.open()
    assert len(await store.read_journal(key)) == 49
    await store.commit(batch_of(ended(key)))
    await store.close()
