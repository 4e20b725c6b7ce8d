"""A ScriptEngine without processes, for tests and simulations: deterministic, at once, and honest about what it does
not know. Plain paths, literals, `!`, comparisons, `&&` and `||` work; anything else must be given as a function.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenuto.core.javascript import Token, tokenize
from tenuto.core.reading import literal_of
from tenuto.core.template import parse_expression
from tenuto.core.truth import is_truthy
from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting.paths import read_path

Function = Callable[[Mapping[str, Any]], Any]

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "===": operator.eq,
    "!==": operator.ne,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class FakeScriptEngine:
    """Evaluates sources that `functions` knows by calling them with the scope, and simple expressions by itself.
    `evaluated` lists the sources in the order they came."""

    def __init__(self, functions: Mapping[str, Function] | None = None) -> None:
        self.functions = dict(functions or {})
        self.evaluated: list[str] = []

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        """The value; see ports/script.py. Fails with kind `script` or `expression` where the source is unknown."""
        source = script.source.strip()
        self.evaluated.append(source)
        kind = "expression" if script.kind == "expression" else "script"
        try:
            if source in self.functions:
                return self.functions[source](scope)
            body = source.removeprefix("return ") if script.kind == "body" else source
            return _any_of(tokenize(body).tokens, body, scope)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ScriptFailed(kind, f"`{source}`: {error}") from error

    async def check(self, script: Script) -> str | None:
        """Why the source cannot be split into tokens, or None."""
        problem = tokenize(script.source).problem
        return None if problem is None else problem.message

    async def close(self) -> None:
        """Nothing to stop."""


def _any_of(tokens: Sequence[Token], source: str, scope: Mapping[str, Any]) -> Any:
    value: Any = None
    for operand in _split(tokens, "||"):
        value = _all_of(operand, source, scope)
        if is_truthy(value):
            break
    return value


def _all_of(tokens: Sequence[Token], source: str, scope: Mapping[str, Any]) -> Any:
    value: Any = None
    for operand in _split(tokens, "&&"):
        value = _compared(operand, source, scope)
        if not is_truthy(value):
            break
    return value


def _compared(tokens: Sequence[Token], source: str, scope: Mapping[str, Any]) -> Any:
    for i, token in enumerate(tokens):
        if token.kind == "mark" and token.text in _COMPARISONS:
            left, right = _operand(tokens[:i], source, scope), _operand(tokens[i + 1 :], source, scope)
            return _COMPARISONS[token.text](left, right)
    return _operand(tokens, source, scope)


def _operand(tokens: Sequence[Token], source: str, scope: Mapping[str, Any]) -> Any:
    if not tokens:
        raise ValueError("an operand is missing")
    if tokens[0].text == "!" and tokens[0].kind == "mark":
        return not is_truthy(_operand(tokens[1:], source, scope))
    if len(tokens) == 1:
        value = literal_of(tokens[0])
        if value is not None or tokens[0].text in {"null", "undefined"}:
            return value
    path = parse_expression(source[tokens[0].start : tokens[-1].end]).path
    if path is None:
        raise ValueError("the fake engine knows no such expression; give it a function")
    return read_path(path, scope)


def _split(tokens: Sequence[Token], mark: str) -> list[Sequence[Token]]:
    parts: list[Sequence[Token]] = []
    start = 0
    for i, token in enumerate(tokens):
        if token.kind == "mark" and token.text == mark:
            parts.append(tokens[start:i])
            start = i + 1
    return [*parts, tokens[start:]]
