"""What an operator may set about the local host. Durations in ms."""

from __future__ import annotations

from msgspec import Struct


class NodeSettings(Struct, frozen=True, kw_only=True):
    """`grace`: how long a stop waits for running attempts. `idle`: how long an execution with nothing running stays
    in memory. `horizon`: executions whose instant is nearer than this stay in memory, so that timers are precise.
    `crowd`: with more executions than this in memory, those that only wait leave at once.
    `max_live`: executions in memory before starts are refused for a moment. `batch`: decisions in one commit.
    `flush`: how long a stop waits for the store to take what is left. `public_url`: how other systems reach this
    server, for the URLs they call back."""

    grace: int = 10_000
    idle: int = 5_000
    horizon: int = 10_000
    crowd: int = 2_000
    max_live: int = 200_000
    batch: int = 250
    flush: int = 5_000
    commits_in_flight: int = 2
    remembered: int = 256
    first_backoff: int = 50
    max_backoff: int = 2_000
    public_url: str = "http://127.0.0.1:3000"
