"""What must have happened for a step to run, as far as its edges say: for each step before it, in which of
the ways that it can go it must have gone. Where no way is left, a join asks for a contradiction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import combinations

from tests.model import rules

Needs = Mapping[str, frozenset[str]]
"""Step → ways it may have gone (`ok`, `failed`, of a decision what it took); steps not in it may have gone
any way."""

ALL = frozenset({"all_success", "all_failed"})
IMPOSSIBLE: Needs = {"": frozenset()}
INDIFFERENT = frozenset({"none_failed", "all_done"})


def needs_of(
    step: rules.Step, steps: Mapping[str, rules.Step], edges: Iterable[rules.Edge], known: Mapping[str, Needs]
) -> Needs:
    """What the step needs, by the edges into it; `known` says what each of its sources needs."""
    written = step.get("join", "auto")
    join, count = (written, 0) if isinstance(written, str) else ("atLeast", written["atLeast"])
    ways: dict[str, frozenset[str]] = {}
    for edge in edges:
        counts = _ways_that_count(steps[edge.source], edge, join)
        before = ways.get(edge.source, counts)
        ways[edge.source] = before & counts if join in ALL else before | counts
    of_sources = [both(known[source], {source: how}) for source, how in ways.items()]
    if count:
        return _some(of_sources, count)
    if join in INDIFFERENT or not of_sources:
        return {}
    if join in ALL:
        return reduce(both, of_sources)
    return _any_of(of_sources)


def is_contradiction(needs: Needs) -> bool:
    """Whether some step could have gone no way at all."""
    return not all(needs.values())


def both(one: Needs, other: Needs) -> Needs:
    shared = {step_id: one[step_id] & other[step_id] for step_id in one.keys() & other.keys()}
    return {**one, **other, **shared}


def either(one: Needs, other: Needs) -> Needs:
    return {step_id: one[step_id] | other[step_id] for step_id in one.keys() & other.keys()}


def _some(of_sources: list[Needs], count: int) -> Needs:
    """What `count` of the sources need together, whichever they are."""
    return _any_of([reduce(both, chosen) for chosen in combinations(of_sources, count)])


def _any_of(ways: list[Needs]) -> Needs:
    possible = [needs for needs in ways if not is_contradiction(needs)]
    return reduce(either, possible) if possible else IMPOSSIBLE


def _ways_that_count(source: rules.Step, edge: rules.Edge, join: str) -> frozenset[str]:
    """The ways of the source by which the edge serves the join."""
    if join in ("one_failed", "all_failed"):
        return frozenset({"failed"})
    return frozenset(_live_ways(source, edge.target, edge.kind))


def _live_ways(source: rules.Step, target: str, kind: rules.Kind) -> set[str]:
    if kind == "dependencies":
        if rules.is_decision(source):
            return set()
        passes = rules.continues_on_failure(source) or source.get("catch")
        return {"ok", "failed"} if passes else {"ok"}
    if kind == "catch":
        return {"failed"}
    if kind == "case":
        return _cases_naming(source, target)
    if source.get("action") == "condition":
        return {"true"} if kind == "onSuccess" else {"false", "failed"}
    return {"ok"} if kind == "onSuccess" else {"failed"}


def _cases_naming(source: rules.Step, target: str) -> set[str]:
    naming = {f"case {i}" for i, case in enumerate(source["cases"]) if target in case["next"]}
    if naming and source.get("mode") == "all":  # any of them may hold together
        naming = {"case"}
    return naming | ({"default"} if target in source.get("default", ()) else set())
