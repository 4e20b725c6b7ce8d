"""YAML as it arrives: the data that JSON could have said, bounded in size and depth, and refused with the place where it
goes wrong.

Plain (unquoted) words mean what YAML 1.2 says: `true`, `false` and `null` in their three spellings, `~` and nothing at all are
null, and what JSON writes as a number is a number. All else is text: `on`, `no`, `yes`, `012`, `0x1F`, `1_000`, `.5`,
`12:30`, `2026-01-31`. Anchors, aliases and `<<` are resolved; what they amount to may be no larger than the JSON of it
might be.

The parser is libyaml by way of PyYAML, of which only the events are used: none of its constructors ever runs, and the
rules of YAML 1.1, by which `no` is false, lie in those.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import msgspec
import yaml
from yaml import events as ev

from tenuto.core.path import Path
from tenuto.errors import Invalid, Problem, TooLarge
from tenuto.wire.json import MAX_BYTES, MAX_DEPTH, decode_json

_Parser: Any = getattr(yaml, "CParser", yaml.SafeLoader)
"""libyaml's; where PyYAML was built without it, its own, which is some ten times slower. Asked for events only."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip
_CORE = "tag:yaml.org,2002:"
_TYPED: dict[str, tuple[type, ...]] = {
    f"{_CORE}int": (int,),
    f"{_CORE}float": (float, int),
    f"{_CORE}bool": (bool,),
    f"{_CORE}null": (type(None),),
}
_TAGS = {
    ev.ScalarEvent: frozenset({f"{_CORE}str", "!", *_TYPED}),
    ev.SequenceStartEvent: frozenset({f"{_CORE}seq", "!"}),
    ev.MappingStartEvent: frozenset({f"{_CORE}map", "!"}),
}
_BOM = b"\xef\xbb\xbf"
MERGE = "<<"

MAX_YAML_BYTES = 1024 * 1024
MAX_NODES = 250_000
"""Reading YAML takes some microseconds for each word and bracket: more of either would hold up a server for seconds."""


class Place(NamedTuple):
    """Where something stands in a text, both from 1."""

    line: int
    column: int


class Document(NamedTuple):
    """One YAML document of a stream: what it says, and where each thing in it begins, by path. The keys of an alias
    stand where they were written. Data that an alias repeats is shared, so it must not be changed."""

    data: Any
    places: dict[Path, Place]


class _Node(NamedTuple):
    """Data, how large the JSON of it is at least, how deep it nests, and the places in it, by relative path."""

    data: Any
    size: int
    depth: int
    places: dict[Path, Place]


def decode_yaml(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> object:
    """The data of the one YAML document in `body`, of at most 1 MiB; `max_bytes` bounds what it amounts to. Raises TooLarge,
    or Invalid with one problem (path "") that names line and column."""
    documents = decode_yaml_documents(body, max_bytes=max_bytes, max_depth=max_depth)
    if not documents:
        _refuse(None, "the body is empty; a YAML document was expected")
    if len(documents) > 1:
        _refuse(documents[1].places[()], "here a second document begins; one was expected")
    return documents[0].data


def decode_yaml_documents(
    body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, with_places: bool = False
) -> list[Document]:
    """All documents of a stream, those without content left out; the place of each, and of all in it `with_places`.
    Raises as `decode_yaml`."""
    most = min(max_bytes, MAX_YAML_BYTES)
    if len(body) > most:
        raise TooLarge(
            f"The YAML has {len(body):,} bytes; at most {most:,} are allowed (JSON may have more)."
        )
    if not with_places and body[:200].lstrip()[:1] in (b"{", b"[", b'"'):
        try:
            data = decode_json(body, max_bytes=max_bytes, max_depth=max_depth, unique_keys=True)
        except Invalid as error:
            if error.problems[0].code != "json":
                raise
        else:  # all JSON is YAML, which libyaml does not know of tabs and of long keys
            return [Document(data, {(): Place(1, 1)})]
    return list(_Reader(_text_of(body), max_bytes, max_depth, with_places).documents())


def _text_of(body: bytes) -> str:
    try:
        return body.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as wrong:
        before = body[: wrong.start].decode("utf-8", "replace")
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        _refuse(place, "this byte is not UTF-8")


class _Reader:
    """Makes data of a parser's events, within bounds."""

    def __init__(self, text: str, max_size: int, max_depth: int, with_places: bool) -> None:
        self._text = text
        self._parser: Any = None
        self._max_size = max_size
        self._max_depth = max_depth
        self._with_places = with_places
        self._depth = 0
        self._size = 0
        self._nodes = 0
        self._anchors: dict[str, _Node | None] = {}

    def documents(self) -> Iterator[Document]:
        """Raises Invalid."""
        try:
            self._parser = _Parser(self._text)
            while not isinstance(event := self._next(), ev.StreamEndEvent):
                if not isinstance(event, ev.DocumentStartEvent):
                    continue
                self._anchors.clear()
                start = self._next()
                node = self._node(start)
                if node.data is not None or not _is_nothing(start):
                    yield Document(node.data, {(): _place(start), **node.places})
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = None if mark is None else Place(mark.line + 1, mark.column + 1)
            _refuse(place, f"this is not YAML ({error.problem or error.context})")
        except yaml.YAMLError as error:  # a character that YAML does not allow
            reason = str(error).partition("\n")[0]
            _refuse(None, f"this is not YAML ({reason})")

    def _next(self) -> Any:
        event = self._parser.get_event()
        self._nodes += 1
        if self._nodes > MAX_NODES:
            place = _place(event)
            raise TooLarge(
                f"Line {place.line}: this is YAML of more than {MAX_NODES:,} parts; send it as JSON."
            )
        return event

    def _node(self, event: Any) -> _Node:
        """The node that begins with this event, up to its end."""
        if isinstance(event, ev.AliasEvent):
            return self._known(event)
        if event.tag is not None and event.tag not in _TAGS[type(event)]:
            _refuse(_place(event), f"the tag {event.tag[:100]!r} is not read; only plain JSON data is")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, ev.ScalarEvent):
            node = self._scalar(event)
        else:
            self._depth += 1
            self._check_depth(self._depth, event)
            is_list = isinstance(event, ev.SequenceStartEvent)
            node = self._list() if is_list else self._object(event)
            self._depth -= 1
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _known(self, event: ev.AliasEvent) -> _Node:
        """What an alias stands for. It counts each time."""
        name = event.anchor or ""
        if name not in self._anchors:
            _refuse(_place(event), f"there is no anchor `&{name[:100]}` before this")
        node = self._anchors[name]
        if node is None:
            _refuse(_place(event), f"`*{name[:100]}` stands inside of what it names")
        self._count(node.size, event)
        self._check_depth(self._depth + node.depth, event)
        return node

    def _scalar(self, event: Any) -> _Node:
        text = event.value
        self._count(len(text) + 1, event)
        if event.tag in _TYPED:
            data = _plain(text, event)
            if type(data) not in _TYPED[event.tag]:
                _refuse(_place(event), f"{_quoted(text)} is no {event.tag.removeprefix(_CORE)}")
        else:
            data = _plain(text, event) if _is_plain(event) else _whole(text, event)
        return _Node(data, len(text) + 1, 0, {})

    def _list(self) -> _Node:
        items: list[Any] = []
        size, depth = 2, 0
        places: dict[Path, Place] = {}
        while not isinstance(event := self._next(), ev.SequenceEndEvent):
            node = self._node(event)
            self._note(places, (len(items),), event, node)
            items.append(node.data)
            size += node.size
            depth = max(depth, node.depth)
        return _Node(items, size, depth + 1, places)

    def _object(self, start: Any) -> _Node:
        members: dict[str, Any] = {}
        merged: list[tuple[Any, _Node]] = []
        size, depth = 2, 0
        places: dict[Path, Place] = {}
        while not isinstance(event := self._next(), ev.MappingEndEvent):
            key = self._key(event)
            begin = self._next()
            value = self._node(begin)
            size += len(key) + value.size + 1
            depth = max(depth, value.depth)
            if key == MERGE and _is_plain(event):
                merged.append((begin, value))
                continue
            if key in members:
                _refuse(_place(event), f"the key {_quoted(key)} appears twice; keep one of them")
            self._note(places, (key,), event, value)
            members[key] = value.data
        for begin, value in merged:
            _merge(members, places, value, begin)
        self._count(2, start)
        return _Node(members, size, depth + 1, places)

    def _key(self, event: Any) -> str:
        """A key as its text: JSON has no other."""
        if isinstance(event, ev.ScalarEvent) and not _is_nothing(event):
            self._node(event)
            return _whole(event.value, event)
        key = self._known(event).data if isinstance(event, ev.AliasEvent) else None
        if not isinstance(key, str):
            _refuse(_place(event), "a key must be text")
        return key

    def _note(self, places: dict[Path, Place], at: Path, event: Any, node: _Node) -> None:
        if self._with_places:
            places[at] = _place(event)
            places.update({at + path: place for path, place in node.places.items()})
            self._count(len(node.places), event)

    def _count(self, size: int, event: Any) -> None:
        self._size += size
        if self._size > self._max_size:
            place = _place(event)
            raise TooLarge(
                f"Line {place.line}, column {place.column}: with its aliases resolved, the YAML is larger than "
                f"{self._max_size:,} bytes."
            )

    def _check_depth(self, depth: int, event: Any) -> None:
        if depth > self._max_depth:
            _refuse(_place(event), f"this nests deeper than {self._max_depth} levels", "too_deep")


def _merge(members: dict[str, Any], places: dict[Path, Place], value: _Node, event: Any) -> None:
    """Take in what `<<` names; what is there already stays."""
    sources = value.data if isinstance(value.data, list) else [value.data]
    for source in sources:
        if not isinstance(source, dict):
            _refuse(_place(event), "`<<` takes an object, or a list of objects")
        for key, data in source.items():
            if key not in members:
                members[key] = data
                places[(key,)] = _place(event)


def _plain(text: str, event: Any) -> Any:
    """What an unquoted scalar says."""
    if text in _WORDS:
        return _WORDS[text]
    if not _NUMBER.fullmatch(text):
        return _whole(text, event)
    try:
        number = msgspec.json.decode(text)
    except msgspec.DecodeError:
        number = math.inf
    if isinstance(number, float) and math.isinf(number):
        _refuse(_place(event), f"the number {text[:40]} is too large")
    return number


def _whole(text: str, event: Any) -> str:
    """Text, if it is of whole characters: an escape may be half of one."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        _refuse(_place(event), "half a surrogate pair is not a character")
    return text


def _is_plain(event: Any) -> bool:
    return isinstance(event, ev.ScalarEvent) and event.style is None and event.tag is None


def _is_nothing(event: Any) -> bool:
    """Whether a document has no content at all; `null` and `~` are content."""
    return isinstance(event, ev.ScalarEvent) and event.style is None and not event.value


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text[:100]).decode()


def _refuse(place: Place | None, why: str, code: str = "yaml") -> NoReturn:
    where = f"Line {place.line}, column {place.column}: " if place else ""
    why = why if where else why[:1].upper() + why[1:]
    raise Invalid([Problem("", code, f"{where}{why}.")])
