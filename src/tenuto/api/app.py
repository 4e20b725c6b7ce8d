"""The HTTP application: finds the call, answers it, and turns whatever goes wrong into a problem document.

Pure ASGI, with no middleware between the server and a handler: this is the path of every start of an execution.
"""

from __future__ import annotations

from time import perf_counter
from urllib.parse import unquote

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tenuto.api import docs
from tenuto.api.call import Call, Surroundings
from tenuto.api.limits import Limits
from tenuto.api.problems import response_of
from tenuto.api.routing import Found, Table
from tenuto.observability.metrics import Metrics
from tenuto.ports.bulk import BulkJobs
from tenuto.ports.clock import Clock
from tenuto.ports.host import Host
from tenuto.ports.schedules import Schedules

TABLE = Table(docs.ALL_ROUTES)


def create_app(
    host: Host,
    *,
    schedules: Schedules,
    bulk: BulkJobs,
    clock: Clock,
    metrics: Metrics | None = None,
    limits: Limits | None = None,
) -> Application:
    """The ASGI application over a host, its schedules and bulk jobs, which somebody else opens and closes."""
    return Application(
        Surroundings(
            host=host,
            schedules=schedules,
            bulk=bulk,
            clock=clock,
            limits=limits or Limits(),
            metrics=metrics or Metrics(),
        )
    )


class Application:
    """One ASGI application; see `create_app`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        route = "none"
        try:
            found = _find(scope)
            if isinstance(found, Response):
                response = found
            else:
                route = found.route.path
                response = await self._respond(found, scope, receive)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: whatever is raised becomes a response
            response = response_of(error)
        self._around.metrics.http_request(route, response.status_code, perf_counter() - began)
        await response(scope, receive, without_body(send) if scope["method"] == "HEAD" else send)

    async def _respond(self, found: Found, scope: Scope, receive: Receive) -> Response:
        route = found.route
        if route.is_stream and scope["method"] == "HEAD":
            return Response(media_type=route.replies[0].media_types[0])
        query = route.read_query(scope["query_string"])
        return await route.handler(Call(scope, receive, self._around, found.path, query))


async def _live(receive: Receive, send: Send) -> None:
    """The lifespan protocol, for servers that insist on it."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _find(scope: Scope) -> Found | Response:
    segments = _quoted_segments(scope.get("raw_path") or b"")
    if scope["method"] == "OPTIONS":
        allow = TABLE.allowed(scope["path"], segments)
        if allow:
            return Response(status_code=204, headers={"allow": ", ".join(allow)})
    return TABLE.find(scope["method"], scope["path"], segments)


def _quoted_segments(raw_path: bytes) -> tuple[str, ...] | None:
    """The parts of a path in which a slash is quoted, which its decoded form no longer tells; None where none is."""
    if b"%2F" not in raw_path and b"%2f" not in raw_path:
        return None
    return tuple(unquote(segment) for segment in raw_path.decode("latin-1").partition("?")[0].split("/"))


def without_body(send: Send) -> Send:
    """Send the head of a response only, as HEAD wants it."""

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_head
