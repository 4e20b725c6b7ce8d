"""The examples of the 43 control-flow patterns: their files, and what each is expected to do.

`NN-name.json` is the definition, `NN-name.child.json` one that it starts, `NN-name.expected.yaml` the cases in which it
is shown. Times in a case are milliseconds since the start of the execution, on a clock that jumps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

FOLDER = Path(__file__).parents[2] / "examples" / "patterns"
DEFINITIONS = sorted(file for file in FOLDER.glob("*.json") if not file.name.endswith(".child.json"))
COUNT = 43


class Spec(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of an expectation, as written."""


class Outcome(Spec, frozen=True):
    """What an attempt comes to after `takes` ms: a `result`, or an error of type `error`. Before that it sends the
    signal `signal` to the execution whose id stands in its context under `to`."""

    takes: int = 0
    result: Any = UNSET
    error: str | None = None
    signal: str | None = None
    payload: Any = None
    to: str | None = None


class Happening(Spec, frozen=True):
    """What comes from outside at an instant: a signal by name, or a verb on a step (or, `cancel`, on the execution, with
    its reason). `refused` names the error it is answered with."""

    at: int
    signal: str | None = None
    payload: Any = None
    approve: str | None = None
    reject: str | None = None
    complete: str | None = None
    result: Any = None
    skip: str | None = None
    retry: str | None = None
    cancel: str | None = None
    by: str = "ada"
    reason: str | None = None
    refused: str | None = None


class Expected(Spec, frozen=True):
    """How it must end, by step or instance id.

    `steps`: status and reason of every step at the top, and of any others; `never`: instances that never start.
    `order`: the first has ended before the second starts; `ends`: before the second ends. `together`: all run at some
    instant; `apart`: no two ever do. `starts`: at that instant; `within`: it has ended by then. `executions`: how
    those of each workflow end, which must be all there are; `oneAtATime`: those of this workflow never overlap.
    """

    status: str
    steps: dict[str, str]
    error: str | None = None
    within: int | None = None
    never: list[str] = []
    order: list[tuple[str, str]] = []
    ends: list[tuple[str, str]] = []
    together: list[list[str]] = []
    apart: list[list[str]] = []
    starts: dict[str, int] = {}
    results: dict[str, Any] = {}
    output: Any | UnsetType = UNSET
    executions: dict[str, list[str]] = {}
    one_at_a_time: str | None = None


class Case(Spec, frozen=True):
    """One way through an example: what it starts with, what its attempts come to (by instance id, else step id; a list
    has one for each attempt) and what comes from outside."""

    name: str
    expect: Expected
    context: dict[str, Any] = {}
    mocks: dict[str, Outcome | list[Outcome]] = {}
    events: list[Happening] = []

    def outcome(self, instance: str, attempt: int) -> Outcome:
        """What that attempt comes to."""
        step = instance.partition("[")[0]
        found = self.mocks.get(instance, self.mocks.get(step, Outcome()))
        return found[min(attempt, len(found)) - 1] if isinstance(found, list) else found


class _Cases(Spec, frozen=True):
    cases: list[Case]


def cases_of(definition: Path) -> list[Case]:
    """The cases beside a definition."""
    file = definition.with_name(definition.name.replace(".json", ".expected.yaml"))
    return msgspec.yaml.decode(file.read_bytes(), type=_Cases).cases


def documents_of(definition: Path) -> list[dict[str, Any]]:
    """The definition as JSON data, after it the one it starts."""
    child = definition.with_name(definition.name.replace(".json", ".child.json"))
    files = [definition, child] if child.exists() else [definition]
    return [msgspec.json.decode(file.read_bytes()) for file in files]
