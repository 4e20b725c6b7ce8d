"""JSON as it arrives: strict, bounded in size and depth, and refused with the place where it goes wrong.

The good case is one msgspec call. Only a body that msgspec refuses is looked at again, slowly, to say where and why.
Large integers stay exact; keys like `__proto__` are ordinary keys.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

from tenuto.errors import Invalid, Problem, TooLarge

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 100
EXPLAINED_BYTES = 128 * 1024
"""Up to this size a refused body is read again to name line and column; beyond it only the byte is named."""

_BOM = b"\xef\xbb\xbf"
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP_OF_BRACKET = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_TOKEN = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*"?|(?P<number>-?[0-9][0-9.eE+-]*)|(?P<word>-?[A-Za-z]+)', re.DOTALL
)  # a string is one token, so that nothing inside it counts
_SURROGATE = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)

_decode = msgspec.json.Decoder().decode


def decode_json(
    body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, unique_keys: bool = False
) -> object:
    """Decode one JSON document of at most `max_bytes` bytes and `max_depth` levels.

    Raises TooLarge, or Invalid with one problem (path "") that names line and column. Where a key appears twice in
    one object, the last one counts, as everywhere; with `unique_keys` that is refused (worth its cost for documents
    that people write).
    """
    body = check_bounds(body, max_bytes=max_bytes, max_depth=max_depth)
    try:
        document: object = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        _explain(body, error)
    if unique_keys:
        _check_keys(body)
    return document


def check_bounds(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> bytes:
    """The body without a byte order mark. Raises TooLarge, or Invalid where it nests too deep."""
    if len(body) > max_bytes:
        raise TooLarge(f"The body has {len(body):,} bytes; at most {max_bytes:,} are allowed.")
    body = body.removeprefix(_BOM)
    if body.count(b"[") + body.count(b"{") > max_depth and _depth(body) > max_depth:
        raise _invalid("too_deep", f"The JSON nests deeper than {max_depth} levels.")
    return body


def _depth(body: bytes) -> int:
    """The deepest nesting of brackets outside strings. Linear, in C, whatever the bytes are."""
    outside = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    steps = memoryview(outside.translate(_STEP_OF_BRACKET, _NOT_BRACKETS)).cast("b")
    return max(accumulate(steps), default=0)


def _invalid(code: str, message: str) -> Invalid:
    return Invalid([Problem("", code, message)])


def _explain(body: bytes, error: Exception) -> NoReturn:
    """Say why the decoder refused this body, and where. Raises Invalid."""
    if not body.strip():
        raise _invalid("json", "The body is empty; a JSON document was expected.") from error
    if len(body) > EXPLAINED_BYTES:
        raise _invalid(
            "json", f"This is not JSON ({_lower_first(str(error).removeprefix('JSON is malformed: '))})."
        ) from error
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as wrong:
        before = body[: wrong.start].decode("utf-8", "replace")
        raise _invalid("json", f"{_place(before)}: this byte is not UTF-8; JSON must be UTF-8.") from error
    _explain_tokens(text)
    try:
        json.loads(text)
    except json.JSONDecodeError as wrong:
        place = f"Line {wrong.lineno}, column {wrong.colno}"
        raise _invalid("json", f"{place}: this is not JSON ({_lower_first(wrong.msg)}).") from error
    raise _invalid(
        "json", f"This is not JSON ({_lower_first(str(error).removeprefix('JSON is malformed: '))})."
    ) from error


def _explain_tokens(text: str) -> None:
    """Name what a lenient decoder would let pass: numbers out of range, NaN, half a surrogate pair. Raises Invalid."""
    for token in _TOKEN.finditer(text):
        if number := token["number"]:
            if number.isdigit() and len(number) > 4300:
                _refuse(text, token.start(), "this number has too many digits")
            if "inf" in _float_text(number):
                _refuse(text, token.start(), f"the number {number[:40]} is too large")
        elif token["word"] in ("NaN", "Infinity", "-Infinity", "-NaN"):
            _refuse(text, token.start(), f"{token['word']} is not JSON; use null, or leave the value out")
        elif not token["word"] and (lone := _lone_surrogate(token[0])) is not None:
            _refuse(text, token.start() + lone, "half a surrogate pair is not a character")


def _refuse(text: str, at: int, why: str) -> NoReturn:
    raise _invalid("json", f"{_place(text[:at])}: {why}.")


def _float_text(number: str) -> str:
    try:
        return str(float(number))
    except ValueError:
        return ""


def _lone_surrogate(string: str) -> int | None:
    return next((found.start() for found in _SURROGATE.finditer(string) if found["lone"]), None)


def _place(before: str) -> str:
    column = len(before) - before.rfind("\n")
    return f"Line {before.count(chr(10)) + 1}, column {column}"


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


class _Repeated(Exception):
    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


def _check_keys(body: bytes) -> None:
    """Refuse an object that names a key twice. Raises Invalid."""
    try:
        json.loads(body, object_pairs_hook=_refuse_repeated)
    except _Repeated as repeated:
        key = json.dumps(repeated.key, ensure_ascii=False)
        message = f"The key {key} appears twice in one object; keep one of them."
        raise _invalid("duplicate_key", message) from None


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise _Repeated(key)
        seen.add(key)
