"""Params and expressions of a definition, prepared once so that each attempt pays only for what it uses: constants are
copied, plain paths are read, and only the rest goes to the script engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tenuto.core.template import Expression, Template, parse_expression, parse_template
from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script, ScriptEngine
from tenuto.scripting.paths import read_path

Key = str | int

LARGEST = 16 << 20
"""Bytes of JSON that templates may bring into the params of one step, so that a short definition cannot fill memory."""


def to_text(value: object) -> str:
    """How a value stands inside text: a string as it is, anything else as JSON (null is `null`), numbers as
    JavaScript writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _number_text(value)
    return msgspec.json.encode(value, enc_hook=_plain_data).decode()


def _number_text(number: float) -> str:
    """A number as JavaScript's String() writes it: decimal from 1e-6 up to 1e21, beyond that with an exponent."""
    mantissa, exponent, power_text = repr(number).partition("e")
    if not exponent:
        return "0" if number == 0 else mantissa.removesuffix(".0")
    power = int(power_text)
    sign, digits = "-" * (number < 0), mantissa.lstrip("-").removesuffix(".0").replace(".", "")
    if 0 <= power < 21:
        return sign + digits.ljust(power + 1, "0")
    if -7 < power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return f"{mantissa.removesuffix('.0')}e{power:+d}"


def _plain_data(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON data")


class CompiledExpression:
    """One expression, as in `when`. A plain path is read at once; anything else needs the engine."""

    __slots__ = ("_path", "_script", "needs_engine")

    def __init__(self, expression: Expression) -> None:
        self._path = expression.path
        self._script = Script("expression", expression.source)
        self.needs_engine = expression.path is None

    def evaluate_plain(self, scope: Mapping[str, Any]) -> Any:
        """The value of a plain path. Raises ScriptFailed."""
        assert self._path is not None, "only for expressions that do not need the engine"
        return read_path(self._path, scope)

    async def evaluate(self, scope: Mapping[str, Any], engine: ScriptEngine) -> Any:
        """The value as JSON data. Raises ScriptFailed."""
        if self._path is not None:
            return read_path(self._path, scope)
        return await engine.evaluate(self._script, scope)


def compile_expression(source: str, known_ids: frozenset[str] = frozenset()) -> CompiledExpression:
    """Prepare an expression; `known_ids` are step ids, which may be written with hyphens."""
    return CompiledExpression(parse_expression(source, known_ids))


class _Slot(NamedTuple):
    """A string with templates: where it goes in its container, and its parts."""

    key: Key
    parts: tuple[str | CompiledExpression, ...]
    is_single: bool


class _Container(NamedTuple):
    """An object or list of the params, where it goes in the one around it, and the templates right inside."""

    source: dict[Any, Any] | list[Any]
    parent: int
    key: Key
    slots: tuple[_Slot, ...]


class CompiledParams:
    """Params with their templates parsed. Each resolving gives new containers, so nobody shares what another may
    change."""

    __slots__ = ("_containers", "_expressions", "_flat", "is_constant", "needs_engine")

    def __init__(self, containers: list[_Container]) -> None:
        self._containers = containers
        slots = [slot for container in containers for slot in container.slots]
        expressions = [part for slot in slots for part in slot.parts if isinstance(part, CompiledExpression)]
        self._expressions = [expression for expression in expressions if expression.needs_engine]
        self.is_constant = not slots
        self.needs_engine = bool(self._expressions)
        self._flat: dict[str, Any] | None = None
        """The params themselves, where there is nothing to put into them and nothing inside them to copy."""
        if self.is_constant and len(containers) == 1:
            self._flat = dict(containers[0].source)

    def resolve_plain(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        """The params with every template resolved, at once. Raises ScriptFailed (`expression`) naming what is absent."""
        if self._flat is not None:
            return self._flat.copy()
        assert not self.needs_engine, "only for params whose templates are plain paths"
        return self._build(scope, {})

    async def resolve(self, scope: Mapping[str, Any], engine: ScriptEngine) -> dict[str, Any]:
        """The params with every template resolved. Raises ScriptFailed: that of the first expression that failed."""
        if not self._expressions:
            return self._build(scope, {})
        return self._build(scope, await self._evaluate(scope, engine))

    async def _evaluate(
        self, scope: Mapping[str, Any], engine: ScriptEngine
    ) -> dict[CompiledExpression, Any]:
        if len(self._expressions) == 1:
            expression = self._expressions[0]
            return {expression: await expression.evaluate(scope, engine)}
        values = await asyncio.gather(
            *(expression.evaluate(scope, engine) for expression in self._expressions), return_exceptions=True
        )
        for value in values:
            if isinstance(value, BaseException):
                raise value
        return dict(zip(self._expressions, values, strict=True))

    def _build(self, scope: Mapping[str, Any], values: Mapping[CompiledExpression, Any]) -> dict[str, Any]:
        copies: list[Any] = []
        measure = _Measure()
        for container in self._containers:
            copy: Any = container.source.copy()
            copies.append(copy)
            if container.parent >= 0:
                copies[container.parent][container.key] = copy
            for slot in container.slots:
                copy[slot.key] = _fill(slot, scope, values, measure)
        resolved: dict[str, Any] = copies[0]
        return resolved


class _Measure:
    """Adds up what templates bring in. Each value is measured once, however often it stands there."""

    __slots__ = ("_sizes", "_total")

    def __init__(self) -> None:
        self._total = 0
        self._sizes: dict[int, tuple[object, int]] = {}

    def add(self, value: object) -> None:
        """Count a value. Raises ScriptFailed (`limit`)."""
        if isinstance(value, dict | list):
            if id(value) not in self._sizes:  # kept with its size, for ids are used again
                self._sizes[id(value)] = value, len(_part_text(value))
            size = self._sizes[id(value)][1]
        else:
            size = len(value) if isinstance(value, str) else 8
        self._total += size
        if self._total > LARGEST:
            raise ScriptFailed("limit", f"the templates bring in more than {LARGEST >> 20} MiB of data")


def _fill(
    slot: _Slot, scope: Mapping[str, Any], values: Mapping[CompiledExpression, Any], measure: _Measure
) -> Any:
    parts = []
    for part in slot.parts:
        if isinstance(part, str):
            parts.append(part)
            continue
        value = values[part] if part.needs_engine else part.evaluate_plain(scope)
        measure.add(value)
        parts.append(value if slot.is_single else _part_text(value))
    return parts[0] if slot.is_single else "".join(parts)


def _part_text(value: object) -> str:
    try:
        return to_text(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ScriptFailed("expression", f"a value cannot be written into text: {error}") from error


def compile_params(
    params: Mapping[str, Any],
    scripts: frozenset[str] = frozenset(),
    known_ids: frozenset[str] = frozenset(),
) -> CompiledParams:
    """Parse every template in the params, once. `scripts` names top-level params that are JavaScript and so are left
    as they are; `known_ids` are step ids. Raises Invalid where a template does not parse."""
    containers: list[_Container] = []
    stack: list[tuple[Mapping[str, Any] | list[Any] | tuple[Any, ...], int, Key]] = [(params, -1, "")]
    while stack:
        source, parent, key = stack.pop()
        slots: list[_Slot] = []
        for child_key, child in _children(source):
            if isinstance(child, Mapping | list | tuple):
                stack.append((child, len(containers), child_key))
            elif isinstance(child, str) and "{{" in child and not (parent < 0 and child_key in scripts):
                slots.append(_compile_slot(child_key, parse_template(child, known_ids)))
        copy = dict(source) if isinstance(source, Mapping) else list(source)
        containers.append(_Container(copy, parent, key, tuple(slots)))
    return CompiledParams(containers)


def _children(source: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[Key, Any]]:
    if isinstance(source, Mapping):
        yield from source.items()
    else:
        yield from enumerate(source)


def _compile_slot(key: Key, template: Template) -> _Slot:
    parts = tuple(part if isinstance(part, str) else CompiledExpression(part) for part in template.parts)
    return _Slot(key, parts, template.is_single)
