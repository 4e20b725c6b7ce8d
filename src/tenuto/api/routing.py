"""The route table's types, and finding the route of a request.

Starlette's router tries patterns one by one and knows one route's methods only, so its 405 names the wrong `Allow` where
calls share a path. Here a path leads to all its methods by one look-up for fixed paths and one comparison per pattern
of the same length for the others.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from tenuto.api import query
from tenuto.api.call import Call
from tenuto.api.problems import MethodRefused
from tenuto.api.query import Parameter
from tenuto.core.definition import ID_PATTERN
from tenuto.errors import NotFound
from tenuto.ports.limits import MAX_KEY
from tenuto.wire.bulk import JOB_ID
from tenuto.wire.steps import INSTANCE_ID, SIGNAL_NAME

Handler = Callable[[Call], Awaitable[Response]]

REMEMBERED_QUERIES = 64
"""So many short queries of a route are not checked again when they come again."""

_ID = re.compile(ID_PATTERN)
_VERSIONED_ID = re.compile(ID_PATTERN.removesuffix("$") + r"(@[1-9][0-9]{0,8})?$")


class Placeholder(NamedTuple):
    """What may stand for a name in braces in a path, and what it names."""

    noun: str
    pattern: re.Pattern[str]


PLACEHOLDERS = {
    "workflowId": Placeholder("workflow", _VERSIONED_ID),
    "executionId": Placeholder("execution", _ID),
    "stepId": Placeholder("step", re.compile(INSTANCE_ID)),
    "signalName": Placeholder("signal", re.compile(SIGNAL_NAME)),
    "jobId": Placeholder("bulk job", re.compile(JOB_ID)),
    "scheduleId": Placeholder("schedule", _ID),
    "backfillId": Placeholder("backfill", _ID),
    "limitKey": Placeholder("key", re.compile(rf"^[^\x00-\x1f\x7f]{{1,{MAX_KEY}}}$")),
    "variableName": Placeholder("variable", _ID),
    "messageId": Placeholder("dead webhook", re.compile(r"^[0-9]{1,18}$")),
}


class Reply(NamedTuple):
    """One thing a call may answer: its status, what that means, the type of its JSON (or a tuple of alternatives), and its
    media types."""

    status: int
    meaning: str
    content: Any = None
    media_types: tuple[str, ...] = ("application/json",)
    headers: tuple[tuple[str, str], ...] = ()


class Route:
    """One call of the API, with all that its description says of it."""

    __slots__ = (
        "_queries", "body", "body_media_types", "body_required", "default_query", "description", "handler",
        "header_parameters", "is_stream", "method", "parameters", "path", "replies", "segments", "summary", "tag",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        tag: str,
        summary: str,
        replies: Sequence[Reply],
        description: str = "",
        parameters: Sequence[Parameter] = (),
        header_parameters: Sequence[Parameter] = (),
        body: Any = None,
        body_required: bool = True,
        body_media_types: Sequence[str] = ("application/json",),
        is_stream: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.handler = handler
        self.tag = tag
        self.summary = summary
        self.description = description
        self.replies = tuple(replies)
        self.parameters = tuple(parameters)
        self.header_parameters = tuple(header_parameters)
        self.default_query = query.defaults(parameters)
        self.body = body
        self.body_required = body_required
        self.body_media_types = tuple(body_media_types)
        self.is_stream = is_stream
        self.segments = tuple(path.split("/"))
        self._queries: dict[bytes, dict[str, Any]] = {}

    def read_query(self, raw: bytes) -> dict[str, Any]:
        """The checked query, not to be changed. Raises Invalid."""
        if not raw:
            return self.default_query
        known = self._queries.get(raw)
        if known is None:
            known = query.read(self.parameters, raw)
            if len(self._queries) < REMEMBERED_QUERIES and len(raw) < 100:
                self._queries[raw] = known  # clients ask the same few things over and over
        return known


class Found(NamedTuple):
    """The route of a request and the values of its path's placeholders."""

    route: Route
    path: Mapping[str, str]


Methods = dict[str, Route]


class Table:
    """All routes, ready to be found."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._fixed: dict[str, Methods] = {}
        self._patterns: dict[int, dict[tuple[str, ...], Methods]] = {}
        for route in routes:
            if "{" in route.path:
                group = self._patterns.setdefault(len(route.segments), {})
                group.setdefault(route.segments, {})[route.method] = route
            else:
                self._fixed.setdefault(route.path, {})[route.method] = route

    def find(self, method: str, path: str, segments: tuple[str, ...] | None = None) -> Found:
        """The route for this method and decoded path; HEAD finds GET. `segments` are the parts of a path in which slashes
        were quoted. Raises NotFound, MethodRefused."""
        wanted = "GET" if method == "HEAD" else method
        methods, values = self._look_up(path, segments)
        if wanted in methods:
            _check_ids(values)
            return Found(methods[wanted], values)
        allow = _names_of(methods)
        if not allow:
            raise NotFound(f"There is nothing at {path[:200]}; GET /openapi.json lists every call.")
        listed = ", ".join(allow)
        raise MethodRefused(
            f"{method} is not possible here; {listed} {'are' if len(allow) > 1 else 'is'}.", listed
        )

    def allowed(self, path: str, segments: tuple[str, ...] | None = None) -> list[str]:
        """The methods that the path takes, OPTIONS among them; none where there is no such path."""
        methods, _ = self._look_up(path, segments)
        return _names_of(methods)

    def _look_up(self, path: str, segments: tuple[str, ...] | None) -> tuple[Methods, Mapping[str, str]]:
        """The routes of a path by method, and the values of its placeholders. A fixed path hides what a pattern would
        match, as OpenAPI has it."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, _NOTHING
        segments = segments or tuple(path.split("/"))
        for pattern, methods in self._patterns.get(len(segments), {}).items():
            values = _match(pattern, segments)
            if values is not None:
                return methods, values
        return {}, _NOTHING


_NOTHING: Mapping[str, str] = {}


def _names_of(methods: Methods) -> list[str]:
    if not methods:
        return []
    head = {"HEAD"} if "GET" in methods else set()
    return sorted({*methods, *head, "OPTIONS"})


def _match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    values = {}
    for expected, given in zip(pattern, segments, strict=True):
        if expected == given:
            continue
        if not expected.startswith("{") or not given:
            return None
        values[expected[1:-1]] = given
    return values


def _check_ids(values: Mapping[str, str]) -> None:
    """An id that no thing can have is not looked for. Raises NotFound."""
    for name, value in values.items():
        expected = PLACEHOLDERS[name]
        if not expected.pattern.fullmatch(value):
            raise NotFound(f"There is no {expected.noun} `{value[:128]}`.")
