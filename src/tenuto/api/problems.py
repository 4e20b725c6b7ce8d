"""Errors as clients see them: problem details (RFC 9457), and never more than a client should know.

`type` leads to the list of kinds on /docs; `error` repeats the sentence for clients that look nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import structlog
from starlette.responses import Response

from tenuto import errors
from tenuto.errors import Problem

PROBLEM_JSON = "application/problem+json"
_log = structlog.get_logger("tenuto.api")
_encode = msgspec.json.Encoder().encode


class Kind(NamedTuple):
    """One kind of error: its anchor on /docs, its title, its status, and when it comes."""

    slug: str
    title: str
    status: int
    meaning: str


INVALID = Kind(
    "invalid", "Invalid request", 400, "Something in the request does not fit; `errors` names every place."
)
DEFINITION_INVALID = Kind(
    "definition-invalid",
    "Invalid definition",
    400,
    "The workflow definition has problems; nothing of it was registered.",
)
FORBIDDEN = Kind(
    "forbidden", "Forbidden", 403, "Whoever asks may not: not among the approvers, or with a wrong token."
)
NOT_FOUND = Kind("not-found", "Not found", 404, "There is nothing of that name.")
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed", "Method not allowed", 405, "The path exists, the method does not; see `Allow`."
)
CONFLICT = Kind("conflict", "Conflict", 409, "The request contradicts what is already so.")
TOO_LARGE = Kind("too-large", "Too large", 413, "The body has more bytes than the server takes.")
UNSUPPORTED_TYPE = Kind(
    "unsupported-media-type", "Unsupported media type", 415, "The body is not declared as JSON."
)
OVERLOADED = Kind(
    "overloaded",
    "Too many requests",
    429,
    "The server, or the execution, takes no more just now; see `Retry-After`.",
)
INTERNAL = Kind("internal", "Internal error", 500, "A fault of the server; its log says more.")
UNAVAILABLE = Kind(
    "unavailable",
    "Unavailable",
    503,
    "The store cannot be reached or written just now; nothing of the request was kept.",
)

KINDS = (
    INVALID,
    DEFINITION_INVALID,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    CONFLICT,
    TOO_LARGE,
    UNSUPPORTED_TYPE,
    OVERLOADED,
    INTERNAL,
    UNAVAILABLE,
)


class MediaTypeRefused(errors.TenutoError):
    """The body is of a type that the server does not read."""


class MethodRefused(errors.TenutoError):
    """The path exists, but not with this method; `allow` lists those it has."""

    def __init__(self, message: str, allow: str) -> None:
        self.allow = allow
        super().__init__(message)


def problem(
    kind: Kind, detail: str, problems: Sequence[Problem] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """The response for one error; `detail` is a sentence that says what to do where that is known."""
    detail = _sentence(detail)
    body = {
        "type": f"/docs#{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "errors": [p._asdict() for p in problems],
        "error": detail,
    }
    return Response(_encode(body), kind.status, headers, PROBLEM_JSON)


def response_of(error: Exception) -> Response:
    """The response for whatever a handler raised. What nobody foresaw is logged and told as a plain 500."""
    match error:
        case errors.Invalid():
            kind = DEFINITION_INVALID if isinstance(error, errors.DefinitionInvalid) else INVALID
            return problem(kind, _summary(error), error.problems)
        case errors.Forbidden():
            return problem(FORBIDDEN, str(error))
        case errors.NotFound():
            return problem(NOT_FOUND, str(error))
        case errors.Conflict():
            return problem(CONFLICT, str(error))
        case errors.TooLarge():
            return problem(TOO_LARGE, str(error))
        case MediaTypeRefused():
            return problem(UNSUPPORTED_TYPE, str(error))
        case MethodRefused():
            return problem(METHOD_NOT_ALLOWED, str(error), headers={"allow": error.allow})
        case errors.Overloaded():
            return problem(OVERLOADED, str(error), headers={"retry-after": str(error.retry_after_s)})
        case errors.StoreError():
            _log.warning("store unavailable", error=str(error))
            return problem(UNAVAILABLE, str(error), headers={"retry-after": "1"})
        case _:
            _log.error("request failed", exc_info=error)
            return problem(INTERNAL, "Something went wrong in the server; its log says more.")


def _summary(error: errors.Invalid) -> str:
    problems = error.problems
    if len(problems) <= 1:
        return str(error)
    first = problems[0]
    place = f"{first.path}: " if first.path else ""
    return f"{len(problems)} problems; the first: {place}{first.message}"


def _sentence(text: str) -> str:
    """The text with a capital and a full stop, unless it starts with a path."""
    first = text.partition(" ")[0]
    start = text if first.endswith(":") else text[:1].upper() + text[1:]
    return start if start.endswith((".", "?", "!")) else start + "."
