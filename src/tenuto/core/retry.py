"""Whether and when a failed attempt is tried again."""

from __future__ import annotations

from tenuto.core.definition import RetryPolicy

NEVER_BY_DEFAULT = ("expression", "rejected", "limit", "invalid-output", "invalid-params", "no_case_matched")
"""Error types that trying again cannot mend; only a `retryOn` that names them (or `*`) retries them."""


def matches(pattern: str, error_type: str) -> bool:
    """Whether a pattern names the error type: whole (`http.503`), a class (`http.5xx`, `http`), or `*`."""
    if pattern in ("*", error_type):
        return True
    if pattern.endswith("xx") and len(pattern) == len(error_type):
        return error_type.startswith(pattern[:-2]) and error_type[-2:].isdigit()
    return error_type.startswith(pattern + ".")


def is_retryable(policy: RetryPolicy, error_type: str) -> bool:
    """Whether the policy tries this error again at all; `noRetryOn` beats `retryOn`."""
    if any(matches(pattern, error_type) for pattern in policy.no_retry_on):
        return False
    if policy.retry_on:
        return any(matches(pattern, error_type) for pattern in policy.retry_on)
    return not any(matches(pattern, error_type) for pattern in NEVER_BY_DEFAULT)


def delay_before(
    policy: RetryPolicy, attempt: int, noise: float = 0.0, retry_after_ms: int | None = None
) -> int:
    """Milliseconds to wait before attempt n (n ≥ 2): min(initialDelay × backoffMultiplier^(n−2), maxDelay), then
    spread by ± jitter (`noise` in [-1, 1]). A receiver's Retry-After lengthens it, up to maxDelay."""
    try:
        delay = min(policy.initial_delay * policy.backoff_multiplier ** (attempt - 2), policy.max_delay)
    except OverflowError:
        delay = (
            min(policy.initial_delay, 1) * policy.max_delay
        )  # no delay stays none, however often it is multiplied
    delay *= 1 + policy.jitter * noise
    if retry_after_ms is not None:
        delay = max(delay, min(retry_after_ms, policy.max_delay))
    return round(delay)
