"""Where cases of one workflow are played: it is compiled once, with stand-ins for its actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.actions.http_client import Call
from tenuto.core.definition import Definition
from tenuto.core.validate import check_start_context
from tenuto.errors import Invalid
from tenuto.ports.action import ActionRequest, Failed
from tenuto.ports.script import ScriptEngine
from tenuto.runtime.attempts import Performer
from tenuto.runtime.rehearsal.cast import Cast
from tenuto.runtime.rehearsal.play import EXECUTION_ID, Disturbance, Play
from tenuto.runtime.rehearsal.stand_ins import StandIns
from tenuto.runtime.workflow import FindAction, Workflow
from tenuto.wire.rehearsal import Case, Mock


class Stage:
    """A workflow to be rehearsed, one case at a time. `shared` are the variables of all executions."""

    def __init__(
        self,
        definition: Definition,
        version: int,
        scripts: ScriptEngine,
        find_action: FindAction,
        shared: Mapping[str, Any] | None = None,
    ) -> None:
        self._shared = shared or {}
        self._variables: Mapping[str, Any] = {}
        self._play: Play | None = None
        self.workflow = Workflow(definition, version, StandIns(scripts, find_action, self).find)
        # Scripts that are slow today must not change how a rehearsal ends: attempts are bounded in virtual time only.
        self._timeouts = [node.timeout for node in self.workflow.graph.all_nodes]
        for node in self.workflow.graph.all_nodes:
            node.timeout = 0
        self._performer = Performer(self, scripts, variables=lambda: self._variables)
        self._performer.callback_url = _callback_url
        self.cast = Cast(self.workflow.graph)

    def check(self, case: Case) -> None:
        """Raise Invalid with every problem of the case: its steps, and the context it starts with."""
        self.cast.check(case)
        problems = check_start_context(self.workflow.taken_keys, case.context)
        schema = self.workflow.input_schema
        if schema is not None and not problems:
            problems = schema.problems(case.context, ("context",))
        if problems:
            raise Invalid(problems)

    async def play(self, case: Case, disturbance: Disturbance | None = None) -> Play:
        """Play a case that was checked."""
        assert self._play is None, "one case is played at a time"
        self._variables = {**self._shared, **case.vars}
        self._play = Play(self.workflow, self._timeouts, self._performer, case, disturbance)
        try:
            await self._play.run()
            return self._play
        finally:
            self._play = None

    # -- the clock of the performer, and the prompter of the stand-ins -----------------------------------------

    def now(self) -> int:
        """Virtual ms since the epoch."""
        return self._playing.now

    def attempt(self, request: ActionRequest, action: str) -> Mock | Failed | None:
        """See `Prompter`."""
        return self._playing.attempt(request, action)

    def sends(self, call: Call) -> None:
        """See `Prompter`."""
        self._playing.sends(call)

    def takes(self, mock: Mock) -> None:
        """See `Prompter`."""
        self._playing.takes(mock)

    def child_ends(self, child: str, mock: Mock | None) -> None:
        """See `Prompter`."""
        self._playing.child_ends(child, mock)

    def is_unmocked(self) -> None:
        """See `Prompter`."""
        self._playing.is_unmocked()

    @property
    def _playing(self) -> Play:
        assert self._play is not None, "asked while a case is played"
        return self._play


def _callback_url(execution_id: str, step: str, generation: int) -> str:
    return (
        f"https://{EXECUTION_ID}.invalid/executions/{execution_id}/steps/{step}/complete?token={generation}"
    )
