"""How much one request may ask of the server."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Bytes of a body, levels of JSON, and the pause between heartbeats of a live stream (s)."""

    body_bytes: int = 5 * 1024 * 1024
    json_depth: int = 100
    heartbeat_s: float = 15.0
