"""Checks a definition as a whole, beyond the shape of its parts: every problem at once, each with its path, a stable
code and a sentence; doubts are warnings. Whether JavaScript parses is left to the script engine (`scripts_to_check`).
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import UNSET

from tenuto.core.cycles import cycle_text, find_cycles
from tenuto.core.definition import Definition, StepSpec
from tenuto.core.finding import Finding, as_problem
from tenuto.core.lookups import check_lookups, check_names, find_lookups, unserved
from tenuto.core.outline import Link, Outline, references
from tenuto.core.params import BUILT_IN, LATER_ACTIONS, check_params
from tenuto.core.path import path_text, quoted
from tenuto.core.proof import find_impossible
from tenuto.core.sources import ScriptKind, Source, find_sources
from tenuto.core.suggest import did_you_mean
from tenuto.core.worst_case import worst_case_ms
from tenuto.errors import Problem

_MOST_HINTS = 20


class Warning_(NamedTuple):  # noqa: N801 - `Warning` is Python's own
    """A doubt about a definition that is valid all the same: where, a stable code, and a sentence."""

    path: str
    code: str
    message: str


class ToCheck(NamedTuple):
    """One piece of JavaScript for the script engine to parse."""

    path: str
    kind: ScriptKind
    source: str


class Verdict(NamedTuple):
    """What checking found, with paths in parts and in no certain order."""

    problems: list[Finding]
    doubts: list[Finding]
    scripts: list[ToCheck]


def check_definition(
    definition: Definition, known_actions: Collection[str] = BUILT_IN.keys()
) -> tuple[list[Problem], list[Warning_]]:
    """Every problem and doubt of a definition whose shape is right. `known_actions` are those somebody serves."""
    verdict = check_outline(Outline(definition), known_actions)
    return (
        [as_problem(finding) for finding in in_document_order(verdict.problems)],
        [as_warning(finding) for finding in in_document_order(verdict.doubts)],
    )


def check_start_context(step_ids: Container[str], context: Mapping[str, Any]) -> list[Problem]:
    """A key of the start context that is also a step's id would be overwritten by that step's result."""
    return [
        Problem(
            path_text(("context", key)),
            "key_is_step",
            f"`{key}` is the id of a step, whose result will stand there; give this key another name.",
        )
        for key in context
        if key in step_ids
    ]


def scripts_to_check(definition: Definition) -> list[ToCheck]:
    """Every piece of JavaScript in a definition that is more than a plain path."""
    return [script for script in map(_to_check, _sources(find_sources(Outline(definition)), [])) if script]


def check_outline(outline: Outline, known_actions: Collection[str]) -> Verdict:
    """Everything that can be said of what could be read. Where edges may be missing, or steps wait for one another,
    what depends on all edges is left out."""
    problems = [*_check_ids(outline), *_check_references(outline), *_check_decisions(outline)]
    cycles = [_cycle_problem(outline, cycle) for cycle in find_cycles(outline)]
    problems += [*cycles, *check_params(outline)]
    sources = _sources(find_sources(outline), problems)
    for source in sources:
        problems += check_names(outline, source)
    doubts = [*unserved(outline, {*known_actions, *LATER_ACTIONS})]
    if outline.is_complete and not cycles:
        more_problems, more_doubts = check_lookups(outline, list(find_lookups(outline, sources)))
        problems += [*find_impossible(outline), *more_problems]
        doubts += [*more_doubts, *_check_deadline(outline)]
    return Verdict(problems, doubts, [script for script in map(_to_check, sources) if script])


def as_warning(finding: Finding) -> Warning_:
    """The finding with its path as text."""
    return Warning_(path_text(finding.path), finding.code, finding.message)


def in_document_order(findings: Iterable[Finding]) -> list[Finding]:
    """What concerns the whole first, then step by step; doubled ones once."""
    return sorted(dict.fromkeys(findings), key=_place)


def _place(finding: Finding) -> int:
    path = finding.path
    return path[1] if len(path) > 1 and path[0] == "steps" and isinstance(path[1], int) else -1


def _sources(found: Iterable[Source | Finding], problems: list[Finding]) -> list[Source]:
    """The sources among what was found; the findings are added to `problems`."""
    sources: list[Source] = []
    for item in found:
        if isinstance(item, Finding):
            problems.append(item)
        else:
            sources.append(item)
    return sources


def _to_check(source: Source) -> ToCheck | None:
    return ToCheck(path_text(source.path), *source.script) if source.script else None


def _check_ids(outline: Outline) -> Iterator[Finding]:
    for i, step in enumerate(outline.steps):
        first = outline.index[step.id]
        if first != i:
            where = path_text(outline.path(first))
            message = f"The id `{step.id}` is taken by {where}; give this step another."
            yield Finding(outline.path(i, "id"), "duplicate_id", message)


def _check_references(outline: Outline) -> Iterator[Finding]:
    hints = _MOST_HINTS
    for i, step in enumerate(outline.steps):
        for mention in references(step):
            path = outline.path(i, *mention.path)
            if mention.target == step.id:
                yield Finding(path, "self_reference", f"`{step.id}` cannot come before or after itself.")
            elif mention.target not in outline.index and mention.target not in outline.elsewhere:
                hint = did_you_mean(mention.target, outline.index) if hints > 0 else ""
                hints -= 1
                yield Finding(path, "unknown_step", f"There is no step {quoted(mention.target)}.{hint}")


def _check_decisions(outline: Outline) -> Iterator[Finding]:
    for i, step in enumerate(outline.steps):
        check = _check_decision if step.type == "decision" else _check_no_decision
        for field, code, message in check(step):
            yield Finding(outline.path(i, field), code, message)


_FieldProblem = tuple[str, str, str]


def _check_no_decision(step: StepSpec) -> Iterator[_FieldProblem]:
    fields = {"cases": bool(step.cases), "default": step.default is not UNSET, "mode": step.mode != "first"}
    for field, is_given in fields.items():
        if is_given:
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


def _cycle_problem(outline: Outline, cycle: list[Link]) -> Finding:
    text = cycle_text(outline, cycle)
    return Finding(
        outline.path_of(cycle[-1]),
        "cycle",
        f"These steps wait for one another: {text}. Take out one of the edges.",
    )


def _check_deadline(outline: Outline) -> Iterator[Finding]:
    timeout = outline.definition.timeout
    worst = worst_case_ms(outline) if timeout else 0
    if worst > timeout:
        message = (
            f"At worst the steps take {worst} ms (attempts to their timeouts and the delays between), "
            f"more than the {timeout} ms the execution has."
        )
        yield Finding(("timeout",), "worst_case_duration", message)
