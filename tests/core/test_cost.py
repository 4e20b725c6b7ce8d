"""An execution of n steps and m edges costs O(n + m), counted in lines of the core that run, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from tenuto.core import apply as folding
from tenuto.core import decide as deciding
from tenuto.core import inputs as inp
from tenuto.core.commands import RunAttempt
from tenuto.core.definition import Definition, StepSpec
from tenuto.core.events import StepError
from tenuto.core.graph import Graph, compile_graph
from tenuto.core.state import State
from tenuto.journal.codec import encode
from tenuto.journal.fold import fold
from tests.core.driven import START, step

SMALL, LARGE = 1_000, 10_000
SLACK = 1.05


def chain(size: int) -> list[StepSpec]:
    """Each step after the one before it."""
    return [step(f"s{i}", *([f"s{i - 1}"] if i else [])) for i in range(size)]


def fan(size: int) -> list[StepSpec]:
    """One, then all but two at once, then one."""
    middle = [f"m{i}" for i in range(size - 2)]
    return [step("first"), *(step(name, "first") for name in middle), step("last", *middle)]


def lattice(size: int) -> list[StepSpec]:
    """Rows of ten, each step after five of the row before."""
    return [
        step(f"s{i}", *(f"s{(i // 10 - 1) * 10 + (i + k) % 10}" for k in range(5) if i >= 10))
        for i in range(size)
    ]


def doomed_chain(size: int) -> list[StepSpec]:
    """A chain whose first step fails: all the others are skipped in one decision."""
    return chain(size)


SHAPES: dict[str, Callable[[int], list[StepSpec]]] = {
    "chain": chain,
    "fan": fan,
    "lattice": lattice,
    "doomed chain": doomed_chain,
}


class Count:
    """Lines of tenuto.core and tenuto.journal that ran."""

    def __init__(self) -> None:
        self.lines = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        name = frame.f_globals.get("__name__", "")
        return self._line if name.startswith(("tenuto.core", "tenuto.journal")) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        self.lines += 1
        return self._line


def graph_of(steps: list[StepSpec]) -> Graph:
    return compile_graph(Definition(id="w", steps=tuple(steps)))


def play(graph: Graph, *, fails: bool = False, at_once: int = 1) -> tuple[State, list[bytes]]:
    """Drive an execution to its end, so many outcomes a decision. Its journal too."""
    state = State(graph)
    running: list[RunAttempt] = []
    journal: list[bytes] = []
    given: list[inp.Input] = [inp.Start("e", {})]
    while given:
        decision = deciding.decide(state, given, START)
        journal.append(encode(START, decision.events))
        running += [command for command in decision.commands if isinstance(command, RunAttempt)]
        taken, running = running[:at_once], running[at_once:]
        outcome = inp.Failed(StepError("x", "no")) if fails else inp.Succeeded(None)
        given = [inp.AttemptEnded(*attempt.key, outcome) for attempt in taken]
    return state, journal


def cost(shape: str, size: int, at_once: int) -> int:
    graph, count = graph_of(SHAPES[shape](size)), Count()
    with count.counting():
        state, _ = play(graph, fails=shape == "doomed chain", at_once=at_once)
    assert state.is_terminal
    return count.lines


@pytest.mark.parametrize("at_once", [1, 250])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_of_an_execution_grows_as_its_steps_and_edges_do(shape: str, at_once: int) -> None:
    assert cost(shape, LARGE, at_once) <= SLACK * LARGE / SMALL * cost(shape, SMALL, at_once)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_of_compiling_and_folding_grows_as_steps_and_edges_do(shape: str) -> None:
    lines = []
    for size in (SMALL, LARGE):
        steps, count = SHAPES[shape](size), Count()
        _, journal = play(graph_of(steps), fails=shape == "doomed chain", at_once=50)
        with count.counting():
            fold(graph_of(steps), journal)
        lines.append(count.lines)
    assert lines[1] <= SLACK * LARGE / SMALL * lines[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_edge_is_decided_once(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decided = 0
    lives = folding._lives

    def counted(*args: Any) -> bool:
        nonlocal decided
        decided += 1
        return lives(*args)

    monkeypatch.setattr(folding, "_lives", counted)
    graph = graph_of(SHAPES[shape](LARGE))
    play(graph, fails=shape == "doomed chain", at_once=100)
    assert decided == sum(len(node.out) for node in graph.nodes)


def test_the_journal_of_a_long_chain_holds_two_events_a_step_and_two_of_the_execution() -> None:
    _, journal = play(graph_of(chain(LARGE)))
    kinds = [record.count(b'"type"') for record in journal]
    assert sum(kinds) == 2 * LARGE + 2
    assert len(journal) == LARGE + 1
    assert max(len(record) for record in journal) < 200
