"""JSON Schemas (2020-12) that users write: compiled once, never fetched from elsewhere, and what does not fit said in
plain sentences. `format` is a remark to readers and checks nothing, as that draft has it.

The library lists every error of a value before it yields the first, so a list of a million misfits takes it minutes.
Only values and schemas whose work is bounded are listed; of the others the first misfit is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from tenuto.core.path import Path, path_text, quoted
from tenuto.errors import Invalid, Problem
from tenuto.wire.schema import shown

MAX_PROBLEMS = 20
"""So many misfits are listed at most."""

LARGEST_SCHEMA = 256 * 1024
"""Bytes of JSON that a schema may have."""

MOST_ALTERNATIVES = 1_000
"""How many subschemas may apply to one and the same value."""

_LISTED_WORK = 20_000
"""Values times subschemas up to which all misfits are listed."""

_BACKTRACKS = 10_000
"""How often a pattern may try again on one text; what needs more does not fit."""

_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = ("not", "if", "then", "else")
_VALUE = "\x1avalue"


class BadSchema(Invalid):
    """What should be a JSON Schema is none, or one that cannot be used; `where` is the place in it."""

    def __init__(self, where: Path, message: str) -> None:
        self.where = where
        super().__init__([Problem(path_text(where), "schema", message)])


class JsonSchema:
    """A compiled schema. Made by `compile_schema`."""

    def __init__(self, schema: dict[str, Any] | bool, weight: int) -> None:
        self._weight = weight
        self._has_alternatives = any(
            name in node for node in _objects(schema) for name in _IN_PLACE_LISTS[1:]
        )
        self._validator = jsonschema_rs.Draft202012Validator(
            schema,
            mask=_VALUE,
            offline=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS),
        )

    def fits(self, value: Any) -> bool:
        """Whether the value (JSON data) fits."""
        return bool(self._validator.is_valid(value))

    def problems(self, value: Any, at: Path = ()) -> list[Problem]:
        """What does not fit, at most MAX_PROBLEMS; empty if everything does. Paths begin with `at`."""
        if self._validator.is_valid(value):
            return []
        found = [
            Problem(path_text((*at, *where)), code, message)
            for where, code, message in islice(self._misfits(value), MAX_PROBLEMS)
        ]
        return found or [Problem(path_text(at), "schema", "The value does not fit its schema.")]

    def _misfits(self, value: Any) -> Iterator[tuple[Path, str, str]]:
        if _count(value, _LISTED_WORK) * self._weight <= _LISTED_WORK:
            for error in self._validator.iter_errors(value):
                yield from _told(error, value)
        elif not self._has_alternatives:  # of which the library collects all misfits, even for the first one
            try:
                self._validator.validate(value)
            except jsonschema_rs.ValidationError as error:
                yield from _told(error, value)


def compile_schema(schema: Mapping[str, Any] | bool) -> JsonSchema:
    """The schema, compiled; the same object for equal schemas while it is remembered. Raises BadSchema."""
    try:
        encoded = msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise BadSchema((), f"This is not JSON data: {error}.") from error
    if len(encoded) > LARGEST_SCHEMA:
        raise BadSchema(
            (), f"A schema may have {LARGEST_SCHEMA:,} bytes of JSON; this one has {len(encoded):,}."
        )
    return _compile(encoded)


@lru_cache(maxsize=256)
def _compile(encoded: bytes) -> JsonSchema:
    schema = msgspec.json.decode(encoded)
    if not isinstance(schema, dict | bool):
        raise BadSchema((), 'Expected a JSON Schema: an object as {"type": "object", "required": ["id"]}.')
    try:
        return JsonSchema(schema, _weight_of(schema))
    except jsonschema_rs.ValidationError as error:
        raise _bad(error, schema) from error
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError) as error:
        raise BadSchema((), f"This schema cannot be used: {error}.") from error


def _bad(error: Any, schema: dict[str, Any] | bool) -> BadSchema:
    if error.kind.name == "$ref":
        return BadSchema(
            (), "A `$ref` leads nowhere in this schema; only `#/$defs/…` and the like are followed."
        )
    where, _, message = next(iter(_told(error, schema)))
    return BadSchema(where, message)


# -- what one value may cost ----------------------------------------------------------------------------------------


def _weight_of(schema: dict[str, Any] | bool) -> int:
    """How many subschemas at most look at one and the same value. Raises BadSchema where it is too many."""
    weights = _Weights(schema)
    heaviest = max((weights.of(node) for node in _objects(schema)), default=1)
    if heaviest > MOST_ALTERNATIVES:
        raise BadSchema(
            (),
            f"More than {MOST_ALTERNATIVES:,} subschemas would look at one value; have fewer alternatives.",
        )
    return heaviest


class _Weights:
    """Counts the subschemas that apply to the value itself, references followed; a circle counts once."""

    def __init__(self, root: dict[str, Any] | bool) -> None:
        self._root = root
        self._known: dict[int, int] = {}

    def of(self, node: Any) -> int:
        if not isinstance(node, dict):
            return 1
        if id(node) not in self._known:
            self._known[id(node)] = 1  # what a circle finds
            total = 1 + sum(self.of(part) for part in self._in_place(node))
            self._known[id(node)] = min(total, MOST_ALTERNATIVES + 1)
        return self._known[id(node)]

    def _in_place(self, node: dict[str, Any]) -> Iterator[Any]:
        for name in _IN_PLACE_LISTS:
            parts = node.get(name)
            yield from parts if isinstance(parts, list) else ()
        for name in _IN_PLACE:
            if name in node:
                yield node[name]
        dependent = node.get("dependentSchemas")
        yield from dependent.values() if isinstance(dependent, dict) else ()
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            yield self._found(reference)

    def _found(self, reference: str) -> Any:
        node: Any = self._root
        for part in reference.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict):
                node = node.get(key)
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                return None
        return node


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    ahead = [schema]
    while ahead:
        node = ahead.pop()
        if isinstance(node, dict):
            yield node
            ahead += node.values()
        elif isinstance(node, list):
            ahead += node


def _count(value: Any, limit: int) -> int:
    """How many values there are in the value, itself included, or some number beyond the limit."""
    count, ahead = 1, [value]
    while ahead and count <= limit:
        node = ahead.pop()
        if isinstance(node, dict | list):
            count += len(node)
            ahead += node.values() if isinstance(node, dict) else node
    return count


# -- in words -------------------------------------------------------------------------------------------------------

_TYPES = {
    "string": "a string", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a list",
    "object": "an object", "null": "null",
}  # fmt: skip


def _told(error: Any, value: Any) -> Iterator[tuple[Path, str, str]]:
    """The error as places, codes and sentences."""
    where: Path = tuple(error.instance_path)
    keyword, facts = error.kind.name, error.kind.as_dict()
    got = shown(_at(value, where), where)
    if keyword == "type":
        yield (
            where,
            "type",
            f"Expected {' or '.join(_TYPES[name] for name in sorted(facts['types']))}, got {got}.",
        )
    elif keyword == "required":
        yield (*where, facts["property"]), "required", f"{_name(facts['property'])} is missing."
    elif keyword in ("additionalProperties", "unevaluatedProperties"):
        for name in islice(facts["unexpected"], MAX_PROBLEMS):
            yield (*where, name), "unknown_field", f"There is no field {quoted(name)} here."
    elif keyword == "falseSchema":
        yield where, "unknown_field", "Nothing may stand here."
    elif keyword in ("enum", "const"):
        options = facts["options"] if keyword == "enum" else [facts["expected_value"]]
        yield where, "choice", f"Expected {_choices(options)}, got {got}."
    elif keyword in ("anyOf", "oneOf"):
        yield where, "choice", f"Expected what fits {_ONE[error.kind.__class__.__name__]}, got {got}."
    elif keyword == "pattern":
        yield where, "format", f"Expected a string that matches {_pattern_of(error)}, got {got}."
    else:
        yield where, "schema", _sentence(error.message, got)


_ONE = {
    "AnyOf": "one of the alternatives in `anyOf`",
    "OneOfNotValid": "one of the alternatives in `oneOf`",
    "OneOfMultipleValid": "only one of the alternatives in `oneOf`",
}


def _at(value: Any, where: Path) -> Any:
    for part in where:
        value = value[part]
    return value


def _name(name: str) -> str:
    return f"`{name}`" if len(name) <= 60 else quoted(name)


def _choices(options: Iterable[Any]) -> str:
    listed = [msgspec.json.encode(option).decode() for option in islice(options, 20)]
    cut = [f"`{text}`" if len(text) <= 60 else f"`{text[:60]}…`" for text in listed]
    return cut[0] if len(cut) == 1 else f"one of {', '.join(cut)}"


def _pattern_of(error: Any) -> str:
    return quoted(str(getattr(error.kind, "pattern", "a pattern")), 100)


def _sentence(message: str, got: str) -> str:
    text = message.replace(_VALUE, got)[:400]
    return f"{text[:1].upper()}{text[1:]}."
