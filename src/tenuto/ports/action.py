"""An action performs one attempt of a step. What happens to the work of users is a value (`Outcome`); an action
raises only when it is itself broken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from tenuto.core.events import StepError
from tenuto.core.inputs import Failed, Finished, Outcome, Succeeded, Waiting

__all__ = ["Action", "ActionRequest", "Failed", "Finished", "Outcome", "StepError", "Succeeded", "Waiting"]


class ActionRequest(Struct, frozen=True, kw_only=True):
    """One attempt. `params` have their templates resolved (scripts in them are untouched); `context` is what the
    execution knows now and must not be changed; `scope` is everything expressions may read, by name;
    `step_key` is the same for every attempt; `now` and `timeout` in ms (0: no limit). `instance_id` is the step's id,
    with its place in maps and loops (`charge[3]`; empty where nobody says: the step's id); `generation` counts how
    often a person had the step done again, `tries` its attempts since, those lost with their process not counted;
    `depth` says how far below the first of its kind the execution is (one that nobody started as a child: 0);
    `callback_url` is where what the step waits for may be reported."""

    execution_id: str
    workflow_id: str
    step_id: str
    step_key: str
    attempt: int
    params: Mapping[str, Any]
    context: Mapping[str, Any]
    scope: Mapping[str, Any]
    now: int
    timeout: int
    instance_id: str = ""
    generation: int = 0
    depth: int = 0
    tries: int = 1
    callback_url: str | None = None


class Action(Protocol):
    """One kind of work. `scripts` names the params that are JavaScript and so are never templated. The runtime
    enforces the attempt's timeout by cancelling; an action cleans up in `finally`."""

    name: str
    scripts: frozenset[str]

    def run(self, request: ActionRequest) -> Outcome | Awaitable[Outcome]:
        """Perform the attempt. An outcome that is at hand is returned as it is, without a task of its own."""
