"""Who plays in a rehearsal: the steps of a workflow by the names that cases give them, and what their attempts come to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import UNSET

from tenuto.core.graph import Block, Graph, Node
from tenuto.core.path import Path, path_text
from tenuto.core.state import StepState
from tenuto.core.suggest import did_you_mean
from tenuto.errors import Invalid, Problem
from tenuto.wire.rehearsal import Attempts, Case, Event, Mock, SimulationBody

_INSTANCE = re.compile(r"(?P<id>[^\[\]]+)(?P<suffix>(?:\[[0-9]{1,9}\])*)")
_INDEX = re.compile(r"\[([0-9]+)\]")


class Part(NamedTuple):
    """A step as it can be named: `depth` is how many maps and loops stand around its attempts, each of which adds an index to
    its id."""

    node: Node
    depth: int


class Cast:
    """The steps of one workflow, by id; of a map or loop without nested steps, what it does for each item."""

    def __init__(self, graph: Graph) -> None:
        self.parts: dict[str, Part] = {}
        self._add(graph.root, 0)
        for block in graph.handlers.values():
            self._add(block, 0)

    def _add(self, block: Block, depth: int) -> None:
        """Recursion follows the nesting of the definition, which is bounded."""
        for node in block.nodes:
            self.parts[node.id] = Part(node, depth)
            if node.undo is not None:
                self._add(node.undo, depth)
            if node.body is not None:
                self._add(node.body, depth + (node.kind in ("map", "loop")))

    def check(self, case: Case) -> None:
        """Raise Invalid with every step of the case that is not there, or cannot do what the case has it do."""
        problems = [*self._mock_problems(case), *self._name_problems(case)]
        if problems:
            raise Invalid(problems)

    def _mock_problems(self, case: Case) -> Iterator[Problem]:
        for name, attempts in case.mocks.items():
            path: Path = ("mocks", name)
            part, problem = self._find(name, path)
            if part is None:
                yield problem
                continue
            yield from _misfits(part, attempts, path, part.depth - len(_indexes(name)))
        for i, name in enumerate(case.fail):
            part, problem = self._find(name, ("fail", i))
            if part is None:
                yield problem
            elif part.node.kind != "task":
                yield Problem(path_text(("fail", i)), "container", _container(part.node))

    def _name_problems(self, case: Case) -> Iterator[Problem]:
        for i, event in enumerate(case.events):
            step = step_of(event)
            if step is not None:
                yield from self._unknown(step, ("events", i, event.verb))
        for i, name in enumerate(case.idempotent if isinstance(case, SimulationBody) else ()):
            yield from self._unknown(name, ("idempotent", i))
        if case.expect is UNSET:
            return
        for kind in ("steps", "results", "calls"):
            for name in getattr(case.expect, kind):
                yield from self._unknown(name, ("expect", kind, name))
        for i, pair in enumerate(case.expect.order):
            for j, name in enumerate(pair):
                yield from self._unknown(name, ("expect", "order", i, j))
        for i, name in enumerate(case.expect.never):
            yield from self._unknown(name, ("expect", "never", i))

    def _unknown(self, name: str, path: Path) -> Iterator[Problem]:
        part, problem = self._find(name, path)
        if part is None:
            yield problem

    def _find(self, name: str, path: Path) -> tuple[Part | None, Problem]:
        match = _INSTANCE.fullmatch(name)
        static = match["id"] if match else name
        part = self.parts.get(static)
        if part is None:
            message = f"There is no step {static!r}.{did_you_mean(static, list(self.parts))}"
            return None, Problem(path_text(path), "unknown_step", message)
        deep = len(_indexes(name))
        if deep > part.depth:
            around = f"{part.depth} of them" if part.depth else "none"
            message = f"{name!r} has {deep} indexes, one for each map or loop around it; there are {around}."
            return None, Problem(path_text(path), "unknown_step", message)
        return part, Problem("", "", "")


class Script:
    """What the attempts of a case come to."""

    def __init__(self, case: Case) -> None:
        self._mocks: Mapping[str, Attempts] = case.mocks
        self._failing = frozenset(case.fail)

    def has_fail(self, step: StepState) -> bool:
        """Whether every attempt of the step is to fail."""
        return step.id in self._failing or step.node.id in self._failing

    def find(self, step: StepState) -> Mock | None:
        """What the step's attempt comes to: what is said of this very item, else of the step. Attempts that were lost
        do not count."""
        if step.id in self._mocks:
            return _attempt(self._mocks[step.id], step)
        attempts = self._mocks.get(step.node.id)
        if attempts is None:
            return None
        for index in _indexes(step.frame.suffix):
            if isinstance(attempts, Mock) and attempts.items is not UNSET:
                attempts = attempts.items[min(index, len(attempts.items) - 1)]
        return _attempt(attempts, step)


def step_of(event: Event) -> str | None:
    """The step that the event speaks of, if it does."""
    name: str | None = getattr(event, event.verb) if event.verb not in ("signal", "execution") else None
    return name


def _attempt(attempts: Attempts, step: StepState) -> Mock:
    if isinstance(attempts, Mock):
        return attempts
    return attempts[min(step.attempts - step.infra, len(attempts)) - 1]


def _indexes(name: str) -> list[int]:
    return [int(index) for index in _INDEX.findall(name)]


def _misfits(part: Part, attempts: Attempts, path: Path, depth: int) -> Iterator[Problem]:
    """What a mock says that this step cannot do. `depth`: so many levels of items there may be below."""
    node = part.node
    if node.kind != "task":
        yield Problem(path_text(path), "container", _container(node))
        return
    for i, mock in enumerate([attempts] if isinstance(attempts, Mock) else attempts):
        here = path if isinstance(attempts, Mock) else (*path, i)
        if mock.items is not UNSET:
            if depth <= 0:
                message = f"No map or loop stands around {node.id!r} that would have these items."
                yield Problem(path_text((*here, "items")), "conflict", message)
                continue
            for j, inner in enumerate(mock.items):
                yield from _misfits(part, inner, (*here, "items", j), depth - 1)
        else:
            yield from _result_misfits(node, mock, here)


def _result_misfits(node: Node, mock: Mock, path: Path) -> Iterator[Problem]:
    is_chooser = node.is_decision and node.spec.action != "condition"
    if mock.result is not UNSET and (is_chooser or node.spec.action in ("set", "finish")):
        what = "`choose` says what a decision chooses" if is_chooser else f"`{node.spec.action}` really runs"
        yield Problem(path_text((*path, "result")), "conflict", f"{what}; it has no other result.")
    if mock.choose is not UNSET:
        if not is_chooser:
            message = f"{node.id!r} is no decision with cases, so it chooses nothing."
            yield Problem(path_text((*path, "choose")), "conflict", message)
            return
        targets = [name for case in node.spec.cases for name in case.next]
        targets += [] if node.spec.default is UNSET else node.spec.default
        for i, name in enumerate(mock.choose):
            if name not in targets:
                message = f"{node.id!r} leads to no step {name!r}.{did_you_mean(name, targets)}"
                yield Problem(path_text((*path, "choose", i)), "unknown_step", message)


def _container(node: Node) -> str:
    return f"{node.id!r} is a {node.kind}: say what comes of the steps inside it."
