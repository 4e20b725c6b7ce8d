"""What an execution must come to, as rules over edges, read off the language and not off the program.

A definition (plain JSON), an oracle of outcomes and the truth of each `when` go in; the one possible end of
every step and of the execution comes out. The rules are applied until nothing new follows; there is no
queue, no counter and no order of events here, which is the point: the core, which works by counting, is
held against this. Nothing of tenuto may be imported.

Outcomes that are not in the oracle are still to come: their steps are `RUNNING`, and only what already
follows is said. Timing matters to the language in few places ("at once"), and this is how those places are
seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, cast

from tests.model import attempts

Fate = Literal["live", "dead", "blocked"]
Status = Literal["success", "failed", "skipped", "cancelled"]
Kind = Literal["dependencies", "onSuccess", "onFailure", "case", "catch"]
Outcome = (
    Literal["success", "fail", "skip"]
    | tuple[Literal["fail"], str]
    | tuple[Literal["branch"], bool]
    | tuple[Literal["chose"], tuple[str, ...]]
)
"""`fail` is a failure whose error type does not matter (`unknown`), `skip` what a person has done with a step."""

Truth = bool | Literal["error"]
Step = Mapping[str, Any]

SUCCESS: Outcome = "success"
FAIL: Outcome = "fail"
NO_CASE: Outcome = ("fail", "no_case_matched")

UPSTREAM_FAILED = frozenset({"upstream_failed"})
NOT_NEEDED = frozenset({"not_needed"})
CONDITION_FALSE = frozenset({"condition_false"})
MANUAL_SKIP = frozenset({"manual_skip"})
BRANCH_NOT_TAKEN = frozenset({"branch_not_taken"})
UPSTREAM_SKIPPED = frozenset({"upstream_skipped"})


class End(NamedTuple):
    """How a step ended; `reasons` are those that a skip may give; `chosen` is what a successful decision
    chose; `error` is the type of a failure."""

    status: Status
    reasons: frozenset[str] = frozenset()
    chosen: frozenset[str] | None = None
    error: str | None = None

    @property
    def kind(self) -> str:
        """`success`, `failed`, `cancelled`, `benign` (a skip that nothing failed for) or `upstream_failed`."""
        if self.status != "skipped":
            return self.status
        return "upstream_failed" if self.reasons == UPSTREAM_FAILED else "benign"


class Running(NamedTuple):
    """The step must have started; its outcome is not known yet."""


RUNNING = Running()
Standing = End | Running


class Edge(NamedTuple):
    """Source → target; `kind` is the list that it was written in."""

    source: str
    target: str
    kind: Kind


class Prediction(NamedTuple):
    """`steps` holds every step of which something follows; `execution` is None until all have ended."""

    steps: dict[str, Standing]
    execution: Literal["completed", "failed"] | None


# --- steps ---------------------------------------------------------------------------------------------------


def is_decision(step: Step) -> bool:
    """A decision is of type `decision`, or is a `condition` that has somewhere to go."""
    return step.get("type") == "decision" or bool(
        step.get("action") == "condition" and (step.get("onSuccess") or step.get("onFailure"))
    )


def is_critical(step: Step) -> bool:
    """`optional` is short for not critical, and what is said outright counts."""
    return bool(step.get("critical", not step.get("optional", False)))


def continues_on_failure(step: Step) -> bool:
    """`optional` is short for continueOnFailure, and what is said outright counts."""
    return bool(step.get("continueOnFailure", step.get("optional", False)))


def caught_by(step: Step, end: End) -> frozenset[str]:
    """The steps that the failure leads to by `catch`: those of every rule that covers its type."""
    rules = (
        rule
        for rule in step.get("catch", ())
        if end.error is not None and any(attempts.matches(pattern, end.error) for pattern in rule["errors"])
    )
    return frozenset(target for rule in rules for target in rule["next"])


def fails_what_it_is_in(step: Step, end: End) -> bool:
    """Whether the execution, or the container, fails for how this step ended."""
    return end.status == "failed" and is_critical(step) and not caught_by(step, end)


def chosen_by_cases(step: Step, truths: tuple[bool, ...]) -> Outcome:
    """What a decision with cases does when each case's `when` has this truth."""
    matches = [case["next"] for case, true in zip(step.get("cases", ()), truths, strict=True) if true]
    if matches and step.get("mode", "first") == "first":
        return "chose", tuple(matches[0])
    if matches:
        return "chose", tuple(target for following in matches for target in following)
    return ("chose", tuple(step["default"])) if "default" in step else NO_CASE


# --- edges ---------------------------------------------------------------------------------------------------


def edges_of(definition: Mapping[str, Any]) -> list[Edge]:
    """Every edge. Where a control edge joins a pair, a dependency of the same pair does not count."""
    control = {edge for step in definition["steps"] for edge in _control_edges(step)}
    pairs = {(edge.source, edge.target) for edge in control}
    plain = {
        Edge(source, step["id"], "dependencies")
        for step in definition["steps"]
        for source in step.get("dependencies", ())
        if (source, step["id"]) not in pairs
    }
    return sorted(control | plain)


def _control_edges(step: Step) -> list[Edge]:
    by_case = [*(t for case in step.get("cases", ()) for t in case["next"]), *step.get("default", ())]
    return [
        *(Edge(step["id"], target, "onSuccess") for target in step.get("onSuccess", ())),
        *(Edge(step["id"], target, "onFailure") for target in step.get("onFailure", ())),
        *(Edge(step["id"], target, "case") for target in by_case),
        *(Edge(step["id"], target, "catch") for rule in step.get("catch", ()) for target in rule["next"]),
    ]


CONTROL: tuple[Kind, ...] = ("onSuccess", "onFailure", "case", "catch")

FATES: dict[tuple[str, Kind], Fate] = {
    **{(kind, control): "dead" for kind in ("benign", "upstream_failed", "cancelled") for control in CONTROL},
    ("success", "dependencies"): "live",
    ("success", "onSuccess"): "live",
    ("success", "onFailure"): "dead",
    ("success", "catch"): "dead",
    ("failed", "dependencies"): "blocked",
    ("failed", "onSuccess"): "dead",
    ("failed", "onFailure"): "live",
    ("failed", "case"): "dead",
    ("benign", "dependencies"): "dead",
    ("cancelled", "dependencies"): "dead",
    ("upstream_failed", "dependencies"): "blocked",
}
"""What an edge becomes, by how its source ended. A decision that succeeded, a failure that is caught and one
that is let pass are the exceptions, in `fate_of`."""


def fate_of(edge: Edge, source: Step, end: Standing | None) -> Fate | None:
    """Live, dead or blocked; None while the source has not ended."""
    if not isinstance(end, End):
        return None
    if end.status == "success" and end.chosen is not None:
        return "live" if edge.target in end.chosen and edge.kind != "catch" else "dead"
    if end.status == "failed":
        caught = caught_by(source, end)
        if edge.kind == "catch":
            return "live" if edge.target in caught else "dead"
        if edge.kind == "dependencies" and (caught or continues_on_failure(source)):
            return "dead" if is_decision(source) else "live"
    return FATES[end.kind, edge.kind]


# --- joins ---------------------------------------------------------------------------------------------------


class Incoming(NamedTuple):
    """All that a join may look at: the edges into one step with their fates, and how their sources ended."""

    edges: list[Edge]
    fates: list[Fate | None]
    ends: list[End | None]

    @property
    def all_decided(self) -> bool:
        return None not in self.fates

    def some(self, fate: Fate) -> bool:
        return fate in self.fates

    @property
    def only_control(self) -> bool:
        return bool(self.edges) and all(edge.kind != "dependencies" for edge in self.edges)

    @property
    def failed(self) -> list[bool]:
        return [end is not None and end.status == "failed" for end in self.ends]


RUN = "run"
Verdict = Literal["run"] | frozenset[str] | None
"""`run`, the reasons of a skip, or None: not known yet."""


def dead_reasons(incoming: Incoming) -> frozenset[str]:
    """Why a step is skipped that nothing failed for: a branch was not taken, or its sources did not run
    either."""
    sources = (end for end, fate in zip(incoming.ends, incoming.fates, strict=True) if fate == "dead")
    taken_elsewhere = any(end is not None and end.status in ("success", "failed") for end in sources)
    return BRANCH_NOT_TAKEN if taken_elsewhere else UPSTREAM_SKIPPED


def auto(incoming: Incoming) -> Verdict:
    if incoming.only_control and incoming.some("live"):
        return "run"
    if not incoming.all_decided:
        return None
    if incoming.some("blocked"):
        return UPSTREAM_FAILED
    return "run" if incoming.some("live") or not incoming.edges else dead_reasons(incoming)


def all_success(incoming: Incoming) -> Verdict:
    if not incoming.all_decided:
        return None
    if incoming.some("blocked"):
        return UPSTREAM_FAILED
    return dead_reasons(incoming) if incoming.some("dead") else "run"


def none_failed(incoming: Incoming) -> Verdict:
    if not incoming.all_decided:
        return None
    return UPSTREAM_FAILED if incoming.some("blocked") else "run"


def all_done(incoming: Incoming) -> Verdict:
    return "run" if incoming.all_decided else None


def one_success(incoming: Incoming) -> Verdict:
    if incoming.some("live"):
        return "run"
    if not incoming.all_decided:
        return None
    return UPSTREAM_FAILED if incoming.some("blocked") else dead_reasons(incoming) | UPSTREAM_SKIPPED


def one_failed(incoming: Incoming) -> Verdict:
    if any(incoming.failed):
        return "run"
    return NOT_NEEDED if incoming.all_decided else None


def all_failed(incoming: Incoming) -> Verdict:
    if not incoming.all_decided:
        return None
    return "run" if all(incoming.failed) else NOT_NEEDED


def at_least(count: int, incoming: Incoming) -> Verdict:
    """Runs at once; is skipped when it cannot be reached, for a reason that all edges together give: which is
    decided first must not matter."""
    if incoming.fates.count("live") >= count:
        return "run"
    if not incoming.all_decided:
        return None
    return UPSTREAM_FAILED if incoming.some("blocked") else dead_reasons(incoming) | UPSTREAM_SKIPPED


JOINS: dict[str, Callable[[Incoming], Verdict]] = {
    "auto": auto,
    "all_success": all_success,
    "none_failed": none_failed,
    "all_done": all_done,
    "one_success": one_success,
    "one_failed": one_failed,
    "all_failed": all_failed,
}


def join_of(step: Step) -> Callable[[Incoming], Verdict]:
    """The rule that the step's edges must meet."""
    join = step.get("join", "auto")
    return JOINS[join] if isinstance(join, str) else partial(at_least, join["atLeast"])


def gives_up_the_rest(step: Step) -> bool:
    """Whether the other steps before it are given up once its join is met."""
    join = step.get("join", "auto")
    return isinstance(join, Mapping) and bool(join.get("cancelRemaining", False))


# --- the fixed point -----------------------------------------------------------------------------------------


def predict(
    definition: Mapping[str, Any],
    oracle: Mapping[str, Outcome],
    conditions: Mapping[str, Truth | None],
    given: Mapping[str, End] | None = None,
) -> Prediction:
    """All that follows from the outcomes known so far. `oracle` says how each step that runs ends (it is
    asked once for each), `conditions` the truth of each `when` (steps without one are not in it; None is not
    known yet), `given` the ends that are already so, whatever follows."""
    steps: dict[str, Step] = {step["id"]: step for step in definition["steps"]}
    incoming: dict[str, list[Edge]] = {step_id: [] for step_id in steps}
    for edge in edges_of(definition):
        incoming[edge.target].append(edge)
    known: dict[str, Standing] = dict(given or {})
    while new := {
        step_id: standing
        for step_id in steps
        if step_id not in known
        and (standing := _standing(steps, step_id, incoming[step_id], known, oracle, conditions)) is not None
    }:
        known |= new
    return Prediction(known, _execution_end(steps, known))


def _standing(
    steps: Mapping[str, Step],
    step_id: str,
    edges: list[Edge],
    known: Mapping[str, Standing],
    oracle: Mapping[str, Outcome],
    conditions: Mapping[str, Truth | None],
) -> Standing | None:
    sources = [known.get(edge.source) for edge in edges]
    fates = [fate_of(edge, steps[edge.source], end) for edge, end in zip(edges, sources, strict=True)]
    ends = [end if isinstance(end, End) else None for end in sources]
    verdict = join_of(steps[step_id])(Incoming(edges, fates, ends))
    if verdict is None:
        return None
    if verdict != RUN:
        return End("skipped", cast("frozenset[str]", verdict))
    truth = conditions.get(step_id, True)
    if truth is None:
        return RUNNING
    if truth == "error":
        return End("failed", error="expression")
    if not truth:
        return End("skipped", CONDITION_FALSE)
    return _end_of_run(steps[step_id], oracle.get(step_id))


def _end_of_run(step: Step, outcome: Outcome | None) -> Standing:
    if outcome is None:
        return RUNNING
    if outcome == "skip":
        return End("skipped", MANUAL_SKIP)
    if outcome == FAIL:
        return End("failed", error="unknown")
    if outcome[0] == "fail":
        return End("failed", error=cast("str", outcome[1]))
    if not is_decision(step) or outcome == SUCCESS:
        return End("success")
    if outcome[0] == "branch":
        return End("success", chosen=frozenset(step.get("onSuccess" if outcome[1] else "onFailure", ())))
    return End("success", chosen=frozenset(cast("tuple[str, ...]", outcome[1])))


def _execution_end(
    steps: Mapping[str, Step], known: Mapping[str, Standing]
) -> Literal["completed", "failed"] | None:
    ends = {step_id: end for step_id, end in known.items() if isinstance(end, End)}
    if len(ends) < len(steps):
        return None
    failed = any(fails_what_it_is_in(steps[step_id], end) for step_id, end in ends.items())
    return "failed" if failed else "completed"


# --- stopping early, and going on ----------------------------------------------------------------------------


def possible_ends(
    definition: Mapping[str, Any], oracle: Mapping[str, Outcome], conditions: Mapping[str, Truth]
) -> dict[str, frozenset[str]]:
    """For an execution that may stop early (`drain`, `cancel`): which ends each step may have, as
    `End.kind` or `run_cancelled` (never started) or `cancelled` (given up). What happens to each depends on
    timing; this does not."""
    ends = predict(definition, oracle, conditions)
    if ends.execution == "completed":
        return {step_id: frozenset({kind_of(end)}) for step_id, end in ends.steps.items()}
    stopped = {"drain": {"run_cancelled"}, "cancel": {"run_cancelled", "cancelled"}}
    extra = stopped.get(definition.get("onCriticalFailure", "continue"), set())
    return {step_id: frozenset({kind_of(end), *extra}) for step_id, end in ends.steps.items()}


def kind_of(standing: Standing) -> str:
    return standing.kind if isinstance(standing, End) else "running"


def redone_by_retry(definition: Mapping[str, Any], stopped: Mapping[str, str]) -> frozenset[str]:
    """Which steps `retry` of a failed execution does again: critical ones that failed uncaught, those given up or never
    started because it ended, and all that comes after any of them. `stopped` gives each step's end, as
    `possible_ends`."""
    steps: dict[str, Step] = {step["id"]: step for step in definition["steps"]}
    again = {
        step_id
        for step_id, kind in stopped.items()
        if kind in {"cancelled", "run_cancelled"} or (kind == "failed" and is_critical(steps[step_id]))
    }
    edges = edges_of(definition)
    while after := {edge.target for edge in edges if edge.source in again} - again:
        again |= after
    return frozenset(again)
