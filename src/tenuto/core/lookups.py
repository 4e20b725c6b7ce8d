"""Checks on what expressions read: names that are in scope, steps that there are, and results that are there by then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tenuto.core.ancestry import Ancestry, sure_when_completed
from tenuto.core.finding import Finding
from tenuto.core.outline import Outline
from tenuto.core.params import BUILT_IN
from tenuto.core.path import Path, quoted
from tenuto.core.sources import Source
from tenuto.core.suggest import did_you_mean
from tenuto.core.template import names_read, references

LATER_NAMES = frozenset({"secrets", "vars", "item", "index"})
STEP_FIELDS = ("status", "result", "error", "attempts")


class Lookup(NamedTuple):
    """A reading of a step that exists: who reads (None: the output), where it stands, whom, and whether it needs the
    result to be there."""

    reader: int | None
    path: Path
    step: int
    text: str
    needs_result: bool


def find_lookups(outline: Outline, sources: Iterable[Source]) -> Iterator[Lookup]:
    """Every reading of a step, `inputKey` of a transform among them."""
    for source in sources:
        for reference in references(source.reads):
            step = outline.index.get(reference.step)
            if step is not None:
                through_steps = reference.root == "steps"
                needs = not reference.is_guarded and (not through_steps or reference.field == "result")
                yield Lookup(source.step, source.path, step, f"{reference.root}.{reference.step}", needs)
    for i, spec in enumerate(outline.steps):
        key = spec.params.get("inputKey") if spec.action == "transform" else None
        if isinstance(key, str) and key in outline.index:
            yield Lookup(i, outline.path(i, "params", "inputKey"), outline.index[key], key, True)


def check_names(outline: Outline, source: Source) -> Iterator[Finding]:
    """Names that nothing has, steps and fields of steps that there are not. Of a function body only the names that are
    to come are told, for it may make its own."""
    for name in sorted(names_read(source.reads) - source.scope):
        if name in LATER_NAMES and source.script and source.script[0] == "body":
            continue
        if name in LATER_NAMES:
            yield Finding(source.path, "not_supported", f"`{name}` is not supported yet in expressions.")
        elif not (source.script and source.script[0] == "body"):
            yield Finding(source.path, "unknown_name", _unknown_name(outline, name, source.scope))
    for reference in references(source.reads):
        if reference.root != "steps" or reference.step in outline.elsewhere:
            continue
        if reference.step not in outline.index:
            hint = did_you_mean(reference.step, outline.index)
            yield Finding(source.path, "unknown_step", f"There is no step {quoted(reference.step)}.{hint}")
        elif reference.field is not None and reference.field not in STEP_FIELDS:
            known = ", ".join(f"`{field}`" for field in STEP_FIELDS)
            what = f"`steps.{reference.step}` has no {quoted(reference.field)}"
            hint = did_you_mean(reference.field, STEP_FIELDS) or f" It has {known}."
            yield Finding(source.path, "unknown_name", f"{what}.{hint}")


def _unknown_name(outline: Outline, name: str, scope: frozenset[str]) -> str:
    what = f"Nothing here is called `{name[:64]}`."
    if name in outline.index:
        return f"{what} Did you mean `context.{name}`?"
    if name == "step":
        return f"{what} The output belongs to no step."
    hint = did_you_mean(name, scope)
    return f"{what}{hint}" if hint else f"{what} Data of the execution is read as `context.{name[:64]}`."


def check_lookups(outline: Outline, lookups: list[Lookup]) -> tuple[list[Finding], list[Finding]]:
    """Problems (a step reads one that does not come before it) and doubts (the result may be absent). The outline must
    be complete and free of cycles."""
    if not lookups:
        return [], []
    ancestry = Ancestry(outline, (lookup.step for lookup in lookups))
    completed = sure_when_completed(outline) if any(lookup.reader is None for lookup in lookups) else []
    problems: list[Finding] = []
    doubts: list[Finding] = []
    for lookup in dict.fromkeys(lookups):
        name = outline.steps[lookup.step].id
        if lookup.reader is None:
            if lookup.needs_result and not completed[lookup.step]:
                doubts.append(
                    Finding(lookup.path, "may_be_absent", _absent(lookup, name, "an execution can complete"))
                )
        elif lookup.reader == lookup.step:
            problems.append(Finding(lookup.path, "not_upstream", f"`{name}` cannot read its own result."))
        elif not ancestry.is_before(lookup.step, lookup.reader):
            problems.append(Finding(lookup.path, "not_upstream", _not_before(outline, lookup, name)))
        elif lookup.needs_result and not ancestry.is_sure(lookup.step, lookup.reader):
            reader = outline.steps[lookup.reader].id
            doubts.append(Finding(lookup.path, "may_be_absent", _absent(lookup, name, f"`{reader}` can run")))
    return problems, doubts


def _not_before(outline: Outline, lookup: Lookup, name: str) -> str:
    assert lookup.reader is not None, "the output comes after every step"
    reader = outline.steps[lookup.reader].id
    return (
        f"`{reader}` reads `{lookup.text}`, but `{name}` does not come before it. "
        f'Add "{name}" to the `dependencies` of `{reader}`.'
    )


def _absent(lookup: Lookup, name: str, when: str) -> str:
    return (
        f"`{lookup.text}` may be absent: {when} although `{name}` failed or was skipped, and reading it is an error "
        "then. Guard it with `?.` or `??` if that is meant."
    )


def unserved(outline: Outline, known_actions: Iterable[str]) -> Iterator[Finding]:
    """A doubt for each action that no one serves so far, told once."""
    known = set(known_actions) | set(BUILT_IN)
    told: set[str] = set()
    for i, step in enumerate(outline.steps):
        if step.action not in known and step.action not in told:
            told.add(step.action)
            message = f"No executor serves the action {quoted(step.action)} so far.{did_you_mean(step.action, known)}"
            yield Finding(outline.path(i, "action"), "unserved_action", message)
