"""Real graphs run to their end in dependency order. `python -m tests.graphs` runs those of 10,000 tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

import tenuto
from tests.graphs.scientific import RECIPES, Disorder, Graph, check_journal, generate, run

TASKS = 250
WITHOUT_EDGES = {"Rnaseq"}
"""What this version of wfcommons generates without a single dependency."""


@pytest.mark.parametrize("recipe", RECIPES)
async def test_a_scientific_workflow_runs_in_dependency_order(recipe: str, tmp_path: Path) -> None:
    graph = generate(recipe, TASKS)
    assert len(graph.parents) > TASKS * 0.7
    assert bool(graph.edges) is (recipe not in WITHOUT_EDGES)
    await run(graph, f"sqlite:///{tmp_path / 'tenuto.db'}")


async def test_disorder_would_be_noticed() -> None:
    steps = [{"id": "a", "action": "task"}, {"id": "b", "action": "task"}]
    lying = Graph({"id": "w", "steps": steps}, {"a": [], "b": ["a"]})
    with pytest.raises(Disorder, match="b was started before a had returned"):
        await run(lying, "memory:")


async def test_disorder_in_the_journal_would_be_noticed() -> None:
    async with tenuto.Engine("memory:") as engine:
        await engine.register_workflow({"id": "w", "steps": [{"id": "a"}, {"id": "b"}]})
        shown = await engine.execute("w")
        lying = Graph({}, {"a": [], "b": ["a"]})
        with pytest.raises(Disorder, match="the start of b stands before a result it depends on"):
            await check_journal(engine, shown["executionId"], lying)
