"""Performing attempts: `when`, then the params' templates, then the action, all within the step's timeout.

Whatever happens to the work of users ends as an outcome. An attempt that can end at once does, without a task.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import structlog

from tenuto.core.events import StepError
from tenuto.core.inputs import ConditionFalse, Failed, Outcome, OutputComputed
from tenuto.core.state import State
from tenuto.core.truth import is_truthy
from tenuto.errors import ScriptFailed
from tenuto.ports.action import ActionRequest
from tenuto.ports.clock import Clock
from tenuto.ports.script import ScriptEngine
from tenuto.runtime.scope import Scope, step_key
from tenuto.runtime.workflow import Plan, Workflow

log = structlog.get_logger(__name__)

Ending = Outcome | ConditionFalse


class Performer:
    """Performs attempts for a node."""

    def __init__(self, clock: Clock, scripts: ScriptEngine) -> None:
        self._clock = clock
        self._scripts = scripts

    def perform_at_once(self, state: State, plan: Plan) -> Ending | Any:
        """The attempt's outcome, or an awaitable that yields it."""
        if plan.when is not None or plan.params.needs_engine:
            return self._perform(state, plan)
        try:
            outcome = self._act(state, plan, plan.params.resolve_plain(Scope(state, plan.node)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary to actions, see `_ending_of`
            return _ending_of(plan, error)
        if inspect.isawaitable(outcome):
            return self._within_timeout(plan, outcome)
        return outcome

    async def _perform(self, state: State, plan: Plan) -> Ending:
        scope = Scope(state, plan.node)
        limit: asyncio.Timeout | None = None
        try:
            # `when` has the script engine's own limits; the step's timeout begins with the attempt proper.
            unmet = await self._unmet(state, plan, scope)
            if unmet is not None:
                return unmet
            async with asyncio.timeout(_seconds(plan)) as limit:
                params = await plan.params.resolve(scope, self._scripts)
                outcome = self._act(state, plan, params)
                ending: Ending = await outcome if inspect.isawaitable(outcome) else outcome
                return ending
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - the boundary to actions
            return _ending_of(plan, error, limit)

    async def _unmet(self, state: State, plan: Plan, scope: Scope) -> ConditionFalse | Failed | None:
        """What keeps the step from running by its `when`, asked before the first attempt only: it does not hold, or it
        is an error, which no further attempt can mend."""
        if plan.when is None or not _is_first(state, plan):
            return None
        try:
            return None if is_truthy(await plan.when.evaluate(scope, self._scripts)) else ConditionFalse()
        except ScriptFailed as failure:
            return Failed(StepError(failure.kind, f"when: {failure}"), retry=False)

    async def _within_timeout(self, plan: Plan, outcome: Any) -> Ending:
        limit: asyncio.Timeout | None = None
        try:
            async with asyncio.timeout(_seconds(plan)) as limit:
                ending: Ending = await outcome
                return ending
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - the boundary to actions
            return _ending_of(plan, error, limit)

    def _act(self, state: State, plan: Plan, params: dict[str, Any]) -> Any:
        if plan.action is None:
            message = f"nothing in this process serves the action {plan.node.spec.action!r}"
            return Failed(StepError("unknown-action", message))
        node = plan.node
        step = state.steps[node.index]
        return plan.action.run(
            ActionRequest(
                execution_id=state.execution_id,
                workflow_id=state.workflow_id,
                step_id=node.id,
                step_key=step_key(state, node, step),
                attempt=step.attempts,
                params=params,
                context=state.context,
                scope=Scope(state, node),
                now=self._clock.now(),
                timeout=node.timeout,
            )
        )

    async def compute_output(self, state: State, workflow: Workflow) -> OutputComputed:
        """The definition's `output` for this execution, or why there is none."""
        assert workflow.output is not None, "asked only of definitions that have an output"
        try:
            resolved = await workflow.output.resolve(Scope(state, None), self._scripts)
        except ScriptFailed as failure:
            return OutputComputed(error=StepError(failure.kind, f"output: {failure}"))
        except Exception as error:  # else the execution would wait for its output for ever
            log.exception("output_broken", execution=state.execution_id)
            return OutputComputed(error=StepError("internal", f"output: {type(error).__name__}: {error}"))
        return OutputComputed(value=resolved["output"])


def _is_first(state: State, plan: Plan) -> bool:
    """Whether no attempt before this one got past `when` (those lost with their process did not count)."""
    step = state.steps[plan.node.index]
    return step.attempts - step.infra == 1


def _seconds(plan: Plan) -> float | None:
    return plan.node.timeout / 1000 if plan.node.timeout else None


def _ending_of(plan: Plan, error: BaseException, limit: asyncio.Timeout | None = None) -> Failed:
    """What an attempt that raised has come to: a broken action fails its step and nothing else, whatever it raises.
    Raises the error again where it is this attempt that is being given up."""
    if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
        raise error
    if isinstance(error, TimeoutError) and limit is not None and limit.expired():
        return _timed_out(plan)
    if isinstance(error, ScriptFailed):
        return _failed(error)
    return _broken(plan, error)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _timed_out(plan: Plan) -> Failed:
    return Failed(StepError("timeout", f"the attempt took longer than its timeout of {plan.node.timeout} ms"))


def _failed(failure: ScriptFailed) -> Failed:
    return Failed(StepError(failure.kind, str(failure)))


def _broken(plan: Plan, error: BaseException) -> Failed:
    log.error("action_broken", action=plan.node.spec.action, step=plan.node.id, exc_info=error)
    return Failed(
        StepError("internal", f"the action {plan.node.spec.action!r} broke: {type(error).__name__}: {error}")
    )
