"""What may stand behind the `?` of a URL. A parameter that a call does not know is refused, never ignored, and every
problem of a query is told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from tenuto.core.definition import ID_PATTERN
from tenuto.core.suggest import closest
from tenuto.errors import Invalid, Problem

MAX_FIELDS = 100
_ID = re.compile(ID_PATTERN)


class Parameter(NamedTuple):
    """One query parameter. `parse` gets its values (several only if `repeated`) and raises ValueError with what was
    expected; `schema` is its JSON Schema for the API's description."""

    name: str
    description: str
    schema: dict[str, Any]
    parse: Callable[[list[str]], Any]
    default: Any = None
    repeated: bool = False


def text(name: str, description: str, max_length: int = 200) -> Parameter:
    """A parameter of any text, not empty."""

    def parse(values: list[str]) -> str:
        if not 1 <= len(values[0]) <= max_length:
            raise ValueError(f"Expected 1 to {max_length} characters.")
        return values[0]

    schema = {"type": "string", "minLength": 1, "maxLength": max_length}
    return Parameter(name, description, schema, parse)


def name(name: str, description: str) -> Parameter:
    """A parameter that is the id of something."""

    def parse(values: list[str]) -> str:
        if not _ID.fullmatch(values[0]):
            raise ValueError("Expected an id: 1 to 128 of A-Z a-z 0-9 . _ - ; the first alphanumeric.")
        return values[0]

    return Parameter(name, description, {"type": "string", "pattern": ID_PATTERN}, parse)


def integer(name: str, description: str, low: int, high: int, default: int | None = None) -> Parameter:
    """A whole number from `low` to `high`."""

    def parse(values: list[str]) -> int:
        digits = values[0]
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 20 and low <= int(digits) <= high):
            raise ValueError(f"Expected a whole number from {low} to {high}.")
        return int(digits)

    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    if default is not None:
        schema["default"] = default
    return Parameter(name, description, schema, parse, default)


def choice(name: str, description: str, choices: Sequence[str], default: str) -> Parameter:
    """One of a few words."""

    def parse(values: list[str]) -> str:
        if values[0] not in choices:
            raise ValueError(f"Expected one of {', '.join(choices)}.")
        return values[0]

    return Parameter(
        name, description, {"type": "string", "enum": [*choices], "default": default}, parse, default
    )


def choices(name: str, description: str, words: Sequence[str]) -> Parameter:
    """Some of a few words: the parameter again and again, or once with commas."""

    def parse(values: list[str]) -> tuple[str, ...]:
        given = [word for value in values for word in value.split(",")]
        for word in given:
            if word not in words:
                raise ValueError(f"`{word[:40]}` is not one of {', '.join(words)}.")
        return tuple(dict.fromkeys(given))

    schema = {"type": "array", "items": {"type": "string", "enum": [*words]}, "minItems": 1}
    return Parameter(name, description, schema, parse, (), repeated=True)


def defaults(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """What a URL without a query amounts to."""
    return {parameter.name: parameter.default for parameter in parameters}


def read(parameters: Sequence[Parameter], raw: bytes) -> dict[str, Any]:
    """The parameters by name, with defaults for those not given. Raises Invalid with every problem."""
    given = _split(raw)
    known = {parameter.name: parameter for parameter in parameters}
    problems = [_unknown(key, known) for key in given if key not in known]
    read = defaults(parameters)
    for key, values in given.items():
        parameter = known.get(key)
        if parameter is None:
            continue
        if len(values) > 1 and not parameter.repeated:
            problems.append(Problem(f"query.{key}", "repeated", "This parameter may be given only once."))
            continue
        try:
            read[key] = parameter.parse(values)
        except ValueError as error:
            problems.append(Problem(f"query.{key}", "invalid", str(error)))
    if problems:
        raise Invalid(problems)
    return read


def _split(raw: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except UnicodeDecodeError:
        raise Invalid([Problem("query", "encoding", "The query must be percent-encoded UTF-8.")]) from None
    except ValueError:
        raise Invalid([Problem("query", "too_many", f"At most {MAX_FIELDS} parameters are read.")]) from None
    given: dict[str, list[str]] = {}
    for key, value in pairs:
        given.setdefault(key, []).append(value)
    return given


def _unknown(key: str, known: dict[str, Parameter]) -> Problem:
    names = f"it takes {', '.join(known)}" if known else "it takes none"
    meant = closest(key, known)
    hint = f" Did you mean `{meant}`?" if meant else ""
    return Problem(f"query.{key[:100]}", "unknown", f"This call has no such parameter; {names}.{hint}")
