"""Requests for attempts, as the runtime would make them."""

from __future__ import annotations

import inspect
from typing import Any

from tenuto.ports.action import Action, ActionRequest, Failed, Outcome, Succeeded, Waiting

NOW = 1_800_000_000_000


def request(
    params: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    *,
    start_context: dict[str, Any] | None = None,
    steps: dict[str, Any] | None = None,
    step_id: str = "charge-payment",
    attempt: int = 1,
    generation: int = 0,
    execution_id: str = "exec-1",
) -> ActionRequest:
    """One attempt of a step with these resolved params."""
    context = context if context is not None else {}
    start = start_context if start_context is not None else {}
    return ActionRequest(
        execution_id=execution_id,
        workflow_id="order-processing",
        step_id=step_id,
        step_key=f"{execution_id}/{step_id}/{generation}",
        attempt=attempt,
        params=params or {},
        context=context,
        scope={"context": context, "input": start, "steps": steps or {}},
        now=NOW,
        timeout=60_000,
    )


async def outcome_of(action: Action, made: ActionRequest) -> Outcome:
    """What the attempt ends in."""
    ended = action.run(made)
    if inspect.isawaitable(ended):
        return await ended
    return ended


async def result_of(action: Action, made: ActionRequest) -> Any:
    """The result of an attempt that must succeed."""
    outcome = await outcome_of(action, made)
    assert isinstance(outcome, Succeeded), outcome
    return outcome.result


async def failure_of(action: Action, made: ActionRequest) -> Failed:
    """The failure of an attempt that must fail."""
    outcome = await outcome_of(action, made)
    assert isinstance(outcome, Failed), outcome
    return outcome


async def wait_of(action: Action, made: ActionRequest) -> Waiting:
    """The wait of an attempt that must wait."""
    outcome = await outcome_of(action, made)
    assert isinstance(outcome, Waiting), outcome
    return outcome
