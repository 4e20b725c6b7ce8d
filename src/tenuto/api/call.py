"""One request on its way through a handler: the request itself, its checked query, its bounded body, and the host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from tenuto.api.limits import Limits
from tenuto.api.problems import MediaTypeRefused
from tenuto.errors import TooLarge
from tenuto.observability.metrics import Metrics
from tenuto.ports.bulk import BulkJobs
from tenuto.ports.clock import Clock
from tenuto.ports.host import Host
from tenuto.ports.schedules import Schedules
from tenuto.wire.json import decode_json
from tenuto.wire.yaml import decode_yaml

_encode = msgspec.json.Encoder().encode

YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
"""The first is the registered one."""

MOST_AT_ONCE_BYTES = 20_000
"""Larger YAML is not read on the event loop: that takes some microseconds per word."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What every handler may use."""

    host: Host
    schedules: Schedules
    bulk: BulkJobs
    clock: Clock
    limits: Limits
    metrics: Metrics


class Call(Request):
    """A request to one route. `query` holds every parameter of the route, by name."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        around: Surroundings,
        path: Mapping[str, str],
        query: dict[str, Any],
    ) -> None:
        super().__init__(scope, receive)
        self.host = around.host
        self.around = around
        self.path = path
        self.query = query

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self.around.clock.now()

    def find_header(self, name: bytes) -> str | None:
        """The first header of that (lower-case) name."""
        for key, value in self.scope["headers"]:
            if key == name:
                found: bytes = value
                return found.decode("latin-1")
        return None

    async def read_json(self, *, unique_keys: bool = False) -> object:
        """The body, decoded. Raises Invalid, TooLarge, MediaTypeRefused."""
        return self._decode(await self.read_body(), unique_keys=unique_keys)

    async def read_document(self) -> object:
        """The body, JSON or YAML as it is declared, decoded; keys must be unique. Raises as `read_json`."""
        if not is_yaml(self.find_header(b"content-type") or ""):
            return await self.read_json(unique_keys=True)
        body = await self.read_body(yaml_too=True)
        limits = self.around.limits
        bounds = {"max_bytes": limits.body_bytes, "max_depth": limits.json_depth}
        if len(body) <= MOST_AT_ONCE_BYTES:
            return decode_yaml(body, **bounds)
        return await asyncio.to_thread(decode_yaml, body, **bounds)

    def _decode(self, body: bytes, *, unique_keys: bool = False) -> object:
        limits = self.around.limits
        return decode_json(
            body, max_bytes=limits.body_bytes, max_depth=limits.json_depth, unique_keys=unique_keys
        )

    async def read_optional_json(self) -> object:
        """The body decoded, or None where nothing was sent. Raises as `read_json`."""
        if not self._has_body():
            return None
        body = await self.read_body()
        return self._decode(body) if body else None

    async def read_body(self, *, yaml_too: bool = False) -> bytes:
        """The body's bytes, never more than the limit. Raises TooLarge, MediaTypeRefused."""
        most = self.around.limits.body_bytes
        self._check_head(most, yaml_too)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > most:
                _refuse_size(most)
            return body
        return await self._read_rest(message, most)

    def _has_body(self) -> bool:
        if self.find_header(b"transfer-encoding") is not None:
            return True
        return self.find_header(b"content-length") not in (None, "0")

    async def _read_rest(self, message: Mapping[str, Any], most: int) -> bytes:
        parts = bytearray()
        while True:
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            parts += message.get("body", b"")
            if len(parts) > most:
                _refuse_size(most)
            if not message.get("more_body"):
                return bytes(parts)
            message = await self._receive()

    def _check_head(self, most: int, yaml_too: bool) -> None:
        for key, value in self.scope["headers"]:
            if key == b"content-type":
                if value != b"application/json":
                    check_media_type(value.decode("latin-1"), yaml_too=yaml_too)
            elif key == b"content-length":
                if value.isdigit() and int(value[:20]) > most:
                    _refuse_size(most)
            elif key == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise MediaTypeRefused("Compressed bodies are not read; send the body as it is.")


def is_yaml(declared: str) -> bool:
    """Whether the media type is one of YAML's."""
    return declared.partition(";")[0].strip().lower() in YAML_TYPES


def check_media_type(declared: str, *, yaml_too: bool = False) -> None:
    """Accept JSON in UTF-8, by any of its media types, and YAML where that is read. Raises MediaTypeRefused with what to
    send instead."""
    media_type, _, rest = declared.partition(";")
    kind = media_type.strip().lower()
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    if is_json or (yaml_too and kind in YAML_TYPES):
        charset = rest.partition("charset=")[2].partition(";")[0].strip().strip('"').lower()
        if charset not in ("", "utf-8", "utf8", "us-ascii"):
            raise MediaTypeRefused(f"The body must be UTF-8, not {charset[:40]}.")
    elif "yaml" in kind:
        raise MediaTypeRefused(
            f"Only definitions may be YAML ({YAML_TYPES[0]}); send JSON with Content-Type: application/json."
        )
    elif kind == "application/x-www-form-urlencoded":
        raise MediaTypeRefused(
            "The body is declared as a form, as curl -d does by itself; add -H 'Content-Type: application/json'."
        )
    else:
        raise MediaTypeRefused(
            f"The body must be JSON with Content-Type: application/json, not {kind[:100] or 'nothing'}."
        )


class _Json(Response):
    """JSON whose bytes are known: nothing about its headers is to be found out."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Its length and type, and the headers given."""
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]
        for name, value in (headers or _NO_HEADERS).items():
            self.raw_headers.append((name.encode("latin-1"), value.encode("latin-1")))


_NO_HEADERS: Mapping[str, str] = {}


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return _Json(_encode(data), status, headers)


def _refuse_size(most: int) -> NoReturn:
    raise TooLarge(f"The body has more than {most:,} bytes, the most that is taken.")
