"""How many attempts a step makes and when, read off the language: which errors are tried again, how often,
after how long. Like the rules beside it, this imports nothing of tenuto."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEVER_RETRIED_BY_DEFAULT = ("expression", "rejected", "limit", "invalid-output")


def matches(pattern: str, error: str) -> bool:
    """Whether an error pattern covers an error type: whole (`http.503`), by class (`http.5xx`, `http`), or
    `*`."""
    wanted, given = pattern.split("."), error.split(".")
    if pattern == "*" or wanted == given[: len(wanted)]:
        return True
    head, tail = wanted[:-1], wanted[-1]
    hundreds = len(tail) == 3 and tail[0].isdigit() and tail[1:] == "xx"
    status = given[-1]
    return hundreds and head == given[:-1] and len(status) == 3 and status.isdigit() and status[0] == tail[0]


def is_retried(policy: Mapping[str, Any], error: str) -> bool:
    """Whether the policy tries again after this error (if attempts are left)."""
    if any(matches(pattern, error) for pattern in policy.get("noRetryOn", ())):
        return False
    if wanted := policy.get("retryOn", ()):
        return any(matches(pattern, error) for pattern in wanted)
    return not any(matches(pattern, error) for pattern in NEVER_RETRIED_BY_DEFAULT)


def attempts_made(policy: Mapping[str, Any], script: tuple[str, ...]) -> tuple[int, str]:
    """How many attempts the step makes, and how the last ended, where `script` names each attempt's error
    type or `ok`; its last entry goes on for ever."""
    most = policy.get("maxAttempts", 1)
    for attempt in range(1, most + 1):
        ended = script[min(attempt, len(script)) - 1]
        if ended == "ok" or attempt == most or not is_retried(policy, ended):
            return attempt, ended
    raise AssertionError("a policy allows at least one attempt")


def delay_before(policy: Mapping[str, Any], attempt: int) -> float:
    """Milliseconds from the failure before attempt `attempt` (2 or more), without jitter."""
    initial: float = policy.get("initialDelay", 1000)
    factor: float = policy.get("backoffMultiplier", 2)
    longest: float = policy.get("maxDelay", 30_000)
    return min(initial * factor ** (attempt - 2), longest)


def settle(policy: Mapping[str, Any], script: tuple[str, ...], people: tuple[str, ...]) -> tuple[int, str]:
    """How many attempts the step makes, and how it ends for good. Where `onExhausted` is `pause`, failing for good
    parks it instead, and the next of `people` says what is done: `retry` has one more attempt made, anything else
    ends it."""
    asked = iter(people)
    most, attempt = policy.get("maxAttempts", 1), 0
    while True:
        attempt += 1
        ended = script[min(attempt, len(script)) - 1]
        if ended == "ok" or (attempt < most and is_retried(policy, ended)):
            if ended == "ok":
                return attempt, ended
            continue
        if policy.get("onExhausted", "fail") == "fail":
            return attempt, ended
        if (done := next(asked)) != "retry":
            return attempt, done
