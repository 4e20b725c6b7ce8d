"""Performing attempts: `when`, then the params' templates, then the action, all within the step's timeout.

Whatever happens to the work of users ends as an outcome. An attempt that can end at once does, without a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import structlog

from tenuto.core.definition import MAX_ITEMS
from tenuto.core.events import StepError
from tenuto.core.inputs import (
    ConditionFalse,
    Ending,
    Expanded,
    Failed,
    Judged,
    Opened,
    OutputComputed,
    Succeeded,
)
from tenuto.core.names import step_key, tries_of
from tenuto.core.state import LoopWork, State, StepState
from tenuto.core.truth import is_truthy
from tenuto.core.view import output
from tenuto.errors import Problem, ScriptFailed
from tenuto.ports.action import ActionRequest
from tenuto.ports.clock import Clock
from tenuto.ports.script import ScriptEngine
from tenuto.runtime.live import Kept
from tenuto.runtime.result_cache import Hit, ResultCache, entry_name
from tenuto.runtime.scope import CallbackUrl, Scope, Variables, no_variables
from tenuto.runtime.workflow import Plan, Workflow
from tenuto.scripting.params import CompiledParams, to_text

log = structlog.get_logger(__name__)


class Performer:
    """Performs attempts for a node. `variables` gives those that all executions share, `cache` holds results that
    steps may take again, and `callback_url` says where what a step waits for may be reported."""

    def __init__(
        self,
        clock: Clock,
        scripts: ScriptEngine,
        *,
        variables: Variables = no_variables,
        cache: ResultCache | None = None,
    ) -> None:
        self._clock = clock
        self._scripts = scripts
        self._variables = variables
        self._cache = cache
        self.callback_url: CallbackUrl | None = None

    def perform_at_once(self, state: State, step: StepState, plan: Plan) -> Ending | Any:
        """The attempt's outcome, or an awaitable that yields it."""
        if plan.cache_key is not None and self._cache is not None:
            return self._perform_once(state, step, plan, plan.cache_key, self._cache)
        if plan.needs_task:
            return self._perform(state, step, plan)
        scope = self._scope(state, step)
        try:
            outcome = self._act(state, step, plan, plan.params.resolve_plain(scope), scope)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary to actions, see `_ending_of`
            return _ending_of(plan, error)
        if isinstance(outcome, Ending):
            return outcome if plan.output_schema is None else _fitting(plan, outcome)
        return _Bounded(plan, outcome)

    async def _perform_once(
        self, state: State, step: StepState, plan: Plan, compiled: CompiledParams, cache: ResultCache
    ) -> Ending | Kept:
        """The attempt, unless its result was kept before; one of those who want the same does the work."""
        scope = self._scope(state, step)
        limit: asyncio.Timeout | None = None
        try:
            unmet = await self._unmet(step, plan, scope)
            if unmet is not None:
                return unmet
            async with asyncio.timeout(_seconds(plan)) as limit:
                key = (await compiled.resolve(scope, self._scripts))["key"]
                name = entry_name(state.workflow_id, plan.node.id, key)
                found = await cache.find_or_claim(name, self._clock.now())
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - the boundary to actions
            return _ending_of(plan, error, limit)
        if isinstance(found, Hit):
            return Succeeded(found.value, cached=True)
        try:
            ending = await self._perform(state, step, plan)
        except BaseException:
            found.release()
            raise
        rule = plan.node.spec.cache
        assert rule is not None, "only steps with `cache` have a key"
        item = (
            found.keep(ending.result, self._clock.now(), rule.ttl) if isinstance(ending, Succeeded) else None
        )
        return Kept(ending, found, item)

    def _scope(self, state: State, step: StepState | None) -> Scope:
        return Scope(state, step, self._variables, self.callback_url)

    async def _perform(self, state: State, step: StepState, plan: Plan) -> Ending:
        scope = self._scope(state, step)
        limit: asyncio.Timeout | None = None
        try:
            # `when` has the script engine's own limits; the step's timeout begins with the attempt proper.
            unmet = await self._unmet(step, plan, scope)
            if unmet is not None:
                return unmet
            async with asyncio.timeout(_seconds(plan)) as limit:
                if step.node.kind != "task":
                    return await self._open(state, step, plan, scope)
                params = await plan.params.resolve(scope, self._scripts)
                outcome = self._act(state, step, plan, params, scope)
                ending: Ending = outcome if isinstance(outcome, Ending) else await outcome
                return _fitting(plan, ending)
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - the boundary to actions
            return _ending_of(plan, error, limit)

    async def _unmet(self, step: StepState, plan: Plan, scope: Scope) -> ConditionFalse | Failed | None:
        """What keeps the step from running by its `when`, asked before the first attempt only: it does not hold, or it
        is an error, which no further attempt can mend."""
        if plan.when is None or not _is_first(step):
            return None
        try:
            return None if is_truthy(await plan.when.evaluate(scope, self._scripts)) else ConditionFalse()
        except ScriptFailed as failure:
            return Failed(StepError(failure.kind, f"when: {failure}"), retry=False, park=False)

    async def _open(self, state: State, step: StepState, plan: Plan, scope: Scope) -> Ending:
        """What an attempt of a container itself comes to: a map's items, the judgement of a loop's round, or that it
        may begin."""
        if plan.items is not None:
            return await self._expand(plan, plan.items, scope)
        if plan.until is not None and isinstance(step.work, LoopWork):
            scope = Scope(state, step, self._variables, self.callback_url, of_round=True)
            try:
                return Judged(is_truthy(await plan.until.evaluate(scope, self._scripts)))
            except ScriptFailed as failure:
                return Failed(StepError(failure.kind, f"until: {failure}"), retry=False)
        return Opened()

    async def _expand(self, plan: Plan, compiled: CompiledParams, scope: Scope) -> Ending:
        try:
            items = (await compiled.resolve(scope, self._scripts))["items"]
        except ScriptFailed as failure:
            return Failed(StepError(failure.kind, f"items: {failure}"), retry=False)
        if not isinstance(items, list):
            return Failed(StepError("expression", f"items: expected a list, got {_kind(items)}"), retry=False)
        if len(items) > MAX_ITEMS:
            message = f"items: a map may have {MAX_ITEMS:,} items, this one would have {len(items):,}"
            return Failed(StepError("limit", message), retry=False)
        return Expanded(items)

    def _act(self, state: State, step: StepState, plan: Plan, params: dict[str, Any], scope: Scope) -> Any:
        if plan.action is None:
            message = f"nothing in this process serves the action {plan.node.spec.action!r}"
            return Failed(StepError("unknown-action", message))
        return plan.action.run(
            ActionRequest(
                execution_id=state.execution_id,
                workflow_id=state.workflow_id,
                step_id=plan.node.id,
                step_key=step_key(state.execution_id, step),
                attempt=step.attempts,
                params=params,
                context=scope.context(),
                scope=scope,
                now=self._clock.now(),
                timeout=plan.node.timeout,
                instance_id=step.id,
                generation=step.generation,
                tries=tries_of(step),
                depth=0 if state.parent is None else state.parent.depth,
            )
        )

    async def slot_keys(self, state: State, step: StepState | None, compiled: CompiledParams) -> list[str]:
        """The keys of the slots that a step, or the execution, asks for. Raises ScriptFailed."""
        keys = (await compiled.resolve(self._scope(state, step), self._scripts))["keys"]
        return [to_text(key) for key in keys]

    async def compute_output(self, state: State, workflow: Workflow) -> OutputComputed:
        """The output of this execution, or why there is none: what `finish` gave, else the definition's `output`, else
        the results of its last steps; and it must fit `outputSchema`."""
        try:
            value = await self._output(state, workflow)
        except ScriptFailed as failure:
            return OutputComputed(error=StepError(failure.kind, f"output: {failure}"))
        except Exception as error:  # else the execution would wait for its output for ever
            log.exception("output_broken", execution=state.execution_id)
            return OutputComputed(error=StepError("internal", f"output: {type(error).__name__}: {error}"))
        schema = workflow.output_schema
        if schema is not None and (problems := schema.problems(value, ("output",))):
            return OutputComputed(error=misfit(problems))
        return OutputComputed(value=value)

    async def _output(self, state: State, workflow: Workflow) -> Any:
        if state.cancel is not None and state.cancel.output is not None:
            return state.cancel.output
        if workflow.output is None:
            return output(state)
        return (await workflow.output.resolve(self._scope(state, None), self._scripts))["output"]


class _Bounded:
    """An attempt under way, within its step's timeout. One that is given up before it had its turn is closed."""

    __slots__ = ("_outcome", "_plan")

    def __init__(self, plan: Plan, outcome: Any) -> None:
        self._plan = plan
        self._outcome = outcome

    def __await__(self) -> Generator[Any, None, Ending]:
        return self._end().__await__()

    async def _end(self) -> Ending:
        limit: asyncio.Timeout | None = None
        try:
            async with asyncio.timeout(_seconds(self._plan)) as limit:
                ending: Ending = await self._outcome
                return _fitting(self._plan, ending)
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - the boundary to actions
            return _ending_of(self._plan, error, limit)

    def close(self) -> None:
        """Nobody will await it; nothing where somebody has."""
        close_unbegun(self._outcome)


def close_unbegun(awaitable: Any) -> None:
    """Close what can be closed, so that code which never had its turn is not complained about."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


def misfit(problems: list[Problem]) -> StepError:
    """The error of a value that does not fit its schema, with the first few places."""
    named = "; ".join(f"{problem.path}: {problem.message}" for problem in problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return StepError("invalid-output", f"{named}{more}")


def _fitting(plan: Plan, ending: Ending) -> Ending:
    """The outcome, unless its result does not fit the step's `outputSchema`."""
    if plan.output_schema is None or not isinstance(ending, Succeeded):
        return ending
    problems = plan.output_schema.problems(ending.result, ("result",))
    return Failed(misfit(problems)) if problems else ending


def _kind(value: object) -> str:
    names = {dict: "an object", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _is_first(step: StepState) -> bool:
    """Whether no attempt before this one got past `when` (those lost with their process did not count)."""
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
