"""What a process and its children take: memory with shared pages counted once (PSS) and processor time, read from
/proc. On systems without /proc the figures are absent.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple


class Footprint(NamedTuple):
    """Memory in MB (PSS) and processor time in seconds since start, of a process with all its descendants."""

    memory_mb: float
    cpu_s: float
    processes: int


def footprint_of(pid: int) -> Footprint | None:
    """What the process and its descendants take now; None when /proc does not tell."""
    pids = tree_of(pid)
    memory_kb = 0
    cpu_s = 0.0
    for each in pids:
        folder = Path("/proc", str(each))
        try:
            memory_kb += _memory_kb(folder)
            cpu_s += _cpu_s(folder)
        except OSError:
            if each == pid:
                return None
    return Footprint(memory_kb / 1024, cpu_s, len(pids))


def tree_of(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for each in found:
        try:
            threads = list(Path("/proc", str(each), "task").iterdir())
            found.extend(
                int(child) for thread in threads for child in (thread / "children").read_text().split()
            )
        except OSError:
            continue
    return found


def _memory_kb(folder: Path) -> int:
    for line in (folder / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _cpu_s(folder: Path) -> float:
    """User and system time, fields 14 and 15 of stat; the name in field 2 may hold spaces."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy_share(seconds: float) -> float:
    """How much of all processors was in use during the next so many seconds, 0 to 1; 0 where /proc does not tell.
    Blocks that long."""
    before = _processor_times()
    time.sleep(seconds)
    after = _processor_times()
    spent = [late - early for early, late in zip(before, after, strict=True)]
    total = sum(spent)
    return 1 - (spent[3] + spent[4]) / total if total else 0.0


def _processor_times() -> list[int]:
    """The first line of /proc/stat: user, nice, system, idle, iowait, …"""
    try:
        first = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return []
    return [int(field) for field in first.split()[1:9]]
