"""A definition in its one canonical spelling: what equals a default is left out and keys are sorted, so documents that
mean the same are the same bytes and the same version."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import msgspec

from tenuto.core.definition import Definition


def canonical_json(definition: Definition) -> bytes:
    """The definition's canonical JSON; decoding it gives an equal definition."""
    return msgspec.json.encode(without_defaults(definition), order="sorted")


def digest_of(canonical: bytes) -> str:
    """SHA-256 in hex: equal for definitions that mean the same, and for no others."""
    return hashlib.sha256(canonical).hexdigest()


def without_defaults(value: Any) -> Any:
    """A part of a definition as JSON data in the order of its fields, without what equals a default. (`omit_defaults`
    compares by identity, so it would keep a written-out 30000.)"""
    if isinstance(value, msgspec.Struct):
        given = (
            (name, getattr(value, attribute), default) for name, attribute, default in _fields(type(value))
        )
        return {name: without_defaults(member) for name, member, default in given if member != default}
    if isinstance(value, tuple):
        return [without_defaults(item) for item in value]
    return value


@cache
def _fields(struct: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    """Each field's name in JSON, its attribute, and its default (NODEFAULT where there is none)."""
    return [
        (
            field.encode_name,
            field.name,
            field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory(),
        )
        for field in msgspec.structs.fields(struct)
    ]
