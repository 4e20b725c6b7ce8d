"""Every expression in a definition, with where it stands and what may be read there: `when`, cases, `until`, scripts
among the params, and the templates in params, items, keys and output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from tenuto.core.definition import Slots
from tenuto.core.finding import Finding
from tenuto.core.outline import Place
from tenuto.core.params import scripts_of
from tenuto.core.path import Path
from tenuto.core.reading import Reads
from tenuto.core.scope import BEGIN_SCOPE, CODE_SCOPE, OUTPUT_SCOPE, given_within, scope_of
from tenuto.core.template import Expression, Template, parse_expression, parse_template, read_script
from tenuto.core.whole import Whole
from tenuto.errors import Invalid

ScriptKind = Literal["expression", "body"]
Moment = Literal["step", "until", "undo", "output", "begin"]
"""When it is evaluated: for a step, after a round of a loop, when a step is undone, for the output, or before all."""


class Source(NamedTuple):
    """One piece of JavaScript: the step it belongs to (None: the workflow), where, what it reads, the names it may use,
    and when it is evaluated. `script` is what the script engine must be able to parse; None where it needs no engine."""

    reader: Place | None
    path: Path
    reads: Reads
    scope: frozenset[str]
    script: tuple[ScriptKind, str] | None
    moment: Moment = "step"


MOST_SCRIPT = 1_048_576
"""Characters of scripts and templates that one definition may have in all: reading them takes a second or two."""


def find_sources(whole: Whole) -> Iterator[Source | Finding]:
    """All of them, and what could not be parsed. Where they are too long in all, the rest is not looked at."""
    finder = _Finder(frozenset(whole.places) | whole.elsewhere)
    for text in _texts(whole):
        if not finder.may_read(text):
            message = f"Scripts and templates of one definition may have {MOST_SCRIPT:,} characters in all."
            yield Finding(text.path, "too_long", message)
            return
        yield from finder.find(text)


class _Text(NamedTuple):
    """A string that may hold JavaScript: of which step, where, how it is to be read, what it may use, and when."""

    reader: Place | None
    path: Path
    text: str
    kind: Literal["expression", "body", "template"]
    scope: frozenset[str]
    moment: Moment = "step"


def _texts(whole: Whole) -> Iterator[_Text]:
    definition = whole.definition
    if definition.output is not UNSET:
        for path, text in _templates(definition.output, ("output",)):
            yield _Text(None, path, text, "template", OUTPUT_SCOPE, "output")
    for k, slots in enumerate(definition.concurrency):
        if "{{" in slots.key:
            yield _Text(None, ("concurrency", k, "key"), slots.key, "template", BEGIN_SCOPE, "begin")
    for place in whole.steps:
        yield from _texts_of(place)


def _texts_of(place: Place) -> Iterator[_Text]:
    step, path, outside = place.spec, place.path, scope_of(place)
    within = outside | given_within(step) if step.type in ("map", "loop") else outside
    yield from _texts_of_work(place, _Work(step.action, step.params, (*path, "params"), within, "step"))
    if step.when is not None:
        yield _Text(place, (*path, "when"), step.when, "expression", outside)
    for c, case in enumerate(step.cases):
        yield _Text(place, (*path, "cases", c, "when"), case.when, "expression", outside)
    if step.items is not UNSET:
        for where, text in _templates(step.items, (*path, "items")):
            yield _Text(place, where, text, "template", outside)
    if step.until is not None:
        yield _Text(place, (*path, "until"), step.until, "expression", within, "until")
    for where, text in _keys(step.cache.key if step.cache else "", step.concurrency, path):
        yield _Text(place, where, text, "template", within)
    undo = step.compensate
    if undo is not None:
        where = (*path, "compensate", "params")
        yield from _texts_of_work(place, _Work(undo.action, undo.params, where, outside - {"vars"}, "undo"))


class _Work(NamedTuple):
    """An action with its params, where those stand, what they may use, and when."""

    action: str
    params: dict[str, Any]
    path: Path
    scope: frozenset[str]
    moment: Moment


def _texts_of_work(place: Place, work: _Work) -> Iterator[_Text]:
    scripts = scripts_of(work.action)
    for name, value in work.params.items():
        where = (*work.path, name)
        if name not in scripts:
            for at, text in _templates(value, where):
                yield _Text(place, at, text, "template", work.scope, work.moment)
        elif isinstance(value, str) and value.strip():
            if name == "code":
                yield _Text(place, where, value, "body", CODE_SCOPE, work.moment)
            else:
                yield _Text(place, where, value, "expression", work.scope, work.moment)


def _keys(cache_key: str, concurrency: Iterable[Slots], path: Path) -> Iterator[tuple[Path, str]]:
    """The keys of a step that are templates."""
    if "{{" in cache_key:
        yield (*path, "cache", "key"), cache_key
    for k, slots in enumerate(concurrency):
        if "{{" in slots.key:
            yield (*path, "concurrency", k, "key"), slots.key


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
            yield Source(text.reader, text.path, reads, text.scope, ("body", reads.source), text.moment)
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
        return _source(expression, text)

    def _find_template(self, text: _Text) -> Iterator[Source | Finding]:
        template = self._templates.get(text.text)
        if template is None:
            template = self._templates[text.text] = self._parse_template(text.text)
        if isinstance(template, str):
            yield Finding(text.path, "template", template)
            return
        for expression in template.expressions:
            yield _source(expression, text)

    def _parse_template(self, text: str) -> Template | str:
        try:
            return parse_template(text, self._known)
        except Invalid as invalid:
            return invalid.problems[0].message


def _source(expression: Expression, text: _Text) -> Source:
    script: tuple[ScriptKind, str] | None = None if expression.path else ("expression", expression.source)
    return Source(text.reader, text.path, expression.reads, text.scope, script, text.moment)
