"""What a step of each type must and must not have: fields that belong to another type, and what belongs to nested steps
and not to the step that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from tenuto.core.definition import MAX_ITEMS, StepSpec, is_decision
from tenuto.core.finding import Finding
from tenuto.core.outline import Outline
from tenuto.core.params import has_template
from tenuto.core.path import quoted
from tenuto.core.reading import KEYWORDS, STANDARD_NAMES
from tenuto.core.scope import TAKEN_NAMES
from tenuto.core.template import parse_template
from tenuto.errors import Invalid

_FieldProblem = tuple[str, str, str]

_OF_MAPS = ("items", "item_name", "max_concurrency", "tolerated_failures")
_OF_LOOPS = ("until", "every", "max_iterations")
_OF_NESTED = (
    "params",
    "retry_policy",
    "timeout",
    "cache",
    "concurrency",
    "queue_timeout",
    "priority",
    "output_schema",
)
"""What says how an action is done, and so belongs to the steps that do one."""
_OWN_SCHEMA = {"signal.wait": "schema", "approval": "form"}
"""Actions whose result comes from outside, and the param that says what it must fit."""
_FIELDS = {field.name: field for field in msgspec.structs.fields(StepSpec)}
_DEFAULTS: dict[str, object] = {
    name: field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    for name, field in _FIELDS.items()
}


def check_kinds(outline: Outline) -> Iterator[Finding]:
    """Fields that a step of its type cannot have, and those that it lacks."""
    for i, step in enumerate(outline.steps):
        for field, code, message in _check_kind(step):
            yield Finding(outline.path(i, field), code, message)


def _check_kind(step: StepSpec) -> Iterator[_FieldProblem]:
    yield from _check_decision(step) if step.type == "decision" else _check_no_decision(step)
    yield from _check_map(step) if step.type == "map" else _only_for(step, _OF_MAPS, "map")
    if step.type != "loop":
        yield from _only_for(step, _OF_LOOPS, "loop")
    elif step.until is None:
        yield (
            "until",
            "required",
            "A loop needs `until`: a JavaScript expression that says when it is enough.",
        )
    if step.steps:
        yield from _check_container(step)
    if step.action in _OWN_SCHEMA and step.output_schema is not UNSET:
        own = _OWN_SCHEMA[step.action]
        message = f"What `{step.action}` returns is checked where it comes in: give its params a `{own}`."
        yield "outputSchema", "conflict", message
    if step.type in ("map", "loop") and not step.steps and is_decision(step):
        message = (
            f"A {step.type} does not branch; put the condition into its `steps`, or into a step after it."
        )
        yield "action", "conflict", message


def _only_for(step: StepSpec, names: tuple[str, ...], kind: str) -> Iterator[_FieldProblem]:
    for name in names:
        if _is_given(step, name):
            field = _FIELDS[name].encode_name
            yield field, "other_type", f'`{field}` is for {kind}s; give the step `"type": "{kind}"`.'


def _is_given(step: StepSpec, name: str) -> bool:
    """Whether the attribute is other than its default."""
    value: object = getattr(step, name)
    default = _DEFAULTS[name]
    return value is not default and value is not UNSET and value != default


def _check_container(step: StepSpec) -> Iterator[_FieldProblem]:
    if step.type not in ("parallel", "map", "loop"):
        message = "Nested `steps` are for parallels, maps and loops; give the step one of these types."
        yield "steps", "other_type", message
        return
    if step.action != "noop":
        message = (
            f"A {step.type} has either `steps` or an `action`; put `{step.action}` into one of its `steps`."
        )
        if step.type == "parallel":
            message = f"A parallel with `steps` has no action; put `{step.action}` into one of them."
        yield "action", "conflict", message
    for name in _OF_NESTED:
        if _is_given(step, name):
            field = _FIELDS[name].encode_name
            also = "; `totalTimeout` bounds them all" if name == "timeout" else ""
            message = f"`{field}` belongs to the nested steps of `{step.id}`, not to itself{also}."
            yield field, "conflict", message


def _check_map(step: StepSpec) -> Iterator[_FieldProblem]:
    if step.items is UNSET:
        yield "items", "required", "A map needs `items`: a list, or a template that gives one."
    elif isinstance(step.items, list):
        if len(step.items) > MAX_ITEMS:
            message = f"At most {MAX_ITEMS:,} are allowed here, got {len(step.items):,}."
            yield "items", "too_many", message
    elif not _may_be_list(step.items):
        message = f"Expected a list, or a template that gives one and nothing else, got {quoted(step.items)}."
        yield "items", "param", message
    name = step.item_name
    if name in TAKEN_NAMES or name in KEYWORDS or name in STANDARD_NAMES:
        yield "as", "conflict", f"`{name}` means something else in expressions; call the item otherwise."


def _may_be_list(text: str) -> bool:
    """Whether the text is one expression and nothing else, or is no template at all (which is told elsewhere)."""
    if not has_template(text):
        return False
    try:
        return parse_template(text.strip()).is_single and text == text.strip()
    except Invalid:
        return True


def _check_no_decision(step: StepSpec) -> Iterator[_FieldProblem]:
    fields = {"cases": bool(step.cases), "default": step.default is not UNSET, "mode": step.mode != "first"}
    for field, given in fields.items():
        if given:
            yield field, "not_a_decision", f'`{field}` is for decisions; give the step `"type": "decision"`.'


def _check_decision(step: StepSpec) -> Iterator[_FieldProblem]:
    has_cases = bool(step.cases) or step.default is not UNSET
    if step.action == "condition":
        if has_cases:
            message = (
                "A decision has either `cases` or the action `condition` with `onSuccess` and `onFailure`."
            )
            yield "cases" if step.cases else "default", "conflict", message
        elif not step.on_success and not step.on_failure:
            yield (
                "onSuccess",
                "no_targets",
                "The decision leads nowhere: name steps in `onSuccess` or `onFailure`.",
            )
        return
    if step.action != "noop":
        message = f"A decision does no other work; put `{step.action}` into a step before it."
        yield "action", "conflict", message
    if not step.cases:
        yield "cases", "no_targets", 'The decision has no cases: add `cases` as [{"when": …, "next": […]}].'
    elif not any(case.next for case in step.cases) and not step.default:
        yield "cases", "no_targets", "The decision leads nowhere: name steps in `next` of its cases."
    if step.params and step.action == "noop":
        yield "params", "conflict", "A decision with cases takes no params."
    if step.on_success:
        message = "A decision goes where its cases lead; name these steps in `cases` or `default`."
        yield "onSuccess", "conflict", message


def tolerates_all(step: StepSpec) -> bool:
    """Whether as many items of a literal list may fail as there are, so that the map never fails for one."""
    items: Any = step.items
    tolerated = step.tolerated_failures
    return isinstance(items, list) and isinstance(tolerated, int) and bool(items) and tolerated >= len(items)
