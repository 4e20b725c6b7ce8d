"""What a rerun starts: an execution in which the steps before the one it runs from stand as they ended in another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tenuto.core.events import ForkLink, StepCopied
from tenuto.core.graph import Graph, Node
from tenuto.core.reset import to_run_from
from tenuto.core.state import State, StepState
from tenuto.errors import Invalid, NotFound, Problem
from tenuto.ports.host import JournalEntry, Rerun, StartRequest, Who


def rerun_of(
    state: State, wish: Rerun, graph: Graph, who: Who, journal: Iterable[JournalEntry] = ()
) -> StartRequest:
    """The start of a new execution that does that step and all after it, and has the rest copied. `graph` is that of
    the version it runs; where the execution has variables, its `journal` says who wrote them. Raises NotFound,
    Invalid."""
    first = state.graph.index.get(wish.from_step)
    if first is None:
        raise NotFound(
            f"workflow {state.workflow_id!r} has no step {wish.from_step!r} of its own to run from"
        )
    if wish.from_step not in graph.index:
        message = f"version {graph.version} of the workflow has no step {wish.from_step!r}"
        raise Invalid([Problem("fromStep", "unknown_step", message)])
    again = to_run_from(state, state.steps[first])
    kept = [
        step
        for step in state.own_steps()
        if step.id not in again and step.id in graph.index and _can_be_copied(step)
    ]
    written = _written_by(state.graph, {step.id for step in kept}, journal)
    return StartRequest(
        workflow_id=state.workflow_id,
        version=graph.version,
        context=state.input if wish.context is None else wish.context,
        execution_id=wish.execution_id,
        priority=state.priority,
        tags=state.tags,
        fork_of=ForkLink(state.execution_id, wish.from_step, who.by, who.reason),
        copied=tuple(_copy(step, written.get(step.id)) for step in kept),
    )


def _can_be_copied(step: StepState) -> bool:
    return step.status in ("success", "failed", "skipped") or step.reason == "not_needed"


def _copy(step: StepState, variables: dict[str, Any] | None) -> StepCopied:
    chosen = None if step.chosen is None else sorted(step.chosen)
    match step.status:
        case "success":
            return StepCopied(step.id, "success", step.attempts, step.result, chosen=chosen, vars=variables)
        case "failed":
            return StepCopied(step.id, "failed", step.attempts, error=step.error)
        case _:  # skipped, or given up because a join did not need it: there it had begun, here it does not
            return StepCopied(step.id, "skipped", reason=step.reason)


def _written_by(
    graph: Graph, steps: set[str], journal: Iterable[JournalEntry]
) -> Mapping[str, dict[str, Any]]:
    """The variables that these steps, or what is inside them, wrote, each with the step that wrote it last."""
    own = {inner.id: node.id for node in graph.nodes for inner in _inside(node)}
    values: dict[str, Any] = {}
    writers: dict[str, str] = {}
    for entry in journal:
        for event in entry.events:
            writer = own.get(str(event.get("step", "")).partition("[")[0])
            if writer in steps:
                for name, value in (event.get("vars") or {}).items():
                    values[name], writers[name] = value, writer
    written: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, writer in writers.items():
        written[writer][name] = values[name]
    return written


def _inside(node: Node) -> Iterator[Node]:
    """The step and all that is nested in it. Recursion follows the nesting, which is bounded."""
    yield node
    if node.body is not None:
        for inner in node.body.nodes:
            yield from _inside(inner)
