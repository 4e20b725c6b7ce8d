"""Names for new executions."""

from __future__ import annotations

import os
import time


def new_execution_id() -> str:
    """`exec-` and a UUIDv7 (RFC 9562): unguessable, and later ones sort after earlier ones."""
    stamp = (time.time_ns() // 1_000_000) << 80
    noise = int.from_bytes(os.urandom(10), "big")
    value = stamp | 0x7 << 76 | (noise & ((1 << 76) - 1))
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"exec-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
