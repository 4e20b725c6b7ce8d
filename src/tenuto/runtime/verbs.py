"""What people and other systems ask of an execution, checked against what its steps expect before it is decided: the
payloads of signals, the forms of approvals, and results given by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET

from tenuto.core.graph import Graph
from tenuto.core.inputs import Approve, ChildEnded, Complete, Signal
from tenuto.core.state import State, StepState
from tenuto.errors import Invalid, Problem
from tenuto.runtime.attempts import misfit
from tenuto.runtime.workflow import Workflow
from tenuto.wire.json_schema import compile_schema


def check_signal(graph: Graph, given: Signal) -> None:
    """Raise Invalid where the payload does not fit what the steps that wait for this name expect."""
    for schema in _schemas_of(graph, given.name):
        problems = compile_schema(schema).problems(given.payload, ("payload",))
        if problems:
            raise Invalid(problems)
        return  # the waits for one name have one schema


def _schemas_of(graph: Graph, name: str) -> Iterator[Mapping[str, Any]]:
    for node in graph.all_nodes:
        params = node.spec.params
        if node.spec.action == "signal.wait" and params.get("name") == name and "schema" in params:
            yield params["schema"]


def check_form(state: State, given: Approve) -> None:
    """Raise Invalid where the data of an approval does not fit the form of its step."""
    step = state.find_step(given.step)
    wait = None if step is None else step.wait
    details = (wait.details or {}) if wait is not None else {}
    form, approvers = details.get("form"), details.get("approvers")
    if approvers and given.by not in approvers:
        return  # who may not answer is told that, and not what an answer looks like
    if form and given.approved:
        problems = compile_schema(form).problems(given.data, ("data",))
        if problems:
            raise Invalid(problems)


def check_result(workflow: Workflow, state: State, given: Complete) -> None:
    """Raise Invalid where a result given from outside does not fit its step: its `outputSchema`, or its choices."""
    step = state.find_step(given.step)
    if step is not None and given.error is None:
        _check_choice(step, given)
        schema = workflow.plans[step.node.number].output_schema
        problems = [] if schema is None else schema.problems(given.result, ("result",))
        if problems:
            raise Invalid(problems)


def _check_choice(step: StepState, given: Complete) -> None:
    """Raise Invalid where a decision is completed without saying what it chooses: nothing after it would run."""
    if not step.node.is_decision:
        return
    said = given.result if isinstance(given.result, dict) else {}
    spec = step.node.spec
    if spec.action == "condition":
        fits = said.get("branch") in ("true", "false")
        message = 'This step is a decision; say what it chooses: {"branch": "true"} or {"branch": "false"}.'
    else:
        targets = [name for case in spec.cases for name in case.next]
        targets += [] if spec.default is UNSET else spec.default
        chosen = said.get("chosen")
        fits = isinstance(chosen, list) and all(name in targets for name in chosen)
        named = ", ".join(f"`{name}`" for name in dict.fromkeys(targets))
        message = (
            f'This step is a decision; say what it chooses, as {{"chosen": [...]}}, of: {named or "nothing"}.'
        )
    if not fits:
        raise Invalid([Problem("result", "choice", message)])


def fitting(workflow: Workflow, state: State, given: ChildEnded) -> ChildEnded:
    """The end of a child, as a failure where its output does not fit the `outputSchema` of the step."""
    step = state.find_step(given.step)
    if step is None or given.error is not None:
        return given
    schema = workflow.plans[step.node.number].output_schema
    problems = [] if schema is None else schema.problems(given.result, ("result",))
    return given._replace(result=None, error=misfit(problems)) if problems else given
