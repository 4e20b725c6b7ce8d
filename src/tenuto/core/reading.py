"""What JavaScript source refers to: its free names, the literal paths below them, and which properties it guards with
`?.` or `??`. Where it cannot be sure (`eval`, a `/` that might begin a regular expression) it says so, and callers
then assume that everything is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from tenuto.core.javascript import CLOSING, OPENING, Token, Tokens, Unreadable, is_identifier, tokenize


class Segment(NamedTuple):
    """One step of a path: a key or an index. `is_optional`: it is written after `?.`. `is_guarded`: what it names may
    be absent, because a `?.` stands before or behind it or a `??` follows."""

    key: str | int
    is_optional: bool = False
    is_guarded: bool = False


class Reading(NamedTuple):
    """One use of a name: the name, the literal path below it, the index where it starts in the source, and the
    number of the token behind it."""

    root: str
    path: tuple[Segment, ...]
    at: int
    end: int


class Reads(Struct, frozen=True):
    """What source refers to.

    `source` has step ids that JavaScript cannot spell rewritten (`context["a-b"]`). `readings` are the uses of names
    that are not part of the language; `names` are those of them that the source does not declare. `optional` are
    property names that some guard covers; where one covers a computed key (`has_computed_guard`), `required` are the
    property names written without a guard. Unless `is_certain`, more may be read than is listed, and `names` is
    empty."""

    source: str
    readings: tuple[Reading, ...] = ()
    names: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    has_computed_guard: bool = False
    is_certain: bool = False
    problem: Unreadable | None = None


KEYWORDS = frozenset({
    "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete",
    "do", "else", "enum", "export", "extends", "false", "finally", "for", "function", "if", "import",
    "in", "instanceof", "let", "new", "null", "of", "return", "static", "super", "switch", "this",
    "throw", "true", "try", "typeof", "var", "void", "while", "with", "yield", "async", "get", "set",
})  # fmt: skip

STANDARD_NAMES = frozenset({
    "Object", "Function", "Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError",
    "TypeError", "URIError", "InternalError", "AggregateError", "SuppressedError", "Iterator", "Array",
    "parseInt", "parseFloat", "isNaN", "isFinite", "queueMicrotask", "decodeURI", "decodeURIComponent",
    "encodeURI", "encodeURIComponent", "escape", "unescape", "Infinity", "NaN", "undefined", "eval",
    "Number", "Boolean", "String", "Math", "Reflect", "Symbol", "DisposableStack", "globalThis",
    "BigInt", "Date", "RegExp", "JSON", "Proxy", "Map", "Set", "WeakMap", "WeakSet", "ArrayBuffer",
    "SharedArrayBuffer", "Uint8ClampedArray", "Int8Array", "Uint8Array", "Int16Array", "Uint16Array",
    "Int32Array", "Uint32Array", "BigInt64Array", "BigUint64Array", "Float16Array", "Float32Array",
    "Float64Array", "DataView", "Atomics", "Promise", "AsyncDisposableStack", "WeakRef",
    "FinalizationRegistry", "DOMException", "btoa", "atob", "performance", "arguments",
})  # fmt: skip
"""What every script finds besides its scope: the global names of the engine."""

_SOFT_KEYWORDS = frozenset({"of", "async", "get", "set", "let", "static"})
_GUARDS = frozenset({"?.", "??", "??="})
_VARIABLE_WORDS = frozenset({"let", "const", "var"})
_ENDS_VARIABLES = _VARIABLE_WORDS | {
    "of",
    "in",
    "return",
    "if",
    "for",
    "while",
    "throw",
    "try",
    "switch",
    "do",
}
_UNCERTAIN_NAMES = frozenset({"eval", "arguments", "with"})
_PLAIN_NUMBER = re.compile(r"(?:0|[1-9]\d*+)(\.\d++)?(?:[eE][+-]?\d++)?")


def read_source(source: str, known_ids: frozenset[str] = frozenset()) -> Reads:
    """What an expression or a function body refers to. `known_ids` are step ids, which may be spelled with hyphens
    after `context.` and `steps.`."""
    return read_tokens(source, tokenize(source, 0, known_ids))


def read_tokens(source: str, found: Tokens, start: int = 0) -> Reads:
    """The same from tokens that `tokenize(source, start)` gave; indexes in the answer count from `start`."""
    tokens = found.tokens
    code = source[start : found.end] if found.problem is None else source[start:]
    if found.problem is not None:
        return Reads(code, problem=Unreadable(found.problem.message, found.problem.at - start))
    readings = tuple(r._replace(at=r.at - start) for r in _readings(tokens))
    is_certain = found.is_certain and not any(
        t.kind == "name" and (t.text in _UNCERTAIN_NAMES or "\\" in t.text) for t in tokens
    )
    optional, required, has_computed_guard = _guards(tokens)
    return Reads(
        _spell_ids(code, tokens, start),
        readings,
        frozenset(r.root for r in readings) - _declared_names(tokens) if is_certain else frozenset(),
        optional,
        required if has_computed_guard else frozenset(),
        has_computed_guard,
        is_certain,
    )


def literal_of(token: Token) -> str | int | float | bool | None:
    """The value of a simple literal: a string without escapes, a decimal number, true or false; else None."""
    if token.kind == "string" and "\\" not in token.text:
        return token.text[1:-1]
    if token.kind == "number" and _PLAIN_NUMBER.fullmatch(token.text):
        return int(token.text) if token.text.isdecimal() and len(token.text) < 16 else float(token.text)
    if token.kind == "name" and token.text in {"true", "false"}:
        return token.text == "true"
    return None


def _key_of(token: Token) -> str | int | None:
    key = literal_of(token)
    return key if isinstance(key, str | int) and not isinstance(key, bool) else None


def _spell_ids(code: str, tokens: Sequence[Token], start: int) -> str:
    """Rewrite `.a-b`, where `a-b` was read as one step id, to `["a-b"]`."""
    pieces: list[str] = []
    done = 0
    for i, token in enumerate(tokens):
        if token.kind != "name" or is_identifier(token.text) or token.text[0] in "#@\\" or "\\" in token.text:
            continue
        dot = tokens[i - 1]
        pieces.append(code[done : dot.start - start])
        pieces.append(f'{"?." if dot.text == "?." else ""}["{token.text}"]')
        done = token.end - start
    return "".join(pieces) + code[done:]


def mark_at(tokens: Sequence[Token], i: int) -> str:
    """The mark that token i is, or nothing."""
    return tokens[i].text if 0 <= i < len(tokens) and tokens[i].kind == "mark" else ""


def _readings(tokens: Sequence[Token]) -> Iterator[Reading]:
    keys = _keys(tokens)
    for i, token in enumerate(tokens):
        if (
            token.kind != "name"
            or i in keys
            or token.text.startswith("#")
            or mark_at(tokens, i - 1) in {".", "?."}
        ):
            continue
        if token.text in KEYWORDS or token.text in STANDARD_NAMES:
            continue
        path, end = path_after(tokens, i + 1)
        yield Reading(token.text, path, token.start, end)


def path_after(tokens: Sequence[Token], i: int) -> tuple[tuple[Segment, ...], int]:
    """The literal path that follows a name, and the number of the token behind it."""
    path: list[Segment] = []
    while True:
        is_optional = mark_at(tokens, i) == "?."
        if is_optional and path:
            path[-1] = path[-1]._replace(is_guarded=True)
        bracket = i + is_optional
        if mark_at(tokens, i) in {".", "?."} and _is_property_name(tokens, i + 1):
            path.append(Segment(tokens[i + 1].text, is_optional, is_optional))
            i += 2
        elif mark_at(tokens, bracket) == "[" and mark_at(tokens, bracket + 2) == "]":
            key = _key_of(tokens[bracket + 1])
            if key is None:
                break
            path.append(Segment(key, is_optional, is_optional))
            i = bracket + 3
        else:
            break
    if path and mark_at(tokens, i) == "??":
        path[-1] = path[-1]._replace(is_guarded=True)
    return tuple(path), i


def _is_property_name(tokens: Sequence[Token], i: int) -> bool:
    """Whether token i names a property as it is spelled (no private name, no escaped letters)."""
    return (
        i < len(tokens)
        and tokens[i].kind == "name"
        and tokens[i].text[0] != "#"
        and "\\" not in tokens[i].text
    )


def _guards(tokens: Sequence[Token]) -> tuple[frozenset[str], frozenset[str], bool]:
    """Property names under a guard, those without, and whether a guard covers a computed key."""
    optional: set[str] = set()
    required: set[str] = set()
    has_computed = False
    for i, token in enumerate(tokens):
        if token.kind == "name" and mark_at(tokens, i - 1) in {".", "?."}:
            is_guarded = tokens[i - 1].text == "?." or mark_at(tokens, i + 1) in _GUARDS
            (optional if is_guarded else required).add(token.text)
        if token.kind != "mark" or token.text not in _GUARDS:
            continue
        keys = [_key_before(tokens, i)]
        if token.text == "?." and mark_at(tokens, i + 1) == "[":
            key = _key_of(tokens[i + 2]) if mark_at(tokens, i + 3) == "]" else None
            keys.append(None if key is None else str(key))
        optional.update(key for key in keys if key is not None)
        has_computed = has_computed or None in keys
    return frozenset(optional), frozenset(required - optional), has_computed


def _key_before(tokens: Sequence[Token], i: int) -> str | None:
    """The property name that a guard at token i covers; None where it is computed."""
    i -= 1
    while mark_at(tokens, i) == ")":
        i -= 1
    if i >= 0 and tokens[i].kind == "name":
        return tokens[i].text
    if mark_at(tokens, i) == "]" and mark_at(tokens, i - 2) == "[":
        key = _key_of(tokens[i - 1])
        return None if key is None else str(key)
    return None


def _partners(tokens: Sequence[Token]) -> dict[int, int]:
    """For each bracket's number that of its partner, both ways."""
    partners: dict[int, int] = {}
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind != "mark":
            continue
        if token.text in OPENING:
            opened.append(i)
        elif token.text in CLOSING:
            partners[i] = opened.pop()
            partners[partners[i]] = i
    return partners


def _keys(tokens: Sequence[Token]) -> frozenset[int]:
    """Numbers of the names that are keys of object literals, labels, or names of methods."""
    keys: set[int] = set()
    partners = _partners(tokens)
    pending = [0]  # per open bracket, how many `? :` still wait for their colon
    for i, token in enumerate(tokens):
        if token.kind == "name":
            follower = mark_at(tokens, i + 1)
            is_label = follower == ":" and not pending[-1] and not (i and tokens[i - 1].text == "case")
            if is_label or (follower == "(" and _is_method(tokens, i, partners)):
                keys.add(i)
        elif token.kind == "mark":
            if token.text in OPENING:
                pending.append(0)
            elif token.text in CLOSING:
                pending.pop()
            elif token.text == "?":
                pending[-1] += 1
            elif token.text == ":" and pending[-1]:
                pending[-1] -= 1
    return frozenset(keys)


def _is_method(tokens: Sequence[Token], i: int, partners: dict[int, int]) -> bool:
    """Whether `name (…) {` stands here where a method of an object or class can be."""
    if mark_at(tokens, partners[i + 1] + 1) != "{" or tokens[i].text in KEYWORDS - _SOFT_KEYWORDS:
        return False
    before = tokens[i - 1] if i else None
    return before is not None and (
        (before.kind == "mark" and before.text in {"{", ",", "}", ";", "*"})
        or (before.kind == "name" and before.text in {"get", "set", "async", "static"})
    )


def _declared_names(tokens: Sequence[Token]) -> frozenset[str]:
    """Names that the source declares anywhere: parameters, variables, functions, classes, caught errors. Scopes are
    not told apart, so a name declared in one place counts as declared everywhere; so do names in default values."""
    edges: dict[int, int] = {}
    for begin, end in _declaring_spans(tokens, _partners(tokens)):
        edges[begin] = edges.get(begin, 0) + 1
        edges[end] = edges.get(end, 0) - 1
    declared: set[str] = set()
    depth = 0
    for i, token in enumerate(tokens):  # spans nest: going through their edges once keeps this linear
        depth += edges.get(i, 0)
        if depth and token.kind == "name" and mark_at(tokens, i - 1) not in {".", "?."}:
            declared.add(token.text)
    return frozenset(declared)


def _declaring_spans(tokens: Sequence[Token], partners: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Ranges of tokens whose names are declared by standing there."""
    for i, token in enumerate(tokens):
        if token.text == "=>" and token.kind == "mark" and i:
            yield (partners[i - 1] if mark_at(tokens, i - 1) == ")" else i - 1), i
        elif token.kind != "name" or mark_at(tokens, i - 1) in {".", "?."}:
            continue
        elif token.text in _VARIABLE_WORDS:
            yield from _variables(tokens, i + 1, partners)
        elif token.text in {"function", "class", "catch"}:
            named = i + 1 + (mark_at(tokens, i + 1) == "*")
            if named < len(tokens) and tokens[named].kind == "name" and tokens[named].text != "extends":
                yield named, named + 1
                named += 1
            if mark_at(tokens, named) == "(":
                yield named, partners[named]
        elif mark_at(tokens, i + 1) == "(" and _is_method(tokens, i, partners):
            yield i + 1, partners[i + 1]


def _variables(tokens: Sequence[Token], i: int, partners: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Ranges of what `let a = 1, {b} = …` binds, from token i on: what begins it, and what follows each comma."""
    is_pattern = True
    while i < len(tokens):
        mark = mark_at(tokens, i)
        end = partners[i] + 1 if mark in OPENING else i + 1
        if mark in CLOSING or mark == ";" or (tokens[i].kind == "name" and tokens[i].text in _ENDS_VARIABLES):
            return
        if is_pattern:
            yield i, end
        is_pattern = mark == ","
        i = end
