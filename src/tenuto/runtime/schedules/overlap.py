"""What becomes of a time that has come while executions of its schedule may still be under way. Pure."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from tenuto.runtime.schedules.record import Record, noted

MOST_WAITING = 1_000
"""So many times wait under `bufferAll`; beyond them times are skipped."""


class Met(NamedTuple):
    """The schedule after a time was met, and whether that time is to be started at once."""

    record: Record
    starts: bool


def meet(record: Record, at: int) -> Met:
    """Meet a time. Times that wait go before it."""
    policy = record.spec.overlap
    if policy == "allowAll" or not (record.is_busy or record.waiting):
        return Met(record, starts=True)
    if policy == "skip":
        return Met(noted(record, at, "skipped", message="the one before had not ended"), starts=False)
    if policy == "bufferOne" and record.waiting:
        return Met(noted(record, at, "skipped", message="another time waits already"), starts=False)
    if policy == "bufferAll" and len(record.waiting) >= MOST_WAITING:
        return Met(noted(record, at, "skipped", message=f"{MOST_WAITING:,} times wait already"), starts=False)
    if policy in ("cancelOther", "terminateOther"):
        record = without_waiting(record, "a later time came before it could start")
    return Met(replace(record, waiting=(*record.waiting, at)), starts=False)


def without_waiting(record: Record, why: str) -> Record:
    """Skip all that waits."""
    for at in record.waiting:
        record = noted(record, at, "skipped", message=why)
    return replace(record, waiting=())
