"""Outcomes from code that is not ours: what the journal could not carry becomes a failure of type `invalid-output`
before it reaches the execution, which would stand still over it otherwise.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable
from typing import Any

from tenuto.actions.json_data import RESULT_LIMIT, NotJson, TooDeep, copy_json, take_result
from tenuto.core.events import StepError
from tenuto.ports.action import Action, ActionRequest, Failed, Outcome, Succeeded, Waiting

_LONGEST_TYPE, _LONGEST_MESSAGE = 200, 2000


class ForeignAction:
    """An action that a user wrote, with its outcomes checked. Results are copies nobody else holds."""

    def __init__(self, action: Action, result_limit: int = RESULT_LIMIT) -> None:
        self.name = action.name
        self.scripts = action.scripts
        self._action = action
        self._result_limit = result_limit

    def run(self, request: ActionRequest) -> Outcome | Awaitable[Outcome]:
        """Perform the attempt."""
        outcome: Any = self._action.run(request)
        return self._later(outcome) if inspect.isawaitable(outcome) else self._checked(outcome)

    async def _later(self, outcome: Awaitable[Any]) -> Outcome:
        return self._checked(await outcome)

    def _checked(self, outcome: Any) -> Outcome:
        match outcome:
            case Succeeded():
                taken = take_result(outcome.result, self._result_limit)
                return taken if isinstance(taken, Failed) else Succeeded(taken.result, outcome.chosen)
            case Failed():
                return take_failure(outcome)
            case Waiting(until=int()):
                taken = take_result(outcome.result, self._result_limit)
                return taken if isinstance(taken, Failed) else Waiting(outcome.until, taken.result)
        return _invalid(f"the action answered {outcome!r:.100}, which is no outcome")


def take_failure(failed: Failed) -> Failed:
    """The failure with texts that can be written, or one of type `invalid-output` that says what cannot."""
    error, wish = failed.error, failed.retry_after_ms
    try:
        details = copy_json(error.details, "details")
    except (NotJson, TooDeep) as problem:
        return _invalid(f"the attempt failed with details that are not JSON: {problem}")
    if wish is not None and not _is_millis(wish):
        return _invalid(
            f"the attempt failed with retry_after_ms {wish!r:.50}, which is no number of milliseconds"
        )
    return Failed(
        StepError(
            plain_text(error.type, _LONGEST_TYPE), plain_text(error.message, _LONGEST_MESSAGE), details
        ),
        retry_after_ms=None if wish is None else math.ceil(wish),
        retry=failed.retry,
    )


def plain_text(text: str, longest: int) -> str:
    """The beginning of a text, with halves of surrogate pairs (as in file names that are not UTF-8) written out."""
    text = text[:longest]
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _is_millis(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _invalid(message: str) -> Failed:
    return Failed(StepError("invalid-output", plain_text(message, _LONGEST_MESSAGE)))
