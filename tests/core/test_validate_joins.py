"""What is proven of joins and results before anything runs, and that the proofs hold of real executions."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from tenuto.core import events as ev
from tenuto.core.ancestry import Ancestry, sure_when_completed
from tenuto.core.definition import Definition
from tenuto.core.outline import Outline
from tenuto.core.proof import find_impossible
from tenuto.core.validate import check_definition
from tenuto.core.whole import Whole
from tests.core.test_validate import Step, condition, decision, noop, problems_of, reader, warnings_of
from tests.model.drive import Drive
from tests.model.generate import Draws, Shape, random_case

IMPOSSIBLE: list[tuple[str, list[Step], tuple[str, str, str]]] = [
    *(
        (
            f"{join} without edges",
            [noop("a", join=join)],
            (
                "steps[0].join",
                "join_never_met",
                f"`{join}` is never met: no step comes before `a`. Give it `dependencies`.",
            ),
        )
        for join in ("one_success", "one_failed", "all_failed")
    ),
    (
        "a dependency on a decision that no case names",
        [decision("a", "b"), noop("b"), noop("c", "a")],
        (
            "steps[2].dependencies[0]",
            "never_runs",
            "`c` can never run: the decision `a` only leads to steps that it names. Name `c` in a case or in "
            "`default` of `a`.",
        ),
    ),
    (
        "a dependency on a condition with targets",
        [condition("a", ["b"], []), noop("b"), noop("c", "a")],
        (
            "steps[2].dependencies[0]",
            "never_runs",
            "`c` can never run: the decision `a` only leads to steps that it names. Name `c` in `onSuccess` or "
            "`onFailure` of `a`.",
        ),
    ),
    (
        "all of an unchosen way and another",
        [decision("a", "b"), noop("b"), noop("c", "a", "b", join="all_success")],
        (
            "steps[2].dependencies[0]",
            "never_runs",
            "`c` can never run: the decision `a` only leads to steps that it names. Name `c` in a case or in "
            "`default` of `a`.",
        ),
    ),
    (
        "success and failure of one step",
        [noop("a", onSuccess=["b"], onFailure=["b"]), noop("b", join="all_success")],
        (
            "steps[1].join",
            "join_never_met",
            "`all_success` is never met: `a` would have to succeed and to fail; with `join: auto` or `one_success` one "
            "way is enough.",
        ),
    ),
    (
        "what follows success and what handles failure, some steps on",
        [
            noop("a", onFailure=["undo"]),
            noop("next", "a"),
            noop("later", "next"),
            noop("undo"),
            noop("end", "later", "undo", join="all_success"),
        ],
        (
            "steps[4].join",
            "join_never_met",
            "`all_success` is never met: `a` would have to succeed and to fail; with `join: auto` or `one_success` one "
            "way is enough.",
        ),
    ),
    (
        "both branches of a condition",
        [condition("a", ["b"], ["c"]), noop("b"), noop("c"), noop("d", "b", "c", join="all_success")],
        (
            "steps[3].join",
            "join_never_met",
            "`all_success` is never met: the ways out of the decision `a` that lead here are never taken together; with "
            "`join: auto` or `one_success` one way is enough.",
        ),
    ),
    (
        "two cases of a decision that takes the first",
        [
            decision("a", cases=[{"when": "1", "next": ["b"]}, {"when": "2", "next": ["c"]}]),
            noop("b"),
            noop("c"),
            noop("d", "b", "c", join="all_success"),
        ],
        (
            "steps[3].join",
            "join_never_met",
            "`all_success` is never met: the ways out of the decision `a` that lead here are never taken together; with "
            "`join: auto` or `one_success` one way is enough.",
        ),
    ),
    (
        "a case and the default",
        [
            decision("a", "b", default=["c"], mode="all"),
            noop("b"),
            noop("c"),
            noop("d", "b", "c", join="all_success"),
        ],
        (
            "steps[3].join",
            "join_never_met",
            "`all_success` is never met: the ways out of the decision `a` that lead here are never taken together; with "
            "`join: auto` or `one_success` one way is enough.",
        ),
    ),
    (
        "failure of two steps that never both run",
        [condition("a", ["b"], ["c"]), noop("b"), noop("c"), noop("d", "b", "c", join="all_failed")],
        (
            "steps[3].join",
            "join_never_met",
            "`all_failed` is never met: the ways out of the decision `a` that lead here are never taken together.",
        ),
    ),
]


@pytest.mark.parametrize(
    ("steps", "problem"), [case[1:] for case in IMPOSSIBLE], ids=[case[0] for case in IMPOSSIBLE]
)
def test_what_can_never_run_is_refused(steps: list[Step], problem: tuple[str, str, str]) -> None:
    assert [tuple(found) for found in problems_of(*steps)] == [problem]


POSSIBLE: list[tuple[str, list[Step]]] = [
    (
        "branches meet again under auto",
        [condition("a", ["b"], ["c"]), noop("b"), noop("c"), noop("d", "b", "c")],
    ),
    (
        "one of two branches is enough",
        [condition("a", ["b"], ["c"]), noop("b"), noop("c"), noop("d", "b", "c", join="one_success")],
    ),
    (
        "two cases of a decision that takes all",
        [
            decision("a", mode="all", cases=[{"when": "1", "next": ["b"]}, {"when": "2", "next": ["c"]}]),
            noop("b"),
            noop("c"),
            noop("d", "b", "c", join="all_success"),
        ],
    ),
    (
        "steps that one case leads to",
        [decision("a", "b", "c", default=[]), noop("b"), noop("c"), noop("d", "b", "c", join="all_success")],
    ),
    (
        "a failure that does not stop what follows",
        [
            noop("a", continueOnFailure=True, onFailure=["undo"]),
            noop("next", "a"),
            noop("undo"),
            noop("end", "next", "undo", join="all_success"),
        ],
    ),
    (
        "an unchosen way beside another",
        [decision("a", "b"), noop("b"), noop("c", "a", "b")],
    ),
    ("all_done of an unchosen way", [decision("a", "b"), noop("b"), noop("c", "a", join="all_done")]),
    ("all_success without edges", [noop("a", join="all_success")]),
]


@pytest.mark.parametrize("steps", [case[1] for case in POSSIBLE], ids=[case[0] for case in POSSIBLE])
def test_what_may_run_is_not_refused(steps: list[Step]) -> None:
    assert problems_of(*steps) == []


def test_what_follows_from_an_impossible_step_is_not_told_again() -> None:
    steps = [noop("a", join="one_failed"), noop("b", "a"), noop("c", "b", join="all_success")]
    assert [problem.path for problem in problems_of(*steps)] == ["steps[0].join"]


DOUBTFUL: list[tuple[str, list[Step], str]] = [
    ("of a step with a condition",
     [noop("a", when="context.x"), noop("b", "a"), reader("c", "{{ context.a }}", "b", join="all_done")], "c"),
    ("of a step that may fail", [noop("a", optional=True), reader("b", "{{ context.a }}", "a")], "b"),
    ("of the step whose failure it handles", [noop("a", onFailure=["b"]), reader("b", "{{ steps.a.result }}")], "b"),
    ("of one branch, after both",
     [condition("a", ["b"], ["c"]), noop("b"), noop("c"), reader("d", "{{ context.b }}", "b", "c")], "d"),
    ("when everything is done anyhow", [noop("a"), reader("b", "{{ context.a }}", "a", join="all_done")], "b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "name"), [case[1:] for case in DOUBTFUL], ids=[case[0] for case in DOUBTFUL]
)
def test_a_result_that_may_be_absent_is_a_warning(steps: list[Step], name: str) -> None:
    (warning,) = warnings_of(*steps)
    assert (warning.code, warning.path.endswith("params.result")) == ("may_be_absent", True)
    assert f"`{name}` can run although" in warning.message


SURE: list[tuple[str, list[Step]]] = [
    ("in a chain", [noop("a"), noop("b", "a"), reader("c", "{{ context.a }}", "b")]),
    ("behind a guard", [noop("a", optional=True), reader("b", "{{ context.a ?? 1 }} {{ context.a?.x }}", "a")]),
    ("of the status alone", [noop("a", optional=True), reader("b", "{{ steps.a.status }} {{ steps.a.error }}", "a")]),
    ("before both branches", [noop("z"), condition("a", ["b"], ["c"], dependencies=["z"]), noop("b"), noop("c"),
                              reader("d", "{{ context.z }}", "b", "c")]),
    ("of the step that must succeed beside one that may be skipped",
     [noop("a"), noop("b", when="context.x"), reader("c", "{{ context.a }}", "a", "b")]),
    ("of all that must succeed",
     [noop("a", when="context.x"), noop("b"), reader("c", "{{ context.a }}", "a", "b", join="all_success")]),
]  # fmt: skip


@pytest.mark.parametrize("steps", [case[1] for case in SURE], ids=[case[0] for case in SURE])
def test_a_result_that_is_surely_there_is_no_warning(steps: list[Step]) -> None:
    assert warnings_of(*steps) == []


def test_the_output_is_warned_of_steps_that_a_completed_execution_may_lack() -> None:
    steps = [noop("a"), noop("b", "a", critical=False), noop("c", "b"), noop("d", when="context.x")]
    output = {name: f"{{{{ context.{name} }}}}" for name in "abcd"}
    assert [warning.path for warning in warnings_of(*steps, output=output)] == [
        "output.b",
        "output.c",
        "output.d",
    ]


JOINS: tuple[Any, ...] = (
    "auto", "all_success", "none_failed", "all_done", "one_success", "one_failed", "all_failed", {"atLeast": 1},
    {"atLeast": 2}, {"atLeast": 3}, {"atLeast": 1, "cancelRemaining": True}, {"atLeast": 2, "cancelRemaining": True},
)  # fmt: skip
ALL_EDGES = Shape(catches=25, counts=20)


def proofs_of(definition: Definition) -> tuple[set[str], Outline, Ancestry]:
    """The steps that are proven never to run, and what is sure of the others."""
    outline = Whole(definition).root
    steps = {finding.path[1]: finding for finding in find_impossible(outline)}
    impossible = {outline.steps[i].id for i in steps if isinstance(i, int)}
    return impossible, outline, Ancestry(outline, range(len(outline.steps)))


def hold_proofs_against(seed: int, shape: Shape = ALL_EDGES) -> tuple[int, int]:
    """Run a random workflow and hold what was proven of it against what happened. How many proofs were tried."""
    draws = random.Random(seed)
    case = random_case(draws, shape)
    incoming = Whole(msgspec.convert(case.definition, Definition)).root.incoming
    for step, links in zip(case.definition["steps"], incoming, strict=True):
        if links and draws.random() < 0.5:
            step["join"] = draws.choice(JOINS)
    impossible, outline, ancestry = proofs_of(msgspec.convert(case.definition, Definition))
    drive = Drive(case, Draws(draws.randint))
    drive.start()
    drive.finish()
    succeeded: set[str] = set()
    sure = 0
    for event in drive.events:
        if isinstance(event, ev.StepStarted):
            assert event.step not in impossible, f"seed {seed}"
            step = outline.index[event.step]
            promised = {s.id for i, s in enumerate(outline.steps) if ancestry.is_sure(i, step)}
            assert promised <= succeeded, f"seed {seed}, {event.step}"
            sure += len(promised)
        elif isinstance(event, ev.StepSucceeded):
            succeeded.add(event.step)
    if drive.state.status == "completed" and not impossible:  # one that is impossible is never registered
        surely = sure_when_completed(outline)
        assert {s.id for s, holds in zip(outline.steps, surely, strict=True) if holds} <= succeeded, (
            f"seed {seed}"
        )
    return len(impossible), sure


def test_proofs_hold_of_random_workflows() -> None:
    tried: list[Any] = [hold_proofs_against(seed) for seed in range(1_500)]
    assert sum(impossible for impossible, _ in tried) > 100
    assert sum(sure for _, sure in tried) > 1_000


def test_random_workflows_have_no_problems_but_joins_that_are_never_met() -> None:
    codes = set()
    for seed in range(500):
        definition = msgspec.convert(random_case(random.Random(seed)).definition, Definition)
        codes |= {problem.code for problem in check_definition(definition, {"scripted"})[0]}
    assert codes <= {"join_never_met"}
