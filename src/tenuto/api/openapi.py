"""The API's description (OpenAPI 3.1), made of the route table and of the types' JSON Schemas, so that it cannot drift from
what the server does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tenuto import __version__
from tenuto.api import shapes
from tenuto.api.problems import PROBLEM_JSON
from tenuto.api.query import Parameter
from tenuto.api.routing import PLACEHOLDERS, Reply, Route
from tenuto.wire.definitions import SERVED

_REF = "#/components/schemas/{name}"

_INVALID = Reply(400, "something in the request does not fit; all of it is listed", shapes.ProblemDetails)
_NOT_FOUND = Reply(404, "there is nothing of that name", shapes.ProblemDetails)
_TOO_LARGE = Reply(413, "the body has too many bytes", shapes.ProblemDetails)
_NOT_JSON = Reply(415, "the body is not declared as JSON", shapes.ProblemDetails)
_UNAVAILABLE = Reply(
    503,
    "the store cannot be reached or written just now",
    shapes.ProblemDetails,
    headers=(("Retry-After", "seconds"),),
)


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    schemas = _Schemas(routes)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tenuto",
            "version": __version__,
            "description": "Workflows as JSON, run durably. Instants are integers in milliseconds since the epoch, durations "
            "in milliseconds. Errors are problem details (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {"schemas": schemas.components},
    }


class _Schemas:
    """The JSON Schema of every type that the routes name, and the components they share."""

    def __init__(self, routes: Iterable[Route]) -> None:
        types: dict[Any, None] = {shapes.ProblemDetails: None}
        for route in routes:
            if route.body is not None:
                types[route.body] = None
            for reply in route.replies:
                types.update(dict.fromkeys(_types(reply)))
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._of: dict[Any, dict[str, Any]] = dict(zip(types, schemas, strict=True))
        self.components["Definition"]["properties"].update(SERVED)

    def of(self, content: Any) -> dict[str, Any]:
        """The schema of a type, or of a tuple of alternatives."""
        if isinstance(content, tuple):
            return {"anyOf": [self._of[alternative] for alternative in content]}
        return self._of[content]


def replies_of(route: Route) -> list[Reply]:
    """What the route answers: what it names itself, and what every call of its kind may answer."""
    common = [_INVALID, _UNAVAILABLE]
    if "{" in route.path:
        common.append(_NOT_FOUND)
    if route.body is not None:
        common += [_TOO_LARGE, _NOT_JSON]
    own = {reply.status for reply in route.replies}
    return sorted(
        [*route.replies, *(reply for reply in common if reply.status not in own)], key=lambda r: r.status
    )


def _types(reply: Reply) -> tuple[Any, ...]:
    if reply.content is None:
        return ()
    return reply.content if isinstance(reply.content, tuple) else (reply.content,)


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "tags": [route.tag],
        "summary": route.summary,
    }
    if route.description:
        operation["description"] = route.description
    parameters = [
        *(_path_parameter(name) for name in re.findall(r"\{(\w+)\}", route.path)),
        *(_parameter(parameter, "query") for parameter in route.parameters),
        *(_parameter(parameter, "header") for parameter in route.header_parameters),
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {media_type: {"schema": schemas.of(route.body)} for media_type in route.body_media_types}
        operation["requestBody"] = {"required": route.body_required, "content": content}
    operation["responses"] = {str(reply.status): _response(reply, schemas) for reply in replies_of(route)}
    return operation


def _operation_id(route: Route) -> str:
    """`POST /executions/{executionId}/cancel` → `postExecutionsExecutionIdCancel`."""
    words = re.findall(r"[A-Za-z]+", route.path)
    return route.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _path_parameter(name: str) -> dict[str, Any]:
    pattern = PLACEHOLDERS[name].pattern
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": pattern.pattern},
    }


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "required": False,
        "schema": parameter.schema,
    }


def _response(reply: Reply, schemas: _Schemas) -> dict[str, Any]:
    response: dict[str, Any] = {"description": reply.meaning}
    if reply.headers:
        response["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in reply.headers
        }
    if reply.status >= 400:
        response["content"] = {PROBLEM_JSON: {"schema": schemas.of(reply.content)}}
    elif reply.media_types:
        response["content"] = {
            media_type: {"schema": schemas.of(reply.content)} if media_type.endswith("json") else {}
            for media_type in reply.media_types
        }
    return response
