"""Checks on what expressions read: names that are in scope, steps that there are, and results that are there by then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tenuto.core.ancestry import Ancestry, sure_when_completed
from tenuto.core.finding import Finding
from tenuto.core.outline import Outline, Place
from tenuto.core.params import KNOWN
from tenuto.core.path import Path, quoted
from tenuto.core.scope import where_known
from tenuto.core.sources import Moment, Source
from tenuto.core.suggest import did_you_mean
from tenuto.core.template import names_read, references
from tenuto.core.vicinity import as_seen_from, unreadable
from tenuto.core.whole import Whole

STEP_FIELDS = ("status", "result", "error", "attempts")
_OF_HANDLERS = ("status", "error")
_MOST_HINTS = 20


class Lookup(NamedTuple):
    """A reading of a step that exists: who reads (None: the workflow), where it stands, whom, when, and whether it
    needs the result to be there."""

    reader: Place | None
    path: Path
    step: Place
    text: str
    needs_result: bool
    moment: Moment = "step"


def find_lookups(whole: Whole, sources: Iterable[Source]) -> Iterator[Lookup]:
    """Every reading of a step, `inputKey` of a transform among them."""
    for source in sources:
        for reference in references(source.reads):
            place = whole.places.get(reference.step)
            if place is not None:
                through_steps = reference.root == "steps"
                needs = not reference.is_guarded and (not through_steps or reference.field == "result")
                text = f"{reference.root}.{reference.step}"
                yield Lookup(source.reader, source.path, place, text, needs, source.moment)
    for place in whole.steps:
        spec, undo = place.spec, place.spec.compensate
        key = spec.params.get("inputKey") if spec.action == "transform" else None
        if isinstance(key, str) and key in whole.places:
            yield Lookup(place, (*place.path, "params", "inputKey"), whole.places[key], key, True)
        key = undo.params.get("inputKey") if undo is not None and undo.action == "transform" else None
        if isinstance(key, str) and key in whole.places:
            path = (*place.path, "compensate", "params", "inputKey")
            yield Lookup(place, path, whole.places[key], key, True, "undo")


def check_names(whole: Whole, sources: Iterable[Source], withheld: frozenset[str]) -> Iterator[Finding]:
    """Names that nothing has, steps and fields of steps that there are not. A function body may make its own names, so
    nothing is said of those it uses."""
    hints = _MOST_HINTS
    for source in sources:
        yield from _check_names(whole, source, withheld)
        yield from _check_execution(source)
        for reference in references(source.reads):
            if reference.root != "steps" or reference.step in whole.elsewhere:
                continue
            if reference.step not in whole.places:
                hint = did_you_mean(reference.step, whole.places) if hints > 0 else ""
                hints -= 1
                yield Finding(
                    source.path, "unknown_step", f"There is no step {quoted(reference.step)}.{hint}"
                )
            elif reference.field is not None and reference.field not in STEP_FIELDS:
                known = ", ".join(f"`{field}`" for field in STEP_FIELDS)
                what = f"`steps.{reference.step}` has no {quoted(reference.field)}"
                hint = did_you_mean(reference.field, STEP_FIELDS) or f" It has {known}."
                yield Finding(source.path, "unknown_name", f"{what}.{hint}")


def _check_names(whole: Whole, source: Source, withheld: frozenset[str]) -> Iterator[Finding]:
    if source.script is not None and source.script[0] == "body":
        return
    for name in sorted(names_read(source.reads) - (source.scope - withheld)):
        if name in withheld:
            yield Finding(source.path, "not_supported", f"`{name}` is not supported yet in expressions.")
        else:
            yield Finding(source.path, "unknown_name", _unknown_name(whole, name, source))


def _check_execution(source: Source) -> Iterator[Finding]:
    """How an execution went is known to handlers and to what undoes steps, which run after all else."""
    if source.moment == "undo" or (source.reader is not None and source.reader.block.outermost.is_handlers):
        return
    for reading in source.reads.readings:
        if reading.root != "execution" or not reading.path or "execution" not in source.scope:
            continue
        segment = reading.path[0]
        if segment.key in _OF_HANDLERS and not segment.is_guarded:
            message = f"`execution.{segment.key}` is known to handlers only, and to what undoes steps."
            yield Finding(source.path, "unknown_name", message)


def _unknown_name(whole: Whole, name: str, source: Source) -> str:
    if name == "vars" and source.moment == "undo":
        return "`vars` cannot be read in `compensate`: a step is undone by what was there when it succeeded."
    if source.moment == "begin":
        return "The keys of a workflow's `concurrency` read `context` and `input` only: nothing else is there yet."
    if where_known(name):
        return where_known(name)
    what = f"Nothing here is called `{name[:64]}`."
    if name in whole.places:
        return f"{what} Did you mean `context.{name}`?"
    if name == "step":
        return f"{what} The output belongs to no step."
    hint = did_you_mean(name, source.scope)
    return f"{what}{hint}" if hint else f"{what} Data of the execution is read as `context.{name[:64]}`."


def check_lookups(whole: Whole, lookups: Iterable[Lookup]) -> tuple[list[Finding], list[Finding]]:
    """Problems (a step reads one that does not come before it, or that is shut in another) and doubts (the result may
    be absent). Nothing is said where edges may be missing or lead round."""
    told = list(dict.fromkeys(lookups))
    judge = _Judge(whole, told)
    problems: list[Finding] = []
    doubts: list[Finding] = []
    for lookup in told:
        finding = judge.problem(lookup)
        if finding is not None:
            problems.append(finding)
        else:
            doubts += judge.doubt(lookup)
    return problems, doubts


class _Judge:
    """What can be said of lookups, one by one. Ways through a block are worked out once for all that read in it."""

    def __init__(self, whole: Whole, lookups: Iterable[Lookup]) -> None:
        self._whole = whole
        wanted: dict[Outline, set[int]] = {}
        for lookup in lookups:
            wanted.setdefault(lookup.step.block, set()).add(lookup.step.step)
        self._ancestry = {block: Ancestry(block, steps) for block, steps in wanted.items() if block.is_sound}
        has_output = any(lookup.reader is None for lookup in lookups)
        self._completed = sure_when_completed(whole.root) if has_output and whole.root.is_sound else []
        self._ends_early = any(map(_may_end_early, whole.steps))

    def problem(self, lookup: Lookup) -> Finding | None:
        """Why the step cannot be read there."""
        target = lookup.step
        if lookup.moment == "begin":
            message = f"`{lookup.text}` is not there yet: this is read before any step runs."
            return Finding(lookup.path, "not_upstream", message)
        if lookup.reader is None:
            if target.block is self._whole.root:
                return None
            return Finding(lookup.path, "other_block", unreadable(lookup.text, None, target))
        standing = as_seen_from(target.block, lookup.reader)
        if standing is None:
            if lookup.reader.block.outermost.is_handlers and target.block is self._whole.root:
                return None
            return Finding(lookup.path, "other_block", unreadable(lookup.text, lookup.reader, target))
        if standing.step == target.step:
            return self._own(lookup, standing)
        ancestry = self._ancestry.get(target.block)
        if ancestry is None or ancestry.is_before(target.step, standing.step):
            return None
        return Finding(lookup.path, "not_upstream", _not_before(lookup, standing))

    def _own(self, lookup: Lookup, standing: Place) -> Finding | None:
        name = lookup.step.spec.id
        if lookup.reader != standing:
            what = (
                "the round before gave `result`"
                if standing.spec.type == "loop"
                else "its steps run within it"
            )
            message = f"`{name}` has no result before all in it has ended; {what}."
        elif lookup.moment == "undo":
            return None
        elif standing.spec.type == "loop":
            message = f"`{name}` cannot read its own result; what the last round gave is `result`."
        else:
            message = f"`{name}` cannot read its own result."
        return Finding(lookup.path, "not_upstream", message)

    def doubt(self, lookup: Lookup) -> Iterator[Finding]:
        """Why the result may be absent, of a lookup without a problem."""
        if not lookup.needs_result:
            return
        name, target = lookup.step.spec.id, lookup.step
        if lookup.reader is None:
            if self._completed and (self._ends_early or not self._completed[target.step]):
                yield _absent(lookup, f"an execution can complete although `{name}` failed or was skipped")
            return
        standing = as_seen_from(target.block, lookup.reader)
        if standing is None:
            yield _absent(lookup, f"handlers run although `{name}` failed or was skipped")
            return
        ancestry = self._ancestry.get(target.block)
        is_own = standing.step == target.step
        if ancestry is not None and not is_own and not ancestry.is_sure(target.step, standing.step):
            yield _absent(lookup, f"`{standing.spec.id}` can run although `{name}` failed or was skipped")


def _may_end_early(place: Place) -> bool:
    """Whether the step ends an execution as completed, with the output that the workflow gives."""
    step = place.spec
    if step.action != "finish" or "output" in step.params:
        return False
    return step.params.get("status") not in ("failed", "cancelled")


def _not_before(lookup: Lookup, standing: Place) -> str:
    assert lookup.reader is not None, "the output comes after every step"
    reader, before = lookup.reader.spec.id, standing.spec.id
    name = lookup.step.spec.id
    return (
        f"`{reader}` reads `{lookup.text}`, but `{name}` does not come before {'it' if reader == before else f'`{before}`'}. "
        f'Add "{name}" to the `dependencies` of `{before}`.'
    )


def _absent(lookup: Lookup, why: str) -> Finding:
    message = (
        f"`{lookup.text}` may be absent: {why}, and reading it is an error then. Guard it with `?.` or `??` if that is "
        "meant."
    )
    return Finding(lookup.path, "may_be_absent", message)


def unserved(whole: Whole, known_actions: Iterable[str]) -> Iterator[Finding]:
    """A doubt for each action that no one serves so far, told once."""
    known = set(known_actions) | set(KNOWN)
    told: set[str] = set()
    for place in whole.steps:
        actions = [((*place.path, "action"), place.spec.action)]
        if place.spec.compensate is not None:
            actions.append(((*place.path, "compensate", "action"), place.spec.compensate.action))
        for path, action in actions:
            if action not in known and action not in told:
                told.add(action)
                hint = did_you_mean(action, known)
                message = f"No executor serves the action {quoted(action)} so far.{hint}"
                yield Finding(path, "unserved_action", message)
