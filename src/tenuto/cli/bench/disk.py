"""The disk a benchmark writes to. Durable figures mean little without the time that disk takes for one fsync, and
nothing at all in memory, so folders on tmpfs are passed over.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

IN_MEMORY = frozenset({"tmpfs", "ramfs"})
BLOCK = os.urandom(4096)


class Disk(NamedTuple):
    """Where files lie: mount point's file system type, and the median of one 4 KiB append with fdatasync in ms."""

    folder: Path
    file_system: str
    fsync_ms: float

    def sentence(self) -> str:
        text = f"{self.folder} on {self.file_system}, fsync {self.fsync_ms:.2f} ms (median of 4 KiB appends)"
        if self.file_system in IN_MEMORY:
            return f"{text}: IN MEMORY, nothing here is durable"
        return text


def describe_disk(folder: Path, appends: int = 200) -> Disk:
    """Look at the disk under `folder` and time its fsync, for a second at most."""
    times: list[float] = []
    give_up_at = time.perf_counter() + 1
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(appends):
            before = time.perf_counter()
            os.write(file.fileno(), BLOCK)
            os.fdatasync(file.fileno())
            now = time.perf_counter()
            times.append((now - before) * 1000)
            if now > give_up_at:
                break
    return Disk(folder, file_system_of(folder), median(times))


def file_system_of(folder: Path) -> str:
    """The type of the file system that holds the folder, `unknown` where /proc does not tell."""
    target = folder.resolve()
    best = ("", "unknown")
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return best[1]
    for line in lines:
        _, mount, kind = line.split()[:3]
        mount = mount.encode().decode("unicode_escape")
        if target.is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


@contextmanager
def folder_on_disk(within: Path | None = None) -> Iterator[Path]:
    """A temporary folder on a real disk: within the given one, else the system's temporary folder, the working
    folder or the home folder, the first that is not in memory."""
    places = [within] if within else [Path(tempfile.gettempdir()), Path.cwd(), Path.home()]
    place = next((each for each in places if file_system_of(each) not in IN_MEMORY), places[0])
    with tempfile.TemporaryDirectory(prefix="tenuto-bench-", dir=place) as name:
        yield Path(name)
