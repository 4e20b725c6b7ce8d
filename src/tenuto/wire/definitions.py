"""Workflow definitions as they arrive: from any JSON data to a checked definition, or to every problem at once.

Problems of shape do not hide the others: what does not fit is left out, and what remains is checked as a whole, as far
as it goes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from tenuto.core.canonical import canonical_json, digest_of
from tenuto.core.definition import MAX_STEPS, Definition
from tenuto.core.finding import Finding, as_problem
from tenuto.core.outline import Outline
from tenuto.core.validate import ToCheck, Verdict, Warning_, as_warning, check_outline, in_document_order
from tenuto.errors import DefinitionInvalid, Invalid, Problem
from tenuto.wire.json import decode_json
from tenuto.wire.schema import MAX_PROBLEMS, Checker, Later, too_many_problems

LATER = Later(
    fields={
        "Definition": frozenset({"inputSchema", "outputSchema", "handlers", "compensation", "concurrency"}),
        "StepSpec": frozenset({
            "catch", "compensate", "cache", "concurrency", "queue", "priority", "queueTimeout", "heartbeatTimeout",
            "steps", "items", "as", "maxConcurrency", "toleratedFailures", "until", "every", "maxIterations",
            "outputSchema",
        }),
    },
    values={"type": frozenset({"map", "loop"}), "join": frozenset({"{}"}), "onExhausted": frozenset({"pause"})},
)  # fmt: skip
"""What is documented for definitions and not there yet."""

SYNONYMS = {
    "dependsOn": "dependencies", "depends_on": "dependencies", "needs": "dependencies", "after": "dependencies",
    "requires": "dependencies", "retry": "retryPolicy", "retries": "retryPolicy", "desc": "description",
    "input": "params", "inputs": "params", "parameters": "params", "args": "params", "config": "params",
    "if": "when", "condition": "when", "next": "onSuccess", "onError": "onFailure", "branches": "cases",
    "choices": "cases", "tasks": "steps", "nodes": "steps", "webhook": "webhooks", "attempts": "maxAttempts",
    "maxRetries": "maxAttempts", "delay": "initialDelay", "interval": "initialDelay", "multiplier": "backoffMultiplier",
    "backoff": "backoffMultiplier", "labels": "tags", "trigger": "join", "triggerRule": "join", "uses": "action",
}  # fmt: skip
"""What users of other systems write, and what it is called here."""

SERVED = {
    "$schema": {"type": "string", "description": "Where an editor finds this schema; not kept."},
    "version": {
        "type": "integer",
        "readOnly": True,
        "description": "Given by the server; ignored in what is sent.",
    },
    "createdAt": {
        "type": "integer",
        "readOnly": True,
        "description": "Given by the server; ignored in what is sent.",
    },
}
"""What a served definition has besides its own fields; taken back without complaint, so that it can be edited and sent."""

_HARMLESS = frozenset({"name", "description", "params", "retryPolicy", "timeout", "totalTimeout"})
"""Fields of a step without which its edges are still known."""
_OF_KIND = frozenset({"not_a_decision", "no_targets", "conflict"})
"""Codes that say nothing where a step's type, action or targets could not be read."""


class Parsed(NamedTuple):
    """A definition without problems. `scripts` are still to be parsed by the script engine; `canonical` is what is
    stored and `digest` its SHA-256."""

    definition: Definition
    warnings: list[Warning_]
    scripts: list[ToCheck]
    canonical: bytes
    digest: str


def definition_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of definitions, for checking, for editors and for the API's description."""
    schema = msgspec.json.schema(Definition)
    _leave_out(schema["$defs"], LATER)
    properties = schema["$defs"]["Definition"]["properties"]
    properties.update(copy.deepcopy(SERVED))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tenuto workflow definition",
        **schema,
    }


def _leave_out(types: dict[str, Any], later: Later) -> None:
    """Take out what definitions can say already and nothing carries out yet."""
    for title, names in later.fields.items():
        for name in names:
            types[title]["properties"].pop(name, None)
    for schema in [schema for kind in types.values() for schema in kind.get("properties", {}).items()]:
        name, shape = schema
        if name in later.values and "enum" in shape:
            shape["enum"] = [value for value in shape["enum"] if value not in later.values[name]]
        if name == "join" and "{}" in later.values.get("join", ()):
            rule = next(option for option in shape.pop("anyOf") if "enum" in option)
            shape.update(rule)


_checker = Checker(definition_schema(), LATER, SYNONYMS)


def check_shape(document: object) -> list[Problem]:
    """What is wrong with the fields, types and ranges of a document (JSON data), each on its own."""
    return _checker.problems(document)


class Examined(NamedTuple):
    """What is known of a document: every problem found, the scripts that are still to be parsed by the script engine
    (also those of a document with problems), and what it amounts to where there are no problems."""

    problems: list[Problem]
    scripts: list[ToCheck]
    parsed: Parsed | None


def examine_definition(document: object, known_actions: Collection[str]) -> Examined:
    """Check a document (JSON data, or what a program built of dicts, lists and tuples) as a whole. `known_actions` are
    the actions somebody serves; others are a warning. Raises DefinitionInvalid for what is not JSON data at all.

    Takes milliseconds for an ordinary definition and up to a few seconds for the largest: call it off the event loop
    for documents of more than some 100 kB.
    """
    document = _as_json(document)
    misfits = _checker.findings(document)
    remnant = _salvage(document, misfits)
    verdict = check_outline(remnant.outline, known_actions) if remnant else Verdict([], [], [])
    problems = [
        *misfits,
        *(problem for problem in verdict.problems if remnant and not remnant.is_echo(problem)),
    ]
    if problems or remnant is None:
        return Examined(_listed(problems), verdict.scripts, None)
    definition = remnant.outline.definition
    canonical = canonical_json(definition)
    warnings = [as_warning(doubt) for doubt in in_document_order(verdict.doubts)[:MAX_PROBLEMS]]
    parsed = Parsed(definition, warnings, verdict.scripts, canonical, digest_of(canonical))
    return Examined([], verdict.scripts, parsed)


def parse_definition(document: object, known_actions: Collection[str]) -> Parsed:
    """What `examine_definition` finds. Raises DefinitionInvalid with every problem."""
    problems, _, parsed = examine_definition(document, known_actions)
    if parsed is None:
        raise DefinitionInvalid(problems)
    return parsed


def _listed(findings: list[Finding]) -> list[Problem]:
    ordered = [finding for finding in in_document_order(findings) if finding != too_many_problems()]
    if len(findings) > MAX_PROBLEMS:
        ordered = [*ordered[:MAX_PROBLEMS], too_many_problems()]
    return [as_problem(finding) for finding in ordered]


def _as_json(document: object) -> object:
    """The document as plain JSON data of its own, for programs hand in tuples and what they change later."""
    try:
        body = json.dumps(document, allow_nan=False).encode()
        return decode_json(body, max_bytes=len(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise DefinitionInvalid(
            [Problem("", "json", f"The definition is not JSON data: {error}.")]
        ) from error
    except Invalid as error:
        raise DefinitionInvalid(error.problems) from error


class _Remnant(NamedTuple):
    """What could be read of a document, and the fields of steps (by position) that were left out."""

    outline: Outline
    left_out: set[tuple[int, str]]

    def is_echo(self, problem: Finding) -> bool:
        """Whether the problem only says again that something was left out."""
        match problem.path:
            case ("steps", int(position), str(field), *_):
                lost = {name for step, name in self.left_out if step == position} - _HARMLESS
                echoes_kind = bool(lost) and problem.code in _OF_KIND
                return (
                    (position, field) in self.left_out
                    or echoes_kind
                    or (field == "params" and "action" in lost)
                )
        return False


def _salvage(document: Any, misfits: list[Finding]) -> _Remnant | None:
    """The definition without what does not fit; None where too little remains to say anything."""
    if not isinstance(document, dict) or len(misfits) > MAX_PROBLEMS:
        return None
    steps = document.get("steps")
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
        return None
    wrong = {misfit.path[0] for misfit in misfits if misfit.path and misfit.path[0] != "steps"}
    left_out = {_field_of_step(misfit) for misfit in misfits if misfit.path[:1] == ("steps",)}
    unread = {position for position, field in left_out if field in ("", "id")}
    by_step: dict[int, set[str]] = {}
    for position, field in left_out:
        by_step.setdefault(position, set()).add(field)
    kept = [position for position in range(len(steps)) if position not in unread]
    if not kept:
        return None
    readable = {key: value for key, value in document.items() if key not in wrong and key not in SERVED}
    readable["steps"] = [_without(steps[position], by_step.get(position)) for position in kept]
    if "id" in wrong:
        readable["id"] = "unknown"
    definition = msgspec.convert(
        readable, Definition, strict=False
    )  # lax only for 5.0 where a whole number stands
    elsewhere = frozenset(_id_of(steps[position]) for position in unread)
    is_complete = not unread and all(field in _HARMLESS for _, field in left_out)
    return _Remnant(Outline(definition, kept, elsewhere, is_complete), left_out)


def _field_of_step(misfit: Finding) -> tuple[int, str]:
    """The position and the field; "" stands for the step itself."""
    position = misfit.path[1]
    assert isinstance(position, int), "with a list of steps, what follows is a position"
    return position, str(misfit.path[2]) if len(misfit.path) > 2 else ""


def _without(step: dict[str, Any], fields: set[str] | None) -> dict[str, Any]:
    return {key: value for key, value in step.items() if key not in fields} if fields else step


def _id_of(step: Any) -> str:
    name = step.get("id") if isinstance(step, dict) else None
    return name if isinstance(name, str) else ""
