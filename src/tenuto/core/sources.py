"""Every expression in a definition, with where it stands and what may be read there: `when`, cases, scripts among
the params, and the templates in params and output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from tenuto.core.definition import StepSpec
from tenuto.core.finding import Finding
from tenuto.core.outline import Outline
from tenuto.core.params import scripts_of
from tenuto.core.path import Path
from tenuto.core.reading import Reads
from tenuto.core.template import Expression, Template, parse_expression, parse_template, read_script
from tenuto.errors import Invalid

ScriptKind = Literal["expression", "body"]

SCOPE = frozenset({"context", "input", "steps", "execution", "step"})
OUTPUT_SCOPE = SCOPE - {"step"}
CODE_SCOPE = frozenset({"context", "input"})


class Source(NamedTuple):
    """One piece of JavaScript: the step it belongs to (None: the workflow), where, what it reads, and the names it
    may use. `script` is what the script engine must be able to parse; None where it needs no engine."""

    step: int | None
    path: Path
    reads: Reads
    scope: frozenset[str]
    script: tuple[ScriptKind, str] | None


MOST_SCRIPT = 1_048_576
"""Characters of scripts and templates that one definition may have in all: reading them takes a second or two."""


def find_sources(outline: Outline) -> Iterator[Source | Finding]:
    """All of them, and what could not be parsed. Where they are too long in all, the rest is not looked at."""
    finder = _Finder(frozenset(outline.index) | outline.elsewhere)
    for text in _texts(outline):
        if not finder.may_read(text):
            message = f"Scripts and templates of one definition may have {MOST_SCRIPT:,} characters in all."
            yield Finding(text.path, "too_long", message)
            return
        yield from finder.find(text)


class _Text(NamedTuple):
    """A string that may hold JavaScript: of which step, where, and how it is to be read."""

    step: int | None
    path: Path
    text: str
    kind: Literal["expression", "body", "template"]


def _texts(outline: Outline) -> Iterator[_Text]:
    if outline.definition.output is not UNSET:
        for path, text in _templates(outline.definition.output, ("output",)):
            yield _Text(None, path, text, "template")
    for i, step in enumerate(outline.steps):
        yield from _texts_of(step, i, outline.path(i))


def _texts_of(step: StepSpec, i: int, path: Path) -> Iterator[_Text]:
    scripts = scripts_of(step.action)
    for name, value in step.params.items():
        where = (*path, "params", name)
        if name not in scripts:
            for place, text in _templates(value, where):
                yield _Text(i, place, text, "template")
        elif isinstance(value, str) and value.strip():
            yield _Text(i, where, value, "body" if name == "code" else "expression")
    if step.when is not None:
        yield _Text(i, (*path, "when"), step.when, "expression")
    for c, case in enumerate(step.cases):
        yield _Text(i, (*path, "cases", c, "when"), case.when, "expression")


def _templates(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every string with `{{` in JSON data, in document order; iterative, for the data is the user's."""
    stack: list[tuple[Path, Any]] = [(path, value)]
    while stack:
        where, item = stack.pop()
        if isinstance(item, str):
            if "{{" in item:
                yield where, item
        elif isinstance(item, dict):
            stack.extend(((*where, key), item[key]) for key in reversed(item))
        elif isinstance(item, list):
            stack.extend(((*where, k), item[k]) for k in range(len(item) - 1, -1, -1))


def _extent(text: _Text) -> int:
    """How many characters must be read as JavaScript, at most."""
    if text.kind != "template":
        return len(text.text)
    start, end = text.text.find("{{"), text.text.rfind("}}")
    return (end if end > start else len(text.text)) - start


class _Finder:
    """Parses each different text once, for generated definitions repeat them."""

    def __init__(self, known: frozenset[str]) -> None:
        self._left = MOST_SCRIPT
        self._known = known
        self._templates: dict[str, Template | str] = {}
        self._expressions: dict[str, Expression] = {}

    def may_read(self, text: _Text) -> bool:
        """Whether the text is within what may be read; one read before costs nothing."""
        if text.text not in self._templates and text.text not in self._expressions:
            self._left -= _extent(text)
        return self._left >= 0

    def find(self, text: _Text) -> Iterator[Source | Finding]:
        if text.kind == "template":
            yield from self._find_template(text)
        elif text.kind == "body":
            reads = read_script(text.text, self._known)
            yield Source(text.step, text.path, reads, CODE_SCOPE, ("body", reads.source))
        else:
            yield self._find_expression(text)

    def _find_expression(self, text: _Text) -> Source | Finding:
        if not text.text.strip():
            return Finding(text.path, "script", "Expected a JavaScript expression, got only white space.")
        if text.text.lstrip().startswith("{{"):
            return Finding(
                text.path, "script", "This is JavaScript already; leave out the {{ and }} around it."
            )
        expression = self._expressions.get(text.text)
        if expression is None:
            expression = self._expressions[text.text] = parse_expression(text.text, self._known)
        return _source(expression, text, SCOPE)

    def _find_template(self, text: _Text) -> Iterator[Source | Finding]:
        template = self._templates.get(text.text)
        if template is None:
            template = self._templates[text.text] = self._parse_template(text.text)
        if isinstance(template, str):
            yield Finding(text.path, "template", template)
            return
        scope = OUTPUT_SCOPE if text.step is None else SCOPE
        for expression in template.expressions:
            yield _source(expression, text, scope)

    def _parse_template(self, text: str) -> Template | str:
        try:
            return parse_template(text, self._known)
        except Invalid as invalid:
            return invalid.problems[0].message


def _source(expression: Expression, text: _Text, scope: frozenset[str]) -> Source:
    script: tuple[ScriptKind, str] | None = None if expression.path else ("expression", expression.source)
    return Source(text.step, text.path, expression.reads, scope, script)
