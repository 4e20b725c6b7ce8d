"""The actions that every Tenuto has."""

from __future__ import annotations

from tenuto.actions.approval import Approval
from tenuto.actions.condition import Condition
from tenuto.actions.delay import Delay
from tenuto.actions.finish import Finish
from tenuto.actions.http_client import HttpCaller
from tenuto.actions.http_request import HttpRequest
from tenuto.actions.json_data import RESULT_LIMIT
from tenuto.actions.noop import Noop
from tenuto.actions.set_vars import Set
from tenuto.actions.signal_wait import SignalWait
from tenuto.actions.transform import Transform
from tenuto.actions.webhook import Webhook
from tenuto.actions.workflow_run import WorkflowRun
from tenuto.ports.action import Action
from tenuto.ports.children import Children
from tenuto.ports.script import ScriptEngine


def built_in_actions(
    scripts: ScriptEngine,
    http: HttpCaller,
    result_limit: int = RESULT_LIMIT,
    *,
    children: Children | None = None,
) -> list[Action]:
    """One of each, sharing the engine and the connections given. `result_limit` in bytes of JSON. Without `children`
    there is no `workflow.run`."""
    actions: list[Action] = [
        Noop(result_limit),
        HttpRequest(http, result_limit),
        Delay(),
        Transform(scripts, result_limit),
        Condition(scripts, result_limit),
        Webhook(http),
        Set(result_limit),
        Finish(result_limit),
        SignalWait(),
        Approval(result_limit),
    ]
    return actions if children is None else [*actions, WorkflowRun(children)]
