"""Cuts the power of the SQLite store's writer at random moments and looks at what is left.

    python -m tests.stores.power_loss --images 2000 [--synchronous normal] [--seed 1]

A writer works through random jobs on a VFS that records writes and syncs. For each image, a moment is chosen, a random
part of what was not yet synced is dropped or torn, and the files are opened anew. What they hold must be exactly what
was there after some transaction: at least the last one acknowledged before that moment, at most the one under way.
With synchronous=NORMAL acknowledged commits are lost, which shows that the images are cruel enough to tell.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import apsw

from tenuto.errors import StoreError
from tenuto.ports.store import Batch, Item, NewExecution, Record, SummaryChange
from tenuto.stores.sqlite_connection import Opening, open_writer
from tenuto.stores.sqlite_jobs import Commit, Job, PutWorkflow, RaiseKeys, UpdateOutbox
from tenuto.stores.sqlite_writer import Writer
from tests.stores.contract import definition, item, message
from tests.stores.recording_vfs import Disk, Operation, RecordingVFS

Synchronous = Literal["FULL", "NORMAL"]
Verdict = Literal["whole", "lost", "half", "corrupt"]

_TABLES = ("workflows", "executions", "tags", "journal", "outbox", "items", "meta")
_TRANSACTIONS = 40
_IMAGES_A_RECORDING = 50
_names = itertools.count()


class Recording(NamedTuple):
    """What a writer did: `contents` names the state after each transaction, the state right after opening first;
    `acknowledged[n]` is how many operations had been done when transaction n was answered."""

    operations: list[Operation]
    contents: list[str]
    acknowledged: list[int]


class Finding(NamedTuple):
    """What an image held. `behind` counts acknowledged transactions that are missing."""

    verdict: Verdict
    behind: int = 0


def record(seed: int, synchronous: Synchronous, folder: Path) -> Recording:
    """Let a writer do random jobs, with checkpoints in between."""
    rng = random.Random(seed)
    name = f"recording-{next(_names)}"
    vfs = RecordingVFS(name)
    connection = open_writer(Opening(str(folder / "tenuto.db"), synchronous, name))
    writer = Writer(connection)
    contents, acknowledged = [content_of(connection)], [len(vfs.operations)]
    number = 0
    for jobs in random_jobs(rng):
        number += len(jobs)
        writer.write(jobs, number)
        acknowledged.append(len(vfs.operations))
        contents.append(content_of(connection))
        if rng.random() < 0.15:
            mode = rng.choice([apsw.SQLITE_CHECKPOINT_PASSIVE, apsw.SQLITE_CHECKPOINT_RESTART])
            connection.wal_checkpoint(mode=mode)
    writer.close()
    vfs.unregister()
    return Recording(vfs.operations, contents, acknowledged)


def random_jobs(rng: random.Random) -> Iterator[list[Job]]:
    """What each transaction is given: mostly commits of all sizes, some of which must be refused."""
    ends: dict[int, int] = {}
    for _ in range(_TRANSACTIONS):
        jobs: list[Job] = [_random_commit(rng, ends) for _ in range(rng.randint(1, 4))]
        if rng.random() < 0.2:
            jobs.append(PutWorkflow(definition("w", rng.randbytes(4).hex()), "W"))
        if rng.random() < 0.2:
            jobs.append(UpdateOutbox([rng.randint(1, 30)], []))
        if rng.random() < 0.1:
            jobs.append(RaiseKeys(rng.randint(1, 1 << 40)))
        if rng.random() < 0.2:
            jobs.append(Commit(Batch([], [Record(1, 10_000, b"a gap")], [], [])))
        yield jobs


def _random_commit(rng: random.Random, ends: dict[int, int]) -> Commit:
    batch = Batch([], [], [], [])
    for _ in range(rng.choice([1, 1, 3, 20])):
        key = rng.randint(1, 200)
        if key not in ends:
            tags = {"team": rng.choice("abc")} if rng.random() < 0.3 else {}
            batch.starts.append(
                NewExecution(
                    key=key,
                    execution_id=f"exec-{key}",
                    workflow_id="w",
                    version=1,
                    status="running",
                    start_time=rng.randrange(10**6),
                    tags=tags,
                )
            )
        ends[key] = ends.get(key, 0) + 1
        batch.records.append(Record(key, ends[key], rng.randbytes(rng.choice([20, 200, 9_000]))))
        if rng.random() < 0.5:
            batch.changes.append(
                SummaryChange(key, "running", None, rng.choice([None, 7]), rng.randbytes(60))
            )
        if rng.random() < 0.2:
            batch.messages.append(message(key, rng.randbytes(8).hex()))
        if rng.random() < 0.4:
            batch.items.append(_random_item(rng))
    if rng.random() < 0.3:
        batch.purge_before = rng.randrange(100)
    return Commit(batch)


def _random_item(rng: random.Random) -> Item:
    data = None if rng.random() < 0.2 else rng.randbytes(rng.choice([20, 9_000, 300_000]))
    return item(f"item-{rng.randrange(20)}", data, expires_at=rng.choice([None, rng.randrange(200)]))


def content_of(connection: apsw.Connection) -> str:
    """A digest of every row."""
    digest = hashlib.sha256()
    for table in _TABLES:
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):
            digest.update(repr(row).encode())
    return digest.hexdigest()


def judge(recording: Recording, moment: int, image: dict[str, bytes], folder: Path) -> Finding:
    """Open the image with SQLite's own VFS and compare it with what may be there at that moment."""
    for file, content in image.items():
        (folder / file).write_bytes(content)
    try:
        connection = open_writer(Opening(str(folder / "tenuto.db")))
    except StoreError:
        return Finding("corrupt")
    try:
        if connection.pragma("integrity_check") != "ok":
            return Finding("corrupt")
        found = content_of(connection)
    except apsw.Error:
        return Finding("corrupt")
    finally:
        connection.close()
    sure = sum(1 for end in recording.acknowledged if end <= moment) - 1
    if found not in recording.contents:
        return Finding("half")
    held = recording.contents.index(found)
    assert held <= sure + 1, "an image cannot hold what had not yet begun"
    return Finding("whole") if held >= max(sure, 0) else Finding("lost", sure - held)


def findings(images: int, synchronous: Synchronous, seed: int) -> Iterator[Finding]:
    """One finding an image, with a new recording every so many."""
    for first in range(0, images, _IMAGES_A_RECORDING):
        rng = random.Random(f"{seed}/{first}")
        with tempfile.TemporaryDirectory() as folder:
            recording = record(rng.randrange(2**32), synchronous, Path(folder))
        moments = sorted(rng.randint(0, len(recording.operations)) for _ in range(_IMAGES_A_RECORDING))
        disk, done = Disk(), 0
        for moment in moments[: images - first]:
            disk.perform(recording.operations[done:moment])
            done = moment
            with tempfile.TemporaryDirectory() as folder:
                yield judge(recording, moment, disk.after_power_loss(rng), Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--synchronous", choices=["full", "normal"], default="full")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    synchronous: Synchronous = "FULL" if options.synchronous == "full" else "NORMAL"
    found = list(findings(options.images, synchronous, options.seed))
    count = Counter(finding.verdict for finding in found)
    lost = sum(finding.behind for finding in found)
    print("synchronous  images   whole  lost acknowledged  half batch  corrupt  transactions lost  seconds")
    print(
        f"{synchronous:<11}{len(found):>8}{count['whole']:>8}{count['lost']:>19}{count['half']:>12}"
        f"{count['corrupt']:>9}{lost:>19}{time.monotonic() - begun:>9.0f}"
    )
    sys.exit(0 if synchronous == "NORMAL" or count["whole"] == len(found) else 1)


if __name__ == "__main__":
    main()
