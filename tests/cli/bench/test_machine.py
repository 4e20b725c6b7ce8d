"""What is read from the machine itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenuto.cli.bench.disk import describe_disk, file_system_of, folder_on_disk
from tenuto.cli.bench.footprint import busy_share, footprint_of, tree_of

linux_only = pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="reads /proc")


@linux_only
def test_the_file_system_is_that_of_the_innermost_mount() -> None:
    assert file_system_of(Path("/proc/self")) == "proc"


def test_an_fsync_takes_some_time(tmp_path: Path) -> None:
    assert describe_disk(tmp_path, appends=3).fsync_ms > 0


def test_a_folder_on_disk_is_made_where_asked_and_removed(tmp_path: Path) -> None:
    with folder_on_disk(tmp_path) as folder:
        (folder / "x").write_text("x")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@linux_only
def test_a_footprint_counts_children() -> None:
    alone = footprint_of(os.getpid())
    waiting = "import sys; sys.stdout.write('up'); sys.stdout.flush(); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        child.stdout.read(2)
        both = footprint_of(os.getpid())
        assert child.pid in tree_of(os.getpid())
    assert alone is not None
    assert both is not None
    assert both.processes == alone.processes + 1
    assert both.memory_mb > alone.memory_mb / 2
    assert both.cpu_s >= alone.cpu_s > 0


@linux_only
def test_a_process_that_is_gone_has_no_footprint() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert footprint_of(child.pid) is None


def test_the_busy_share_is_a_share() -> None:
    assert 0 <= busy_share(0.01) <= 1
