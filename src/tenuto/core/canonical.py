"""A definition in its one canonical spelling, so that documents that mean the same are the same bytes and the same
version: fields in their own order, keys of free data sorted, and what equals a default left out, but for the few
fields of a step that readers of a definition count on.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import msgspec

from tenuto.core.definition import Definition, StepSpec

_ALWAYS_WRITTEN: dict[type[msgspec.Struct], frozenset[str]] = {
    StepSpec: frozenset({"type", "action", "params", "dependencies"})
}


def canonical_json(definition: Definition) -> bytes:
    """The definition's canonical JSON; decoding it gives an equal definition."""
    return msgspec.json.encode(_written(definition))


def digest_of(canonical: bytes) -> str:
    """SHA-256 in hex: equal for definitions that mean the same, and for no others."""
    return hashlib.sha256(canonical).hexdigest()


def _written(value: Any) -> Any:
    """A part of a definition as it is written. (`omit_defaults` compares by identity, so it would keep a 30000 that
    equals the default.)"""
    if isinstance(value, str):
        return value
    if isinstance(value, msgspec.Struct):
        written = {}
        for name, attribute, default in _fields(type(value)):
            member = getattr(value, attribute)
            if member is not default and member != default:
                written[name] = _written(member)
        return written
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, dict | list):
        return msgspec.Raw(msgspec.json.encode(value, order="sorted"))
    return value


@cache
def _fields(struct: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    """Each field's name in JSON, its attribute, and the default that is not written (NODEFAULT where there is none)."""
    always = _ALWAYS_WRITTEN.get(struct, frozenset())
    return [
        (field.encode_name, field.name, msgspec.NODEFAULT if field.encode_name in always else _default(field))
        for field in msgspec.structs.fields(struct)
    ]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory is not msgspec.NODEFAULT
    return field.default_factory() if made else field.default
