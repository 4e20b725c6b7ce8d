"""Rehearsals over HTTP: a workflow played with made-up outcomes, in virtual time."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from tenuto.api import query, shapes
from tenuto.api.call import YAML_TYPES, Call, answer
from tenuto.api.routing import Reply, Route
from tenuto.api.shapes import Shape
from tenuto.errors import DefinitionInvalid, Invalid, Problem
from tenuto.wire.rehearsal import RehearsalBody, read_rehearsal


class RehearsedMoment(Shape, kw_only=True):
    """Something that happened, `at` virtual ms since the start; `step` is null for the execution as a whole."""

    at: int
    step: str | None
    what: str
    detail: str | UnsetType = UNSET


class RehearsedCall(Shape, kw_only=True):
    """An attempt of an action, and the params it was made with."""

    step: str
    attempt: int
    at: int
    action: str
    params: dict[str, Any]


class RehearsedExpectation(Shape, kw_only=True):
    """Something that was expected, and what is so."""

    what: str
    ok: bool
    expected: Any
    actual: Any


class Rehearsed(Shape, kw_only=True):
    """How a rehearsal went. `duration` in virtual ms; `stopped` says why it stands still, where it does not end; `ok`
    whether all expectations are met; `unmocked` are steps that would have asked another system, of which nothing was said."""

    workflow_id: str
    workflow_version: int
    status: str
    duration: int
    stopped: str | UnsetType = UNSET
    ok: bool
    document: shapes.Execution
    timeline: list[RehearsedMoment]
    calls: list[RehearsedCall]
    unmocked: list[str]
    expectations: list[RehearsedExpectation]


async def rehearse(call: Call) -> Response:
    """Play a case."""
    body = read_rehearsal(await call.read_document())
    workflow_id, _, version = call.path["workflowId"].partition("@")
    if body.definition is UNSET:
        number = int(version) if version else call.query["version"]
        return answer(await call.host.rehearsals.rehearse(body, workflow_id=workflow_id, version=number))
    if body.definition.get("id", workflow_id) != workflow_id:
        message = f"The path names the workflow `{workflow_id}`; the definition must have that id."
        raise Invalid([Problem("definition.id", "conflict", message)])
    try:
        return answer(
            await call.host.rehearsals.rehearse(body, definition={"id": workflow_id, **body.definition})
        )
    except DefinitionInvalid as invalid:
        raise DefinitionInvalid([_within(problem) for problem in invalid.problems]) from None


def _within(problem: Problem) -> Problem:
    """The problem, with its place in the body."""
    dot = "." if problem.path and not problem.path.startswith("[") else ""
    return problem._replace(path=f"definition{dot}{problem.path}")


ROUTES = (
    Route(
        "POST", "/workflows/{workflowId}/test", rehearse, tag="Workflows", summary="Rehearse a workflow",
        description="Plays one execution with made-up outcomes, in virtual time, and keeps nothing. Expressions, decisions "
        "and waits really run; steps that would ask another system come to what `mocks` says, or succeed with null and are "
        "listed as `unmocked`. With `definition` the workflow need not be registered.",
        body=RehearsalBody, body_media_types=("application/json", YAML_TYPES[0]),
        parameters=[query.integer("version", "the version; the newest if not given", 1, 999_999_999)],
        replies=[
            Reply(200, "how it went", Rehearsed),
            Reply(400, "the body, the definition or the case has problems, all of them listed", shapes.ProblemDetails),
            Reply(429, "it took too long to play", shapes.ProblemDetails,
                  headers=(("Retry-After", "seconds to wait"),)),
        ],
    ),
)  # fmt: skip
