"""What is sent to a sandbox and what comes back: a script with just the part of its scope that it reads, as JSON, and
the answer as a value or as the error that a user can act on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tenuto.core.javascript import is_identifier
from tenuto.core.reading import KEYWORDS, Reads, read_source
from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting.paths import describe_absence

Wanted = dict[str, "Wanted | None"]
"""The keys of an object that a script reads, and of each the keys below; None: all of it."""

LONGEST_READ = 1 << 16
"""Longer sources are not looked into: they get the whole scope, and no guard is known."""

LONGEST_KEPT = 4096
"""What is worked out about sources up to this length is kept."""

DEEPEST_WANTED = 6
STRICT_LEVELS = {"expression": 1000, "body": 1}

_INHERITED = frozenset({
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
})  # fmt: skip
_SPELLED_ID = re.compile(r"\b(?:context|steps)\s*\??\.\s*([A-Za-z0-9][A-Za-z0-9._-]{0,127})")
_HALF_PAIR = re.compile(rb"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_PLACE = re.compile(r"<input>:(\d+):(\d+)")


class Prepared(NamedTuple):
    """A script ready to be sent: the JSON before its values, and what it reads of them (None: everything).
    `spells_ids`: after `context.` or `steps.` stands what may be a step id with a hyphen."""

    head: bytes
    wanted: Wanted | None
    spells_ids: bool = False


def prepare(script: Script, scope: Mapping[str, Any]) -> Prepared:
    """Work out, once for each source, what it reads. Step ids in the scope may be spelled with hyphens."""
    if len(script.source) > LONGEST_READ:
        return _prepare(script, frozenset(), is_read=False)
    prepare_source = _prepare_once if len(script.source) <= LONGEST_KEPT else _prepare
    prepared = prepare_source(script, frozenset())
    if prepared.spells_ids and (known_ids := _spelled_ids(script.source, scope)):
        return prepare_source(script, known_ids)
    return prepared


def _spelled_ids(source: str, scope: Mapping[str, Any]) -> frozenset[str]:
    """Ids in the scope that the source spells, after `context.` or `steps.`, in a way that JavaScript would not."""
    found: set[str] = set()
    for match in _SPELLED_ID.finditer(source):
        run = match.group(1)
        if not _is_spelled(run):
            continue
        starts = (run[:end] for end in range(1, len(run) + 1) if end == len(run) or run[end] in ".-")
        found.update(start for start in starts if _knows(scope, start))
    return frozenset(found)


def _knows(scope: Mapping[str, Any], name: str) -> bool:
    return any(
        root in scope and isinstance(scope[root], Mapping) and name in scope[root]
        for root in ("steps", "context")
    )


@lru_cache(maxsize=4096)
def _prepare_once(script: Script, known_ids: frozenset[str]) -> Prepared:
    return _prepare(script, known_ids)


def _prepare(script: Script, known_ids: frozenset[str], *, is_read: bool = True) -> Prepared:
    reads = read_source(script.source, known_ids) if is_read else Reads(script.source)
    is_known = reads.is_certain
    head = {
        "kind": script.kind,
        "source": reads.source,
        "depth": STRICT_LEVELS[script.kind],
        "optional": sorted(reads.optional),
        "required": sorted(reads.required),
        "computed": reads.has_computed_guard or not is_known,
    }
    spells_ids = is_read and any(_is_spelled(match.group(1)) for match in _SPELLED_ID.finditer(script.source))
    return Prepared(_encode(head)[:-1] + b',"values":', _wanted(reads) if is_known else None, spells_ids)


def _is_spelled(run: str) -> bool:
    return "-" in run or run[0].isdigit()


def check_payload(script: Script) -> bytes:
    """The request that has a source parsed and not run."""
    head = {"kind": script.kind, "source": script.source, "checkOnly": True, "values": {}}
    return _encode(head)


def _wanted(reads: Reads) -> Wanted:
    wanted: Wanted = {}
    for reading in reads.readings:
        keys = [reading.root]
        for segment in reading.path[: DEEPEST_WANTED - 1]:
            if not isinstance(segment.key, str) or segment.key in _INHERITED:
                break
            keys.append(segment.key)
        _want(wanted, keys)
    return wanted


def _want(wanted: Wanted, keys: list[str]) -> None:
    for key in keys[:-1]:
        below = wanted.setdefault(key, {})
        if below is None:
            return
        wanted = below
    wanted[keys[-1]] = None


def payload(prepared: Prepared, scope: Mapping[str, Any]) -> bytes:
    """The request: the script and the values it reads. Raises ScriptFailed where they cannot be written as JSON."""
    names = scope if prepared.wanted is None else prepared.wanted
    values = {
        name: _part(scope[name], None if prepared.wanted is None else prepared.wanted[name])
        for name in names
        if name in scope and name not in KEYWORDS and is_identifier(name)
    }
    try:
        return prepared.head + _encode(values) + b"}"
    except (TypeError, ValueError) as error:
        raise ScriptFailed("expression", f"what it reads is not JSON data: {error}") from error
    except RecursionError as error:
        raise ScriptFailed("limit", "what it reads nests too deeply to be handed to a script") from error


def _part(value: Any, wanted: Wanted | None) -> Any:
    if wanted is None or not isinstance(value, Mapping):
        return value
    return {key: _part(value[key], below) for key, below in wanted.items() if key in value}


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, enc_hook=_mapping)
    except UnicodeEncodeError:  # half of a surrogate pair: written as an escape, which JavaScript takes
        return json.dumps(value, default=_mapping).encode()


def _mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON data")


class Limits(NamedTuple):
    """What one evaluation may use: milliseconds, bytes of memory, of its scope and of its result, and how deep the
    result may nest."""

    timeout_ms: int = 5000
    memory_bytes: int = 128 << 20
    scope_bytes: int = 16 << 20
    result_bytes: int = 1 << 20
    result_depth: int = 100


def read_answer(answer: bytes, script: Script, scope: Mapping[str, Any], limits: Limits) -> Any:
    """The value that a sandbox answered. Raises ScriptFailed for an error or a limit, and whatever reading odd JSON
    raises (MsgspecError, ValueError, TypeError, LookupError) for what no sandbox of ours would answer."""
    letter, text = answer[:1], answer[1:]
    if letter == b"v":
        return decode(text)
    if letter == b"l":
        raise stopped(text.decode(), limits)
    told = decode(text)
    if letter != b"e" or not isinstance(told, dict):
        raise ValueError("it is neither a value nor an error")
    raise _failure(told, script, scope, limits)


def decode(text: bytes) -> Any:
    """JSON as JavaScript writes it; half of a surrogate pair, which is no text elsewhere, becomes U+FFFD."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return msgspec.json.decode(_HALF_PAIR.sub(rb"\1\\ufffd", text))


def stopped(limit: str, limits: Limits) -> ScriptFailed:
    """The error of an evaluation that reached a limit."""
    messages = {
        "time": f"stopped after {limits.timeout_ms} ms, which is as long as a script may run",
        "memory": f"stopped: it needs more than the {limits.memory_bytes >> 20} MiB of memory that a script may use",
        "result": f"the result is larger than {_size(limits.result_bytes)}, which is the most a script may return",
        "depth": f"the result nests deeper than {limits.result_depth} levels, which is the most a script may return",
        "scope": f"the data it reads is larger than {_size(limits.scope_bytes)}, which is the most a script may read",
        "crash": "stopped: the process it ran in ended twice, so it was not tried again",
    }
    return ScriptFailed("limit", messages[limit])


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"


def _failure(told: dict[str, Any], script: Script, scope: Mapping[str, Any], limits: Limits) -> ScriptFailed:
    kind = "expression" if script.kind == "expression" else "script"
    if told.get("absent"):
        root, *keys = told["absent"]
        return ScriptFailed(kind, describe_absence(root, keys, scope))
    if told.get("message") == "out of memory" and told.get("name") == "InternalError":
        return stopped("memory", limits)
    if told.get("thrown") == "null" and "throw" not in script.source:
        return stopped("memory", limits)  # with no memory left even the error could not be made
    return ScriptFailed(kind, _sentence(told, script))


def _sentence(told: dict[str, Any], script: Script) -> str:
    if "thrown" in told:
        return f"the script threw {told['thrown']}"
    text = f"{told.get('name') or 'Error'}: {told.get('message')}"
    if told.get("phase") == "result":
        return f"{told.get('message')}, which is not JSON data" if "the result is" in text else text
    return text + _position(str(told.get("stack", "")), told.get("phase") == "syntax", script.source)


def _position(stack: str, is_syntax: bool, source: str) -> str:
    """Where in the source, counted from 1: the innermost place that is the script's, one line below the function's."""
    for line in stack.splitlines():
        found = _PLACE.search(line)
        if found and (is_syntax or "at script " in line or "at <anonymous>" in line):
            row, column = int(found[1]) - 1, int(found[2])
            if 1 <= row <= source.count("\n") + 1:
                return f" (line {row}, column {column})"
            return ""
    return ""
