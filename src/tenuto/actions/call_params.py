"""From the params of a step to the call that is sent: URL, query, headers, authorization and body."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from yarl import URL

from tenuto.actions.body import encode_body, scalar_text
from tenuto.actions.http_client import Call
from tenuto.actions.params import BadParams, describe, optional, require
from tenuto.actions.trace_headers import trace_headers
from tenuto.ports.action import ActionRequest

MOST_REDIRECTS = 20
_DEFAULT_REDIRECTS = 10
_LONGEST_URL = 8192
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_URL_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_BODY = frozenset({"GET", "HEAD"})
_OURS = frozenset({
    "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade",
})  # fmt: skip


def build_call(request: ActionRequest, body: Any, default_method: str) -> Call:
    """The call of `url`, `method`, `query`, `headers`, `auth` and `redirects` in the request's params, with `body`
    (null: none). Raises BadParams."""
    params = request.params
    method = _method(params, default_method)
    url, credentials = _url(params)
    headers = read_headers(optional(params, "headers", dict, "an object of header names and values", {}))
    _authorize(headers, params, credentials)
    for name, value in trace_headers(request).items():
        headers.setdefault(name.lower(), (name, value))
    data = None
    if body is not None and method not in _NO_BODY:
        data = _add_body(headers, body)
    return Call(
        method=method,
        url=url,
        headers={name: value for name, value in headers.values() if value is not None},
        body=data,
        redirects=_redirects(params),
    )


def shown(url: URL) -> str:
    """A URL as messages show it: without query and password, where keys and tokens stand."""
    return str(url.with_query(None).with_fragment(None).with_user(None))


def parse_url(text: str) -> URL:
    """An http or https URL. Raises BadParams, whose message does not repeat the URL."""
    if len(text) > _LONGEST_URL:
        raise BadParams(f"`url` has {len(text)} characters; at most {_LONGEST_URL} are sent")
    if _URL_CONTROL.search(text):
        raise BadParams("`url` has a line break or another control character in it")
    try:
        url = URL(text.strip())
        url.port  # noqa: B018 - reads, and so checks, the port
    except (ValueError, UnicodeError) as error:
        raise BadParams(f"`url` is not a URL ({error})") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise BadParams("`url` must be an absolute http or https URL, as http://host/path")
    return url.with_fragment(None)


Headers = dict[str, tuple[str, str | None]]
"""By lower-case name: the name as written, and the value (None: not sent)."""


def _method(params: Mapping[str, Any], default: str) -> str:
    method: str = optional(params, "method", str, "an HTTP method, as POST", default).upper()
    if not _TOKEN.fullmatch(method) or method in ("CONNECT", "TRACE"):
        raise BadParams(
            f"`method` must be an HTTP method as GET, POST, PUT, PATCH or DELETE, not {describe(method)}"
        )
    return method


def _url(params: Mapping[str, Any]) -> tuple[URL, tuple[str, str] | None]:
    url = parse_url(require(params, "url", str, "an http or https URL"))
    query = optional(params, "query", dict, "an object of texts, numbers, booleans or arrays of them", {})
    pairs = [(name, text) for name, value in query.items() for text in _query_texts(name, value)]
    if pairs:
        url = url.extend_query(pairs)
    if url.user is None and url.password is None:
        return url, None
    return url.with_user(None), (url.user or "", url.password or "")


def _query_texts(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [scalar_text(f"query.{name}", item) for item in values if item is not None]


def read_headers(given: Mapping[str, Any]) -> Headers:
    """Headers as a user wrote them. Raises BadParams, which names the header and never repeats its value."""
    headers: Headers = {}
    for name, value in given.items():
        _check_header_name(name, headers)
        headers[name.lower()] = (name, None if value is None else _header_value(name, value))
    return headers


def _check_header_name(name: str, headers: Headers) -> None:
    if not _TOKEN.fullmatch(name):
        raise BadParams(f"`headers` has {describe(name)}, which cannot be a header's name")
    if name.lower() in _OURS:
        raise BadParams(f"`headers.{name}` cannot be set: it is part of how the call travels")
    if name.lower() in headers:
        raise BadParams(f"`headers` names {name} twice, in different case")


def _header_value(name: str, value: Any) -> str:
    text = scalar_text(f"headers.{name}", value).strip()
    if _CONTROL.search(text):
        raise BadParams(f"`headers.{name}` has a line break or another control character in it")
    return text


def _authorize(headers: Headers, params: Mapping[str, Any], credentials: tuple[str, str] | None) -> None:
    auth = optional(params, "auth", dict, 'an object as {"type": "bearer", "token": …}')
    given = [auth is not None, credentials is not None, "authorization" in headers]
    if sum(given) > 1:
        raise BadParams(
            "say who calls in one place: `auth`, `headers.Authorization` or user:password@ in `url`"
        )
    if auth is not None:
        headers["authorization"] = ("Authorization", _authorization(auth))
    elif credentials is not None:
        headers["authorization"] = ("Authorization", basic_authorization(*credentials))


def _authorization(auth: dict[str, Any]) -> str:
    match auth:
        case {"type": "bearer", "token": str(token), **others} if not others:
            return _header_value("Authorization", f"Bearer {token}")
        case {"type": "basic", "username": str(username), "password": str(password), **others} if not others:
            return basic_authorization(username, password)
        case _:
            raise BadParams(
                '`auth` must be {"type": "bearer", "token": text} or '
                '{"type": "basic", "username": text, "password": text}'
            )


def basic_authorization(username: str, password: str) -> str:
    """The Authorization header of basic authentication. Raises BadParams."""
    if ":" in username:
        raise BadParams("a user name with a colon in it cannot be sent by basic authentication")
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _add_body(headers: Headers, body: Any) -> bytes:
    name, content_type = headers.get("content-type", ("Content-Type", None))
    sent = encode_body(body, content_type)
    headers["content-type"] = (name, content_type or sent.content_type)
    return sent.data


def _redirects(params: Mapping[str, Any]) -> int:
    value = params.get("redirects")
    if value is None or isinstance(value, bool):
        return _DEFAULT_REDIRECTS if value else 0
    if not isinstance(value, int) or not 0 <= value <= MOST_REDIRECTS:
        raise BadParams(f"`redirects` must be true, false or how many to follow, 0 to {MOST_REDIRECTS}")
    return value
