"""Names that the core makes: the keys of steps, and the ids of the executions that steps start."""

from __future__ import annotations

import hashlib

from tenuto.core.state import StepState

_LONGEST = 128


def step_key(execution_id: str, step: StepState) -> str:
    """The key of a step that outgoing calls carry: the same for every attempt until a person has the step redone."""
    return f"{execution_id}/{step.id}/{step.generation}"


def child_id(execution_id: str, step_id: str, generation: int) -> str:
    """The id of the execution that a step starts: the same however often the start is attempted. Instance ids are
    written with dots; what gets too long for an id ends in a hash of the whole."""
    dotted = step_id.replace("][", ".").replace("[", ".").replace("]", "").replace(":", ".")
    name = f"{execution_id}.{dotted}.{generation}"
    if len(name) <= _LONGEST:
        return name
    return f"{name[:95]}.{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def child_of(execution_id: str, step: StepState) -> str | None:
    """The execution that ends with this step, if it is waited for and the step did not say to leave it alone."""
    if step.node.spec.action != "workflow.run":
        return None
    if step.wait is None:
        return child_id(execution_id, step.id, step.generation) if step.acting else None
    details = step.wait.details or {}
    return details.get("child") if details.get("onParentClose", "cancel") == "cancel" else None
