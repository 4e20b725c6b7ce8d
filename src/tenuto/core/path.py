"""Where in a document something is, as people write it in JavaScript: `steps[3].params["odd key"]`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

Part = str | int
Path = tuple[Part, ...]

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")

_LONGEST_PLAIN = 200
"""Longer keys are quoted, and cut: a document may have a key of megabytes."""


def path_text(parts: Iterable[Part]) -> str:
    """The text of a path: list positions in brackets, keys after a dot, keys that are no plain name in quotes."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif len(part) <= _LONGEST_PLAIN and _PLAIN.match(part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def quoted(text: str, limit: int = 60) -> str:
    """The text in double quotes, cut after `limit` characters."""
    return json.dumps(text if len(text) <= limit else text[:limit] + "…", ensure_ascii=False)
