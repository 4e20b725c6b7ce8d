"""Golden journals on disk: `<name>.jsonl` (a record a line), `<name>.definition.json`, `<name>.document.json`, and
`<name>.blobs.json` where data is stored apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.journal.recorder import Recording

FOLDER = Path(__file__).parent / "golden"


def names() -> list[str]:
    """The golden journals there are."""
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def load(name: str) -> Recording:
    """One golden journal."""
    records = (FOLDER / f"{name}.jsonl").read_bytes().splitlines()
    blobs = _read(f"{name}.blobs.json") if (FOLDER / f"{name}.blobs.json").exists() else {}
    return Recording(
        _read(f"{name}.definition.json"),
        records,
        _read(f"{name}.document.json"),
        {digest: msgspec.json.encode(data) for digest, data in blobs.items()},
    )


def save(name: str, recording: Recording) -> bool:
    """Write a golden journal that there is not yet; whether it was written. One that is there stays as it is."""
    journal = FOLDER / f"{name}.jsonl"
    if journal.exists():
        return False
    _write(f"{name}.definition.json", recording.definition)
    _write(f"{name}.document.json", recording.document)
    if recording.blobs:
        _write(f"{name}.blobs.json", {name: msgspec.Raw(data) for name, data in recording.blobs.items()})
    journal.write_bytes(b"".join(record + b"\n" for record in recording.records))
    return True


def _read(file: str) -> Any:
    return msgspec.json.decode((FOLDER / file).read_bytes())


def _write(file: str, data: Any) -> None:
    (FOLDER / file).write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")
