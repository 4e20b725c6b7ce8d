"""The bodies that set a limit of a key, and a variable."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tenuto.core.definition import expects
from tenuto.errors import Invalid
from tenuto.wire.requests import Body
from tenuto.wire.schema import Checker

MAX_LIMIT = 100_000


class LimitBody(Body, frozen=True, kw_only=True):
    """How many may hold the key at once."""

    limit: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_LIMIT,
            description="instead of what definitions say; 0 lets nobody in",
            extra_json_schema=expects(f"a whole number from 0 to {MAX_LIMIT:,}"),
        ),
    ]


class VariableBody(Body, frozen=True, kw_only=True):
    """The value of a variable."""

    value: Annotated[Any, Meta(description="any JSON, null too, of at most 64 KiB")]


_limit = Checker(msgspec.json.schema(LimitBody), synonyms={"max": "limit", "slots": "limit"})
_variable = Checker(msgspec.json.schema(VariableBody))


def read_limit(document: object) -> int:
    """The limit that the document sets. Raises Invalid with every problem."""
    _check(_limit, document)
    return msgspec.convert(
        document, LimitBody, strict=False
    ).limit  # lax only for 5.0 where a whole number stands


def read_variable(document: object) -> Any:
    """The value that the document sets. Raises Invalid with every problem."""
    _check(_variable, document)
    return msgspec.convert(document, VariableBody).value


def _check(checker: Checker, document: object) -> None:
    problems = checker.problems(document)
    if problems:
        raise Invalid(problems)
