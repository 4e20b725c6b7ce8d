"""The lock that keeps a second server off a store's file: `<path>.lock`, locked while a server or its writer lives and
naming the server's process. The kernel lets go of it with the last of them, however they end."""

from __future__ import annotations

import asyncio
import fcntl
import os

from tenuto.errors import StoreIncompatible, StoreUnavailable

_ATTEMPTS = 100
_PAUSE_S = 0.05  # a writer whose server was killed ends within its current transaction


async def lock_file(path: str) -> int:
    """A descriptor that holds the lock; closing it lets go. Raises StoreIncompatible when another server holds it."""
    _check_place(path)
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreUnavailable(f"cannot open {path}.lock: {error.strerror}") from error
    try:
        await _lock(descriptor, path)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_place(path: str) -> None:
    """Leave alone what can never become a store, so that no lock file is left beside it."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise StoreUnavailable(f"cannot open {path}: there is no folder {folder}")
    if os.path.isdir(path):
        raise StoreIncompatible(f"{path} is a folder; name a file for the database")


async def _lock(descriptor: int, path: str) -> None:
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            if _is_alive(holder):
                break
        await asyncio.sleep(_PAUSE_S)
    raise StoreIncompatible(
        f"{path} is in use by another Tenuto server (process {holder or 'unknown'}). Stop that server, or use another file."
    )


def _is_alive(pid: str) -> bool:
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
