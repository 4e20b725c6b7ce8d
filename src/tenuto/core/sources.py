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


def find_sources(outline: Outline) -> Iterator[Source | Finding]:
    """All of them in document order, and what could not be parsed."""
    known = frozenset(outline.index) | outline.elsewhere
    for i, step in enumerate(outline.steps):
        yield from _of_step(step, i, outline.path(i), known)
    if outline.definition.output is not UNSET:
        yield from _templates(outline.definition.output, None, ("output",), known, OUTPUT_SCOPE)


def _of_step(step: StepSpec, i: int, path: Path, known: frozenset[str]) -> Iterator[Source | Finding]:
    scripts = scripts_of(step.action)
    for name, value in step.params.items():
        where = (*path, "params", name)
        if name not in scripts:
            yield from _templates(value, i, where, known, SCOPE)
        elif isinstance(value, str) and value.strip():
            yield _body(value, i, where, known) if name == "code" else _expression(value, i, where, known)
    if step.when is not None:
        yield _expression(step.when, i, (*path, "when"), known)
    for c, case in enumerate(step.cases):
        yield _expression(case.when, i, (*path, "cases", c, "when"), known)


def _expression(text: str, i: int, path: Path, known: frozenset[str]) -> Source | Finding:
    if not text.strip():
        return Finding(path, "script", "Expected a JavaScript expression, got only white space.")
    if text.lstrip().startswith("{{"):
        return Finding(path, "script", "This is JavaScript already; leave out the {{ and }} around it.")
    return _source(parse_expression(text, known), i, path, SCOPE)


def _body(text: str, i: int, path: Path, known: frozenset[str]) -> Source:
    reads = read_script(text, known)
    return Source(i, path, reads, CODE_SCOPE, ("body", reads.source))


def _source(expression: Expression, i: int | None, path: Path, scope: frozenset[str]) -> Source:
    script: tuple[ScriptKind, str] | None = None if expression.path else ("expression", expression.source)
    return Source(i, path, expression.reads, scope, script)


def _templates(
    value: Any, i: int | None, path: Path, known: frozenset[str], scope: frozenset[str]
) -> Iterator[Source | Finding]:
    for where, text in _strings(value, path):
        template = _parsed(text, where, known)
        if isinstance(template, Finding):
            yield template
        else:
            yield from (_source(expression, i, where, scope) for expression in template.expressions)


def _parsed(text: str, path: Path, known: frozenset[str]) -> Template | Finding:
    try:
        return parse_template(text, known)
    except Invalid as invalid:
        return Finding(path, "template", invalid.problems[0].message)


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
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
