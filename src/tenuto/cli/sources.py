"""Files with documents in JSON or YAML: finding them in folders, reading them, and saying in which line something
stands."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tenuto.core.path import path_text
from tenuto.errors import Invalid, TooLarge
from tenuto.wire.json import decode_json
from tenuto.wire.yaml import Document, Place, decode_yaml_documents

YAML_SUFFIXES = (".yaml", ".yml")
SUFFIXES = (".json", *YAML_SUFFIXES)

_LAST_PART = re.compile(r"(?:\.?[A-Za-z_$][A-Za-z0-9_$]*|\[[^\[\]]*\])\Z")


class Source(NamedTuple):
    """A document, the name that people know it by, and the text it is the `position`th of."""

    name: str
    document: Any
    content: bytes
    position: int

    def places_of(self, paths: Sequence[str]) -> list[Place | None]:
        """Where each of these (as `steps[3].timeout`) stands; of one that is missing, where it should be. None where
        the text does not tell."""
        try:
            documents = decode_yaml_documents(self.content, with_places=True)
        except (Invalid, TooLarge):  # JSON that libyaml does not read, such as one with tabs
            return [None for _ in paths]
        known = {path_text(path): place for path, place in documents[self.position].places.items()}
        return [_nearest(path, known) for path in paths]


def files_below(names: Sequence[str]) -> Iterator[str]:
    """The files that these names mean: each itself, or all definitions below it if it is a folder, in the order of
    their names. What begins with a dot is left out."""
    for name in names:
        if not Path(name).is_dir():
            yield name
            continue
        for folder, folders, files in os.walk(name):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            for file in sorted(files):
                if file.endswith(SUFFIXES) and not file.startswith("."):
                    yield str(Path(folder, file))


def sources_of(name: str, content: bytes) -> list[Source]:
    """The documents in a file of that name; `-`, standard input, is JSON if it can be. Raises Invalid, TooLarge."""
    if name.endswith(YAML_SUFFIXES):
        documents = decode_yaml_documents(content)
    elif name == "-":
        documents = _json_or_yaml(content)
    else:
        documents = [Document(decode_json(content, unique_keys=True), {})]
    shown = "standard input" if name == "-" else name
    many = len(documents) > 1
    return [
        Source(f"{shown}#{position + 1}" if many else shown, document.data, content, position)
        for position, document in enumerate(documents)
    ]


def _json_or_yaml(content: bytes) -> list[Document]:
    try:
        return [Document(decode_json(content, unique_keys=True), {})]
    except Invalid as no_json:
        if content.lstrip()[:1] in (b"{", b"[", b"") or no_json.problems[0].code != "json":
            raise
        return decode_yaml_documents(content)


def _nearest(path: str, known: dict[str, Place]) -> Place | None:
    while path not in known:
        shorter = _LAST_PART.sub("", path)
        if shorter == path:
            return known.get("")
        path = shorter
    return known[path]
