"""What can be read of a definition that does not fit everywhere: fields of the wrong shape are left out at any depth,
and what remains is checked as far as it goes, so that one mistake does not hide the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from tenuto.core.definition import MAX_STEPS, Definition
from tenuto.core.finding import Finding
from tenuto.core.outline import Kept
from tenuto.core.path import Path
from tenuto.core.whole import HANDLERS, Whole

_WITHOUT_EDGES = frozenset({
    "name", "description", "params", "retryPolicy", "timeout", "totalTimeout", "queueTimeout", "compensate", "cache",
    "concurrency", "priority", "items", "as", "maxConcurrency", "toleratedFailures", "until", "every", "maxIterations",
    "outputSchema", "steps",
})  # fmt: skip
"""Fields of a step without which the edges of its list are still known."""
_HARMLESS = frozenset({"name", "description", "params", "retryPolicy", "timeout", "totalTimeout"})
"""Fields of a step without which it is still known what it is."""
_OF_KIND = frozenset({"not_a_decision", "other_type", "no_targets", "conflict"})
"""Codes that say nothing where a step's type, action or targets could not be read."""
_OF_SCOPE = frozenset({"unknown_name", "not_upstream"})
"""Codes that say nothing within a step of which it is not known what it gives to those within."""


class Remnant(NamedTuple):
    """What could be read of a document, and the fields that were left out, by the path of their step."""

    whole: Whole
    lost: dict[Path, set[str]]

    def is_echo(self, problem: Finding) -> bool:
        """Whether the problem only says again that something was left out."""
        if not self.lost:
            return False
        step, field = step_and_field(problem.path)
        lost = self.lost.get(step, set())
        if field in lost or (field == "params" and "action" in lost):
            return True
        if lost - _HARMLESS and problem.code in _OF_KIND:
            return True
        around = self._around(step) if problem.code in _OF_SCOPE else ()
        return any({"type", "as"} & fields for fields in around)

    def _around(self, step: Path) -> Iterator[set[str]]:
        """What was left out of the step and of those that hold it."""
        for end in range(len(step), 0, -1):
            if step[:end] in self.lost:
                yield self.lost[step[:end]]


def salvage(document: Any, misfits: list[Finding], readable: frozenset[str]) -> Remnant | None:
    """The definition without what does not fit; None where too little remains to say anything. `readable` are keys that
    a definition may have and that are not read."""
    if not isinstance(document, dict):
        return None
    steps = document.get("steps")
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
        return None
    lost: dict[Path, set[str]] = {}
    outside: set[Path] = set()
    for misfit in misfits:
        step, field = step_and_field(misfit.path)
        if step:
            lost.setdefault(step, set()).add(field)
        elif misfit.path:
            outside.add(misfit.path[: 2 if misfit.path[0] == "handlers" else 1])
    rest = _Rest(lost)
    kept = {key: value for key, value in document.items() if (key,) not in outside and key not in readable}
    kept["steps"] = rest.of_list(steps, ("steps",))
    if "handlers" in kept:
        kept["handlers"] = rest.of_handlers(kept["handlers"], outside)
    elif isinstance(document.get("handlers"), dict):
        rest.elsewhere.update(*map(_ids_in, document["handlers"].values()))
    if ("id",) in outside:
        kept["id"] = "unknown"
    if not kept["steps"]:
        return None
    definition = msgspec.convert(
        kept, Definition, strict=False
    )  # lax only for 5.0 where a whole number stands
    return Remnant(Whole(definition, rest.kept, frozenset(rest.elsewhere)), lost)


def step_and_field(path: Path) -> tuple[Path, str]:
    """The path of the innermost step that a path leads into, and the field there; "" stands for the step itself. The
    path is empty for what is in no step."""
    at = 2 if path[:1] == ("handlers",) and path[1:2] and path[1] in HANDLERS else 1
    if (at == 1 and path[:1] != ("steps",)) or not (at < len(path) and isinstance(path[at], int)):
        return (), ""
    while path[at + 1 : at + 2] == ("steps",) and at + 2 < len(path) and isinstance(path[at + 2], int):
        at += 2
    return path[: at + 1], str(path[at + 1]) if at + 1 < len(path) else ""


class _Rest:
    """Leaves out what was lost. Recursion follows the nesting of the document, which JSON's depth bounds."""

    def __init__(self, lost: dict[Path, set[str]]) -> None:
        self._lost = lost
        self.kept: dict[Path, Kept] = {}
        self.elsewhere: set[str] = set()

    def of_handlers(self, handlers: dict[str, Any], outside: set[Path]) -> dict[str, Any]:
        readable = {}
        for name, steps in handlers.items():
            if ("handlers", name) in outside:
                self.elsewhere |= _ids_in(steps)
            else:
                readable[name] = self.of_list(steps, ("handlers", name))
        return readable

    def of_list(self, steps: list[Any], base: Path) -> list[Any]:
        if not self._lost:
            return steps
        positions: list[int] = []
        readable: list[Any] = []
        is_complete = True
        for position, step in enumerate(steps):
            fields = self._lost.get((*base, position), set())
            is_complete = is_complete and fields <= _WITHOUT_EDGES
            if fields & {"", "id"}:
                self.elsewhere |= _ids_in([step])
                continue
            positions.append(position)
            readable.append(self._of_step(step, fields, (*base, position)))
        if len(positions) < len(steps) or not is_complete:
            self.kept[base] = Kept(positions, is_complete)
        return readable

    def _of_step(self, step: dict[str, Any], fields: set[str], path: Path) -> dict[str, Any]:
        nested = step.get("steps")
        if not fields and not nested:
            return step
        readable = {key: value for key, value in step.items() if key not in fields}
        if "steps" in fields:
            self.elsewhere |= _ids_in(nested)
        elif nested:
            readable["steps"] = self.of_list(nested, (*path, "steps"))
        return readable


def _ids_in(steps: Any) -> set[str]:
    """The ids of the steps, and of those in them, in what may be a list of steps."""
    ids: set[str] = set()
    lists = [steps]
    while lists:
        for step in items if isinstance(items := lists.pop(), list) else ():
            if isinstance(step, dict):
                if isinstance(name := step.get("id"), str):
                    ids.add(name)
                lists.append(step.get("steps"))
    return ids
