"""Strings with `{{ expression }}` in them: parsing them, finding them in a params tree, and saying which steps they
read. Plain paths (`context.order.items[0]`) are recognised here, so that reading one needs no script engine.

`\\{{` is a literal `{{`. Braces inside an expression are JavaScript's own: `{{ {a: 1}.a }}` is one expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from tenuto.core.javascript import STEP_ROOTS, Token, is_identifier, tokenize
from tenuto.core.path import Path, quoted
from tenuto.core.reading import (
    KEYWORDS,
    STANDARD_NAMES,
    Reads,
    Segment,
    literal_of,
    mark_at,
    path_after,
    read_source,
    read_tokens,
)
from tenuto.errors import Invalid, Problem


class PlainPath(Struct, frozen=True):
    """A plain path: a name of the scope and the keys below it. `default` follows `??`, where `has_default`."""

    root: str
    segments: tuple[Segment, ...]
    has_default: bool = False
    default: str | int | float | bool | None = None


class Expression(Struct, frozen=True):
    """One JavaScript expression. With `path`, it is a plain path and needs no engine. `at` is where its text starts in
    the template."""

    reads: Reads
    path: PlainPath | None = None
    at: int = 0

    @property
    def source(self) -> str:
        """The source for the engine."""
        return self.reads.source


class Template(Struct, frozen=True):
    """A string as literal text and expressions in turn; adjacent texts are one."""

    parts: tuple[str | Expression, ...]

    @property
    def is_literal(self) -> bool:
        """Whether it holds no expression; `text` is then its value."""
        return not any(isinstance(part, Expression) for part in self.parts)

    @property
    def is_single(self) -> bool:
        """Whether it is exactly one expression, whose value keeps its type."""
        return len(self.parts) == 1 and isinstance(self.parts[0], Expression)

    @property
    def text(self) -> str:
        """The value of a literal template."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Its expressions, from left to right."""
        return tuple(part for part in self.parts if isinstance(part, Expression))


class Reference(NamedTuple):
    """A reading of a step: its id, whether it goes through `context` or `steps`, the field read of `steps.<id>`
    (None: all of it), and whether the source copes with the result being absent."""

    step: str
    root: str
    field: str | None
    is_guarded: bool


def parse_template(text: str, known_ids: frozenset[str] = frozenset()) -> Template:
    """Split a string into text and expressions. `known_ids` are step ids, which may then be written with hyphens:
    `{{ context.validate-order.valid }}`. Raises Invalid (code `template`) with the position of the mistake."""
    parts: list[str | Expression] = []
    literal: list[str] = []
    at = 0
    while (opening := text.find("{{", at)) >= 0:
        if opening and text[opening - 1] == "\\" and opening > at:
            literal.append(text[at : opening - 1] + "{{")
            at = opening + 2
            continue
        literal.append(text[at:opening])
        if "".join(literal):
            parts.append("".join(literal))
        literal.clear()
        expression, at = _parse_expression(text, opening, known_ids)
        parts.append(expression)
    literal.append(text[at:])
    if "".join(literal) or not parts:
        parts.append("".join(literal))
    return Template(tuple(parts))


def _parse_expression(text: str, opening: int, known_ids: frozenset[str]) -> tuple[Expression, int]:
    start = opening + 2
    found = tokenize(text, start, known_ids, until_close=True)
    if found.problem is not None:
        raise _mistake(text, found.problem.at, found.problem.message)
    if found.end >= len(text):
        raise _mistake(text, opening, "`{{` is never closed by `}}`")
    if not text.startswith("}}", found.end):
        raise _mistake(text, found.end, "`}` closes nothing; an expression ends with `}}`")
    if not found.tokens:
        raise _mistake(text, opening, "there is no expression between `{{` and `}}`")
    reads = read_tokens(text, found, start)
    return Expression(reads, _plain_path(found.tokens), start), found.end + 2


def _mistake(text: str, at: int, message: str) -> Invalid:
    return Invalid([Problem("", "template", f"{message} (character {at + 1} of {quoted(text)})")])


def parse_expression(source: str, known_ids: frozenset[str] = frozenset()) -> Expression:
    """An expression that stands alone, as in `when`. It is not checked: the engine does that. Where it cannot even be
    split into tokens, `reads.problem` says why."""
    found = tokenize(source, 0, known_ids)
    path = _plain_path(found.tokens) if found.problem is None else None
    return Expression(read_tokens(source, found), path)


def _plain_path(tokens: list[Token]) -> PlainPath | None:
    """The path that the tokens are, if they are nothing more."""
    if not tokens or tokens[0].kind != "name" or not is_identifier(tokens[0].text):
        return None
    root = tokens[0].text
    if root in KEYWORDS or root in STANDARD_NAMES:
        return None
    segments, end = path_after(tokens, 1)
    if end == len(tokens):
        return PlainPath(root, segments)
    if mark_at(tokens, end) != "??" or end + 2 != len(tokens):
        return None
    last = tokens[end + 1]
    default = literal_of(last)
    if default is None and not (last.kind == "name" and last.text == "null"):
        return None
    return PlainPath(root, segments, True, default)


def references(source: Template | Expression | Reads) -> tuple[Reference, ...]:
    """Every reading of a step through `context.<id>` or `steps.<id>`, in the order written. A start key reads like a
    step id: the caller knows which is which."""
    if isinstance(source, Template):
        return tuple(reference for expression in source.expressions for reference in references(expression))
    reads = source.reads if isinstance(source, Expression) else source
    return tuple(
        _reference(reading.root, reading.path)
        for reading in reads.readings
        if reading.root in STEP_ROOTS and reading.path
    )


def _reference(root: str, path: tuple[Segment, ...]) -> Reference:
    step = path[0]
    if root == "context" or len(path) == 1:
        return Reference(str(step.key), root, None, step.is_guarded)
    return Reference(str(step.key), root, str(path[1].key), step.is_guarded or path[1].is_guarded)


def names_read(source: Template | Expression | Reads) -> frozenset[str]:
    """The names that the source uses and neither declares nor has from the language, as `context` or `secrets`."""
    if isinstance(source, Template):
        return frozenset[str]().union(*(names_read(expression) for expression in source.expressions))
    return source.reads.names if isinstance(source, Expression) else source.names


def read_script(source: str, known_ids: frozenset[str] = frozenset()) -> Reads:
    """What an expression or a function body refers to, for `references` and `names_read`."""
    return read_source(source, known_ids)


class Mistake(NamedTuple):
    """Why a string is no template, in a sentence with the position."""

    message: str


def find_templates(
    value: object, known_ids: frozenset[str] = frozenset(), skip: frozenset[str] = frozenset()
) -> Iterator[tuple[Path, Template | Mistake]]:
    """Every string with `{{` in JSON data, in document order: its path from the value on (keys and positions), and
    its template or what is wrong with it. `skip` names top-level keys that hold scripts."""
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if key not in skip}
    stack: list[tuple[Path, object]] = [((), value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str):
            if "{{" in item:
                yield path, _parse_or_mistake(item, known_ids)
        elif isinstance(item, Mapping):
            stack.extend(((*path, key), item[key]) for key in reversed(list(item)))
        elif isinstance(item, list | tuple):
            stack.extend(((*path, i), item[i]) for i in range(len(item) - 1, -1, -1))


def _parse_or_mistake(text: str, known_ids: frozenset[str]) -> Template | Mistake:
    try:
        return parse_template(text, known_ids)
    except Invalid as invalid:
        return Mistake(invalid.problems[0].message)
