"""How long an execution may take at worst, by its definition alone."""

from __future__ import annotations

from typing import Any

from tenuto.core.definition import Definition, RetryPolicy, StepSpec, retry_policy_of, timeout_of
from tenuto.core.outline import Outline
from tenuto.core.retry import delay_before
from tenuto.core.whole import Whole

_WAITS = ("signal.wait", "approval")


def worst_case_ms(whole: Whole) -> int:
    """Milliseconds along the slowest way through a definition without cycles: every attempt of every step to its
    timeout, with the longest delays between; all rounds of loops, and the items of lists that are written out (of
    others, one). What has no timeout counts as nothing, for no bound can be told."""
    return _Clock(whole.definition).block_ms(whole.root)


class _Clock:
    """Adds up times of one definition; delays between attempts are worked out once for each policy."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._delays: dict[RetryPolicy, int] = {}

    def block_ms(self, outline: Outline) -> int:
        """The slowest way through a block. Recursion follows the nesting, which is bounded."""
        until = [0] * len(outline.steps)
        for i in outline.order:
            before = max((until[link.source] for link in outline.incoming[i]), default=0)
            until[i] = before + self._step_ms(outline.steps[i], outline.nested.get(i))
        return max(until, default=0)

    def _step_ms(self, step: StepSpec, nested: Outline | None) -> int:
        inner = self._action_ms(step) if nested is None else self.block_ms(nested)
        if inner is None:
            return step.total_timeout
        whole = inner
        if step.type == "loop":
            whole = step.max_iterations * inner + (step.max_iterations - 1) * step.every
        elif step.type == "map" and isinstance(step.items, list):
            at_once = step.max_concurrency or len(step.items)
            whole = -(-len(step.items) // at_once) * inner if step.items else 0
        return min(whole, step.total_timeout) if step.total_timeout else whole

    def _action_ms(self, step: StepSpec) -> int | None:
        """All attempts of a step that holds no others; None where an attempt has no bound that can be told."""
        policy = retry_policy_of(self._definition, step)
        if policy not in self._delays:
            self._delays[policy] = sum(
                delay_before(policy, attempt, 1.0) for attempt in range(2, policy.max_attempts + 1)
            )
        attempt_ms = self._attempt_ms(step)
        if attempt_ms is None:
            return None
        queued_ms = step.queue_timeout if step.concurrency else 0
        return (attempt_ms + queued_ms) * policy.max_attempts + self._delays[policy]

    def _attempt_ms(self, step: StepSpec) -> int | None:
        if step.action in _WAITS:
            return _literal_ms(step.params.get("timeout")) or None
        if step.action == "workflow.run" and step.params.get("wait") is not False:
            return None
        if step.action == "http.request" and step.params.get("completion") == "callback":
            return None
        duration = _literal_ms(step.params.get("duration")) if step.action == "delay" else None
        return timeout_of(self._definition, step) if duration is None else duration


def _literal_ms(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
