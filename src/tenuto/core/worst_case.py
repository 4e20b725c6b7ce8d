"""How long an execution may take at worst, by its definition alone."""

from __future__ import annotations

from tenuto.core.definition import Definition, RetryPolicy, StepSpec, retry_policy_of, timeout_of
from tenuto.core.outline import Outline
from tenuto.core.retry import delay_before


def worst_case_ms(outline: Outline) -> int:
    """Milliseconds along the slowest way through an outline without cycles: every attempt of every step to its timeout,
    with the longest delays between. What has no timeout counts as nothing, for no bound can be told."""
    until = [0] * len(outline.steps)
    delays: dict[RetryPolicy, int] = {}
    for i in outline.order:
        before = max((until[link.source] for link in outline.incoming[i]), default=0)
        until[i] = before + _step_ms(outline.definition, outline.steps[i], delays)
    return max(until, default=0)


def _step_ms(definition: Definition, step: StepSpec, delays: dict[RetryPolicy, int]) -> int:
    policy = retry_policy_of(definition, step)
    if policy not in delays:
        delays[policy] = sum(
            delay_before(policy, attempt, 1.0) for attempt in range(2, policy.max_attempts + 1)
        )
    duration = step.params.get("duration") if step.action == "delay" else None
    attempt_ms = duration if isinstance(duration, int) else timeout_of(definition, step)
    whole = attempt_ms * policy.max_attempts + delays[policy]
    return min(whole, step.total_timeout) if step.total_timeout else whole
