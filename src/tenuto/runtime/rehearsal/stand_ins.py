"""The actions of a rehearsal. Those that work on the execution's own data, or wait, really run; calls to other systems are
made up to the point where they would leave, which finds params that could never be sent; everything else comes to what
the case says, or succeeds with null.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import UNSET
from multidict import CIMultiDict

from tenuto.actions.built_in import built_in_actions
from tenuto.actions.decision import Decision
from tenuto.actions.http_client import Answer, Call, HttpCaller
from tenuto.actions.http_failure import ERROR_BODY_LIMIT
from tenuto.core.definition import is_decision
from tenuto.core.events import ParentLink, StepError
from tenuto.core.graph import Node
from tenuto.core.truth import is_truthy
from tenuto.ports.action import Action, ActionRequest, Failed, Outcome, Succeeded, Waiting
from tenuto.ports.children import ChildEnd
from tenuto.ports.script import ScriptEngine
from tenuto.runtime.workflow import FindAction
from tenuto.wire.rehearsal import Mock, MockError

WITHIN = frozenset({"noop", "transform", "condition", "set", "finish"})
"""Actions that work on the execution's own data."""

WAITS = frozenset({"delay", "signal.wait", "approval"})
CALLS = frozenset({"http.request", "webhook"})
CHILD = "workflow.run"
FORCED = StepError("forced", "the rehearsal has it fail")


class Prompter(Protocol):
    """Who knows what the attempt that is made now comes to."""

    def attempt(self, request: ActionRequest, action: str) -> Mock | Failed | None:
        """Note the attempt, and answer what the case says of it."""

    def sends(self, call: Call) -> None:
        """The attempt would send this."""

    def takes(self, mock: Mock) -> None:
        """The attempt takes as long as the mock says."""

    def child_ends(self, child: str, mock: Mock | None) -> None:
        """The execution that the attempt started ends as the mock says."""

    def is_unmocked(self) -> None:
        """Nothing is said of an attempt whose outcome another system would decide."""


class StandIn:
    """Stands in for the action of one step."""

    def __init__(self, node: Node, real: Action | None, prompter: Prompter, *, runs: bool) -> None:
        self.name = node.spec.action
        self.scripts: frozenset[str] = frozenset() if real is None else real.scripts
        self._real = real
        self._runs = runs
        self._prompter = prompter

    async def run(self, request: ActionRequest) -> Outcome:
        """Come to what the case says."""
        mock = self._prompter.attempt(request, self.name)
        if isinstance(mock, Failed):
            return mock
        if self.name == CHILD:
            return await self._start_child(request, mock)
        if self._real is not None and self.name in CALLS:
            answered = await _outcome(self._real, request)
            if isinstance(answered, Failed):
                return answered  # nothing would have been sent
        else:
            answered = Succeeded()
        if mock is not None:
            self._prompter.takes(mock)
            said = self._said(mock)
            if said is not None:
                return said
        if self._runs and self._real is not None:
            return await _outcome(self._real, request)
        if mock is None:
            self._prompter.is_unmocked()
        return answered

    def _said(self, mock: Mock) -> Outcome | None:
        """The outcome, where the mock has one."""
        if mock.error is not UNSET:
            return Failed(step_error(mock.error))
        if mock.choose is not UNSET:
            return Succeeded({"chosen": list(mock.choose), "matched": []}, chosen=list(mock.choose))
        if mock.result is UNSET:
            return None
        if self.name == "condition":
            branch = "true" if is_truthy(mock.result) else "false"
            return Succeeded({"result": mock.result, "branch": branch})
        return Succeeded(mock.result)

    async def _start_child(self, request: ActionRequest, mock: Mock | None) -> Outcome:
        """A child is started for real, so to speak: what is said is how it ends."""
        assert self._real is not None, "every process has workflow.run"
        if mock is None:
            self._prompter.is_unmocked()
        outcome = await _outcome(self._real, request)
        if isinstance(outcome, Waiting):
            assert outcome.details is not None, "who waits for a child knows which"
            self._prompter.child_ends(outcome.details["child"], mock)
        elif mock is not None and isinstance(outcome, Succeeded):  # nobody waits for it
            self._prompter.takes(mock)
            return self._said(mock) or outcome
        return outcome


class StandIns:
    """Finds the stand-in of each step. `find_action` gives the real actions of this process, of which only the names
    of params that are scripts are asked."""

    def __init__(self, scripts: ScriptEngine, find_action: FindAction, prompter: Prompter) -> None:
        self._scripts = scripts
        self._find_action = find_action
        self._prompter = prompter
        built_in = built_in_actions(scripts, _Unsent(prompter), children=_Children())
        self._built_in: Mapping[str, Action] = {action.name: action for action in built_in}

    def find(self, node: Node) -> Action:
        """The stand-in for the step's action."""
        name = node.spec.action
        if is_decision(node.spec) and name != "condition":
            return StandIn(node, Decision(node.spec, self._scripts), self._prompter, runs=True)
        real = self._built_in.get(name)
        if real is None:
            return StandIn(node, self._find_action(node), self._prompter, runs=False)
        return StandIn(node, real, self._prompter, runs=name in WITHIN or name in WAITS)


def step_error(error: MockError | str) -> StepError:
    """The error that a case names."""
    if isinstance(error, str):
        return StepError(error, "as the rehearsal has it")
    return StepError(error.type, error.message, error.details)


async def _outcome(action: Action, request: ActionRequest) -> Outcome:
    outcome = action.run(request)
    return await outcome if inspect.isawaitable(outcome) else outcome


class _Unsent(HttpCaller):
    """Sends nothing: every call is answered as expected, with an empty body."""

    def __init__(self, prompter: Prompter) -> None:
        super().__init__()
        self._prompter = prompter

    async def call(self, call: Call, limit_of: Callable[[int], int]) -> Answer | Failed:
        self._prompter.sends(call)
        # Whoever calls reads less of the body of a status that it does not expect.
        statuses = (200, *range(100, 600))
        status = next((status for status in statuses if limit_of(status) != ERROR_BODY_LIMIT), 200)
        return Answer(status=status, headers=CIMultiDict(), body=b"", is_whole=True)


class _Children:
    """Starts nothing; how a child ends is told later."""

    async def start_child(
        self,
        parent: ParentLink,
        workflow_id: str,
        version: int | None,
        context: Mapping[str, Any],
        execution_id: str,
    ) -> ChildEnd | None:
        """See `Children`."""
        return None
