"""Custom executors: functions of users that perform the attempts of a step.

Coroutine functions run on the event loop, plain ones in a thread. Whatever they raise or return ends as an outcome;
nothing they do with their arguments reaches the execution.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from tenuto.actions.foreign import plain_text, take_failure
from tenuto.actions.json_data import RESULT_LIMIT, take_result
from tenuto.actions.threads import Threads
from tenuto.core.events import StepError
from tenuto.errors import ConfigurationError
from tenuto.ports.action import ActionRequest, Failed, Outcome

_LONGEST_TYPE, _LONGEST_MESSAGE = 200, 2000

CLEAN_UP_S = 5.0
"""How long a cancelled coroutine may still clean up before nobody waits for it any more."""


class StepFailed(Exception):
    """Raised by a custom executor to fail its attempt with a type of its choosing.

    `type` is what `retryPolicy.retryOn` and `noRetryOn` match (`card.declined` is of class `card`); with
    `retry=False` no further attempt is made whatever the policy says. `retry_after_ms` lengthens the wait before the
    next attempt, up to the policy's `maxDelay`. `details` is JSON data for whoever reads the error. It stands outside
    the error tree because Tenuto never raises it.
    """

    def __init__(
        self,
        type: str,  # noqa: A002 - the word users see in the error
        message: str,
        *,
        retry: bool = True,
        retry_after_ms: int | None = None,
        details: Any = None,
    ) -> None:
        self.type = type
        self.message = message
        self.retry = retry
        self.retry_after_ms = retry_after_ms
        self.details = details
        super().__init__(message)


class ExecutorContext(Mapping[str, Any]):
    """What an executor gets as `context`: the execution's context by key (the start context's keys and the ids of
    steps that succeeded), and which attempt this is. `step_key` is the same for every attempt of the step: give it to
    services that recognise a repetition by a key. Values are copies, made when they are first read."""

    __slots__ = ("_copies", "_source", "attempt", "execution_id", "step_id", "step_key", "workflow_id")

    def __init__(self, request: ActionRequest) -> None:
        self.execution_id = request.execution_id
        self.workflow_id = request.workflow_id
        self.step_id = request.step_id
        self.step_key = request.step_key
        self.attempt = request.attempt
        self._source = request.context
        self._copies: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._copies:
            self._copies[key] = msgspec.to_builtins(self._source[key])
        return self._copies[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._source))  # results of other steps come in meanwhile

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return f"<context of {self.step_key}, attempt {self.attempt}: {', '.join(self._source)}>"


Executor: TypeAlias = Callable[[dict[str, Any], ExecutorContext], Any]
"""`fn(params, context)`, a coroutine function or a plain one; what it returns is the step's result."""


class CustomExecutor:
    """The action made of a user's function."""

    scripts: frozenset[str] = frozenset()

    def __init__(
        self, name: str, function: Executor, threads: Threads, result_limit: int = RESULT_LIMIT
    ) -> None:
        _check_signature(name, function)
        self.name = name
        self._function = function
        self._is_async = _is_coroutine_function(function)
        self._threads = threads
        self._result_limit = result_limit

    async def run(self, request: ActionRequest) -> Outcome:
        params = msgspec.to_builtins(dict(request.params))
        context = ExecutorContext(request)
        if self._is_async:
            return await self._settle(self._function(params, context))
        ended = await self._threads.call(lambda: self._call(params, context))
        if inspect.isawaitable(
            ended
        ):  # a plain function may hand back a coroutine, as a lambda around one does
            return await self._settle(ended)
        return ended

    async def _settle(self, returned: Awaitable[Any]) -> Outcome:
        # In a task of its own, for code that does not end when it is cancelled must not hold up its step's timeout.
        task = asyncio.ensure_future(_ended(returned))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task], timeout=CLEAN_UP_S)
            raise
        value, error = task.result()
        return take_result(value, self._result_limit) if error is None else _failed(error)

    def _call(self, params: dict[str, Any], context: ExecutorContext) -> Outcome | Awaitable[Any]:
        try:
            value = self._function(params, context)
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            return _failed(error)
        return value if inspect.isawaitable(value) else take_result(value, self._result_limit)


async def _ended(returned: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """What it returned, or what it raised."""
    try:
        return await returned, None
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - the boundary to code of users
        return None, error


def _failed(error: BaseException) -> Failed:
    if isinstance(error, StepFailed):
        return _failed_on_purpose(error)
    name = type(error).__name__
    return Failed(StepError(plain_text(f"executor.{name}", _LONGEST_TYPE), _text(error) or name))


def _failed_on_purpose(error: StepFailed) -> Failed:
    failed = Failed(
        StepError(str(error.type), str(error.message), error.details),
        retry_after_ms=error.retry_after_ms,
        retry=bool(error.retry),
    )
    return take_failure(failed)


def _text(error: BaseException) -> str:
    try:
        return plain_text(str(error), _LONGEST_MESSAGE)
    except Exception:  # noqa: BLE001 - a `__str__` of users may itself be broken
        return ""


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    # An object with an async __call__ is one too.
    call = getattr(function, "__call__", None)  # noqa: B004 - to look at it, not to ask whether it can be called
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _check_signature(name: str, function: Executor) -> None:
    if not callable(function):
        raise ConfigurationError(f"the executor {name!r} must be a function, not a {type(function).__name__}")
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # some functions written in C do not tell
    try:
        signature.bind({}, {})
    except TypeError as error:
        raise ConfigurationError(
            f"the executor {name!r} must be callable as fn(params, context), and is not: {error}"
        ) from None
