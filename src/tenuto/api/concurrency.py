"""Limits that steps and executions share, over HTTP: how they stand, and setting them by hand."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from starlette.responses import Response

from tenuto.api.call import Call, answer
from tenuto.api.routing import Reply, Route
from tenuto.api.shapes import Shape
from tenuto.wire.limits import LimitBody, read_limit

TAG = "Limits and variables"


class SharedLimit(Shape, kw_only=True):
    """How a key stands."""

    key: str
    of: Annotated[
        Literal["steps", "executions"] | None,
        Meta(description="whose slots; null where nobody holds or waits at present"),
    ]
    limit: Annotated[int | None, Meta(description="in force now: the one set by hand, else the lowest named")]
    override: Annotated[int | None, Meta(description="the one set by hand")]
    held: int
    waiting: int


class LimitSet(Shape, kw_only=True):
    """A limit was set by hand, and holds."""

    success: Literal[True]
    key: str
    limit: int


class LimitRemoved(Shape, kw_only=True):
    """The limits of definitions hold again."""

    success: Literal[True]
    key: str


async def list_limits(call: Call) -> Response:
    """Every key in use or set by hand."""
    return answer([limit._asdict() for limit in call.host.limits.list()])


async def put_limit(call: Call) -> Response:
    """Set a limit by hand."""
    key, limit = call.path["limitKey"], read_limit(await call.read_json(unique_keys=True))
    await call.host.limits.put(key, limit)
    return answer({"success": True, "key": key, "limit": limit})


async def remove_limit(call: Call) -> Response:
    """Let the limits of definitions hold again."""
    key = call.path["limitKey"]
    await call.host.limits.remove(key)
    return answer({"success": True, "key": key})


ROUTES = (
    Route(
        "GET", "/limits", list_limits, tag=TAG, summary="List concurrency limits",
        description="Every key that attempts or executions hold or wait for, and every key with a limit set by hand, by "
        "name. Attempts and executions have slots of their own under the same key.",
        replies=[Reply(200, "keys", list[SharedLimit])],
    ),
    Route(
        "PUT", "/limits/{limitKey}", put_limit, tag=TAG, summary="Set a limit by hand",
        description="Holds at once, instead of what definitions say. Whoever holds a slot keeps it. Write a slash in a key "
        "as `%2F`.",
        body=LimitBody, replies=[Reply(200, "it holds", LimitSet)],
    ),
    Route(
        "DELETE", "/limits/{limitKey}", remove_limit, tag=TAG, summary="Take back a limit set by hand",
        replies=[Reply(200, "the limits of definitions hold again", LimitRemoved)],
    ),
)  # fmt: skip
