"""What a check finds: a problem whose path is still in parts, so that it can be sorted and compared."""

from __future__ import annotations

from typing import NamedTuple

from tenuto.core.path import Path, path_text
from tenuto.errors import Problem


class Finding(NamedTuple):
    """A problem or a doubt: where, a stable code, and a sentence."""

    path: Path
    code: str
    message: str


def as_problem(finding: Finding) -> Problem:
    """The finding with its path as text."""
    return Problem(path_text(finding.path), finding.code, finding.message)
