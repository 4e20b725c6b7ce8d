"""Workflow definitions as they arrive: from any JSON data to a checked definition, or to every problem at once.

Problems of shape do not hide the others: what does not fit is left out, and what remains is checked as a whole, as far
as it goes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from tenuto.core.canonical import canonical_json, digest_of
from tenuto.core.definition import Definition
from tenuto.core.finding import Finding, as_problem
from tenuto.core.params import has_templates
from tenuto.core.path import Path
from tenuto.core.validate import (
    WITHHELD,
    ToCheck,
    Verdict,
    Warning_,
    as_warning,
    check_whole,
    in_document_order,
)
from tenuto.core.whole import Whole
from tenuto.errors import DefinitionInvalid, Invalid, Problem
from tenuto.wire.json import decode_json
from tenuto.wire.json_schema import BadSchema, compile_schema
from tenuto.wire.salvage import Remnant, salvage
from tenuto.wire.schema import MAX_PROBLEMS, Checker, Later, too_many_problems

LATER = Later(
    fields={"StepSpec": frozenset({"queue", "heartbeatTimeout"})},
    values={},
    withheld=WITHHELD,
)
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

_SCHEMA_PARAMS = {"signal.wait": "schema", "approval": "form"}
"""Params of actions that are JSON Schemas."""


class Parsed(NamedTuple):
    """A definition without problems. `scripts` are still to be parsed by the script engine; `canonical` is what is
    stored and `digest` its SHA-256."""

    definition: Definition
    warnings: list[Warning_]
    scripts: list[ToCheck]
    canonical: bytes
    digest: str


def definition_schema(later: Later = LATER) -> dict[str, Any]:
    """The JSON Schema (2020-12) of definitions, for checking, for editors and for the API's description."""
    schema = msgspec.json.schema(Definition)
    _leave_out(schema["$defs"], later)
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


@lru_cache(maxsize=4)
def _checker(later: Later) -> Checker:
    return Checker(definition_schema(later), later, SYNONYMS)


def check_shape(document: object, later: Later = LATER) -> list[Problem]:
    """What is wrong with the fields, types and ranges of a document (JSON data), each on its own."""
    return _checker(later).problems(document)


class Examined(NamedTuple):
    """What is known of a document: every problem found, the scripts that are still to be parsed by the script engine
    (also those of a document with problems), and what it amounts to where there are no problems."""

    problems: list[Problem]
    scripts: list[ToCheck]
    parsed: Parsed | None


def examine_definition(document: object, known_actions: Collection[str], later: Later = LATER) -> Examined:
    """Check a document (JSON data, or what a program built of dicts, lists and tuples) as a whole. `known_actions` are
    the actions somebody serves; others are a warning; `later` is what is refused so far. Raises DefinitionInvalid for
    what is not JSON data at all.

    Takes milliseconds for an ordinary definition and up to a few seconds for the largest: call it off the event loop
    for documents of more than some 100 kB.
    """
    document = _as_json(document)
    misfits = _checker(later).findings(document)
    remnant = None if len(misfits) > MAX_PROBLEMS else salvage(document, misfits, frozenset(SERVED))
    verdict = check_whole(remnant.whole, known_actions, later.withheld) if remnant else Verdict([], [], [])
    problems = [*misfits, *(_beyond_shape(document, remnant, verdict) if remnant else ())]
    if problems or remnant is None:
        return Examined(_listed(problems), verdict.scripts, None)
    definition = remnant.whole.definition
    canonical = canonical_json(definition)
    warnings = [as_warning(doubt) for doubt in in_document_order(verdict.doubts)[:MAX_PROBLEMS]]
    parsed = Parsed(definition, warnings, verdict.scripts, canonical, digest_of(canonical))
    return Examined([], verdict.scripts, parsed)


def parse_definition(document: object, known_actions: Collection[str], later: Later = LATER) -> Parsed:
    """What `examine_definition` finds. Raises DefinitionInvalid with every problem."""
    problems, _, parsed = examine_definition(document, known_actions, later)
    if parsed is None:
        raise DefinitionInvalid(problems)
    return parsed


def _beyond_shape(document: Any, remnant: Remnant, verdict: Verdict) -> Iterator[Finding]:
    found = chain(verdict.problems, _check_schemas(remnant.whole), _check_idle(document, remnant.whole))
    return (problem for problem in found if not remnant.is_echo(problem))


def _check_idle(document: Any, whole: Whole) -> Iterator[Finding]:
    """Maps that are not told what to do. (Once read, a map that says `noop` looks like one that says nothing.)"""
    for place in whole.steps:
        step = place.spec
        is_idle = step.type == "map" and step.action == "noop" and not step.steps
        if is_idle and "action" not in _at(document, place.path):
            message = "A map needs an `action` or nested `steps`: what is done for each item."
            yield Finding((*place.path, "action"), "required", message)


def _at(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


def _check_schemas(whole: Whole) -> Iterator[Finding]:
    """JSON Schemas in it that are none, or cannot be used."""
    for path, schema in _schemas(whole):
        try:
            compile_schema(schema)
        except BadSchema as bad:
            yield Finding((*path, *bad.where), "schema", f"This is no JSON Schema: {bad.problems[0].message}")


def _schemas(whole: Whole) -> Iterator[tuple[Path, dict[str, Any] | bool]]:
    definition = whole.definition
    if definition.input_schema is not UNSET:
        yield ("inputSchema",), definition.input_schema
    if definition.output_schema is not UNSET:
        yield ("outputSchema",), definition.output_schema
    for place in whole.steps:
        if place.spec.output_schema is not UNSET:
            yield (*place.path, "outputSchema"), place.spec.output_schema
        name = _SCHEMA_PARAMS.get(place.spec.action, "")
        schema = place.spec.params.get(name)
        if isinstance(schema, dict | bool) and not has_templates(schema):
            yield (*place.path, "params", name), schema


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
