"""Runs what a page shows behind `$`: `tenuto …` in this process and `curl …` as the request it is, both against one
real server; `cd`, `cat` and the like are no business of ours and are marked on the page."""

from __future__ import annotations

import re
import shlex
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

STAYING = ("serve", "demo", "bench")
"""Commands that bring a server of their own, and stay or take long."""

SHOWN_URL = "http://127.0.0.1:3000"


class Example(NamedTuple):
    """A command, and the output shown under it."""

    command: str
    shown: str


def examples_of(text: str) -> list[Example]:
    """The commands of a console block. A command goes on over lines while a quote is open or a backslash ends a line."""
    examples: list[Example] = []
    command: list[str] = []
    shown: list[str] = []
    is_open = False
    for line in text.splitlines():
        if is_open:
            command.append(line)
        elif line.startswith("$ "):
            if command:
                examples.append(Example("\n".join(command), "\n".join(shown)))
            command, shown = [line[2:]], []
        else:
            shown.append(line)
            continue
        is_open = _is_open("\n".join(command))
    examples.append(Example("\n".join(command), "\n".join(shown)))
    return examples


def _is_open(command: str) -> bool:
    if command.endswith("\\"):
        return True
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False


Tenuto = Callable[..., str]


def run(command: str, url: str, tenuto: Tenuto) -> str:
    """What the command writes. `tenuto` runs the command line and answers its standard output."""
    words = shlex.split(command.replace("\\\n", " "), comments=True)
    match words[0]:
        case "tenuto" if words[1] not in STAYING:
            return tenuto(*words[1:])
        case "curl":
            return _request(words[1:], url)
    raise AssertionError(f"nobody here can run {words[0]!r}; mark the block as not run")


def _request(words: list[str], url: str) -> str:
    method, headers, body, target = "", {}, None, ""
    while words:
        match words.pop(0):
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-d":
                body = words.pop(0).encode()
            case "-s":
                pass
            case address:
                assert address.startswith(SHOWN_URL), f"{address}: curl's option, or not our server"
                target = url + address.removeprefix(SHOWN_URL)
    request = urllib.request.Request(target, body, headers, method=method or ("POST" if body else "GET"))
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            written: str = answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            written = refused.read().decode()
    return written


def agree(shown: str, written: str) -> bool:
    """Whether the output is the one shown. JSON is compared by its keys and types, and short values that do not change;
    text line by line, where `…` stands for anything and times may differ."""
    if not shown.strip():
        return True
    if shown.lstrip().startswith(("{", "[")):
        return bool(_outline(msgspec.json.decode(shown)) == _outline(msgspec.json.decode(written)))
    return re.fullmatch(_pattern(shown), _unified(written).strip()) is not None


def _outline(data: Any) -> Any:
    match data:
        case dict():
            return {key: _outline(value) for key, value in data.items()}
        case list():
            return [_outline(item) for item in data]
        case bool() | None:
            return data
        case str():
            return data if len(data) < 16 else "text"
        case _:
            return "number"


def _unified(text: str) -> str:
    """Ids, instants and durations made alike, and the spaces that their widths move."""
    text = re.sub(r"exec-[0-9a-f]{8}[0-9a-f-]*", "exec-…", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?", "<instant>", text)
    text = re.sub(r"\b\d+(\.\d+)? (ms|s)\b", "<duration>", text)
    text = re.sub(r"\b\d+\.\d{3}s\b", "<duration>", text)
    return "\n".join(re.sub(r"(?<=\S) +", " ", line).rstrip() for line in text.splitlines())


def _pattern(shown: str) -> str:
    return re.escape(_unified(shown).strip()).replace("…", r"[^\n]*?")
