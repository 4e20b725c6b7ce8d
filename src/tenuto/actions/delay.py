"""`delay`: waits as a durable timer, so it holds neither memory nor a task while it waits."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from tenuto.actions.params import BadParams, describe, looks_numeric, millis, refuse_unknown
from tenuto.core.definition import TEN_YEARS_MS
from tenuto.ports.action import ActionRequest, Outcome, Succeeded, Waiting


class Delay:
    """Waits `duration` ms, or until the instant `until`; the result is `{"delayed": ms}`."""

    name = "delay"
    scripts: frozenset[str] = frozenset()
    known = frozenset({"duration", "until"})

    def run(self, request: ActionRequest) -> Outcome:
        try:
            refuse_unknown(request.params, self.known)
            delay_ms = _delay(request)
        except BadParams as problem:
            return problem.failed()
        if delay_ms == 0:
            return Succeeded({"delayed": 0})
        return Waiting(until=request.now + delay_ms, result={"delayed": delay_ms})


def _delay(request: ActionRequest) -> int:
    params = request.params
    if ("duration" in params) == ("until" in params):
        raise BadParams("either `duration` (milliseconds) or `until` (an instant) is needed, not both")
    if "duration" in params:
        return millis("duration", params["duration"])
    delay_ms = max(0, _instant(params["until"]) - request.now)
    if delay_ms > TEN_YEARS_MS:
        raise BadParams("`until` lies more than ten years ahead")
    return delay_ms


def _instant(until: Any) -> int:
    if not isinstance(until, str) or looks_numeric(until):
        return millis("until", until, "milliseconds since 1970", longest=None)
    try:
        moment = datetime.fromisoformat(until.strip())
    except ValueError:
        raise BadParams(
            "`until` must be milliseconds since 1970 or an ISO 8601 instant as 2030-01-31T09:00:00Z, not "
            + describe(until)
        ) from None
    if moment.tzinfo is None:
        raise BadParams(
            f"`until` needs a zone, as in {until}Z or {until}+01:00; without one it names no instant"
        )
    return math.ceil(moment.timestamp() * 1000)
