"""Workflows over HTTP: registering, checking, reading, drawing and archiving definitions."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.responses import Response

from tenuto.api import query, shapes
from tenuto.api.call import YAML_TYPES, Call, answer
from tenuto.api.pictures import FORMATS, picture
from tenuto.api.routing import Reply, Route
from tenuto.core.definition import Definition
from tenuto.core.drawing import data
from tenuto.core.graph import Graph, compile_graph
from tenuto.core.validate import Warning_
from tenuto.ports.store import WorkflowVersion

TAG = "Workflows"
MOST_AT_ONCE_BYTES = 100_000
"""Larger definitions are not compiled on the event loop."""


async def register(call: Call) -> Response:
    """Keep a definition as a version; the same content again answers the version there is."""
    registration = await call.host.register(await call.read_document())
    told = {
        "success": True,
        "workflowId": registration.workflow_id,
        "version": registration.version,
        "warnings": _warnings(registration.warnings),
    }
    where = {"location": f"/workflows/{registration.workflow_id}?version={registration.version}"}
    return answer(told, 201 if registration.created else 200, where)


async def validate(call: Call) -> Response:
    """Check a definition, keep nothing."""
    warnings = await call.host.validate(await call.read_document())
    return answer({"valid": True, "warnings": _warnings(warnings)})


async def list_workflows(call: Call) -> Response:
    """The newest version of each workflow."""
    return answer([_served(version) for version in await call.host.list_workflows(call.query["q"])])


async def get_workflow(call: Call) -> Response:
    """One definition."""
    return answer(_served(await _find(call)))


async def list_versions(call: Call) -> Response:
    """All versions of one workflow, oldest first."""
    versions = await call.host.list_versions(call.path["workflowId"])
    return answer([_row(version) for version in versions])


async def archive(call: Call) -> Response:
    """Hide a workflow from lists and from starts that name no version."""
    workflow_id = call.path["workflowId"]
    await call.host.archive_workflow(workflow_id)
    return answer({"success": True, "workflowId": workflow_id})


async def draw(call: Call) -> Response:
    """The DAG as data or as a picture."""
    stored = await _find(call)
    is_large = len(stored.definition) > MOST_AT_ONCE_BYTES
    graph = await asyncio.to_thread(_compile, stored) if is_large else _compile(stored)
    if call.query["format"] == "json":
        return answer(data(graph))
    return await picture(call.query["format"], graph)


def _compile(stored: WorkflowVersion) -> Graph:
    return compile_graph(msgspec.json.decode(stored.definition, type=Definition), stored.version)


async def _find(call: Call) -> WorkflowVersion:
    """The version that path and query name: `id`, `id@2` or `?version=2`. Raises NotFound."""
    workflow_id, _, version = call.path["workflowId"].partition("@")
    return await call.host.get_workflow(workflow_id, int(version) if version else call.query["version"])


def _served(version: WorkflowVersion) -> msgspec.Raw:
    """The stored definition with `version` and `createdAt` beside its own fields, without decoding it."""
    head = version.definition.rstrip()[:-1]
    return msgspec.Raw(head + b',"version":%d,"createdAt":%d}' % (version.version, version.created_at))


def _row(version: WorkflowVersion) -> dict[str, Any]:
    return {
        "workflowId": version.workflow_id,
        "version": version.version,
        "digest": version.digest,
        "createdAt": version.created_at,
        "archived": version.archived,
    }


def _warnings(warnings: list[Warning_]) -> list[dict[str, str]]:
    return [warning._asdict() for warning in warnings]


_VERSION = query.integer("version", "the version; the newest if not given", 1, 999_999_999)
_JSON_OR_YAML = ("application/json", YAML_TYPES[0])
_INVALID = Reply(400, "the definition has problems, all of them listed", shapes.ProblemDetails)

ROUTES = (
    Route(
        "POST", "/workflows", register, tag=TAG, summary="Register a workflow",
        description="Checks the definition as a whole. Other content for the same id makes the next version; the same "
        "content answers the version there is.",
        body=Definition, body_media_types=_JSON_OR_YAML,
        replies=[
            Reply(201, "a new version", shapes.Registered, headers=(("Location", "the version's path"),)),
            Reply(200, "the same content was there already", shapes.Registered,
                  headers=(("Location", "the version's path"),)),
            _INVALID,
        ],
    ),
    Route(
        "POST", "/workflows/validate", validate, tag=TAG, summary="Check a definition, keep nothing", body=Definition,
        body_media_types=_JSON_OR_YAML,
        replies=[Reply(200, "no problems", shapes.Validated), _INVALID],
    ),
    Route(
        "GET", "/workflows", list_workflows, tag=TAG, summary="List workflows", description=
        "The newest version of each workflow that is not archived, by id.",
        parameters=[query.text("q", "found in the id or the name")],
        replies=[Reply(200, "definitions", list[shapes.Workflow])],
    ),
    Route(
        "GET", "/workflows/{workflowId}", get_workflow, tag=TAG, summary="Get a definition",
        description="`id@2` in the path names a version as `?version=2` does.", parameters=[_VERSION],
        replies=[Reply(200, "the definition", shapes.Workflow)],
    ),
    Route(
        "GET", "/workflows/{workflowId}/versions", list_versions, tag=TAG, summary="List versions, oldest first",
        replies=[Reply(200, "versions", list[shapes.WorkflowVersion])],
    ),
    Route(
        "GET", "/workflows/{workflowId}/graph", draw, tag=TAG, summary="Draw the DAG",
        parameters=[_VERSION, query.choice("format", "how", ("json", *FORMATS), "json")],
        replies=[Reply(200, "the DAG", shapes.Graph, ("application/json", *FORMATS.values()))],
    ),
    Route(
        "DELETE", "/workflows/{workflowId}", archive, tag=TAG, summary="Archive a workflow",
        description="Its executions go on, its versions stay readable by number; registering it again revives it.",
        replies=[Reply(200, "archived", shapes.Archived)],
    ),
)  # fmt: skip
