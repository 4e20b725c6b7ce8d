"""Where scenarios are kept, by name, and how their definitions are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.journal.recorder import Recorder

SCENARIOS: dict[str, Callable[[], Recorder]] = {}


def scenario(record: Callable[[], Recorder]) -> Callable[[], Recorder]:
    """Keep the recording function under its own name."""
    SCENARIOS[record.__name__.replace("_", "-")] = record
    return record


def definition(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A workflow of these steps."""
    return {"id": "golden", "name": "A golden journal", "steps": list(steps), **fields}


def step(step_id: str, *dependencies: str, **fields: Any) -> dict[str, Any]:
    """A step after these."""
    return {"id": step_id, "dependencies": list(dependencies), **fields}
