"""The request bodies about single steps: signals, answers to approvals, and what people and callbacks say of a step."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from msgspec import UNSET, Meta, UnsetType

from tenuto.errors import Invalid, Problem
from tenuto.wire.requests import WHO, Body, Reader, Text

LONGEST_MESSAGE = 10_000
LONGEST_TYPE = 200
BY_HAND, BY_CALLBACK = "manual", "callback"
"""The error type of a failure that names none."""
UNSAID = "the callback reported a failure"

SIGNAL_NAME = r"^[^/\x00-\x1f\x7f]{1,200}$"
INSTANCE_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(:compensate)?(\[[0-9]{1,9}\]){0,32}$"
"""A step's id; in an item or a round with its numbers (`charge[3]`), of a compensation with `:compensate`."""

Person = Annotated[str, Meta(min_length=1, max_length=1000, description="who answers")]
Comment = Annotated[str, Meta(max_length=LONGEST_MESSAGE)]
Message = Annotated[str, Meta(min_length=1, max_length=LONGEST_MESSAGE, description="a sentence")]
ErrorType = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_TYPE, description="what `catch` and `retryOn` match")
]


class SignalBody(Body, frozen=True, kw_only=True):
    """A message to an execution."""

    payload: Annotated[Any, Meta(description="any JSON; the result of the step that takes it")] = None
    by: Text | None = None


class AnswerBody(Body, frozen=True, kw_only=True):
    """A person's answer to an approval step."""

    by: Person
    comment: Comment | None = None
    data: Annotated[Any, Meta(description="what the step's `form` asks for")] = None


class CompleteBody(Body, frozen=True, kw_only=True):
    """What a step returns that a person completes."""

    result: Annotated[Any, Meta(description="any JSON; null if not given")] = None
    by: Text | None = None
    reason: Text | None = None


class ErrorBody(Body, frozen=True, kw_only=True):
    """What a step failed of."""

    type: ErrorType = BY_HAND
    message: Message
    details: Any = UNSET


class FailBody(Body, frozen=True, kw_only=True):
    """What a step fails of that a person has fail: `error`, or its `message` alone."""

    error: ErrorBody | UnsetType = UNSET
    message: Message | UnsetType = UNSET
    by: Text | None = None
    reason: Text | None = None


class Failure(NamedTuple):
    """What a step fails of."""

    type: str
    message: str
    details: Any = None


read_signal = Reader(SignalBody, {"data": "payload", "body": "payload", "user": "by"})
read_answer = Reader(AnswerBody, {"user": "by", "approver": "by", "reason": "comment", "form": "data"})
read_complete = Reader(CompleteBody, {"output": "result", "data": "result", **WHO})
_fail = Reader(FailBody, WHO)


def read_fail(document: object) -> tuple[FailBody, Failure]:
    """The document as who has a step fail, and of what. Raises Invalid with every problem."""
    body = _fail(document)
    if isinstance(body.error, ErrorBody) and isinstance(body.message, str):
        raise Invalid([Problem("message", "conflict", "Give either `error` or `message`, not both.")])
    if isinstance(body.error, ErrorBody):
        details = None if body.error.details is UNSET else body.error.details
        return body, Failure(body.error.type, body.error.message, details)
    if isinstance(body.message, str):
        return body, Failure(BY_HAND, body.message)
    raise Invalid([Problem("message", "required", "`message` is missing; expected a string.")])


def read_failure(document: object) -> Failure:
    """What a callback says a step failed of: `{type?, message}`, a text, or anything at all, which is kept as the
    error's details."""
    if isinstance(document, str) and document:
        return Failure(BY_CALLBACK, document[:LONGEST_MESSAGE])
    if isinstance(document, dict):
        kind, message = document.get("type", BY_CALLBACK), document.get("message")
        if isinstance(kind, str) and 1 <= len(kind) <= LONGEST_TYPE and isinstance(message, str) and message:
            rest = {name: value for name, value in document.items() if name not in ("type", "message")}
            return Failure(kind, message[:LONGEST_MESSAGE], rest or None)
    return Failure(BY_CALLBACK, UNSAID, document or None)
