"""A way to the disk for SQLite that remembers what was written and what was synced, and makes up what a disk could
hold after the power went at any moment: whatever was not synced by then is there, or not, or there in part."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import apsw

SECTOR = 512


class Operation(NamedTuple):
    """What SQLite did to a file: `sync` and `delete` make it last, the others may be lost until then."""

    file: str
    kind: Literal["create", "write", "truncate", "sync", "delete"]
    offset: int = 0
    data: bytes = b""


class RecordingVFS(apsw.VFS):
    """Passes everything on to SQLite's own VFS but the syncs, which only the record needs."""

    def __init__(self, name: str) -> None:
        self.operations: list[Operation] = []
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:
            return apsw.VFSFile("", name, flags)  # a temporary file is nobody's after a crash
        if not Path(path).exists():
            self.operations.append(Operation(Path(path).name, "create"))
        return _RecordingFile(self.operations, Path(path).name, name, flags)

    def xDelete(self, path: str, sync_directory: bool) -> None:  # noqa: N802
        self.operations.append(Operation(Path(path).name, "delete"))
        super().xDelete(path, sync_directory)


class _RecordingFile(apsw.VFSFile):
    def __init__(
        self, operations: list[Operation], file: str, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._operations = operations
        self._file = file
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._operations.append(Operation(self._file, "write", offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._operations.append(Operation(self._file, "truncate", size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._operations.append(Operation(self._file, "sync"))


class Disk:
    """The files as they are sure to be, and what has been done to each since its last sync."""

    def __init__(self) -> None:
        self._sure: dict[str, bytearray] = {}
        self._unsure: dict[str, list[Operation]] = {}

    def perform(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            match operation.kind:
                case "sync":
                    self._sync(operation.file)
                case "delete":
                    self._sure.pop(operation.file, None)
                    self._unsure.pop(operation.file, None)
                case _:
                    self._unsure.setdefault(operation.file, []).append(operation)

    def after_power_loss(self, rng: random.Random) -> dict[str, bytes]:
        """One of the many states the files could be in."""
        fate = rng.choice([_keep_any, _keep_any, _keep_a_prefix, _keep_none, _keep_all])
        image = {file: bytearray(content) for file, content in self._sure.items()}
        for file, operations in self._unsure.items():
            kept = fate(operations, rng)
            if file in image or kept:
                content = image.setdefault(file, bytearray())
                for operation in kept:
                    _apply(content, operation)
        return {file: bytes(content) for file, content in image.items()}

    def _sync(self, file: str) -> None:
        content = self._sure.setdefault(file, bytearray())
        for operation in self._unsure.pop(file, []):
            _apply(content, operation)


def _apply(content: bytearray, operation: Operation) -> None:
    if operation.kind == "truncate":
        del content[operation.offset :]
    elif operation.kind == "write":
        missing = operation.offset - len(content)
        content.extend(bytes(max(0, missing)))
        content[operation.offset : operation.offset + len(operation.data)] = operation.data


def _keep_all(operations: list[Operation], rng: random.Random) -> list[Operation]:
    return operations


def _keep_none(operations: list[Operation], rng: random.Random) -> list[Operation]:
    return []


def _keep_a_prefix(operations: list[Operation], rng: random.Random) -> list[Operation]:
    """As a disk that writes in order; the last write is torn."""
    kept = operations[: rng.randint(0, len(operations))]
    return [*kept[:-1], *_tear(kept[-1], rng)] if kept else []


def _keep_any(operations: list[Operation], rng: random.Random) -> list[Operation]:
    """As a disk that writes in any order: each is there, or lost, or torn."""
    kept: list[Operation] = []
    for operation in operations:
        match rng.randrange(3):
            case 0:
                kept.append(operation)
            case 1:
                kept += _tear(operation, rng)
    return kept


def _tear(operation: Operation, rng: random.Random) -> list[Operation]:
    """Some sectors of the write."""
    if operation.kind != "write":
        return [operation]
    first = SECTOR - operation.offset % SECTOR
    cuts = [0, *range(first, len(operation.data), SECTOR), len(operation.data)]
    pieces = [
        operation._replace(offset=operation.offset + start, data=operation.data[start:stop])
        for start, stop in itertools.pairwise(cuts)
    ]
    return [piece for piece in pieces if rng.random() < 0.5]
