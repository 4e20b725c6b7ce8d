"""Checks a definition as a whole, beyond the shape of its parts: every problem at once, each with its path, a stable
code and a sentence; doubts are warnings. Whether JavaScript parses is left to the script engine (`scripts_to_check`).
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tenuto.core.cycles import cycle_text, find_cycles
from tenuto.core.definition import MAX_NESTING, MAX_STEPS, Definition
from tenuto.core.finding import Finding, as_problem
from tenuto.core.kinds import check_kinds, tolerates_all
from tenuto.core.lookups import check_lookups, check_names, find_lookups, unserved
from tenuto.core.outline import Link, Outline, references
from tenuto.core.params import BUILT_IN, Withheld, check_params
from tenuto.core.path import Path, path_text, quoted
from tenuto.core.proof import find_impossible
from tenuto.core.sources import ScriptKind, Source, find_sources
from tenuto.core.suggest import did_you_mean
from tenuto.core.vicinity import unjoinable
from tenuto.core.waits import check_bounds, check_signals
from tenuto.core.whole import HANDLERS, Whole
from tenuto.core.worst_case import worst_case_ms
from tenuto.errors import Problem

_MOST_HINTS = 20

WITHHELD = Withheld(frozenset(), frozenset({"secrets"}), frozenset())
"""What nothing carries out yet."""


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
    definition: Definition,
    known_actions: Collection[str] = BUILT_IN.keys(),
    withheld: Withheld = WITHHELD,
) -> tuple[list[Problem], list[Warning_]]:
    """Every problem and doubt of a definition whose shape is right. `known_actions` are those somebody serves."""
    verdict = check_whole(Whole(definition), known_actions, withheld)
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
    return [script for script in map(_to_check, _sources(find_sources(Whole(definition)), [])) if script]


def check_whole(whole: Whole, known_actions: Collection[str], withheld: Withheld = WITHHELD) -> Verdict:
    """Everything that can be said of what could be read. Where edges may be missing, or steps wait for one another,
    what depends on all edges is left out, block by block."""
    if whole.is_too_large:
        message = f"A workflow may have {MAX_STEPS:,} steps, nested ones and handlers among them, got {whole.count:,}."
        return Verdict([Finding(("steps",), "too_many", message)], [], [])
    problems = [*map(_too_deep, whole.too_deep), *_check_ids(whole), *check_signals(whole)]
    problems += _check_references(whole)
    for block in whole.blocks:
        problems += [*check_kinds(block), *check_params(block, withheld)]
        problems += [_cycle_problem(block, cycle) for cycle in find_cycles(block)]
        problems += find_impossible(block) if block.is_sound else ()
    sources = _sources(find_sources(whole), problems)
    problems += check_names(whole, sources, withheld.names)
    more_problems, doubts = check_lookups(whole, list(find_lookups(whole, sources)))
    problems += more_problems
    doubts += [*unserved(whole, known_actions), *check_bounds(whole), *_check_maps(whole)]
    if all(block.is_sound for block in whole.blocks):
        doubts += _check_deadline(whole)
    return Verdict(problems, doubts, [script for script in map(_to_check, sources) if script])


def as_warning(finding: Finding) -> Warning_:
    """The finding with its path as text."""
    return Warning_(path_text(finding.path), finding.code, finding.message)


def in_document_order(findings: Iterable[Finding]) -> list[Finding]:
    """What concerns the whole first, then step by step; doubled ones once."""
    return sorted(dict.fromkeys(findings), key=_place)


def _place(finding: Finding) -> tuple[int, ...]:
    """The lists and positions that lead to the step concerned; handlers come after steps."""
    path = finding.path
    if len(path) > 2 and path[0] == "handlers" and path[1] in HANDLERS:
        place, at = [1 + HANDLERS.index(path[1])], 2
    elif path[:1] == ("steps",):
        place, at = [0], 1
    else:
        return ()
    while at < len(path) and isinstance(part := path[at], int):
        place.append(part)
        at += 2 if path[at + 1 : at + 2] == ("steps",) else 1
        if at > len(path) or path[at - 1] != "steps":
            break
    return tuple(place)


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


def _too_deep(path: Path) -> Finding:
    return Finding(path, "too_deep", f"Steps may be nested {MAX_NESTING} deep; these stand deeper.")


def _check_ids(whole: Whole) -> Iterator[Finding]:
    for place in whole.steps:
        first = whole.places[place.spec.id]
        if first != place:
            message = f"The id `{place.spec.id}` is taken by {path_text(first.path)}; give this step another."
            yield Finding((*place.path, "id"), "duplicate_id", message)


def _check_references(whole: Whole) -> Iterator[Finding]:
    hints = _MOST_HINTS
    for here in whole.steps:
        step, known = here.spec, here.block.index
        for mention in references(step):
            name = mention.target
            if name != step.id and (name in known or name in whole.elsewhere):
                continue
            path = (*here.path, *mention.path)
            if name == step.id:
                yield Finding(path, "self_reference", f"`{name}` cannot come before or after itself.")
            elif name in whole.places:
                yield Finding(path, "other_block", unjoinable(whole, here, whole.places[name]))
            else:
                hint = did_you_mean(name, known) if hints > 0 else ""
                hints -= 1
                yield Finding(path, "unknown_step", f"There is no step {quoted(name)}.{hint}")


def _cycle_problem(outline: Outline, cycle: list[Link]) -> Finding:
    text = cycle_text(outline, cycle)
    return Finding(
        outline.path_of(cycle[-1]),
        "cycle",
        f"These steps wait for one another: {text}. Take out one of the edges.",
    )


def _check_maps(whole: Whole) -> Iterator[Finding]:
    for place in whole.steps:
        if place.spec.type == "map" and tolerates_all(place.spec):
            count = len(place.spec.items) if isinstance(place.spec.items, list) else 0
            message = f"`{place.spec.id}` succeeds even if all its {count:,} items fail."
            yield Finding((*place.path, "toleratedFailures"), "tolerates_all", message)


def _check_deadline(whole: Whole) -> Iterator[Finding]:
    timeout = whole.definition.timeout
    worst = worst_case_ms(whole) if timeout else 0
    if worst > timeout:
        message = (
            f"At worst the steps take {worst} ms (attempts to their timeouts and the delays between), "
            f"more than the {timeout} ms the execution has."
        )
        yield Finding(("timeout",), "worst_case_duration", message)
