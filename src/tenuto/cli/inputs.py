"""What commands are given: JSON in an argument; JSON or YAML in a file or on standard input; `key=value` pairs;
durations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from tenuto.cli.times import parse_duration, parse_instant
from tenuto.errors import Invalid, TooLarge


def read_document(name: str) -> Any:
    """The JSON, or YAML, in the file `name`, or on standard input for `-`. A file that cannot be read or is neither is a
    usage error that says where."""
    documents = read_documents(name)
    if len(documents) != 1:
        raise typer.BadParameter(f"{name}: expected one document, found {len(documents)}")
    return documents[0][1]


def read_documents(name: str) -> list[tuple[str, Any]]:
    """All documents in a file (YAML may hold several), each with a name for people. As `read_document`."""
    from tenuto.cli.sources import sources_of

    try:
        return [(source.name, source.document) for source in sources_of(name, read_content(name))]
    except (Invalid, TooLarge) as error:
        raise typer.BadParameter(f"{'standard input' if name == '-' else name}: {error}") from None


def read_value(given: str, what: str) -> Any:
    """Any JSON value: as it is, `@file` (JSON or YAML), or `-` for standard input."""
    if given == "-" or given.startswith("@"):
        return read_document(given.removeprefix("@"))
    return _decoded(given.encode(), what)


def read_context(given: str | None) -> dict[str, Any]:
    """The start context of `--context`: JSON as it is, `@file`, or `-` for standard input. Must be an object."""
    if given is None:
        return {}
    context = read_value(given, "--context")
    if not isinstance(context, dict):
        raise typer.BadParameter("the context must be a JSON object, such as '{\"orderId\": 7}'")
    return context


def read_tags(given: list[str]) -> dict[str, str]:
    """Tags of `--tag key=value`."""
    tags = {}
    for tag in given:
        key, equals, value = tag.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{tag!r} is no tag; write --tag key=value")
        tags[key] = value
    return tags


def asker(by: str | None) -> str | None:
    """Who asks: the name that was given, else that of the user who is logged in, if there is one."""
    from getpass import getuser

    if by is not None:
        return by
    try:
        return getuser()
    except (OSError, KeyError):  # as in a container that runs under a bare number
        return None


def read_duration(given: str) -> int:
    """Milliseconds of `30s`, `5m` …"""
    try:
        return parse_duration(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def read_instant(given: str) -> int:
    """Milliseconds since the epoch of `2026-11-01`, `2026-11-01T09:30+01:00` …"""
    try:
        return parse_instant(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def read_content(name: str) -> bytes:
    """The bytes of the file, or of standard input for `-`. A file that cannot be read is a usage error."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from None


def _decoded(content: bytes, where: str) -> Any:
    from tenuto.wire.json import decode_json

    try:
        return decode_json(content, unique_keys=True)
    except Invalid as error:
        raise typer.BadParameter(f"{where}: {error}") from None
