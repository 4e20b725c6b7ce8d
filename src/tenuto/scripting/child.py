"""The process in which scripts run. It is started as a file by `python -I -S`, so it imports nothing of this package;
it gives up what a script could misuse, then answers requests on one socket until that closes.

A frame is its length and the request's number (two 32-bit integers, big endian), then for a request JSON, and for an
answer one letter and text: `v` a result as JSON, `e` an error as JSON, `l` the name of a limit that was reached.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.machinery
import importlib.util
import os
import re
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

HEADER = struct.Struct(">II")
READ_BYTES = 1 << 16
STACK_BYTES = 1 << 20
OVERHEAD_BYTES = 96 << 20
PROMISE_JOBS = 100_000
NICENESS = 10
"""Scripts that burn all processors must not make the server wait for its turn."""

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06

SYSTEM_CALLS = {
    # read write mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn mremap madvise
    # sched_yield getpid exit gettimeofday times sigaltstack gettid futex restart_syscall clock_gettime clock_getres
    # exit_group getrandom rseq
    "x86_64": (0xC000003E, (0, 1, 9, 10, 11, 12, 13, 14, 15, 25, 28, 24, 39, 60, 96, 100, 131, 186, 202, 219,
                            228, 229, 231, 318, 334)),
    "aarch64": (0xC00000B7, (63, 64, 222, 226, 215, 214, 134, 135, 139, 216, 233, 124, 172, 93, 169, 153,
                             132, 178, 98, 128, 113, 114, 94, 278, 293)),
}  # fmt: skip
"""What a confined process may still ask of Linux: memory, time, its own end, and its open socket."""


class Limits(NamedTuple):
    """Seconds of CPU, bytes of memory in the engine, bytes and depth of a result, bytes of a scope."""

    cpu_s: float
    memory: int
    result: int
    depth: int
    scope: int


class Instruction(ctypes.Structure):
    """One instruction of a seccomp filter (struct sock_filter)."""

    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class Program(ctypes.Structure):
    """A seccomp filter (struct sock_fprog)."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction)))


def confine(limits: Limits) -> None:
    """Give up files, processes, network and privileges for good, and end with the parent; take the processor only as
    far as the server leaves it. What a platform lacks is left out: the parent's deadline and the engine remain."""
    os.nice(NICENESS)
    address_space = limits.memory + OVERHEAD_BYTES + 6 * limits.scope
    for what, limit in (
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        with contextlib.suppress(ValueError):  # macOS has no limit of address space
            resource.setrlimit(what, (limit, limit))
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    forbid_system_calls(libc)


def forbid_system_calls(libc: ctypes.CDLL) -> None:
    """Have Linux refuse (EPERM) every system call but those of SYSTEM_CALLS."""
    machine = os.uname().machine
    if machine not in SYSTEM_CALLS:
        return
    architecture, allowed = SYSTEM_CALLS[machine]
    code = [
        Instruction(LOAD_WORD, 0, 0, 4),
        Instruction(JUMP_IF_EQUAL, 1, 0, architecture),
        Instruction(RETURN, 0, 0, KILL),
        Instruction(LOAD_WORD, 0, 0, 0),
    ]
    for call in allowed:
        code += [Instruction(JUMP_IF_EQUAL, 0, 1, call), Instruction(RETURN, 0, 0, ALLOW)]
    code.append(Instruction(RETURN, 0, 0, REFUSE))
    program = Program(len(code), (Instruction * len(code))(*code))
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


class Interpreter:
    """Evaluates requests, each in a fresh engine that is made ready before the request comes."""

    def __init__(self, make_context: Callable[[], Any], runner: str, outcome: str, limits: Limits) -> None:
        self._make_context = make_context
        self._runner = runner
        self._outcome = outcome
        self._limits = limits
        self._context: Any = None
        self._run: Any = None
        self.renew()

    def renew(self) -> None:
        """Put a fresh engine in the place of the used one."""
        self._run = self._context = None  # freed first: two engines never share the memory limit
        context = self._make_context()
        context.set_memory_limit(self._limits.memory)
        context.set_max_stack_size(STACK_BYTES)
        context.set_time_limit(self._limits.cpu_s)
        self._run = context.eval(self._runner)
        self._context = context

    def answer(self, request: bytes) -> bytes:
        """The answer to a request, as a letter and text."""
        try:
            return self._bounded(self._evaluate(request.decode()))
        except MemoryError:
            return b"lmemory"
        except Exception as error:  # noqa: BLE001 - the boundary to the engine: its errors are of many classes
            return _limit_named(str(error)) or b'e{"thrown":"something that cannot be shown"}'

    def _evaluate(self, request: str) -> bytes:
        answer = self._run(self._context.parse_json(request))
        if answer is not False:
            return b"v" + bytes(answer.encode())
        outcome = self._context.eval(self._outcome)
        held = self._run(None)
        answer = outcome(held)
        deadline = time.monotonic() + self._limits.cpu_s
        for _ in range(PROMISE_JOBS):
            if answer != "p":
                return bytes(answer.encode())
            if time.monotonic() > deadline:
                return b"ltime"
            if not self._context.execute_pending_job():
                return b'e{"thrown":"a promise that never settles: nothing here ever calls back"}'
            answer = outcome(held)
        return b"ltime"

    def _bounded(self, answer: bytes) -> bytes:
        if answer[:1] != b"v":
            return answer
        if len(answer) - 1 > self._limits.result:
            return b"lresult"
        return b"ldepth" if is_deeper(answer, self._limits.depth) else answer


def _limit_named(message: str) -> bytes | None:
    if "interrupted" in message:
        return b"ltime"
    if "out of memory" in message or message.startswith("null"):
        return b"lmemory"  # with no memory left even the error could not be made, and null stands for it
    return None


_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def is_deeper(json: bytes, depth: int) -> bool:
    """Whether JSON nests deeper than `depth`: each round takes away the innermost level of brackets."""
    if json.count(b"[") + json.count(b"{") <= depth:
        return False
    brackets = _TEXTS.sub(b"", json).translate(_ONE_KIND, _ALL_BUT_BRACKETS)
    for _ in range(depth):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return bool(brackets)


def load_engine(path: str) -> Callable[[], Any]:
    """The engine's Context class, from the extension module at the path."""
    loader = importlib.machinery.ExtensionFileLoader("_quickjs", path)
    spec = importlib.util.spec_from_file_location("_quickjs", path, loader=loader)
    assert spec is not None, "a spec is made from any path"
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    make_context: Callable[[], Any] = module.Context
    return make_context


def send(number: int, answer: bytes) -> None:
    """Write one frame."""
    frame = memoryview(HEADER.pack(len(answer), number) + answer)
    while frame:
        frame = frame[os.write(1, frame) :]


def serve(interpreter: Interpreter) -> None:
    """Answer requests in the order they come, until the socket is closed."""
    buffer = bytearray()
    while chunk := os.read(0, READ_BYTES):
        buffer += chunk
        while len(buffer) >= HEADER.size:
            length, number = HEADER.unpack_from(buffer)
            end = HEADER.size + length
            if len(buffer) < end:
                break
            request = bytes(buffer[HEADER.size : end])
            del buffer[:end]
            send(number, interpreter.answer(request))
            interpreter.renew()


def main(arguments: list[str]) -> None:
    """Arguments: the engine's file, runner.js, outcome.js, then the fields of Limits."""
    engine, runner, outcome, cpu_s, *sizes = arguments
    memory, result, depth, scope = map(int, sizes)
    limits = Limits(float(cpu_s), memory, result, depth, scope)
    os.environ["TZ"] = "UTC"  # scripts know one time zone, wherever they run
    time.tzset()
    with open(runner, encoding="utf-8") as file, open(outcome, encoding="utf-8") as more:
        interpreter = Interpreter(load_engine(engine), file.read(), more.read(), limits)
    confine(limits)
    send(0, b"v")
    serve(interpreter)


if __name__ == "__main__":
    main(sys.argv[1:])
