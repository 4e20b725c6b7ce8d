"""What the process that runs scripts can still do: nothing but compute and answer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tenuto.ports.script import Script
from tenuto.scripting import child
from tenuto.scripting.engine import QuickJsEngine
from tenuto.scripting.request import Limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement is Linux's")


@pytest.fixture
async def process(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """/proc of a child that has run a script, started by a parent with secrets and open files."""
    monkeypatch.setenv("TENUTO_SECRET", "hunter2")
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    engine = QuickJsEngine(workers=1, limits=Limits(memory_bytes=64 << 20))
    await engine.evaluate(Script("expression", "1 + 1"), {})
    yield Path("/proc", str(engine.pids[0]))
    await engine.close()
    os.close(reading)
    os.close(writing)


async def test_it_has_no_environment(process: Path) -> None:
    assert (process / "environ").read_bytes() == b""
    assert b"hunter2" not in (process / "cmdline").read_bytes()


async def test_it_has_no_files_but_its_socket(process: Path) -> None:
    files = {int(file.name): str(file.readlink()) for file in (process / "fd").iterdir()}
    assert set(files) == {0, 1, 2}
    assert files[0] == files[1]
    assert files[0].startswith("socket:")
    assert files[2] == "/dev/null"


async def test_its_limits_are_set(process: Path) -> None:
    text = (process / "limits").read_text()
    limits = {line[:26].strip(): line[26:47].strip() for line in text.splitlines()[1:]}
    assert limits["Max open files"] == "0"
    assert limits["Max processes"] == "0"
    assert limits["Max core file size"] == "0"
    assert limits["Max file size"] == "0"
    assert int(limits["Max address space"]) < 300 << 20


async def test_it_gave_up_privileges_and_system_calls(process: Path) -> None:
    status = dict(
        line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line
    )
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Threads"] == "1"


TRIES = """
import importlib.util, json, os, socket, sys
spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
sys.modules["child"] = child
spec.loader.exec_module(child)
tries = {
    "open": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "create": lambda: os.open("/tmp/x", os.O_CREAT | os.O_WRONLY),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "socket": lambda: socket.socket(),
    "pair": lambda: socket.socketpair(),
    "pipe": os.pipe,
    "duplicate": lambda: os.dup(1),
    "kill": lambda: os.kill(os.getppid(), 0),
    "look": lambda: os.stat("/"),
    "list": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink("/nonexistent"),
    "leave": lambda: os.chdir("/"),
    "become": lambda: os.setuid(0),
    "trace": lambda: child.ctypes.CDLL(None, use_errno=True),
}
child.confine(child.Limits(1.0, 64 << 20, 1 << 20, 100, 1 << 20))
found = {}
for name, attempt in tries.items():
    try:
        attempt()
        found[name] = "done"
    except OSError as error:
        found[name] = error.errno
os.write(1, json.dumps(found).encode())
"""


def test_it_cannot_open_connect_fork_or_signal() -> None:
    asked = subprocess.run(
        [sys.executable, "-I", "-S", "-c", TRIES, str(child.__file__)],
        capture_output=True,
        check=True,
        env={},
    )
    found = json.loads(asked.stdout)
    assert found.pop("trace") == "done"  # a control: what needs no system call still works
    assert set(found.values()) <= {1, 24}, found  # EPERM, or EMFILE where a limit comes first
    assert len(found) == 14


async def test_it_ends_with_its_parent() -> None:
    code = """if True:
        import asyncio, os, signal
        from tenuto.ports.script import Script
        from tenuto.scripting.engine import QuickJsEngine
        async def main():
            engine = QuickJsEngine()
            await engine.evaluate(Script("expression", "1"), {})
            burning = asyncio.create_task(engine.evaluate(Script("body", "for (;;);"), {}))
            await asyncio.sleep(0)
            print(engine.pids[0], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await parent.communicate()
    for _ in range(5000):
        if not is_running(int(output)):
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the child outlived its parent")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("text", "depth", "deeper"),
    [
        (b"1", 0, False),
        (b"[]", 0, True),
        (b"[[]]", 1, True),
        (b"[[]]", 2, False),
        (b'["[[[["]', 1, False),
        (b'["\\"[[[["]', 1, False),
        (b'{"a":[{"b":1}],"c":{}}', 3, False),
        (b'{"a":[{"b":1}],"c":{}}', 2, True),
        (b"[[],[],[],[[]]]", 2, True),
        (b"[{},[],{},[{}]]", 3, False),
        (b"[" * 5000 + b"]" * 5000, 4999, True),
        (b"[" * 5000 + b"]" * 5000, 5000, False),
    ],
)
def test_depth_of_json(text: bytes, depth: int, deeper: bool) -> None:
    assert child.is_deeper(text, depth) is deeper
