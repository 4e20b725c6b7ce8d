"""Drawings as responses."""

from __future__ import annotations

from starlette.responses import Response

from tenuto.core import drawing
from tenuto.core.graph import Graph
from tenuto.core.state import State

FORMATS = {"mermaid": "text/plain", "dot": "text/vnd.graphviz", "svg": "image/svg+xml"}
"""Each format's media type."""

_DRAW = {"mermaid": drawing.mermaid, "dot": drawing.dot, "svg": drawing.svg}

_SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
"""A picture shows what users wrote, so a browser may run nothing in it."""


def picture(picture_format: str, graph: Graph, state: State | None = None) -> Response:
    """The drawing, with the execution's statuses if a state is given."""
    return Response(_DRAW[picture_format](graph, state), 200, _SAFE, FORMATS[picture_format])
