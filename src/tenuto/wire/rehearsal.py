"""Rehearsals as they are asked for: what attempts come to, what people and others do, and what is expected of it; the
body of a call, a file of cases, and what a simulation is told.

What concerns one field alone is checked here, with every problem at once; whether the steps that are named are there is
known only beside the definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from tenuto.core.definition import Id, Millis, Tags, Targets, expects
from tenuto.core.path import Path, path_text
from tenuto.errors import Invalid, Problem
from tenuto.wire.requests import Body, Reader, Text

START_TIME = 1_767_225_600_000
"""When rehearsals begin that do not say: 2026-01-01T00:00:00Z, in ms since the epoch."""

MOST_MOCKS = 10_000
MOST_EVENTS = 1_000

StepName = Annotated[
    str,
    Meta(min_length=1, max_length=400, extra_json_schema=expects("a step's id, or of one item `id[3]`")),
]
ErrorType = Annotated[str, Meta(min_length=1, max_length=200, description="as `http.503`")]
Instant = Annotated[int, Meta(ge=0, le=4_102_444_800_000, description="ms since the epoch")]


class MockError(Body, frozen=True, kw_only=True):
    """An error that an attempt, or a step, comes to."""

    type: ErrorType
    message: Annotated[str, Meta(max_length=2000)] = "as the rehearsal has it"
    details: Any = None


AnError = MockError | ErrorType


class Mock(Body, frozen=True, kw_only=True):
    """What an attempt comes to after `delay` ms: a `result`, an `error`, or (`hang`) nothing, so that it runs into its
    timeout. Of a decision with cases, `choose` names the steps it chooses. `items` holds what comes of each item of a map,
    or of each round of a loop, instead; the last goes on for all that follow."""

    result: Annotated[Any, Meta(description="what it returns")] = UNSET
    error: AnError | UnsetType = UNSET
    delay: Annotated[Millis, Meta(description="how long it takes, in virtual ms")] = 0
    hang: Annotated[bool, Meta(description="it never ends by itself")] = False
    choose: Annotated[Targets, Meta(description="steps that a decision chooses")] | UnsetType = UNSET
    items: (
        Annotated[
            list[Mock | Annotated[list[Mock], Meta(min_length=1, max_length=1000)]],
            Meta(min_length=1, max_length=MOST_MOCKS, description="by item or round"),
        ]
        | UnsetType
    ) = UNSET


Attempts = Mock | Annotated[list[Mock], Meta(min_length=1, max_length=1000)]
"""What the attempts of a step come to: each the same, or one after the other, of which the last goes on."""


class Event(Body, frozen=True, kw_only=True):
    """Something that comes from outside: a signal, what a person says of a step, or a verb for the execution. It comes at
    the instant `at` (virtual ms since the start); or, where that is not said, as soon as the step waits for it and
    `after` ms later."""

    at: Annotated[Millis, Meta(description="virtual ms since the start")] | UnsetType = UNSET
    after: Annotated[Millis, Meta(description="virtual ms since it is waited for")] | UnsetType = UNSET
    signal: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    approve: StepName | UnsetType = UNSET
    reject: StepName | UnsetType = UNSET
    complete: StepName | UnsetType = UNSET
    fail: StepName | UnsetType = UNSET
    skip: StepName | UnsetType = UNSET
    retry: StepName | UnsetType = UNSET
    execution: Literal["cancel", "terminate", "pause", "resume", "retry"] | UnsetType = UNSET
    payload: Any = UNSET
    data: Any = UNSET
    comment: Text | UnsetType = UNSET
    result: Any = UNSET
    error: AnError | UnsetType = UNSET
    by: Text = "somebody"
    reason: Text | UnsetType = UNSET
    refused: Annotated[bool, Meta(description="it is expected to be refused")] = False

    @property
    def verb(self) -> str:
        """Which of the verbs it is."""
        return next(verb for verb in GOES_WITH if getattr(self, verb) is not UNSET)


GOES_WITH: dict[str, frozenset[str]] = {
    "signal": frozenset({"payload"}),
    "approve": frozenset({"comment", "data"}),
    "reject": frozenset({"comment", "data"}),
    "complete": frozenset({"result", "reason"}),
    "fail": frozenset({"error", "reason"}),
    "skip": frozenset({"reason"}),
    "retry": frozenset({"reason"}),
    "execution": frozenset({"reason"}),
}
"""The verbs of events, and what may be said with each."""


class Expectations(Body, frozen=True, kw_only=True):
    """What a rehearsal must come to. `steps` gives statuses, with the reason (`skipped branch_not_taken`) or the error's
    type (`failed http.503`) where that matters; `order` pairs of which the first ends before the second begins; `calls`
    how often a step's action was performed; `never` steps that do not begin."""

    status: Literal["pending", "running", "paused", "completed", "failed", "cancelled"] | UnsetType = UNSET
    error: (
        Annotated[str, Meta(max_length=200, description="the type of the execution's error")] | UnsetType
    ) = UNSET
    steps: Annotated[dict[StepName, str], Meta(max_length=MOST_MOCKS)] = field(default_factory=dict)
    results: Annotated[dict[StepName, Any], Meta(max_length=MOST_MOCKS)] = field(default_factory=dict)
    output: Any = UNSET
    order: Annotated[
        list[Annotated[list[StepName], Meta(min_length=2, max_length=2)]], Meta(max_length=MOST_MOCKS)
    ] = field(default_factory=list)
    calls: Annotated[dict[StepName, Annotated[int, Meta(ge=0)]], Meta(max_length=MOST_MOCKS)] = field(
        default_factory=dict
    )
    never: Annotated[tuple[StepName, ...], Meta(max_length=MOST_MOCKS)] = ()
    duration: Annotated[Millis, Meta(description="virtual ms from start to end")] | UnsetType = UNSET


class Case(Body, frozen=True, kw_only=True):
    """One way through a workflow. `fail` names steps of which every attempt fails for good."""

    context: Annotated[dict[str, Any], Meta(description="what it starts with")] = field(default_factory=dict)
    vars: Annotated[dict[str, Any], Meta(description="what steps read as `vars`")] = field(
        default_factory=dict
    )
    tags: Tags = field(default_factory=dict)
    mocks: Annotated[dict[StepName, Attempts], Meta(max_length=MOST_MOCKS)] = field(default_factory=dict)
    events: Annotated[tuple[Event, ...], Meta(max_length=MOST_EVENTS)] = ()
    fail: Annotated[tuple[StepName, ...], Meta(max_length=MOST_MOCKS)] = ()
    until: Annotated[Millis, Meta(description="the last virtual ms; 0 is no limit")] = 0
    start_time: Instant = START_TIME
    expect: Expectations | UnsetType = UNSET


class RehearsalBody(Case, frozen=True, kw_only=True):
    """What to rehearse: a registered version, or, without registering it, the `definition`."""

    definition: dict[str, Any] | UnsetType = UNSET


class NamedCase(Case, frozen=True, kw_only=True):
    """One case of a file."""

    name: Annotated[str, Meta(min_length=1, max_length=1000)]
    expect: Expectations


class CaseFile(Body, frozen=True, kw_only=True):
    """A file of cases. `workflow` is a definition, the path of one, or the id of one that a server has."""

    workflow: Annotated[str, Meta(min_length=1, max_length=4096)] | dict[str, Any]
    cases: Annotated[tuple[NamedCase, ...], Meta(min_length=1, max_length=10_000)]


class SimulationBody(Case, frozen=True, kw_only=True):
    """What a simulation is told: the undisturbed case, and the steps whose executors recognise a repetition."""

    idempotent: tuple[Id, ...] = ()


_SYNONYMS = {
    "input": "context", "mock": "mocks", "signals": "events", "expected": "expect", "takes": "delay", "tests": "cases",
    "step": "complete", "timeout": "hang", "variables": "vars", "definition": "workflow", "output": "result",
}  # fmt: skip
_rehearsal = Reader(RehearsalBody, _SYNONYMS)
_case_file = Reader(CaseFile, _SYNONYMS)
_simulation = Reader(SimulationBody, _SYNONYMS)


def read_rehearsal(document: object) -> RehearsalBody:
    """The document as a rehearsal. Raises Invalid with every problem."""
    body = _rehearsal(document)
    _refuse(_case_problems(body, ()))
    return body


def read_case_file(document: object) -> CaseFile:
    """The document as a file of cases. Raises Invalid with every problem."""
    body = _case_file(document)
    _refuse(problem for i, case in enumerate(body.cases) for problem in _case_problems(case, ("cases", i)))
    return body


def read_simulation(document: object) -> SimulationBody:
    """The document as what a simulation is told. Raises Invalid with every problem."""
    body = _simulation(document)
    _refuse(_case_problems(body, ()))
    return body


def _refuse(problems: Iterator[Problem]) -> None:
    found = list(problems)
    if found:
        raise Invalid(found)


def _case_problems(case: Case, path: Path) -> Iterator[Problem]:
    for name, attempts in case.mocks.items():
        yield from _attempts_problems(attempts, (*path, "mocks", name))
    for i, event in enumerate(case.events):
        yield from _event_problems(event, (*path, "events", i))


def _attempts_problems(attempts: Attempts, path: Path) -> Iterator[Problem]:
    if isinstance(attempts, Mock):
        yield from _mock_problems(attempts, path)
        return
    for i, mock in enumerate(attempts):
        if mock.items is not UNSET:
            message = "`items` stands alone: what the attempts of each item come to is said in it."
            yield _problem((*path, i, "items"), "conflict", message)
        else:
            yield from _mock_problems(mock, (*path, i))


def _mock_problems(mock: Mock, path: Path) -> Iterator[Problem]:
    said = [name for name in ("result", "error", "choose", "items") if getattr(mock, name) is not UNSET]
    said += ["hang"] if mock.hang else []
    if mock.items is not UNSET and mock.delay:
        said.append("delay")
    if len(said) > 1:
        named = " and ".join(f"`{name}`" for name in said)
        yield _problem(path, "conflict", f"{named} contradict each other; an attempt comes to one of them.")
    if mock.items is not UNSET:
        for i, inner in enumerate(mock.items):
            yield from _attempts_problems(inner, (*path, "items", i))


def _event_problems(event: Event, path: Path) -> Iterator[Problem]:
    verbs = [verb for verb in GOES_WITH if getattr(event, verb) is not UNSET]
    if len(verbs) != 1:
        named = (" and " if verbs else ", ").join(f"`{verb}`" for verb in verbs or GOES_WITH)
        message = f"{named} are two events; list them apart." if verbs else f"Expected one of {named}."
        yield _problem(path, "conflict" if verbs else "required", message)
        return
    if event.at is not UNSET and event.after is not UNSET:
        yield _problem(path, "conflict", "`at` and `after` contradict each other; say one of them.")
    if verbs == ["execution"] and event.at is UNSET:
        yield _problem((*path, "at"), "required", "`at` is missing: no step waits for this.")
    for name in ("payload", "data", "comment", "result", "error", "reason"):
        if getattr(event, name) is not UNSET and name not in GOES_WITH[verbs[0]]:
            yield _problem((*path, name), "conflict", f"`{name}` does not go with `{verbs[0]}`.")


def _problem(path: Path, code: str, message: str) -> Problem:
    return Problem(path_text(path), code, message)
