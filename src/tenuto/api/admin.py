"""For those who operate the server: is it there, does it take work, how is it doing."""

from __future__ import annotations

from starlette.responses import Response

from tenuto import __version__
from tenuto.api import shapes
from tenuto.api.call import Call, answer
from tenuto.api.routing import Reply, Route
from tenuto.observability.metrics import CONTENT_TYPE

TAG = "Operations"

_WELCOME = f"""Tenuto {__version__}: workflows as JSON, run durably.

POST /workflows           register a workflow
POST /executions/start    start an execution
GET  /executions          list executions
GET  /docs                every call, described
GET  /openapi.json        the same for programs
"""


async def welcome(call: Call) -> Response:
    """A few lines for whoever asks with curl."""
    return Response(_WELCOME, media_type="text/plain")


async def health(call: Call) -> Response:
    """The process answers."""
    return answer({"status": "ok"})


async def ready(call: Call) -> Response:
    """The server takes work: its store could be written now."""
    await call.host.ready()
    return answer({"status": "ready", "actions": call.host.actions()})


async def metrics(call: Call) -> Response:
    """Metrics for Prometheus."""
    return Response(call.around.metrics.text(), 200, {"content-type": CONTENT_TYPE})


ROUTES = (
    Route("GET", "/", welcome, tag=TAG, summary="A few lines of text",
          replies=[Reply(200, "what this is", str, ("text/plain",))]),
    Route("GET", "/healthz", health, tag=TAG, summary="Is the process alive",
          replies=[Reply(200, "it is", shapes.Health)]),
    Route("GET", "/readyz", ready, tag=TAG, summary="Does the server take work",
          replies=[Reply(200, "it does", shapes.Ready)]),
    Route("GET", "/metrics", metrics, tag=TAG, summary="Metrics for Prometheus",
          replies=[Reply(200, "Prometheus' text format", str, ("text/plain",))]),
)  # fmt: skip
