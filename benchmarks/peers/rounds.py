"""Measures the engines in turns, so that a slow moment of the machine does not hit one engine alone. Every repetition
is a program of its own that is ended when it takes too long.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.peers import environments, servers
from benchmarks.peers.catalogue import Engine
from benchmarks.peers.figures import Figures, tree

REPETITION_LIMIT_S = 90


@dataclass
class Row:
    """What is known of one engine: its repetitions, or why there are none."""

    engine: Engine
    versions: str = ""
    repetitions: list[Figures] = field(default_factory=list)
    problem: str | None = None


def install(engines: Sequence[Engine], say: Callable[[str], None]) -> list[Row]:
    """A row for each engine; those that cannot be installed say so in it."""
    rows = []
    for engine in engines:
        row = Row(engine)
        rows.append(row)
        if engine.environment is None:
            continue
        if not environments.is_prepared(engine.environment):
            say(f"installing what {engine.title} needs into .bench/peers/{engine.environment.name}")
        try:
            environments.prepare(engine.environment)
            row.versions = environments.versions(engine.environment)
        except (environments.NotInstalled, OSError, subprocess.SubprocessError) as error:
            row.problem = f"not installed: {error}"
    return rows


def measure(rows: Sequence[Row], repetitions: int, say: Callable[[str], None]) -> None:
    """Add that many repetitions to every row that has no problem, one engine after the other, round by round."""
    for number in range(1, repetitions + 1):
        for row in rows:
            if row.problem is not None:
                continue
            began = time.monotonic()
            try:
                row.repetitions.append(_repetition(row.engine))
                say(
                    f"{row.engine.title}: repetition {number} of {repetitions}, {time.monotonic() - began:.0f} s"
                )
            except RuntimeError as error:
                row.problem = str(error)
                say(f"{row.engine.title}: FAILED: {error}")


def _repetition(engine: Engine) -> Figures:
    """One run of the engine's program. Raises RuntimeError when it fails or takes too long."""
    if engine.outside or engine.environment is None:
        python = environments.own_python()
        extra = [str(environments.FOLDER / engine.environment.name)] if engine.environment else []
    else:
        python, extra = environments.python_of(engine.environment), []
    command = [python, "-W", "ignore", "-m", f"benchmarks.peers.programs.{engine.program}"]
    process = subprocess.Popen(
        [*command, *engine.arguments, *extra],
        cwd=environments.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = process.communicate(timeout=REPETITION_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"took longer than {REPETITION_LIMIT_S} s") from error
    finally:
        _end_with_descendants(process)
    if process.returncode != 0:
        raise RuntimeError(_last_line(err) or f"ended with code {process.returncode}")
    return Figures(**json.loads(out.splitlines()[-1]))


def _end_with_descendants(process: subprocess.Popen[bytes]) -> None:
    """An interrupted program takes its servers down itself; whatever is left after that is killed by its id."""
    if process.poll() is not None:
        return
    family = servers.births(tree(process.pid))
    servers.end(process, signal.SIGINT, patience_s=15)
    servers.kill(family)


def _last_line(output: bytes) -> str:
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
