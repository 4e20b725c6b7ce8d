"""Bodies of HTTP calls: JSON data to bytes to send, and bytes received to JSON data."""

from __future__ import annotations

import base64
import codecs
import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from tenuto.actions.json_data import TooDeep, check_depth
from tenuto.actions.params import BadParams

_FORM = "application/x-www-form-urlencoded"
_CHARSET = re.compile(r'charset\s*=\s*"?([\w.:-]+)', re.IGNORECASE)
_NOT_FOR_TEXT = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"})
_BOM = b"\xef\xbb\xbf"


class SentBody(NamedTuple):
    """Bytes to send, and the content type they have unless the user names another."""

    data: bytes
    content_type: str


def encode_body(value: Any, content_type: str | None) -> SentBody:
    """A text as it is, everything else as JSON; a flat object as a form where the user's content type is that of
    forms. Raises BadParams."""
    if isinstance(value, str):
        return SentBody(value.encode("utf-8", "replace"), "text/plain; charset=utf-8")
    if content_type is not None and _media_type(content_type) == _FORM:
        return SentBody(_form(value), _FORM)
    return SentBody(msgspec.json.encode(value), "application/json")


def _form(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise BadParams(f"`body` must be an object (or a text) to be sent as {_FORM}")
    return urlencode([(name, scalar_text(f"body.{name}", item)) for name, item in value.items()]).encode()


def scalar_text(name: str, value: Any) -> str:
    """A text, number or boolean as a form, query or header carries it. Raises BadParams."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    raise BadParams(f"`{name}` must be a text, number or boolean")


def decode_body(raw: bytes, content_type: str) -> Any:
    """Received bytes as JSON data: null if empty, parsed if JSON, else text, else (not text in its charset)
    `{"base64": …, "contentType": …}`. Where the content type says that it is some other text, only objects and
    arrays count as JSON, so that `0042` or `true` in a text stays what it was. Raises TooDeep."""
    if not raw:
        return None
    text = _text(raw, content_type)
    if text is None:
        return {"base64": base64.b64encode(raw).decode(), "contentType": content_type or None}
    if not _media_type(content_type).startswith("text/") or text.lstrip()[:1] in ("{", "["):
        try:
            value = msgspec.json.decode(text)
        except RecursionError:
            raise TooDeep from None
        except (msgspec.MsgspecError, ValueError):
            return text
        check_depth(value)
        return value
    return text


def _text(raw: bytes, content_type: str) -> str | None:
    try:
        return raw.removeprefix(_BOM).decode(_charset(content_type))
    except UnicodeError:
        return None


def _charset(content_type: str) -> str:
    named = _CHARSET.search(content_type)
    if named is None:
        return "utf-8"
    try:
        name = codecs.lookup(named[1]).name
        "".encode(name)  # refuses codecs that are not for text, as zip
    except LookupError:
        return "utf-8"
    return "utf-8" if name in _NOT_FOR_TEXT else name


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
