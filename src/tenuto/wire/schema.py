"""Checking of JSON documents against the types of this program: every problem at once, each in a plain sentence.

The JSON Schema is generated from a Struct. jsonschema-rs says quickly whether a document fits; only one that does not
is walked here, lazily, because the library needs a minute to list the errors of a hostile document. Recursion
follows the schema, never the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from tenuto.core.finding import Finding, as_problem
from tenuto.core.params import NOTHING_WITHHELD, Withheld
from tenuto.core.path import Path, quoted
from tenuto.core.suggest import did_you_mean
from tenuto.errors import Problem

MAX_PROBLEMS = 1000
"""So many problems are listed at most, then one that says so."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Later:
    """What is documented but refused for now: fields by the title of their object, values by field name, and what only
    the checks beyond the shape meet. Equal to itself alone, so that it may be a key."""

    fields: Mapping[str, frozenset[str]]
    values: Mapping[str, frozenset[str]]
    withheld: Withheld = NOTHING_WITHHELD


NOTHING_LATER = Later({}, {})
"""Nothing but secrets."""


class Checker:
    """Checks documents against one schema, compiled once. `synonyms` maps what people write to what a field is called."""

    def __init__(
        self, schema: dict[str, Any], later: Later = NOTHING_LATER, synonyms: Mapping[str, str] | None = None
    ) -> None:
        self.schema = schema
        self._later = later
        self._synonyms = synonyms or {}
        self._validator = jsonschema_rs.Draft202012Validator(schema)

    def findings(self, document: object) -> list[Finding]:
        """What is wrong with the document (JSON data), in document order; empty if it fits. At most MAX_PROBLEMS and one more."""
        if self._validator.is_valid(document):
            return []
        found = list(islice(self._walk(document, self.schema, ()), MAX_PROBLEMS + 1))
        if len(found) > MAX_PROBLEMS:
            found[-1] = too_many_problems()
        assert found, "the walk must find what the validator refused"
        return found

    def problems(self, document: object) -> list[Problem]:
        """The findings with their paths as text."""
        return [as_problem(finding) for finding in self.findings(document)]

    def _walk(self, value: object, schema: Schema, path: Path) -> Iterator[Finding]:
        schema = self._resolved(schema)
        options = [self._resolved(option) for option in schema.get("anyOf", ())]
        if options:
            schema = next((option for option in options if _has_type(value, option)), schema)
        if "enum" in schema:
            yield from self._walk_enum(value, schema, path)
        elif not _has_type(value, schema):
            yield Finding(path, "type", self._mismatch(value, schema, path))
        elif isinstance(value, str):
            yield from _walk_string(value, schema, path)
        elif isinstance(value, list):
            yield from self._walk_list(value, schema, path)
        elif isinstance(value, dict):
            yield from self._walk_object(value, schema, path)
        elif isinstance(value, int | float) and not _in_range(value, schema):
            yield Finding(path, "range", f"Expected {self._expected(schema)}, got {shown(value, path)}.")

    def _walk_enum(self, value: object, schema: Schema, path: Path) -> Iterator[Finding]:
        name = str(path[-1]) if path else ""
        if isinstance(value, str) and value in schema["enum"]:
            return
        if _later_value(value, self._later.values.get(name, frozenset())):
            what = f"`{name}: {value}`" if isinstance(value, str) else f"This form of `{name}`"
            yield Finding(path, "not_supported", f"{what} is not supported yet.")
            return
        hint = did_you_mean(value, schema["enum"]) if isinstance(value, str) else ""
        yield Finding(path, "choice", f"Expected {self._expected(schema)}, got {shown(value, path)}.{hint}")

    def _walk_list(self, value: list[object], schema: Schema, path: Path) -> Iterator[Finding]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
        if len(value) < least:
            yield Finding(path, "too_few", f"Expected a list of at least {least:,}, got {len(value):,}.")
        if len(value) > most:
            yield Finding(path, "too_many", f"At most {most:,} are allowed here, got {len(value):,}.")
        for position, item in enumerate(value[:most]):
            yield from self._walk(item, schema.get("items", {}), (*path, position))

    def _walk_object(self, value: dict[str, object], schema: Schema, path: Path) -> Iterator[Finding]:
        known: Schema = schema.get("properties", {})
        other = schema.get("additionalProperties", {})
        most = schema.get("maxProperties", len(value))
        for name in schema.get("required", ()):
            if name not in value:
                yield Finding(
                    (*path, name), "required", f"`{name}` is missing; expected {self._expected(known[name])}."
                )
        if len(value) > most:
            yield Finding(path, "too_many", f"At most {most:,} are allowed here, got {len(value):,}.")
        longest = schema.get("propertyNames", {}).get("maxLength")
        for name, member in islice(value.items(), most):
            if longest is not None and len(name) > longest:
                yield Finding(
                    (*path, name[:64]), "too_long", f"A name here may have {longest} characters at most."
                )
            if name in known:
                yield from self._walk(member, known[name], (*path, name))
            elif other is False:
                yield self._unknown(name, schema, path)
            else:
                yield from self._walk(member, other, (*path, name))

    def _unknown(self, name: str, schema: Schema, path: Path) -> Finding:
        here = (*path, name)
        if name in self._later.fields.get(schema.get("title", ""), frozenset()):
            return Finding(here, "not_supported", f"`{name}` is not supported yet.")
        known = schema["properties"]
        synonym = self._synonyms.get(name)
        hint = f" Did you mean `{synonym}`?" if synonym in known else did_you_mean(name, known)
        what = "There is no field" if len(name) <= 64 else "There is no field that begins"
        return Finding(here, "unknown_field", f"{what} {quoted(name)} here.{hint or _listed(known)}")

    def _mismatch(self, value: object, schema: Schema, path: Path) -> str:
        return f"Expected {self._expected(schema)}, got {shown(value, path)}{_remedy(value, schema)}."

    def _expected(self, schema: Schema) -> str:
        schema = self._resolved(schema)
        if "anyOf" in schema:
            options = [self._expected(option) for option in schema["anyOf"] if option.get("type") != "null"]
            return " or ".join(dict.fromkeys(options))
        return expected(schema)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.schema["$defs"][schema["$ref"].rpartition("/")[2]]
        return schema


def too_many_problems() -> Finding:
    """What stands in for all problems past the limit."""
    return Finding((), "more", f"There are more than {MAX_PROBLEMS:,} problems; the rest is not listed.")


_WORDS = {
    "string": "a string", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a list",
    "object": "an object", "null": "null",
}  # fmt: skip
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
    "null": (type(None),),
}  # fmt: skip


def _has_type(value: object, schema: Schema) -> bool:
    """Whether the value's JSON type is the schema's. 5.0 is a whole number, True is no number."""
    kind = schema.get("type")
    if kind is None:
        return isinstance(value, str) if "enum" in schema else "anyOf" not in schema
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _in_range(value: float, schema: Schema) -> bool:
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _walk_string(value: str, schema: Schema, path: Path) -> Iterator[Finding]:
    most = schema.get("maxLength", len(value))
    if len(value) > most:
        yield Finding(path, "too_long", f"At most {most:,} characters are allowed, got {len(value):,}.")
    elif len(value) < schema.get("minLength", 0):
        yield Finding(path, "empty", "Expected a string that is not empty.")
    elif "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield Finding(path, "format", f"Expected {expected(schema)}, got {shown(value, path)}.")


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> re.Pattern[str]:
    """JSON Schema's `$` is the very end; Python's also stands before a last line break."""
    return re.compile(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern)


def expected(schema: Schema) -> str:
    """What a value of this (resolved) schema looks like, in words."""
    if "enum" in schema:
        values = [f"`{value}`" for value in schema["enum"]]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    words = schema.get("x-expected")
    return str(words) if words else f"{_WORDS.get(schema.get('type', ''), 'a value')}{_range_words(schema)}"


def _range_words(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f" of at least {least}" if least is not None else f" of at most {most}" if most is not None else ""


def shown(value: object, path: Path = ()) -> str:
    """The value as JSON, short. What stands under a key named `secret` is never shown."""
    if "secret" in path:
        return "something else"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return quoted(value)
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:60] + "…"


def _remedy(value: object, schema: Schema) -> str:
    """What to do about a value of the wrong type, where that is plain."""
    kind = schema.get("type")
    if (
        isinstance(value, str)
        and kind in ("integer", "number")
        and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value)
    ):
        return "; write it without quotes"
    if value in ("true", "false") and kind == "boolean":
        return "; write it without quotes"
    if isinstance(value, str) and kind == "array":
        return f"; write [{quoted(value)}]"
    return ""


def _listed(known: Schema) -> str:
    names = ", ".join(f"`{name}`" for name in islice(known, 30))
    return f" Known are {names}." if names else ""


def _later_value(value: object, later: frozenset[str]) -> bool:
    return value in later if isinstance(value, str) else isinstance(value, dict) and "{}" in later
