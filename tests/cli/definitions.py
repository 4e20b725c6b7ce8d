"""Workflows that the tests of commands run; they call nothing outside the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

Definition = dict[str, Any]

QUICK: Definition = {
    "id": "quick",
    "name": "Quick One",
    "steps": [
        {"id": "first", "action": "noop", "params": {"result": {"n": 20}}},
        {
            "id": "second",
            "action": "transform",
            "params": {"inputKey": "first", "code": "return input.n + (context.more ?? 0)"},
            "dependencies": ["first"],
        },
    ],
}

FAILING: Definition = {
    "id": "failing",
    "name": "Failing One",
    "steps": [
        {"id": "boom", "action": "transform", "params": {"code": "throw new Error('out of paper')"}},
        {"id": "after", "dependencies": ["boom"]},
    ],
}

PATIENT: Definition = {
    "id": "patient",
    "steps": [
        {"id": "wait", "action": "delay", "params": {"duration": 3_600_000}},
        {"id": "after", "dependencies": ["wait"]},
    ],
}

INVALID: Definition = {
    "id": "invalid",
    "steps": [{"id": "a", "dependencies": ["nosuch"], "retryPolicy": {"maxAttempts": 0}}],
}


def write(folder: Path, *definitions: Definition) -> list[str]:
    """The definitions in files of their own; the files' names."""
    names = []
    for definition in definitions:
        file = folder / f"{definition['id']}.json"
        file.write_bytes(msgspec.json.encode(definition))
        names.append(str(file))
    return names
