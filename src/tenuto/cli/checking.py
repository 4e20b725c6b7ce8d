"""Checking definitions without registering them: here, with the same checker the server has, or at the server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from tenuto.errors import DefinitionInvalid, Problem

Named = tuple[str, Any]
"""A file's name and the document in it."""


class Check(NamedTuple):
    """What checking one definition found."""

    name: str
    problems: list[Problem]
    warnings: list[Problem]

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {
            "file": self.name,
            "valid": not self.problems,
            "errors": [problem._asdict() for problem in self.problems],
            "warnings": [warning._asdict() for warning in self.warnings],
        }


def check_here(documents: Sequence[Named], app: str | None) -> list[Check]:
    """Check in this process; `app` (module:name) adds the executors of somebody's engine. Nothing is stored."""
    return asyncio.run(_check(documents, app))


def check_there(documents: Sequence[Named], url: str) -> list[Check]:
    """Have the server check, which knows what its own executors are."""
    from tenuto.cli.connection import connect
    from tenuto.client import ApiError

    checks = []
    with connect(url) as client:
        for name, document in documents:
            try:
                checked = client.validate(document)
            except ApiError as error:
                if error.status != 400:
                    raise
                checks.append(Check(name, error.errors or [Problem("", "invalid", str(error))], []))
            else:
                doubts = [Problem(doubt.path, doubt.code, doubt.message) for doubt in checked.warnings]
                checks.append(Check(name, [], doubts))
    return checks


async def _check(documents: Sequence[Named], app: str | None) -> list[Check]:
    from tenuto.bootstrap import Settings
    from tenuto.bootstrap.server import make_engine

    checks = []
    async with make_engine(Settings(database="memory:", app=app, script_workers=1)) as engine:
        for name, document in documents:
            try:
                warnings = await engine.node.validate(document)
            except DefinitionInvalid as invalid:
                checks.append(Check(name, invalid.problems, []))
            else:
                checks.append(Check(name, [], [Problem(*warning) for warning in warnings]))
    return checks
