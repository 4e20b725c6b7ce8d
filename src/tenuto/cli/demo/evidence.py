"""What the demo claims, held against what the stand-in services saw. A claim that does not hold is a failed demo."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.request import urlopen

import msgspec

from tenuto.cli.demo.services import Call

ARRIVAL_S = 10.0
LOOK_S = 0.02


class Claim(NamedTuple):
    """A sentence, whether it holds, and what was seen."""

    sentence: str
    holds: bool
    seen: str = ""


class CallLog:
    """The stand-in services' own record of calls."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/calls"

    def read(self) -> list[Call]:
        """Every call so far, oldest first."""
        with urlopen(self._url, timeout=10) as response:  # noqa: S310 - our own stand-ins on loopback
            return msgspec.json.decode(response.read(), type=list[Call])

    def await_calls(self, wanted: Callable[[Sequence[Call]], bool]) -> list[Call]:
        """The calls once `wanted` holds of them, or as they are after ten seconds."""
        give_up_at = time.monotonic() + ARRIVAL_S
        while True:
            calls = self.read()
            if wanted(calls) or time.monotonic() > give_up_at:
                return calls
            time.sleep(LOOK_S)


def of_execution(calls: Sequence[Call], execution_id: str) -> list[Call]:
    """The calls that steps of this execution made."""
    return [call for call in calls if call.execution_id == execution_id and call.step_id]


def counts(calls: Sequence[Call]) -> Counter[str]:
    """Number of calls by step."""
    return Counter(call.step_id for call in calls if call.step_id)


def statuses(calls: Sequence[Call], step: str) -> list[int | None]:
    """What the step's calls were answered, in order."""
    return [call.status for call in calls if call.step_id == step]


def keys(calls: Sequence[Call], step: str) -> set[str | None]:
    """The Idempotency-Keys that the step's calls came with."""
    return {call.key for call in calls if call.step_id == step}
