"""Names that the core makes: the keys of steps, and the ids of the executions that steps start."""

from __future__ import annotations

import hashlib

from tenuto.core.state import StepState

_LONGEST = 128


def step_key(execution_id: str, step: StepState) -> str:
    """The key of a step that outgoing calls carry: the same for every attempt until a person has the step redone."""
    return f"{execution_id}/{step.id}/{step.generation}"


def child_id(execution_id: str, step_id: str, generation: int, tries: int = 1) -> str:
    """The id of the execution that a step starts: the same for an attempt and those made again because it was lost,
    another for a further try (`tries`) after a failure. Instance ids are written with dots; what gets too long for an
    id ends in a hash of the whole."""
    dotted = step_id.replace("][", ".").replace("[", ".").replace("]", "").replace(":", ".")
    if "." in step_id:  # else the step `m.0` and the item `m[0]` would start one and the same
        dotted += f".{hashlib.sha256(step_id.encode()).hexdigest()[:8]}"
    name = f"{execution_id}.{dotted}.{generation}" + (f".{tries}" if tries > 1 else "")
    if len(name) <= _LONGEST:
        return name
    return f"{name[:95]}.{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def tries_of(step: StepState) -> int:
    """How many attempts of the step were made in this generation, those lost with their process not counted."""
    return step.attempts - step.infra


def own_child(execution_id: str, step: StepState) -> str:
    """The id of the execution that the step's present attempt starts."""
    return child_id(execution_id, step.id, step.generation, tries_of(step))


def child_of(execution_id: str, step: StepState) -> str | None:
    """The execution that ends with this step, if there may be one and the step did not say to leave it alone."""
    if step.node.spec.action != "workflow.run" or step.node.kind != "task":
        return None  # of a map or a loop it is what is inside that starts them
    if step.wait is None:
        if step.node.spec.params.get("onParentClose") == "abandon":
            return None
        if step.acting:
            return own_child(execution_id, step)
        # An attempt that was lost may have started it; the one that follows finds it.
        return child_id(execution_id, step.id, step.generation, tries_of(step) + 1) if step.attempts else None
    details = step.wait.details or {}
    return details.get("child") if details.get("onParentClose", "cancel") == "cancel" else None
