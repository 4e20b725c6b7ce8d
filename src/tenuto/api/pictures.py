"""Drawings as responses."""

from __future__ import annotations

import asyncio
from functools import partial

from starlette.responses import Response

from tenuto.core import drawing
from tenuto.core.graph import Graph
from tenuto.core.state import State

FORMATS = {"mermaid": "text/plain", "dot": "text/vnd.graphviz", "svg": "image/svg+xml"}
"""Each format's media type."""

MOST_AT_ONCE = 200
"""Pictures of more steps are not drawn on the event loop."""

_DRAW = {"mermaid": drawing.mermaid, "dot": drawing.dot, "svg": drawing.svg}

_SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
"""A picture shows what users wrote, so a browser may run nothing in it."""


async def picture(picture_format: str, graph: Graph, state: State | None = None) -> Response:
    """The drawing, with the execution's statuses if a state is given. A large one is drawn in a thread, so that nobody
    waits for it; a step that moves meanwhile is shown as it was or as it is."""
    draw = partial(_DRAW[picture_format], graph, state)
    drawn = await asyncio.to_thread(draw) if len(graph.all_nodes) > MOST_AT_ONCE else draw()
    return Response(drawn, 200, _SAFE, FORMATS[picture_format])
