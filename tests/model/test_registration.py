"""Registration against the model: it takes every workflow that the generator makes, and refuses no step
that could run after all.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec
from hypothesis import given, note, settings

from tenuto.core.definition import Definition
from tenuto.core.validate import check_definition
from tests.model import rules
from tests.model.generate import ACTION, Case, Shape, cases, random_case
from tests.model.plays import ALL, random_play
from tests.model.test_core_agrees import EXAMPLES

KNOWN = (ACTION, "condition", "noop")
ALL_EDGES = Shape(catches=25, counts=20)
CONTRADICTORY = ALL_EDGES._replace(most_steps=5, only_possible=False)


def problems_of(definition: dict[str, Any]) -> list[tuple[str, str]]:
    problems, doubts = check_definition(msgspec.convert(definition, Definition), known_actions=KNOWN)
    return [(path, code) for path, code, _ in (*problems, *doubts)]


def test_every_generated_workflow_is_registered_without_a_doubt() -> None:
    for seed in range(600):
        assert problems_of(random_case(random.Random(seed), ALL_EDGES).definition) == [], f"seed {seed}"


def test_every_play_is_registered_and_doubted_only_for_tolerating_all() -> None:
    for seed in range(200):
        codes = {code for _, code in problems_of(random_play(seed, ALL).definition)}
        assert codes <= {"tolerates_all"}, f"seed {seed}"


def example_of(pattern: str) -> str:
    """An error's type that the pattern covers."""
    return "any" if pattern == "*" else pattern.replace("xx", "00")


def ways_of(step: rules.Step) -> list[tuple[rules.Outcome, rules.Truth]]:
    """Every way in which the step may go once its join is met, with the truth of its `when`."""
    patterns = {pattern for rule in step.get("catch", ()) for pattern in rule["errors"]}
    outcomes: list[rules.Outcome] = [
        rules.FAIL,
        *(("fail", error) for error in sorted(map(example_of, patterns))),
    ]
    if not rules.is_decision(step):
        outcomes.append(rules.SUCCESS)
    elif step.get("action") == "condition":
        outcomes += [("branch", True), ("branch", False)]
    else:
        truths = product((True, False), repeat=len(step["cases"]))
        outcomes += {rules.chosen_by_cases(step, each) for each in truths} - {rules.NO_CASE}
    ways: list[tuple[rules.Outcome, rules.Truth]] = [(outcome, True) for outcome in outcomes]
    return [*ways, (rules.SUCCESS, False)] if "when" in step else ways


def all_predictions(definition: dict[str, Any]) -> Iterator[rules.Prediction]:
    """What each thing that can happen to an execution of the definition brings about."""
    ids = [step["id"] for step in definition["steps"]]
    for ways in product(*map(ways_of, definition["steps"])):
        oracle = {step_id: outcome for step_id, (outcome, _) in zip(ids, ways, strict=True)}
        conditions = {step_id: truth for step_id, (_, truth) in zip(ids, ways, strict=True)}
        yield rules.predict(definition, oracle, conditions)


def ever_met(definition: dict[str, Any]) -> set[str]:
    """The steps whose join is met by something that can happen."""
    joins_unmet = {"branch_not_taken", "upstream_skipped", "upstream_failed", "not_needed"}
    return {
        step_id
        for prediction in all_predictions(definition)
        for step_id, end in prediction.steps.items()
        if isinstance(end, rules.End) and not end.reasons & joins_unmet
    }


@given(cases(CONTRADICTORY))
@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
def test_no_step_is_refused_as_impossible_that_can_run(case: Case) -> None:
    note(f"definition: {case.definition}")
    found = problems_of(case.definition)
    assert {code for _, code in found} <= {"join_never_met", "never_runs"}
    places = [re.match(r"steps\[(\d+)\]", path) for path, _ in found]
    refused = {case.definition["steps"][int(place[1])]["id"] for place in places if place}
    assert not refused & ever_met(case.definition) if refused else not found
