"""What the SQLite store does when its disk does not: full, failing or read-only, and then well again."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from tenuto.errors import StoreUnavailable
from tenuto.ports.store import ExecutionQuery, Record
from tenuto.stores.sqlite import SqliteStore
from tenuto.stores.sqlite_connection import Opening, open_writer
from tenuto.stores.sqlite_jobs import Commit
from tenuto.stores.sqlite_writer import Writer
from tests.stores.contract import batch_of, ended, ids, item, message, new_execution, purge, start


class FailingVFS(apsw.VFS):
    """SQLite's own VFS until told to fail: `write_error` and `sync_error` are raised by every write and sync (or those
    of the main file only), writes after `writes_left` more of them."""

    def __init__(self) -> None:
        self.write_error: Exception | None = None
        self.sync_error: Exception | None = None
        self.writes_left = 0
        self.only_main_file = False
        super().__init__("failing", "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        return _FailingFile(self, name, flags)

    def heal(self) -> None:
        self.write_error = self.sync_error = None


class _FailingFile(apsw.VFSFile):
    def __init__(self, vfs: FailingVFS, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        self._is_main_file = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._vfs.write_error is not None and (self._is_main_file or not self._vfs.only_main_file):
            if self._vfs.writes_left == 0:
                raise self._vfs.write_error
            self._vfs.writes_left -= 1
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._vfs.sync_error is not None:
            raise self._vfs.sync_error
        super().xSync(flags)


@pytest.fixture
def vfs() -> Iterator[FailingVFS]:
    vfs = FailingVFS()
    yield vfs
    vfs.unregister()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tenuto.db"


@pytest.fixture
async def store(vfs: FailingVFS, path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, writer="thread", vfs="failing")
    await store.open()
    yield store
    vfs.heal()
    await store.close()


FAILURES = [
    apsw.FullError("database or disk is full"),
    apsw.IOError("disk I/O error"),
    apsw.ReadOnlyError("read-only"),
]


@pytest.mark.parametrize("error", FAILURES, ids=["full", "io", "readonly"])
@pytest.mark.parametrize("writes_left", [0, 1, 3, 8])
async def test_a_commit_that_cannot_be_written_is_refused_whole_and_works_later(
    store: SqliteStore, vfs: FailingVFS, path: Path, error: Exception, writes_left: int
) -> None:
    key = await start(store, execution_id="old")
    (other,) = store.reserve_keys(1)
    batch = batch_of(
        new_execution(other, execution_id="new", tags={"a": "b"}),
        Record(other, 1, b"x" * 20_000),
        Record(key, 2, b"[]"),
        ended(key),
        message(other),
    )
    vfs.write_error, vfs.writes_left = error, writes_left
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await store.commit(batch)
    assert ids(await store.list_executions(ExecutionQuery())) == ["old"]
    assert ids(await store.unfinished()) == ["old"]
    assert len(await store.read_journal(key)) == 1
    assert list(await store.outbox()) == []
    with pytest.raises(StoreUnavailable):
        await store.archive_workflow("w")
    vfs.heal()
    await store.commit(batch)
    await store.close()
    again = SqliteStore(path, writer="thread")
    await again.open()
    assert ids(await again.list_executions(ExecutionQuery())) == ["new", "old"]
    assert len(await again.read_journal(key)) == 2
    assert [m.key for m in await again.outbox()] == [other]
    await again.close()


@pytest.mark.parametrize("error", FAILURES, ids=["full", "io", "readonly"])
@pytest.mark.parametrize("writes_left", [0, 1, 3, 50])
async def test_items_of_a_commit_that_cannot_be_written_stay_as_they_were(
    store: SqliteStore, vfs: FailingVFS, path: Path, error: Exception, writes_left: int
) -> None:
    key = await start(store)
    before = [item("a", b"1"), item("b", b"1"), item("c", b"1", expires_at=5)]
    await store.commit(batch_of(*before))
    batch = purge(10, item("a", b"2" * 500_000), item("b", None), item("d", b"1"))
    batch.records.append(Record(key, 2, b"[]"))
    vfs.write_error, vfs.writes_left = error, writes_left
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await store.commit(batch)
    assert await store.items("vars") == before
    vfs.heal()
    await store.commit(batch)
    await store.close()
    again = SqliteStore(path, writer="thread")
    await again.open()
    assert await again.items("vars") == [item("a", b"2" * 500_000), item("d", b"1")]
    assert len(await again.read_journal(key)) == 2
    await again.close()


async def test_a_commit_whose_sync_failed_was_not_made(
    store: SqliteStore, vfs: FailingVFS, path: Path
) -> None:
    key = await start(store)
    vfs.sync_error = apsw.IOError("fsync failed")
    with pytest.raises(StoreUnavailable):
        await store.commit(batch_of(Record(key, 2, b"lost"), ended(key)))
    vfs.heal()
    assert len(await store.read_journal(key)) == 1
    await store.commit(batch_of(Record(key, 2, b"kept")))
    await store.close()
    again = SqliteStore(path, writer="thread")
    await again.open()
    assert [record.data for record in await again.read_journal(key)] == [b"[]", b"kept"]
    assert ids(await again.unfinished()) == [f"exec-{key}"]
    await again.close()


async def test_every_batch_of_a_transaction_that_cannot_be_written_is_refused(
    store: SqliteStore, vfs: FailingVFS
) -> None:
    keys = store.reserve_keys(20)
    vfs.write_error = apsw.FullError("database or disk is full")
    answers = await asyncio.gather(
        *[store.commit(batch_of(new_execution(key))) for key in keys], return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    assert await store.list_executions(ExecutionQuery()) == []


async def test_ping_tells_whether_a_write_would_work(store: SqliteStore, vfs: FailingVFS) -> None:
    vfs.write_error = apsw.FullError("database or disk is full")
    with pytest.raises(StoreUnavailable, match="full"):
        await store.ping()
    vfs.heal()
    await store.ping()


def test_a_checkpoint_that_fails_fails_no_commit(vfs: FailingVFS, path: Path) -> None:
    writer = Writer(open_writer(Opening(str(path), vfs="failing")))
    vfs.only_main_file = True
    vfs.write_error = apsw.FullError("database or disk is full")
    size = path.stat().st_size
    start = batch_of(new_execution(1))
    batches = [start, *[batch_of(Record(1, seq, b"x" * 1_000_000)) for seq in range(1, 21)]]
    for number, batch in enumerate(batches, start=1):
        assert writer.write([Commit(batch)], number) == [None]
        writer.checkpoint(is_idle=True)
    assert path.stat().st_size == size
    vfs.heal()
    for seq in range(21, 41):
        assert writer.write([Commit(batch_of(Record(1, seq, b"x" * 1_000_000)))], seq + 1) == [None]
        writer.checkpoint(is_idle=True)
    assert path.stat().st_size > 20_000_000
    writer.close()


async def test_a_writer_process_without_room_refuses_and_recovers(path: Path) -> None:
    store = SqliteStore(path, writer="process")
    await store.open()
    key = await start(store, execution_id="old")
    assert store.writer_pid is not None
    resource.prlimit(store.writer_pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    batch = batch_of(Record(key, 2, b"x" * 300_000), ended(key))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            await store.commit(batch)
    assert len(await store.read_journal(key)) == 1
    assert ids(await store.unfinished()) == ["old"]
    resource.prlimit(
        store.writer_pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    await store.commit(batch)
    await store.close()
    again = SqliteStore(path, writer="process")
    await again.open()
    assert len(await again.read_journal(key)) == 2
    assert await again.unfinished() == []
    await again.close()
