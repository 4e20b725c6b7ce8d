"""The write-ahead log of the SQLite store stays short under load, whoever reads meanwhile."""

from __future__ import annotations

from pathlib import Path

from tenuto.ports.store import Record
from tenuto.stores.sqlite_connection import Opening, open_reader, open_writer
from tenuto.stores.sqlite_jobs import Commit
from tenuto.stores.sqlite_writer import Writer
from tests.stores.contract import batch_of, new_execution

MIB = 1 << 20


def write(writer: Writer, first: int, count: int) -> None:
    """Records of 100 kB each, with no pause between the transactions."""
    for seq in range(first, first + count):
        answers = writer.write([Commit(batch_of(Record(1, seq, b"x" * 100_000)))], seq + 1)
        assert answers == [None]
        writer.checkpoint(is_idle=False)


def test_the_log_does_not_grow_with_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "tenuto.db"
    writer = Writer(open_writer(Opening(str(path))))
    writer.write([Commit(batch_of(new_execution(1)))], 1)
    write(writer, 1, 1_000)
    assert path.stat().st_size > 90 * MIB
    assert Path(f"{path}-wal").stat().st_size < 20 * MIB
    writer.close()
    assert not Path(f"{path}-wal").exists()


def test_the_log_is_taken_up_again_after_a_long_read(tmp_path: Path) -> None:
    path, log = tmp_path / "tenuto.db", tmp_path / "tenuto.db-wal"
    writer = Writer(open_writer(Opening(str(path))))
    writer.write([Commit(batch_of(new_execution(1)))], 1)
    reader = open_reader(Opening(str(path)))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM journal").get == 0
    write(writer, 1, 600)
    assert reader.execute("SELECT count(*) FROM journal").get == 0
    assert log.stat().st_size > 50 * MIB
    reader.execute("COMMIT")
    write(writer, 601, 600)
    assert log.stat().st_size < 90 * MIB
    assert reader.execute("SELECT count(*) FROM journal").get == 1_200
    reader.close()
    writer.close()


def test_only_the_writer_moves_the_log_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tenuto.db"
    connection = open_writer(Opening(str(path)))
    writer = Writer(connection)
    size = path.stat().st_size
    writer.write(
        [Commit(batch_of(new_execution(1), *[Record(1, seq, b"x" * 10_000) for seq in range(1, 1_000)]))], 1
    )
    reader = open_reader(Opening(str(path)))
    assert reader.execute("SELECT count(*) FROM journal").get == 999
    reader.close()
    assert path.stat().st_size == size
    assert connection.pragma("wal_autocheckpoint") == 0
    assert connection.pragma("synchronous") == 2  # FULL
    writer.close()
